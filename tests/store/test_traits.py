"""What a text says of itself, in bits that are stored."""

import numpy as np
import pytest

from delible.store.traits import BY_MODEL, columns, question_spans, traits_of


def seen(text, channel="user"):
    return {name: value.tolist()[0] for name, value in columns(np.array([traits_of(text, channel)]))._asdict().items()}


def test_a_turn_is_seen_with_all_it_has():
    assert seen("Thanks! I think I'll take my two sisters to Lisbon and Porto next Friday, okay?") == {
        "first_person": 3,
        "capitals": 3,
        "time": True,
        "number": True,
        "acknowledges": True,
        "asks": True,
        "holds_question": True,
        "model": False,
    }


def test_a_plain_sentence_has_nothing():
    assert not any(seen("The cellar key lies under the green pot.").values())


def test_counts_stop_at_four():
    assert seen("I " * 50)["first_person"] == 4 and seen("to Ana Bob Cid Dan Eve Flo")["capitals"] <= 4


def test_a_question_inside_is_no_question_at_the_end():
    found = seen("Do you like tea? The tin is blue.")
    assert found["holds_question"] and not found["asks"]


def test_what_a_model_wrote_is_marked():
    assert traits_of("Good morning.", "model") & BY_MODEL and not traits_of("Good morning.", "document") & BY_MODEL


@pytest.mark.parametrize("text", ["", " ", "?" * 100_000, "I" * 100_000, "Ana " * 50_000, "١٢٣؟"])
def test_odd_texts_are_seen_quickly_and_whole(text):
    assert 0 <= traits_of(text) < 1 << 12


def test_sentences_that_ask_are_found():
    text = "I like tea. Do you? Yes! What else? Rum."
    assert [text[a:b].strip() for a, b in question_spans(text)] == ["Do you?", "What else?"]
    assert question_spans("no question here") == [] and question_spans("你好吗？") == [(0, 4)]
