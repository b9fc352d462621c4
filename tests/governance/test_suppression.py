"""What was forgotten stays forgotten, until somebody releases it; a user may say it again."""

import json
from datetime import UTC, datetime

import pytest

from delible.core.errors import Suppressed, UnknownId

VIOLIN = "Ada keeps the violin of her grandmother in a cedar chest."
TEA = "Bob prefers smoked tea over coffee on rainy mornings."
TODAY = f"{datetime.now(UTC):%Y-%m}"


@pytest.fixture
def receipt(memory):
    return memory.forget(memory.write(VIOLIN)[0].id, reason="asked to")


def test_an_equal_text_of_the_user_is_accepted_and_says_when_one_was_forgotten(memory, receipt):
    record = memory.write(VIOLIN)[0]
    assert len(record.notes) == 1 and "forgotten on" in record.notes[0] and TODAY in record.notes[0]
    assert memory.get(record.id).notes == record.notes


@pytest.mark.parametrize("channel", ["model", "import", "tool", "document"])
def test_an_equal_text_from_elsewhere_is_refused_with_the_receipt(memory, receipt, channel):
    with pytest.raises(Suppressed) as refused:
        memory.write(VIOLIN, channel=channel)
    assert refused.value.receipt == receipt.id and receipt.id in str(refused.value) and TODAY in str(refused.value)
    assert "violin" not in str(refused.value) and memory.list() == []


def test_an_equal_text_that_is_derived_is_refused_from_the_user_too(memory, receipt):
    parent = memory.write(TEA)[0]
    with pytest.raises(Suppressed):
        memory.write(VIOLIN, parents=[parent.id])
    assert [record.text for record in memory.list()] == [TEA]


def test_in_a_batch_the_others_are_written_and_a_note_names_the_receipt(memory, receipt):
    written = memory.write([TEA, VIOLIN, "The harbour of Genoa is deep."], channel="model")
    assert [record.text for record in written] == [TEA, "The harbour of Genoa is deep."]
    assert any(receipt.id in note and "left out" in note for note in written[0].notes)


@pytest.mark.parametrize(
    "variant",
    [VIOLIN.upper(), "  " + VIOLIN + "\n", VIOLIN.replace(" ", "\t  "), VIOLIN.replace("keeps", "\uff4beeps")],
    ids=["case", "margins", "spaces", "wide letters"],
)
def test_case_spaces_and_letter_forms_do_not_bring_it_back(memory, receipt, variant):
    with pytest.raises(Suppressed):
        memory.write(variant, channel="model")


def test_a_paraphrase_is_another_text_and_passes(memory, receipt):
    # By design: the digest knows equal texts, not equal meanings.
    assert memory.write("The violin of Ada's grandmother lies in a chest of cedar.", channel="model")[0].notes == ()


@pytest.mark.parametrize("text", ["Thanks!", "See you on Monday"])
def test_under_five_words_nothing_is_suppressed(memory, text):
    memory.forget(memory.write(text)[0].id, reason="asked to")
    assert memory.write(text, channel="model")[0].notes == ()


def test_unless_the_request_says_so(memory):
    memory.forget(memory.write("Thanks!")[0].id, reason="asked to", suppress=True)
    with pytest.raises(Suppressed):
        memory.write("thanks!", channel="model")
    memory.forget(memory.write(VIOLIN)[0].id, reason="asked to", suppress=False)
    assert memory.write(VIOLIN, channel="model")[0].notes == ()


def test_it_holds_in_the_space_and_below_and_not_beside_or_above(memory):
    memory.forget(memory.write(VIOLIN, space="user/ada")[0].id, reason="asked to")
    for refused in ("user/ada", "user/ada/work"):
        with pytest.raises(Suppressed):
            memory.write(VIOLIN, space=refused, channel="model")
    for accepted in ("user", "user/adam", "main"):
        assert memory.write(VIOLIN, space=accepted, channel="model")


def test_a_release_by_the_receipt_allows_it_again_and_stands_in_the_ledger(memory, receipt):
    assert memory.release(receipt.id, reason="it was a mistake") is None
    assert memory.write(VIOLIN, channel="model")[0].notes == ()
    assert "release" in [event.verb for event in memory.ledger()]


def test_a_release_by_a_handle_that_did_not_ask_is_refused(memory, open_memory, receipt):
    with pytest.raises(UnknownId):
        open_memory(space="user/bob").release(receipt.id, reason="mischief")
    with pytest.raises(Suppressed):
        memory.write(VIOLIN, channel="model")


def test_a_revision_to_what_was_forgotten_is_refused_from_a_model(memory, receipt):
    tea = memory.write(TEA)[0]
    with pytest.raises(Suppressed):
        memory.revise(tea.id, VIOLIN, channel="model")
    assert memory.get(tea.id).valid[1] is None and len(memory.history(tea.id)) == 1


def test_a_rollback_brings_nothing_back(memory):
    ada, bob = memory.write([VIOLIN, TEA])
    then = datetime.now(UTC)
    memory.forget(ada.id, reason="asked to")
    memory.revise(bob.id, "Bob prefers coffee now.")
    assert [record.id for record in memory.rollback(then)] == [bob.id]
    assert [record.text for record in memory.list()] == [TEA]


def test_an_import_leaves_it_out_and_says_so(memory, receipt, tmp_path):
    chat = tmp_path / "chat.jsonl"
    lines = [{"role": "user", "content": VIOLIN}, {"role": "user", "content": TEA}]
    chat.write_text("\n".join(map(json.dumps, lines)))
    report = memory.load(chat)
    assert report.records == 1 and len(report.refused) == 1 and receipt.id in report.refused[0]
    assert [record.text for record in memory.list()] == [TEA]


def test_ones_own_archive_of_before_leaves_it_out(memory, tmp_path):
    ada, _ = memory.write([VIOLIN, TEA])
    memory.export(tmp_path / "all.delible")
    receipt = memory.forget(ada.id, reason="asked to")
    report = memory.load(tmp_path / "all.delible")
    assert any(receipt.id in line for line in report.refused)
    assert [record.text for record in memory.list()] == [TEA]


def test_what_only_repeats_what_was_recalled_is_marked_takes_it_as_parent_and_goes_with_it(memory):
    note = memory.write("The key to the boathouse hangs behind the third shutter.", channel="document")[0]
    memory.recall("Where is the key to the boathouse?")
    said = memory.write("the key to the boathouse  hangs behind the third shutter.", channel="model")[0]
    assert said.parents == (note.id,) and said.duplicate_of == note.id and "repeats" in said.notes[0]
    assert said.trust == note.trust < 0.6
    assert memory.forget(note.id, reason="withdrawn").removed["rows"] == 2
    assert memory.list() == []


def test_a_repetition_is_recognised_when_another_process_recalled(memory, child):
    note = memory.write("The key to the boathouse hangs behind the third shutter.", channel="document")[0]
    child("import sys, delible\nwith delible.open(sys.argv[1], encoder='hash') as m: m.recall('key boathouse')")
    assert memory.write(note.text, channel="model")[0].parents == (note.id,)


def test_an_equal_text_that_was_not_recalled_is_no_repetition(memory):
    note = memory.write("The key to the boathouse hangs behind the third shutter.")[0]
    said = memory.write(note.text, channel="model")[0]
    assert said.parents == () and said.duplicate_of == note.id and said.notes == ()
