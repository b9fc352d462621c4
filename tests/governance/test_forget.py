"""What a forget reaches and what it leaves: the closure, the preview, the seal, and the bytes on disk."""

import json
import time
from datetime import UTC, datetime

import pytest

import delible
from delible.core.errors import InvalidInput, Pinned, SpaceRefused, StalePreview, UnknownId

VIOLIN = "Ada keeps the violin of her grandmother in a cedar chest under the stairs."
TEA = "Bob prefers smoked tea over coffee on rainy mornings in Dublin."


def texts(records):
    return [record.text for record in records]


# -- what is asked for -----------------------------------------------------------------------------------------------


def test_a_record_that_is_forgotten_by_id_is_gone_and_its_neighbour_stays(memory):
    ada, bob = memory.write([VIOLIN, TEA])
    receipt = memory.forget(ada.id, reason="asked to")
    assert receipt.confirmed and receipt.removed["rows"] == 1 and receipt.reason == "asked to"
    assert texts(memory.list()) == [TEA]
    assert [hit.record.id for hit in memory.recall("violin of the grandmother")] == [bob.id]
    with pytest.raises(UnknownId):
        memory.get(ada.id)


def test_several_ids_go_with_one_receipt(memory):
    written = memory.write([f"Note number {n} about the harbour of Genoa." for n in range(5)])
    receipt = memory.forget([record.id for record in written[:3]], reason="asked to")
    assert receipt.confirmed and receipt.removed["rows"] == 3
    assert [record.id for record in memory.list()] == [record.id for record in written[3:]]


def test_a_filter_reaches_held_expired_and_superseded_records_too(memory):
    old = memory.write(VIOLIN, meta={"person": "ada"})[0]
    memory.revise(old.id, "Ada sold the violin of her grandmother.")
    held = memory.write("Ada has a secret account in Lugano.", meta={"person": "ada"})[0]
    memory.hold(held.id, reason="doubtful")
    memory.write("Ada is in Pisa this week.", meta={"person": "ada"}, expires="2020-01-01")
    memory.write(TEA, meta={"person": "bob"})
    receipt = memory.forget(where={"meta.person": "ada"}, reason="asked to")
    assert receipt.confirmed and receipt.removed["rows"] == 4 and receipt.removed["history"] >= 1
    assert texts(memory.list(held=None)) == [TEA]


def test_a_space_is_forgotten_without_those_below_it(memory):
    memory.write(VIOLIN, space="user/ada")
    memory.write(TEA, space="user/ada/work")
    assert memory.forget(space="user/ada", reason="asked to").removed["rows"] == 1
    assert [info.path for info in memory.spaces()] == ["user/ada/work"]
    assert memory.forget(space="user/ada/**", reason="asked to").confirmed
    assert memory.spaces() == []


def test_what_came_from_one_source_is_forgotten_by_its_reference(memory):
    memory.write([VIOLIN, "Ada plays in a quartet on Sundays."], channel="document", reference="letters.pdf")
    memory.write(TEA, channel="document", reference="invoices.pdf")
    assert memory.forget(source="letters.pdf", reason="withdrawn").removed["rows"] == 2
    assert texts(memory.list()) == [TEA]


@pytest.mark.parametrize(
    "request_", [{}, {"ids": []}, {"ids": "x", "space": "main"}, {"ids": "x", "where": {"kind": "note"}}]
)
def test_a_request_that_names_nothing_or_two_things_is_refused(memory, request_):
    memory.write(VIOLIN)
    with pytest.raises(InvalidInput):
        memory.forget(**request_, reason="asked to")
    assert texts(memory.list()) == [VIOLIN]


@pytest.mark.parametrize(
    "request_",
    [
        {"where": {"author": "nobody"}},
        {"space": "nowhere"},
        {"source": "nothing.pdf"},
        {"ids": "01a20cab-a628-76ad-86bb-ecab699ac451"},
        {"ids": "no id at all"},
    ],
)
def test_where_nothing_matches_nothing_is_sealed_and_no_receipt_made(memory, request_):
    memory.write(VIOLIN)
    with pytest.raises(UnknownId):
        memory.forget(**request_, reason="asked to")
    assert memory.receipts() == [] and texts(memory.list()) == [VIOLIN]


