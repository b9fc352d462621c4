"""Learned rankers are trained on other talks than those that they rank, from what recall knew alone."""

from dataclasses import replace

import numpy as np
import pytest

import delible
from delible.bench import evidence, learned
from delible.bench.conversations import Asked, Talk
from delible.core.errors import InvalidInput
from delible.recall.memreranker import WIDEST

TURNS = (
    "I adopted a puppy called Biscuit.",
    "Which breed?",
    "A beagle, he chews slippers.",
    "My kitchen is painted green.",
    "Who paints it?",
    "My cousin paints the kitchen.",
    "Did you see the lighthouse?",
    "We climbed the lighthouse.",
    "I lost my umbrella on the ferry.",
    "The umbrella was a gift.",
)
ASKED = (
    ("What chews the slippers, a beagle?", "3"),
    ("Who paints the kitchen?", "6"),
    ("Where was the umbrella lost?", "9"),
)


def talk(name):
    turns = tuple(
        {"text": text, "author": ("Ana", "Bo")[i % 2], "reference": str(i), "meta": {"session": 1}}
        for i, text in enumerate(TURNS, 1)
    )
    asked = tuple(Asked(question, "-", (where,), "single-hop", answerable=True) for question, where in ASKED)
    return Talk(name, ("Ana", "Bo"), turns, asked)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with delible.open(tmp_path_factory.mktemp("talks") / "talks.mem", encoder="hash") as memory:
        return evidence.trials(memory, [talk("one"), talk("two")])


def test_features_are_few_finite_and_one_a_candidate(found):
    table = learned.features(found[0].searched)
    assert len(table) <= WIDEST
    assert {len(values) for values in table.values()} == {len(found[0].searched.candidates)}
    assert all(np.isfinite(values).all() for values in table.values())


def test_relevant_candidates_are_those_that_evidence_names(found):
    marks = learned.relevant(found[1])
    rows = found[1].searched.found.rows
    assert [found[1].reference[int(row)] for row in rows[marks]] == ["6"]


def test_ranks_grow_slowly_and_a_missing_neighbour_counts_as_nothing():
    assert learned._rank(np.array([1.0, 5.0, 1.0])) == pytest.approx(np.log([3, 2, 4]) / 3)
    assert learned._beside(np.array([[4.0, 7.0]]), np.array([1, -1, 0])).tolist() == [[7, 0, 4]]
    assert learned.highest(np.array([1.0, 3.0, 2.0]), np.array([5, 5, 8])).tolist() == [3, 3, 2]


def test_what_holds_for_one_talk_ranks_its_twin(found):
    way = learned.learned(found)
    ranked = [trial.ranked(way(trial)) for trial in found]
    assert [one[0] for one in ranked] == ["3", "6", "9"] * 2
    assert all(len(set(one)) == len(trial.searched.candidates) for one, trial in zip(ranked, found, strict=True))


def test_a_talk_teaches_nothing_about_itself(found):
    """With the other talk's answers turned around, this one's right ones are of no use to it."""
    turned = [
        trial if trial.talk.name == "one" else _with_evidence(trial, "2") for trial in found
    ]  # two: the turn that asks
    way = learned.learned(turned)
    assert found[0].ranked(way(found[0]))[0] != "3"


def test_a_model_of_other_talks_ranks_any_question(found):
    way = learned.transferred([trial for trial in found if trial.talk.name == "one"])
    assert [trial.ranked(way(trial))[0] for trial in found if trial.talk.name == "two"] == ["3", "6", "9"]


def test_without_any_evidence_there_is_nothing_to_learn(found):
    with pytest.raises(InvalidInput, match="nothing to learn from"):
        learned.transferred([_with_evidence(trial, "none") for trial in found])


def _with_evidence(trial, *references):
    return replace(trial, asked=replace(trial.asked, evidence=references))
