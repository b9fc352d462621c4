"""Nothing crosses spaces: a handle for one space tries every way in."""

import json
import zipfile

import pytest

import delible
from delible import InvalidInput, KeyTaken, SpaceRefused, UnknownId

MINE, THEIRS = "user/alice", ("user/bob", "user/alice2", "user/alice/work", "user", "user/alice\n", "user/alicé")
TEXT = "the ladder stands behind the shed"


@pytest.fixture
def strangers(memory):
    """One record in each space that looks like alice's and is not."""
    return {space: memory.write(f"{TEXT} of number {i}", space=space)[0] for i, space in enumerate(THEIRS)}


@pytest.fixture
def alice(opened, strangers):
    handle = opened(space=MINE)
    handle.write(f"{TEXT} of alice")
    return handle


def test_no_id_of_another_space_opens_anything(alice, strangers, memory):
    for stranger in strangers.values():
        for verb in (
            lambda id: alice.get(id),
            lambda id: alice.history(id),
            lambda id: alice.revise(id, "overwritten by alice"),
            lambda id: alice.hold(id, reason="mine now"),
            lambda id: alice.release(id, reason="mine now"),
            lambda id: alice.forget(id, reason="mine now"),
            lambda id: alice.preview(id),
            lambda id: alice.list(after=id),
            lambda id: alice.write("derived from theirs", parents=[id]),
        ):
            with pytest.raises(UnknownId) as refused:
                verb(stranger.id)
            assert TEXT not in str(refused.value)
            with pytest.raises(UnknownId) as unknown:
                verb("0198f0c2-0000-7000-8000-000000000000")
            assert str(refused.value).replace(stranger.id, "X") == str(unknown.value).replace(
                "0198f0c2-0000-7000-8000-000000000000", "X"
            ), "whether a record is there is not told"
    assert len(alice.list()) == 1 and [memory.get(r.id) for r in strangers.values()] == list(strangers.values())


@pytest.mark.parametrize(
    "asked",
    ["**", "user/**", "user/alice/**", *THEIRS, "main", "user/alice2/**", "user/alice%", "user/alice' OR 1=1 --", "%"],
)
def test_no_name_of_a_space_leads_out(alice, strangers, asked):
    for verb in (
        lambda: alice.recall(TEXT, space=asked),
        lambda: alice.context(TEXT, space=asked),
        lambda: alice.list(space=asked),
        lambda: alice.forget(space=asked, reason="mine"),
        lambda: alice.preview(space=asked),
        lambda: alice.diff("2020-01-01", space=asked),
        lambda: alice.rollback("2020-01-01", space=asked),
        lambda: alice.write("x", space=asked),
        lambda: alice.write({"text": "x", "space": asked}),
        lambda: alice.expire(asked, "2020-01-01"),
    ):
        with pytest.raises(SpaceRefused):
            verb()


def test_no_filter_leads_out(alice, strangers):
    for where in (
        {"key": None},
        {"kind": "note"},
        {"kind": {"in": ["note"]}},
        {"kind": "' OR 1=1 --"},
        {"kind": {"ne": "x') OR (1=1"}},
        {"meta.a') IS NULL OR 1=1 --": None},
        {"trust": {"gte": 0}},
        {"expired": False},
    ):
        assert {record.space for record in alice.list(where=where)} <= {MINE}
        assert {hit.record.space for hit in alice.recall(TEXT, where=where, k=50)} <= {MINE}
        assert {record.space for record in alice.list(where=where, held=None)} <= {MINE}
    with pytest.raises(delible.UnknownField):
        alice.list(where={"space": "user/bob"})


def test_counts_spaces_and_receipts_tell_of_its_own_only(alice, strangers, memory):
    memory.forget(strangers["user/bob"].id, reason="bob asked")
    memory.hold(strangers["user/alice2"].id, reason="odd")
    assert [info.path for info in alice.spaces()] == [MINE]
    stats = alice.stats()
    assert (stats["records"], stats["held"], stats["spaces"]) == (1, 0, 1) and "bytes" not in stats
    assert alice.receipts() == [] and len(memory.receipts()) == 1
    assert {hit.record.space for hit in alice.recall(TEXT, k=50)} == {MINE}


def test_the_whole_folders_affairs_are_refused(alice):
    for verb in (alice.ledger, alice.verify, alice.compact, lambda: alice.reembed("hash:128")):
        with pytest.raises(SpaceRefused, match="whole folder"):
            verb()


def test_an_equal_text_elsewhere_is_no_duplicate(alice, strangers):
    for i, _ in enumerate(THEIRS):
        (record,) = alice.write(f"{TEXT} of number {i}")
        assert record.duplicate_of is None and record.notes == ()
        (dated,) = alice.write({"text": f"{TEXT} of number {i}", "reference": "r"})
        assert dated.space == MINE


def test_a_key_of_another_space_is_not_taken(alice, memory):
    memory.write("bobs home", space="user/bob", key="home")
    (record,) = alice.write("alices home", key="home")
    assert record.key == "home"
    with pytest.raises(KeyTaken):
        alice.write("again", key="home")


def test_what_was_forgotten_elsewhere_is_not_suppressed_here(alice, strangers, memory):
    bob = memory.forget(space="user/bob", reason="bob asked", suppress=True)
    (record,) = alice.write(f"{TEXT} of number 0", channel="model")
    assert record.notes == ()
    with pytest.raises(UnknownId):
        alice.release(bob.id, reason="let it back")
    with pytest.raises(delible.Suppressed):
        memory.write(f"{TEXT} of number 0", space="user/bob", channel="model")


