"""Constants found by a search: columns sum to the score, the search finds what tells evidence apart, and no more."""

from dataclasses import replace

import numpy as np
import pytest

import delible
from delible.bench import chosen, evidence
from delible.bench.chosen import NAMES, Columns, columns, mean_map
from delible.bench.conversations import Asked, Talk
from delible.recall.score import RULE, parts, score

TURNS = ("I lost my umbrella on the ferry.", "When was that?", "Last Friday in Porto.", "Olga paints my kitchen green.")


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    turns = tuple(
        {"text": text, "author": ("Ana", "Bo")[i % 2], "reference": str(i), "meta": {"session": 1}}
        for i, text in enumerate(TURNS)
    )
    asked = (Asked("When did Ana lose her umbrella?", "-", ("2",), "single-hop", answerable=True),)
    with delible.open(tmp_path_factory.mktemp("talks") / "talks.mem", encoder="hash") as memory:
        return evidence.trials(memory, [Talk("one", ("Ana", "Bo"), turns, asked)])[0]


def random_question(seed, name, candidates=30):
    """A question that one column alone answers."""
    values = np.random.default_rng(seed).normal(size=(candidates, len(NAMES))).astype(np.float32)
    return Columns(values, np.arange(candidates) == np.argmax(values[:, NAMES.index(name)]), 1)


def test_columns_times_weights_are_the_score(trial):
    one = columns(trial)
    weights = np.array([getattr(RULE, name) for name in NAMES])
    looked = trial.searched
    bare = replace(RULE, beside=0)  # built on the sum of the others
    assert one.values @ weights == pytest.approx(score(parts(looked.candidates, looked.question.form, bare)), abs=1e-4)
    assert one.relevant.sum() == one.total == 1


def test_map_counts_what_was_not_found_and_puts_evidence_last_among_equals():
    values = np.zeros((4, len(NAMES)), np.float32)
    values[:, 0] = (3, 2, 2, 1)
    weights = np.eye(len(NAMES), dtype=np.float32)[0]
    assert mean_map([Columns(values, np.array([True, False, False, False]), 1)], weights) == 1
    assert mean_map([Columns(values, np.array([False, True, False, False]), 2)], weights) == pytest.approx(1 / 6)


def test_the_search_finds_the_column_that_answers_and_keeps_the_rest_small():
    found = chosen.chosen({"one": [random_question(seed, "subject") for seed in range(60)]})
    assert found.subject >= 4 * max(abs(getattr(found, name)) for name in NAMES if name != "subject")
    assert found.dense == RULE.dense and all(getattr(found, name) * getattr(RULE, name) >= 0 for name in NAMES)


def test_a_small_set_counts_as_much_as_a_large_one():
    large = [random_question(seed, "subject") for seed in range(60)]
    small = [random_question(seed, "in_range") for seed in range(20)]
    weights = np.array([float(name == "in_range") for name in NAMES], np.float32)
    mean = (mean_map(large, weights) + mean_map(small, weights)) / 2
    assert mean_map(small, weights) == 1 and chosen._over({"large": large, "small": small}, weights) == mean


def test_weights_are_told_in_a_line():
    assert chosen.told(replace(RULE, meaning=0.5)).startswith("meaning 0.5, subject ")