def test_one_unknown_id_among_known_ones_changes_nothing(memory):
    known = memory.write(VIOLIN)[0]
    with pytest.raises(UnknownId):
        memory.forget([known.id, "01a20cab-a628-76ad-86bb-ecab699ac451"], reason="asked to")
    assert texts(memory.list()) == [VIOLIN]


def test_a_reach_that_does_not_exist_is_refused(memory):
    with pytest.raises(InvalidInput):
        memory.forget(memory.write(VIOLIN)[0].id, reason="asked to", reach="all")
    assert texts(memory.list()) == [VIOLIN]


def test_forgetting_the_same_twice_is_an_unknown_id(memory):
    id = memory.write(VIOLIN)[0].id
    memory.forget(id, reason="asked to")
    with pytest.raises(UnknownId):
        memory.forget(id, reason="asked to")


# -- the closure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [0, 1, 2])
def test_older_and_newer_revisions_go_whichever_is_named(memory, named):
    first = memory.write(VIOLIN)[0]
    second = memory.revise(first.id, "Ada keeps her violin at the luthier's in Cremona.")
    third = memory.revise(second.id, "Ada gave her violin to her niece Ottilie.")
    receipt = memory.forget([first, second, third][named].id, reason="asked to")
    assert receipt.confirmed and receipt.removed["rows"] == 3 and receipt.removed["history"] == 2
    assert memory.list() == [] and memory.stats()["superseded"] == 0


def test_what_was_derived_goes_at_any_remove_and_survivors_are_named(memory):
    ada, bob = memory.write([VIOLIN, TEA])
    thought = memory.write("Ada values old instruments.", channel="model", parents=[ada.id])[0]
    summary = memory.write("Ada likes old things, Bob likes tea.", channel="model", parents=[thought.id, bob.id])[0]
    lesson = memory.write("Give Ada an antique and Bob a teapot.", channel="model", parents=[summary.id])[0]
    receipt = memory.forget(ada.id, reason="asked to")
    assert receipt.removed["rows"] == 4 and receipt.removed["derived"] == 3 and receipt.removed["lineage"] == 4
    assert receipt.survivors == (bob.id,)
    assert texts(memory.list()) == [TEA]
    for gone in (thought, summary, lesson):
        with pytest.raises(UnknownId):
            memory.get(gone.id)


def test_a_child_of_an_old_revision_and_a_revision_of_a_child_go_too(memory):
    old = memory.write(VIOLIN)[0]
    child = memory.write("Someone plays the violin.", channel="model", parents=[old.id])[0]
    new = memory.revise(old.id, "Ada sold the violin to a museum in Trento.")
    changed = memory.revise(child.id, "Someone sold a violin.")
    receipt = memory.forget(new.id, reason="asked to")
    assert receipt.removed["rows"] == 4
    with pytest.raises(UnknownId):
        memory.get(changed.id)


def test_forgetting_a_child_leaves_its_parent(memory):
    ada = memory.write(VIOLIN)[0]
    thought = memory.write("Ada values old instruments.", channel="model", parents=[ada.id])[0]
    receipt = memory.forget(thought.id, reason="a wrong thought")
    assert receipt.removed["rows"] == 1 and receipt.survivors == (ada.id,)
    assert memory.get(ada.id).text == VIOLIN


def test_descendants_in_other_spaces_go_and_a_handle_for_one_space_learns_their_number_only(open_memory):
    whole = open_memory()
    ada = whole.write(VIOLIN, space="user/ada")[0]
    other = whole.write("Somebody keeps a violin.", space="team/summary", channel="model", parents=[ada.id])[0]
    handle = open_memory(space="user/ada")
    preview = handle.preview(ada.id)
    assert preview.ids == (ada.id,) and preview.removed["rows"] == 2 and preview.removed["elsewhere"] == 1
    receipt = handle.forget(ada.id, reason="asked to", preview=preview)
    assert receipt.confirmed and receipt.removed["elsewhere"] == 1
    assert other.id not in repr(receipt) and "team" not in repr(receipt)
    with pytest.raises(UnknownId):
        whole.get(other.id)


def test_survivors_in_spaces_that_the_handle_does_not_see_are_not_named(open_memory):
    whole = open_memory()
    ada, bob = whole.write(VIOLIN, space="user/ada")[0], whole.write(TEA, space="user/bob")[0]
    whole.write("Both like old things.", space="user/ada", channel="model", parents=[ada.id, bob.id])
    receipt = open_memory(space="user/ada").forget(ada.id, reason="asked to")
    assert receipt.removed["rows"] == 2 and receipt.survivors == ()