def test_the_lineage_shows_no_parent_of_another_space(alice, strangers, memory):
    parent = strangers["user/bob"]
    (child,) = memory.write("a summary of both", space=MINE, parents=[parent.id])
    assert memory.get(child.id).parents == (parent.id,) and alice.get(child.id).parents == ()
    memory.revise(parent.id, "the ladder was moved")
    (late,) = memory.write("a late summary", space=MINE, parents=[parent.id])
    assert parent.id not in str(alice.get(late.id)) and "a parent was superseded" in late.notes[0]


def test_a_revision_sheds_no_parent_that_its_handle_does_not_see(alice, strangers, memory):
    parent = memory.write("from a document", channel="document", space="user/bob")[0]
    (child,) = memory.write("a summary", space=MINE, parents=[parent.id])
    revised = alice.revise(child.id, "a summary in my words")
    assert revised.trust == 0.4 and memory.get(revised.id).parents == (parent.id,)
    memory.hold(parent.id, reason="odd")
    assert alice.get(revised.id).held
    memory.release(parent.id, reason="fine")
    memory.forget(parent.id, reason="asked")
    with pytest.raises(UnknownId):
        alice.get(revised.id)


def test_a_forget_reaches_descendants_elsewhere_and_tells_their_number_only(alice, memory, opened):
    (mine,) = alice.write("the seed of a thought")
    (theirs,) = memory.write("a thought", space="user/bob", parents=[mine.id])
    preview = alice.preview(mine.id)
    assert preview.ids == (mine.id,) and preview.removed["elsewhere"] == 1
    receipt = alice.forget(mine.id, reason="asked", preview=preview)
    assert receipt.confirmed and receipt.removed["elsewhere"] == 1 and theirs.id not in str(receipt)
    with pytest.raises(UnknownId):
        memory.get(theirs.id)
    assert [one.id for one in alice.receipts()] == [receipt.id]
    assert opened(space="user/bob").receipts() == []


def test_an_export_of_one_space_holds_nothing_of_another(alice, strangers, tmp_path):
    alice.export(tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        raw = b"\n".join(archive.read(name) for name in archive.namelist())
    assert b"of alice" in raw
    for i, stranger in enumerate(strangers.values()):
        assert stranger.id.encode() not in raw and f"of number {i}".encode() not in raw
        assert bytes.fromhex(stranger.id.replace("-", "")) not in raw
    for space in THEIRS:
        if space != "user":
            assert json.dumps(space).encode() not in raw


def test_a_load_comes_into_the_handles_space(alice, strangers, memory, tmp_path):
    memory.export(tmp_path / "all.zip")
    report = alice.load(tmp_path / "all.zip")
    assert report.records and {record.space for record in alice.list(limit=None)} == {MINE}
    assert len(memory.list(space="user/bob")) == 1


def test_a_handle_for_a_space_and_all_below_sees_just_those(opened, strangers):
    handle = opened(space="user/alice/**")
    (record,) = handle.write("written where the handle stands")
    assert record.space == "user/alice"
    below = strangers["user/alice/work"]
    assert {hit.record.id for hit in handle.recall(TEXT + " written", k=50)} == {record.id, below.id}
    assert [info.path for info in handle.spaces()] == ["user/alice", "user/alice/work"]
    assert handle.get(below.id) and [r.id for r in handle.list(space="user/alice")] == [record.id]
    with pytest.raises(UnknownId):
        handle.get(strangers["user/alice2"].id)


def test_a_space_does_not_contain_what_lies_below_it_unless_asked(memory, strangers):
    assert [r.space for r in memory.list(space="user/alice")] == []
    assert [r.space for r in memory.list(space="user/alice/**")] == ["user/alice/work"]
    assert {r.space for r in memory.list(space="user/**")} == set(THEIRS) and len(memory.list(space="**")) == 6
    assert [r.space for r in memory.list(space="user")] == ["user"]


def test_a_call_that_names_no_space_means_main(memory, strangers):
    memory.write("here")
    assert [record.text for record in memory.list()] == ["here"]
    assert [hit.record.text for hit in memory.recall(TEXT)] == ["here"]
    assert memory.get(strangers["user/bob"].id).space == "user/bob", "by id, a handle for all reaches all"


def test_a_handle_for_everything_sees_every_receipt(opened, strangers, memory):
    opened(space="user/bob").forget(strangers["user/bob"].id, reason="asked")
    assert len(opened(space="**").receipts()) == len(memory.receipts()) == 1


@pytest.mark.parametrize("name", ["", "  ", "/", "a/", "/a", "a//b", "**/a", "a/**/b", "/**", "a" * 1001, "a\x00b", 5])
def test_a_space_without_a_possible_name_is_refused(memory, opened, name):
    for verb in (
        lambda: memory.write("x", space=name),
        lambda: memory.recall("x", space=name),
        lambda: opened(memory.path, space=name),
        lambda: memory.write({"text": "x", "space": name}),
    ):
        with pytest.raises(InvalidInput):
            verb()
    assert memory.list(space="**") == []


def test_an_expired_space_is_not_recalled_and_lives_again_when_it_is_lifted(memory):
    (record,) = memory.write("a visit", space="guest")
    memory.expire("guest", "2020-01-01T00:00Z")
    assert memory.recall("visit", space="guest") == [] and memory.list(space="guest") == []
    assert memory.get(record.id).expires.year == 2020 and memory.list(space="guest", where={"expired": True})
    revised = memory.revise(record.id, "a longer visit")
    memory.expire("guest", None)
    assert [hit.record.id for hit in memory.recall("visit", space="guest")] == [revised.id]
    assert memory.get(revised.id).expires is None, "a revision does not take the space's expiry for its own"
