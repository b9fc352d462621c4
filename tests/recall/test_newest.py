"""Newest first where a fact was revised, on a real store with the `hash` encoder (equal words are equal tokens)."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import delible
from delible.recall.late import Stored
from delible.recall.newest import HAIR, MOST, rise, shares
from delible.store.bits import sign_bits

START = datetime(2024, 1, 1, tzinfo=UTC)
OTHERS = ["The lighthouse of Sagres is painted white.", "Olive trees grow slowly.", "Kites fly over Lisbon."]


@pytest.fixture
def told(tmp_path):
    """Write facts a day apart, oldest first, and recall the texts of hits; further arguments are `recall`'s."""

    def told(facts, question, **how):
        with delible.open(tmp_path / "agent.mem", encoder="hash") as memory:
            items = [fact if isinstance(fact, dict) else {"text": fact} for fact in [*OTHERS, *facts]]
            memory.write([{"happened": START + timedelta(days=day)} | item for day, item in enumerate(items)])
            return memory.recall(question, now=START + timedelta(days=90), **how)

    return told


def texts(hits):
    return [hit.record.text for hit in hits]


OLD = "The budget of the garden project is forty."  # shorter, so that its words count more
NEW = "The budget of the garden project is ninety. Or so, all in all."
ASKED = "What is the budget of the garden project?"


def test_of_two_values_of_a_fact_the_newer_comes_first_and_the_hit_says_why(told):
    hits = told([OLD, NEW], ASKED)
    assert texts(hits)[:2] == [NEW, OLD]
    assert hits[0].parts["newest"] > 0 == hits[1].parts["newest"]


def test_the_order_of_happening_counts_not_the_order_of_writing(told):
    late, early = {"text": OLD, "happened": START + timedelta(days=60)}, {"text": NEW, "happened": START}
    assert texts(told([late, early], ASKED))[:2] == [OLD, NEW]


def test_the_newest_of_three_takes_the_place_of_the_best(told):
    values = [f"The password of the harbour network is {word}." for word in ("sunflower", "mountain", "teapot")]
    assert texts(told(values, "What is the password of the harbour network?"))[0] == values[-1]


def test_the_same_said_of_another_subject_does_not_rise(told):
    about, other = "The author of Emma is Jane Austen.", "The author of Ulysses is Jane Austen."
    hits = told([about, other], "Who is the author of Emma?")
    assert texts(hits)[0] == about and all(hit.parts["newest"] == 0 for hit in hits)


def test_another_speaker_revises_nothing(told):
    facts = [{"text": OLD, "author": "Ines"}, {"text": NEW, "author": "Rui"}]
    assert all(hit.parts["newest"] == 0 for hit in told(facts, ASKED))


def test_a_long_text_is_no_revision(told):
    words = " ".join(f"word{number}" for number in range(MOST + 1))
    facts = [f"The budget of the garden is forty: {words}.", f"The budget of the garden is ninety: {words}."]
    assert all(hit.parts["newest"] == 0 for hit in told(facts, "What is the budget of the garden?"))


def test_who_asks_for_a_date_gets_what_was_true_then(told):
    facts = [OLD, {"text": NEW, "happened": START + timedelta(days=60)}]
    assert texts(told(facts, "What was the budget of the garden project on 4 January 2024?"))[0] == OLD


def test_the_share_counts_words_of_both_that_the_other_has():
    vectors = np.random.default_rng(0).standard_normal((5, 128)).astype(np.float32)
    a, b, c, d, e = sign_bits(vectors).view(np.uint64)
    stored = Stored(np.stack([a, b, c, a, b, d, e, e]), np.zeros(8, np.uint8), np.array([3, 4, 1]))
    assert shares(stored, 128).tolist() == [[1, 4 / 7, 0], [4 / 7, 1, 2 / 5], [0, 2 / 5, 1]]


def test_only_the_newest_rises_and_by_what_is_missing():
    scores = np.array([3.0, 1.0, 2.0, 5.0])
    assert rise(scores, np.array([2, 2, -1, -1])).tolist() == pytest.approx([0, 0, 1 + HAIR, 0])
    assert rise(scores, np.array([-1, -1, 0, -1])).tolist() == [0, 0, 0, 0], "it stands above already"
    assert rise(scores, None).tolist() == [0, 0, 0, 0]
    assert rise(np.zeros(0), np.zeros(0, np.intp)).tolist() == []
