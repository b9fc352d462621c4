"""The same writing twice, equal texts, and what comes back after it was recalled."""

from delible import Verdict

SAID = {"text": "The meeting is on Monday.", "reference": "mail/1", "happened": "2026-05-01T10:00Z"}


def test_the_same_writing_twice_is_the_first_record(memory, whole):
    (first,) = memory.write(SAID)
    (second,) = memory.write(SAID)
    assert second.id == second.duplicate_of == first.id and len(memory.list()) == 1
    whole(memory)


def test_the_same_writing_twice_in_one_batch_is_the_first_record(memory, whole):
    first, between, second = memory.write([SAID, "something between", SAID])
    assert second.id == second.duplicate_of == first.id and between.id != first.id
    assert first.duplicate_of is None and len(memory.list()) == 2 and memory.ledger()[0].counts == {"records": 2}
    whole(memory)


def test_one_of_both_is_enough_to_tell_a_writing_apart(memory):
    for fields in ({"reference": "mail/2"}, {"happened": "1970-01-01T00:00Z"}):
        (first,) = memory.write("seen once", **fields)
        assert memory.write("seen once", **fields)[0].id == first.id


def test_another_place_channel_reference_time_or_key_is_another_writing(memory):
    (first,) = memory.write(SAID)
    for other in ({"reference": "mail/2"}, {"happened": "2026-05-02T10:00Z"}, {"channel": "tool"}, {"key": "k"}):
        (record,) = memory.write(SAID | other)
        assert record.id != first.id and record.duplicate_of == first.id
    assert memory.write(SAID | {"space": "other"})[0].duplicate_of is None


def test_without_reference_and_time_an_equal_text_is_a_new_record_that_names_the_first(memory):
    (first,) = memory.write("The  Meeting is on MONDAY.")
    second, third = memory.write(["the meeting is on monday.", "The meeting is on Monday."])
    assert len({first.id, second.id, third.id}) == 3 and second.duplicate_of == third.duplicate_of == first.id
    assert memory.get(third.id).duplicate_of == first.id and len(memory.list()) == 3


def test_equal_texts_of_one_batch_name_the_first_of_it(memory):
    first, second = memory.write(["equal", "EQUAL"])
    assert first.duplicate_of is None and second.duplicate_of == first.id


def test_keep_always_makes_a_new_record(memory):
    (first,) = memory.write(SAID)
    second, third = memory.write([SAID, SAID], duplicates="keep")
    assert len({first.id, second.id, third.id}) == 3 and second.duplicate_of == third.duplicate_of == first.id


def test_the_same_writing_with_another_spelling_is_another_record(memory):
    (first,) = memory.write(SAID)
    (second,) = memory.write(SAID | {"text": "the meeting is on monday."})
    assert second.id != first.id and second.text == "the meeting is on monday."


def test_a_held_or_expired_or_superseded_or_forgotten_record_swallows_no_writing(memory):
    (held,) = memory.write(SAID)
    memory.hold(held.id, reason="odd")
    (second,) = memory.write(SAID)
    assert second.id != held.id
    (ended,) = memory.write(SAID | {"reference": "r", "expires": "2020-01-01T00:00Z"})
    assert memory.write(SAID | {"reference": "r"})[0].id != ended.id
    memory.revise(second.id, "It was moved to Tuesday.")
    (again,) = memory.write(SAID)
    assert again.id not in (held.id, second.id)
    memory.forget(again.id, reason="asked", suppress=False)
    assert memory.write(SAID)[0].id not in (held.id, second.id, again.id)


def test_a_held_writing_of_a_batch_does_not_swallow_the_next(opened):
    memory = opened(guards=[lambda item, context=None: Verdict("quarantine" if "Monday" in item else "allow")])
    first, second = memory.write([SAID, SAID])
    assert first.id != second.id and first.held and second.held


def test_the_first_record_forgotten_no_duplicate_names_it_any_more(memory):
    (first,) = memory.write("an equal text of five words")
    (second,) = memory.write("an equal text of five words")
    assert second.duplicate_of == first.id
    memory.forget(first.id, reason="asked", suppress=False)
    assert memory.get(second.id).duplicate_of is None


def test_what_was_recalled_and_comes_back_from_the_model_is_derived_from_its_record(memory):
    (source,) = memory.write("The vault opens at nine.", channel="document")
    memory.recall("When does the vault open?")
    (echo,) = memory.write("the vault opens at nine.", channel="model")
    assert "repeats a record that was recalled" in echo.notes[0]
    assert echo.parents == (source.id,) and echo.trust == 0.4, "no trust is gained by repeating"
    assert [hit.record.id for hit in memory.recall("vault")] == [source.id], "beside its original it is not shown"
    memory.forget(source.id, reason="asked")
    assert memory.list() == [], "and it goes when that goes"


def test_the_users_own_repetition_is_noted_and_stands_for_itself(memory):
    (source,) = memory.write("The vault opens at nine.", channel="document")
    memory.recall("vault")
    (said,) = memory.write("The vault opens at nine.")
    assert "repeats" in said.notes[0] and said.parents == () and said.trust == 0.9 and source.id == said.duplicate_of


def test_what_was_not_recalled_is_no_repetition(memory):
    memory.write("The vault opens at nine.")
    memory.write("Bread is baked at six.")
    memory.recall("When does the vault open?", k=1)
    (record,) = memory.write("Bread is baked at six.", channel="model")
    assert record.notes == () and record.parents == ()


def test_a_recall_by_another_handle_counts_too(memory, opened):
    (source,) = memory.write("The vault opens at nine.")
    other = opened()
    other.recall("vault")
    other.close()
    assert memory.write("The vault opens at nine.", channel="model")[0].parents == (source.id,)