def test_a_handle_for_one_space_cannot_forget_in_another(open_memory):
    bob = open_memory().write(TEA, space="user/bob")[0]
    open_memory().write(VIOLIN, space="user/ada")
    handle = open_memory(space="user/ada")
    with pytest.raises(UnknownId):
        handle.forget(bob.id, reason="mischief")
    with pytest.raises(SpaceRefused):
        handle.forget(space="user/bob", reason="mischief")
    with pytest.raises(UnknownId):
        handle.forget(where={"meta.x": 1}, reason="mischief")
    handle.forget(where={"kind": "note"}, reason="asked to")
    assert texts(open_memory().list(space="user/bob")) == [TEA]


def test_a_handle_for_one_space_sees_its_own_receipts_only(open_memory):
    whole = open_memory()
    whole.forget(whole.write(TEA, space="user/bob")[0].id, reason="asked to")
    handle = open_memory(space="user/ada")
    receipt = handle.forget(handle.write(VIOLIN)[0].id, reason="asked to")
    assert receipt.confirmed
    assert [one.id for one in handle.receipts()] == [receipt.id] and len(whole.receipts()) == 2


def test_a_legal_hold_stops_a_forget_that_would_reach_it_and_nothing_changes(memory):
    ada = memory.write(VIOLIN)[0]
    thought = memory.write("Ada values old instruments.", channel="model", parents=[ada.id])[0]
    memory.hold(thought.id, reason="case 12", pin=True)
    before = len(memory.ledger())
    for call in (lambda: memory.forget(ada.id, reason="asked to"), lambda: memory.preview(ada.id)):
        with pytest.raises(Pinned):
            call()
    assert memory.receipts() == [] and len(memory.ledger()) == before
    assert {hit.record.id for hit in memory.recall("old violin instruments")} == {ada.id, thought.id}
    memory.release(thought.id, reason="case closed")
    assert memory.forget(ada.id, reason="asked to").removed["rows"] == 2


# -- the preview -----------------------------------------------------------------------------------------------------


def test_a_preview_tells_what_goes_and_what_stays_and_changes_nothing(memory):
    ada = memory.write(VIOLIN, author="Ada Lovelace")[0]
    thought = memory.write("She values old instruments.", channel="model", parents=[ada.id])[0]
    same = memory.write(VIOLIN, duplicates="keep")[0]
    named = memory.write("Charles wrote a letter to Ada Lovelace about gears.")[0]
    memory.write(TEA)
    before = len(memory.ledger())
    preview = memory.preview(ada.id)
    assert preview.ids == (ada.id, thought.id)
    assert preview.removed["rows"] == 2 and preview.removed["vectors"] == 2 and preview.removed["derived"] == 1
    assert set(preview.mentions) == {same.id, named.id}
    assert len(memory.list()) == 5 and len(memory.ledger()) == before and memory.receipts() == []


def test_a_forget_bound_to_a_preview_is_done_while_it_still_holds(memory):
    ada = memory.write(VIOLIN)[0]
    preview = memory.preview(ada.id)
    memory.write(TEA)  # somebody else's, beside the matter
    receipt = memory.forget(ada.id, reason="asked to", preview=preview)
    assert {place: receipt.removed[place] for place in preview.removed} == preview.removed


@pytest.mark.parametrize("bound", ["digest", "preview"])
def test_a_preview_is_stale_once_something_was_derived(memory, bound):
    ada = memory.write(VIOLIN)[0]
    preview = memory.preview(ada.id)
    memory.write("Ada values old instruments.", channel="model", parents=[ada.id])
    with pytest.raises(StalePreview):
        memory.forget(ada.id, reason="asked to", preview=preview if bound == "preview" else preview.digest)
    assert len(memory.list()) == 2 and memory.receipts() == []


def test_a_preview_is_stale_for_another_reach_another_carrier_or_another_record(memory, notebook):
    ada, bob = memory.write([VIOLIN, TEA])
    preview = memory.preview(ada.id)
    for request_ in ({"ids": bob.id}, {"ids": ada.id, "reach": "everything"}, {"ids": [ada.id, bob.id]}):
        with pytest.raises(StalePreview):
            memory.forget(**request_, reason="asked to", preview=preview)
    memory.attach(notebook())
    with pytest.raises(StalePreview):
        memory.forget(ada.id, reason="asked to", preview=preview)


