"""The ledger: append-only, chained by keyed hashes, without text."""

import contextlib
from datetime import UTC, datetime

import pytest

import delible
from delible.core.times import from_micros
from delible.store import ledger
from delible.store.sqlite import SQLite

ID = bytes(range(16))


@pytest.fixture
def store(tmp_path):
    store = SQLite(tmp_path / "agent.mem")
    yield store
    store.close()


@pytest.fixture
def filled(store):
    with store.writing() as connection:
        for verb in ("write", "recall", "hold", "seal", "forget"):
            ledger.append(connection, store.key, "tester", verb, [ID], {"note": 1}, {"records": 1}, b"digest")
    return store


def breaks(store, key=None):
    with store.reading() as connection:
        return list(ledger.chain_breaks(connection, key or store.key))


def test_events_are_numbered_from_one_each_holding_the_hash_of_the_one_before(filled):
    with filled.reading() as connection:
        events = ledger.events(connection)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5] and breaks(filled) == []
    assert [event.previous for event in events] == ["0" * 64, *(event.hash for event in events[:-1])]
    first = events[0]
    assert (first.actor, first.verb, first.kinds, first.counts) == ("tester", "write", {"note": 1}, {"records": 1})
    assert first.digest == b"digest".hex() and first.ids == ("00010203-0405-0607-0809-0a0b0c0d0e0f",)


def test_events_page_by_number(filled):
    with filled.reading() as connection:
        assert [event.seq for event in ledger.events(connection, after=2, limit=2)] == [3, 4]
        assert ledger.events(connection, after=5) == [] and ledger.events(connection, limit=0) == []


CHANGES = {
    "another actor": "UPDATE events SET actor = 'nobody' WHERE seq = 3",
    "another verb": "UPDATE events SET verb = 'read' WHERE seq = 3",
    "another time": "UPDATE events SET time = time + 1 WHERE seq = 3",
    "another id": "UPDATE events SET ids = zeroblob(16) WHERE seq = 3",
    "no id": "UPDATE events SET ids = x'' WHERE seq = 3",
    "other counts": "UPDATE events SET counts = '{}' WHERE seq = 3",
    "other kinds": "UPDATE events SET kinds = '{}' WHERE seq = 3",
    "another digest": "UPDATE events SET digest = x'' WHERE seq = 3",
    "another hash": "UPDATE events SET hash = zeroblob(32) WHERE seq = 3",
    "another link": "UPDATE events SET previous = zeroblob(32) WHERE seq = 3",
    "one missing": "DELETE FROM events WHERE seq = 3",
    "the first missing": "DELETE FROM events WHERE seq = 1",
    "one moved": "UPDATE events SET seq = 9 WHERE seq = 5",
    "two changed places": "UPDATE events SET seq = CASE seq WHEN 3 THEN 104 WHEN 4 THEN 103 END WHERE seq IN (3, 4)",
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_an_event_breaks_the_chain(filled, name):
    with filled.writing() as connection:
        connection.execute(CHANGES[name])
    assert breaks(filled)


def test_a_chain_made_with_another_key_does_not_hold(filled):
    assert len(breaks(filled, key=bytes(32))) == 5


def test_times_never_go_back_whatever_the_clock_does(store, monkeypatch):
    times = iter([datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)])
    monkeypatch.setattr(ledger, "now", lambda: next(times))
    with store.writing() as connection:
        told = [from_micros(ledger.append(connection, store.key, "t", "write")[1]).day for _ in range(3)]
        assert told == [2, 2, 3]
        moments = [
            ledger.moment_of(connection, int(datetime(2026, 1, day, tzinfo=UTC).timestamp() * 1e6))
            for day in (1, 2, 3, 4)
        ]
    assert moments == [0, 2, 3, 3], "of events of one time, the last"


def test_nothing_is_left_of_an_event_of_a_transaction_that_was_undone(store):
    with contextlib.suppress(ZeroDivisionError), store.writing() as connection:
        ledger.append(connection, store.key, "t", "write")
        raise ZeroDivisionError
    with store.writing() as connection:
        assert ledger.append(connection, store.key, "t", "write")[0] == 1
    assert breaks(store) == []


def test_no_verb_leaves_a_word_of_what_it_handled(tmp_path):
    canary = "canaryword"
    with delible.open(tmp_path / "agent.mem", encoder="hash", log_questions=True, actor="tester") as memory:
        (record,) = memory.write(
            canary, author=canary, reference=canary, key=canary, meta={canary: canary}, space=canary
        )
        memory.recall(canary, space=canary)
        revised = memory.revise(record.id, f"{canary} again", reason=canary)
        memory.hold(revised.id, reason=canary)
        memory.release(revised.id, reason=canary)
        memory.expire(canary, "2030-01-01")
        memory.rollback("2020-01-01", space=canary)
        memory.export(tmp_path / f"{canary}.zip")
        receipt = memory.forget(space=canary, reason=canary)
        memory.release(receipt.id, reason=canary)
        verbs = [event.verb for event in memory.ledger()]
        assert {"write", "recall", "revise", "hold", "release", "expire", "rollback", "export", "seal"} <= set(verbs)
        assert canary not in str(memory.ledger()) and receipt.confirmed
        assert [finding for finding in memory.verify() if not finding.ok] == []
