"""A key names one living record of its space."""

import pytest

from delible import InvalidInput, KeyTaken


def test_a_key_that_is_taken_is_refused_and_nothing_is_written(memory):
    (first,) = memory.write("Ada lives in Porto", key="home")
    with pytest.raises(KeyTaken, match="revise that one"):
        memory.write(["another", {"text": "Ada lives in Lisbon", "key": "home"}])
    assert [record.id for record in memory.list()] == [first.id]
    assert memory.write("Bob lives in Faro", key="home", space="bob")[0].key == "home"


def test_a_key_twice_in_a_batch_is_refused(memory):
    with pytest.raises(KeyTaken):
        memory.write([{"text": "one", "key": "k"}, {"text": "two", "key": "k"}])
    assert memory.list() == []


def test_a_revision_keeps_the_key(memory):
    (old,) = memory.write("Porto", key="home")
    new = memory.revise(old.id, "Lisbon")
    assert new.key == "home" and [r.id for r in memory.list(where={"key": "home"})] == [new.id]
    with pytest.raises(KeyTaken):
        memory.write("Faro", key="home")


def test_an_expired_record_gives_its_key_away(memory, whole):
    (old,) = memory.write("Porto", key="home", expires="2020-01-01T00:00Z")
    (new,) = memory.write("Lisbon", key="home")
    assert [r.id for r in memory.list(where={"key": "home"})] == [new.id]
    assert memory.get(old.id).valid[1] == new.written
    whole(memory)


def test_a_record_of_an_expired_space_gives_its_key_away(memory, whole):
    memory.write("Porto", key="home", space="guest")
    memory.expire("guest", "2020-01-01T00:00Z")
    assert memory.write("Lisbon", key="home", space="guest")
    whole(memory)


def test_a_held_record_keeps_its_key(memory):
    (record,) = memory.write("Porto", key="home")
    memory.hold(record.id, reason="odd")
    with pytest.raises(KeyTaken):
        memory.write("Lisbon", key="home")


def test_a_forgotten_key_is_free(memory):
    (record,) = memory.write("Porto", key="home")
    memory.forget(record.id, reason="asked")
    assert memory.write("Lisbon", key="home")


def test_a_rollback_gives_a_key_back_to_who_had_it(memory, whole):
    (old,) = memory.write("Porto", key="home", expires="2020-01-01T00:00Z")
    then = memory.ledger()[-1].time
    (new,) = memory.write("Lisbon", key="home")
    assert [record.id for record in memory.rollback(then)] == [old.id], "what came since is closed first"
    assert memory.get(new.id).valid[1] is not None
    whole(memory)


@pytest.mark.parametrize("key", ["", " ", "a\x00b", "\ud800", "k" * 1001, 5])
def test_a_key_that_cannot_be_kept_is_refused(memory, key):
    with pytest.raises(InvalidInput):
        memory.write("x", key=key)
    assert memory.list() == []


@pytest.mark.parametrize("key", ["a/b.md", "ключ", "🗝", "%_*", "'; --", "k" * 1000, "a\nb", " a"])
def test_any_other_key_comes_back_as_it_is(memory, key):
    (record,) = memory.write("x", key=key)
    assert memory.get(record.id).key == key and memory.list(where={"key": key})[0].id == record.id