def test_a_preview_by_filter_is_stale_once_a_record_came_that_matches(memory):
    memory.write(VIOLIN, author="Ada")
    preview = memory.preview(where={"author": "Ada"})
    memory.write("Ada took up the viola.", author="Ada")
    with pytest.raises(StalePreview):
        memory.forget(where={"author": "Ada"}, reason="asked to", preview=preview)


# -- the seal --------------------------------------------------------------------------------------------------------

SEES = """
import json, sys, delible
with delible.open(sys.argv[1], encoder="hash") as memory:
    id, before = sys.argv[2], sys.argv[3]
    seen = [hit.record.id for hit in memory.recall("violin grandmother cedar")]
    seen += [hit.record.id for hit in memory.recall("violin grandmother cedar", as_of=before)]
    seen += [record.id for record in memory.list(held=None)]
    seen += [record.id for record in memory.rollback(before)] if "rollback" in sys.argv else []
    for look in (memory.get, memory.history):
        try:
            look(id); seen.append(id)
        except delible.UnknownId:
            pass
    print(json.dumps(id in seen))
"""


def sealed_by(memory, notebook, id):
    """Leaves the receipt open after the seal: a carrier never manages."""
    memory.attach(notebook(failures=10**6))
    receipt = memory.forget(id, reason="asked to")
    assert receipt.phase == 0 and not receipt.confirmed
    return receipt


def test_from_the_seal_on_nothing_of_this_process_sees_the_record(memory, notebook, tmp_path):
    ada = memory.write(VIOLIN)[0]
    new = memory.revise(ada.id, "Ada keeps the violin of her grandmother in Cremona.")
    before = ada.written
    assert memory.recall("violin grandmother", as_of=before)
    sealed_by(memory, notebook, new.id)
    assert memory.recall("violin grandmother cedar") == [] and memory.recall("violin", as_of=before) == []
    assert memory.list(held=None) == [] and memory.context("violin grandmother").count("violin of") == 0
    for look in (memory.get, memory.history, memory.preview):
        with pytest.raises(UnknownId):
            look(ada.id)
    assert memory.rollback(before) == [] and memory.recall("violin grandmother") == []
    assert memory.stats()["records"] == 0 and memory.spaces() == []
    for verb in (
        lambda: memory.revise(new.id, "Ada lost it."),
        lambda: memory.write("A thought.", channel="model", parents=[new.id]),
        lambda: memory.hold(new.id, reason="late"),
        lambda: memory.forget(new.id, reason="again"),
    ):
        with pytest.raises(UnknownId):
            verb()
    assert memory.export(tmp_path / "all.delible").records == 0


def test_a_sealed_record_is_unseen_by_another_process_and_by_one_that_had_it_in_view(
    memory, open_memory, notebook, child
):
    ada = memory.write(VIOLIN)[0]
    memory.write(TEA)
    other = open_memory()
    assert other.recall("violin grandmother cedar")[0].record.id == ada.id
    sealed_by(memory, notebook, ada.id)
    assert ada.id not in [hit.record.id for hit in other.recall("violin grandmother cedar")]
    assert ada.id not in [hit.record.id for hit in other.recall("violin", as_of=ada.written)]
    assert child(SEES, ada.id, ada.written.isoformat(), "rollback") == "false\n"


CRASHES = """
import os, signal, sys, delible
from delible.governance import erase
def hear(step):
    if step == "carriers":
        os.kill(os.getpid(), signal.SIGKILL)
memory = delible.open(sys.argv[1], encoder="hash")
erase.trace = hear
memory.forget(sys.argv[2], reason="asked to")
"""


def test_a_sealed_record_is_unseen_after_a_crash(memory, child):
    ada = memory.write(VIOLIN)[0]
    child(CRASHES, ada.id, killed=True)
    assert memory.recall("violin grandmother cedar") == [] and memory.list() == []
    assert memory.recall("violin", as_of=ada.written) == [] and memory.rollback(ada.written) == []
    assert memory.receipts()[0].phase == 0
    assert child(SEES, ada.id, ada.written.isoformat()) == "false\n"


# -- waiting ---------------------------------------------------------------------------------------------------------


