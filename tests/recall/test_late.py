"""Late interaction on sign bits: stored tokens, best matches, and what a turn inherits from those beside it."""

import numpy as np
import pytest

from delible.core.shapes import Tokens
from delible.recall import late
from delible.store.search import Near

D = 384


def unit(*seeds):
    X = np.array([np.random.default_rng(seed).standard_normal(D) for seed in seeds], np.float32).reshape(-1, D)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def stored(*texts):
    """Each text given as (tokens by seed, marks)."""
    blobs = [
        late.packed([Tokens(tuple("x" * len(seeds)), unit(*seeds), tuple(range(len(seeds))))], ["?" * 9], [0])[0]
        for seeds in texts
    ]
    return late.unpacked(b"".join(blobs), np.array([len(blob) for blob in blobs]), D)


def near(partner=-1, opener=-1, before=-1, after=-1):
    speaks = np.array([partner >= 0 or opener >= 0])
    return Near(*(np.array([value]) for value in (0, partner, opener, before, after)), speaks)


def test_a_token_takes_its_sign_bits_and_a_byte():
    (blob,) = late.packed([Tokens(("tea", "tin"), unit(1, 2), (0, 4))], ["tea tin"], [0])
    assert len(blob) == 2 * 49


def test_tokens_of_the_author_before_the_text_are_left_out():
    tokens = Tokens(("ana", "drinks", "tea"), unit(1, 2, 3), (0, 5, 12))
    (blob,) = late.packed([tokens], ["Ana: drinks tea"], [5])
    assert len(blob) == 2 * 49
    assert late.packed([Tokens((), np.zeros((0, D), np.float32), ())], [""], [0]) == [b""]


def test_tokens_of_questions_are_marked():
    text = "I like tea. Is rum?"
    (blob,) = late.packed([Tokens(("tea", "rum"), unit(1, 2), (7, 15))], [text], [0])
    assert late.unpacked(blob, np.array([98]), D).marks.tolist() == [0, late.ASKS]


def test_an_estimated_cosine_lies_near_the_true_one():
    question, known = unit(1), unit(1, 2, 3)
    mixed = (unit(1) + unit(2)) / np.sqrt(2)
    tokens = Tokens(("x", "y", "z"), np.concatenate([known[:1], mixed, known[2:]]), (0, 1, 2))
    (blob,) = late.packed([tokens], ["xyz"], [0])
    found = late.similarities(question, late.unpacked(blob, np.array([len(blob)]), D))[0]
    assert found[0] == pytest.approx(1) and found[1] == pytest.approx(0.707, abs=0.15) and found[2] < 0.25


def test_each_record_has_its_best_match_and_one_without_tokens_none():
    kept = stored((1, 2), (), (3,))
    found = late.best(late.similarities(unit(2, 3), kept), kept.counts)
    assert found.shape == (2, 3) and found[0, 0] == found[1, 2] == pytest.approx(1)
    assert found[:, 1].tolist() == [0, 0] and found[0, 2] < 0.25


def test_the_score_is_the_weighted_mean_of_powers():
    maxima = np.array([[1.0, 0.5], [0.5, 0.0]], np.float32)
    assert late.weighted(maxima, np.array([3, 1], np.float32), 2.0).tolist() == pytest.approx([3.25 / 4, 0.75 / 4])
    assert late.weighted(maxima, np.zeros(2, np.float32)).tolist() == [0, 0]


def test_a_turn_that_answers_owns_its_partners_question():
    own, all_ = np.array([[0.2]], np.float32), np.array([[0.2, 0.8, 0.9]], np.float32)
    asked = np.array([[0.0, 0.6, 0.0]], np.float32)
    assert late.inherited(own, asked, all_, near(partner=1))[0, 0] == pytest.approx(1.05 * 0.6)
    assert late.inherited(own, asked, all_, near(opener=2))[0, 0] == pytest.approx(0.85 * 0.9)
    assert late.inherited(own, asked, all_, near(partner=1, opener=2, before=1))[0, 0] == pytest.approx(0.765)


def test_other_texts_of_a_session_lend_to_those_beside_them_and_alone_nothing_comes_in():
    own, all_ = np.array([[0.2]], np.float32), np.array([[0.2, 0.8, 0.9]], np.float32)
    assert late.inherited(own, all_, all_, near(before=1, after=2))[0, 0] == pytest.approx(0.68)
    assert late.inherited(own, all_, all_, near()).tolist() == own.tolist()