def eventually(holds, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def test_without_waiting_the_rows_are_gone_and_the_same_process_confirms_soon(memory):
    ada = memory.write(VIOLIN)[0]
    receipt = memory.forget(ada.id, reason="asked to", wait=False)
    assert not receipt.confirmed and receipt.phase == 1 and memory.list() == []
    eventually(lambda: memory.receipts()[0].confirmed)
    assert {check.name for check in memory.receipts()[0].checks} >= {"log", "rows", "words", "bytes"}


def test_without_waiting_verify_confirms(memory):
    memory.forget(memory.write(VIOLIN)[0].id, reason="asked to", wait=False)
    assert all(finding.ok for finding in memory.verify())
    assert memory.receipts()[0].confirmed


def test_without_waiting_closing_confirms(memory, open_memory):
    memory.forget(memory.write(VIOLIN)[0].id, reason="asked to", wait=False)
    memory.close()
    assert open_memory().receipts()[0].confirmed


NO_WAIT = """
import os, signal, sys, delible
memory = delible.open(sys.argv[1], encoder="hash")
for id in sys.argv[2:]:
    assert not memory.forget(id, reason="asked to", wait=False).confirmed
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_without_waiting_and_without_closing_the_next_open_confirms(memory, open_memory, child, found, of_text):
    ada, bob = memory.write([VIOLIN, TEA])
    memory.close()
    child(NO_WAIT, ada.id, bob.id, killed=True)
    again = open_memory()
    first, second = again.receipts()
    assert first.confirmed and second.confirmed
    assert found(of_text(VIOLIN) + of_text(TEA)) == {}


def test_two_receipts_share_one_look(memory, child, open_memory, monkeypatch):
    ada, bob = memory.write([VIOLIN, TEA])
    memory.close()
    child(NO_WAIT, ada.id, bob.id, killed=True)
    steps = []
    monkeypatch.setattr("delible.governance.erase.trace", steps.append)
    first, second = open_memory().receipts()
    assert steps.count("look") == 1
    assert first.checks == second.checks and "of 2 records" in {c.name: c.detail for c in first.checks}["rows"]


# -- the bytes -------------------------------------------------------------------------------------------------------

WORDS = [f"word{n:05d}x" for n in range(40_000)]
LONG = " ".join(f"{word} and the {n * 7919 % 10007}th stone." for n, word in enumerate(WORDS[:3_500]))
HUGE = " ".join(f"{WORDS[n % 40_000]}-{n * 104_729 % 999_983}" for n in range(170_000))
JAPANESE = "祖母のバイオリンは階段の下の杉の箱に入っている。鍵は三番目の植木鉢の下。" * 3
MIXED = 'كمان الجدة 🎻 "quoted" \\ back\tslash \u0301 ñ — сорок два; DROP TABLE texts; NEAR(a b)'


@pytest.mark.parametrize(
    ("text", "stride"),
    [
        (VIOLIN, 1),
        ("Zanzibar", 1),
        (JAPANESE, 1),
        (MIXED, 1),
        (LONG, 211),
        pytest.param(HUGE, 17_011, marks=pytest.mark.slow),
    ],
    ids=["short", "one word", "japanese", "mixed", "100 kB", "3 MB"],
)
def test_no_piece_of_a_text_or_of_its_vectors_is_left_in_any_file(memory, found, of_text, of_vectors, text, stride):
    memory.write([f"Somebody else's note {n} on the weather in Oslo." for n in range(30)])
    record = memory.write(text)[0]
    memory.write([f"A later note {n} on the trams of Lisbon." for n in range(30)])
    pieces = of_text(text, stride) + of_vectors(record.id)
    assert found(pieces)  # the look of this test can fail
    receipt = memory.forget(record.id, reason="asked to")
    assert receipt.confirmed, receipt.checks
    assert found(pieces) == {}
    assert all(finding.ok for finding in memory.verify())


def test_no_piece_of_key_reference_author_meta_space_or_reasons_is_left(memory, found, of_text):
    fields = {
        "author": "Wilhelmina Featherstonehaugh",
        "reference": "mailto:wilhelmina.f@example.org?subject=violin",
        "key": "people/wilhelmina/violin-of-1781",
        "meta": {"diagnosis": "chronic violinist's neck, left side", "weiß": ["Ünïcödé — “quoted”", {"deep": True}]},
    }
    record = memory.write(VIOLIN, space="users/wilhelmina-featherstonehaugh/private", **fields)[0]
    memory.hold(record.id, reason="held because Wilhelmina phoned at 4 in the morning")
    memory.revise(record.id, "She sold it for 40,000 guilders.", reason="corrected by Wilhelmina's own lawyer")
    secrets = [VIOLIN, fields["author"], fields["reference"], fields["key"]]
    secrets += [json.dumps(fields["meta"], ensure_ascii=False)[1:-1]]
    secrets += ["held because Wilhelmina phoned at 4 in the morning", "corrected by Wilhelmina's own lawyer"]
    secrets += ["users/wilhelmina-featherstonehaugh/private", "sold it for 40,000 guilders"]
    pieces = [piece for secret in secrets for piece in of_text(secret)]
    assert found(pieces)
    assert memory.forget(record.id, reason="asked to").confirmed
    assert found(pieces) == {}


def test_nothing_is_left_of_many_records_forgotten_amid_writes_updates_and_page_splits(
    memory, found, of_text, of_vectors
):
    kept, gone, pieces = [], [], []
    for turn in range(12):
        starts = [turn * 997 + n * 31 for n in range(30)]
        batch = [f"Turn {turn}: " + " ".join(WORDS[start : start + start % 60 + 5]) for start in starts]
        written = memory.write(batch, meta={"turn": turn})
        kept += [record.id for n, record in enumerate(written) if n % 3]
        gone += [record for n, record in enumerate(written) if not n % 3]
        changed = gone[turn * 7 % len(gone)]
        if memory.history(changed.id)[-1].id == changed.id:
            memory.revise(changed.id, f"Changed in turn {turn}: " + " ".join(WORDS[20_000 + turn * 40 :][:40]))
        memory.hold(kept[turn], reason=f"doubt {turn}")
        memory.release(kept[turn], reason="settled")
    for record in gone:
        pieces += of_text(record.text, 5)
    for record in gone[::9]:
        pieces += of_vectors(record.id)
    for at in range(0, len(gone), 37):
        assert memory.forget([record.id for record in gone[at : at + 37]], reason="asked to").confirmed
        memory.write([f"In between {at} {n}" for n in range(10)])
    living = memory.list(limit=None)
    shared = {piece for record in living for piece in of_text(record.text)}
    assert len(set(pieces) - shared) > 1000 and found(set(pieces) - shared) == {}
    assert {record.id for record in living} >= set(kept)
    assert all(finding.ok for finding in memory.verify())


def test_a_log_full_of_the_text_is_cut(memory, open_memory, folder, found, of_text):
    other = open_memory()
    record = memory.write(VIOLIN * 3)[0]
    for n in range(40):
        memory.hold(record.id, reason=f"{VIOLIN} {n}")
        other.write(f"Filler {n} " * 50)
    log = folder / "store.db-wal"
    assert log.stat().st_size > 500_000 and found(of_text(VIOLIN))["store.db-wal"]
    assert memory.forget(record.id, reason="asked to").confirmed
    assert found(of_text(VIOLIN)) == {} and log.stat().st_size == 0


def test_a_living_record_that_shares_half_the_text_keeps_it_and_the_receipt_says_so(memory, found, of_text):
    shared = "The meeting with the notary from Trieste is at the old harbour office at nine."
    gone = memory.write(shared + " Bring the forged deed.", author="Livia Serafini")[0]
    kept = memory.write(shared + " Bring an umbrella.", author="Livia Serafini")[0]
    receipt = memory.forget(gone.id, reason="asked to")
    assert receipt.confirmed
    detail = {check.name: check.detail for check in receipt.checks}["bytes"]
    assert "none found" in detail and "stand in what stays" in detail
    assert memory.get(kept.id).text == shared + " Bring an umbrella."
    assert found(of_text("Bring the forged deed.")) == {} and found(of_text(shared))


def test_a_word_that_only_the_forgotten_had_is_out_of_the_index_and_a_shared_one_stays(memory):
    gone = memory.write("The xylophonist of Quetzaltenango sings at harvest.")[0]
    memory.write("The harvest of the valley was good.")
    memory.forget(gone.id, reason="asked to")
    assert [hit.record.text for hit in memory.recall("harvest")] == ["The harvest of the valley was good."]
    assert all(hit.parts["bm25"] == 0 for hit in memory.recall("xylophonist Quetzaltenango"))


@pytest.mark.parametrize(
    "text",
    ["delible", "process", "document", "created", "secure-delete", "records", "SQLite format 3", "carrier", "minilm"],
)
def test_a_text_that_the_program_itself_uses_can_be_forgotten(memory, text):
    memory.write("A living record from a document.", channel="document")
    assert memory.forget(memory.write(text)[0].id, reason="asked to").confirmed
    again = memory.write(text)[0]
    assert memory.forget(again.id, reason="asked to").confirmed


def test_who_asks_may_be_named_like_the_forgotten_author(open_memory):
    memory = open_memory(actor="ada@example.org", space="users/ada@example.org")
    record = memory.write(VIOLIN, author="ada@example.org", meta={"records": 1})[0]
    receipt = memory.forget(record.id, reason="ada@example.org, Zoë Müller")
    assert receipt.confirmed and "stand in what stays" in {c.name: c.detail for c in receipt.checks}["bytes"]
    second = memory.write(TEA, author="Zoë Müller")[0]
    assert memory.forget(second.id, reason="Zoë Müller asked").confirmed


# -- questions and exports -------------------------------------------------------------------------------------------


def test_a_kept_question_goes_with_any_of_its_hits(open_memory, sql, found, of_text):
    memory = open_memory(log_questions=True)
    ada = memory.write(VIOLIN)[0]
    memory.write(TEA)
    question = "Where on earth did the old lady put that fiddle of hers?"
    memory.recall(question)
    memory.ledger()  # the log of reads is written down
    assert sql("SELECT text FROM questions") == [(question,)]
    receipt = memory.forget(ada.id, reason="asked to")
    assert receipt.confirmed and sql("SELECT * FROM questions") == []
    assert found(of_text(question)) == {}


def test_a_kept_question_with_a_word_that_only_the_forgotten_had_goes_too(open_memory, sql):
    memory = open_memory(log_questions=True)
    ada = memory.write("The password of the boathouse is Quetzalcoatl.")[0]
    memory.write(TEA)
    memory.recall("Quetzalcoatl", k=1, where={"meta.none": 1})
    memory.recall("smoked tea in Dublin", k=1)
    memory.ledger()
    assert memory.forget(ada.id, reason="asked to").confirmed
    assert sql("SELECT text FROM questions") == [("smoked tea in Dublin",)]


def test_exports_made_since_are_named_as_limits(memory, tmp_path):
    memory.export(tmp_path / "before.delible")
    ada = memory.write(VIOLIN)[0]
    memory.export(tmp_path / "after.delible")
    preview = memory.preview(ada.id)
    receipt = memory.forget(ada.id, reason="asked to")
    for limits in (preview.limits, receipt.limits):
        assert any("after.delible" in limit for limit in limits)
        assert not any("before.delible" in limit for limit in limits)
        assert any("backups" in limit for limit in limits) and any("freed disk blocks" in limit for limit in limits)


def test_a_receipt_is_the_same_when_read_again_and_holds_no_text(memory):
    ada = memory.write(VIOLIN, author="Ada Serafini")[0]
    start = datetime.now(UTC)
    receipt = memory.forget(ada.id, reason="asked to")
    assert memory.receipts() == [receipt] and receipt.time >= start and receipt.actor.startswith("process ")
    assert len(receipt.digests) == 1 and "violin" not in repr(receipt) and "Serafini" not in repr(receipt)


def test_forgetting_one_of_a_thousand_takes_seconds_at_most(memory):
    memory.write([f"Record {n} tells of the {n * 7919 % 1009}th stone of the wall." for n in range(1000)])
    ada = memory.write(VIOLIN)[0]
    start = time.monotonic()
    assert memory.forget(ada.id, reason="asked to").confirmed
    assert time.monotonic() - start < 20


def test_a_memory_with_nothing_in_it_forgets_nothing(memory):
    with pytest.raises(UnknownId):
        memory.forget(space="main", reason="asked to")
    assert delible.UnknownId is UnknownId


def test_a_question_that_still_waits_goes_too(open_memory, sql):
    memory = open_memory(log_questions=True)
    ada = memory.write(VIOLIN)[0]
    memory.recall("Where is that fiddle, the violin?")
    assert memory.forget(ada.id, reason="asked to").confirmed
    memory.close()
    assert sql("SELECT * FROM questions") == []


def test_the_grams_of_a_script_without_spaces_are_looked_for(open_memory):
    memory = open_memory()
    record = memory.write("医者は北京に住んでいます")[0]
    receipt = memory.forget(record.id, reason="asked to")
    words = next(check for check in receipt.checks if check.name == "words")
    assert receipt.confirmed and "none of 2" in words.detail  # some twenty characters and pairs, not one long word
