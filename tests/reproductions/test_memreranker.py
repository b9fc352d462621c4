"""The reproduction of memreranker on dialogues made up by rule: what it measures, and what its control leaves."""

import re

import numpy as np
import pytest

from delible.core.records import Record, Source
from delible.core.verdicts import Context
from delible.recall.memreranker import best_threshold
from delible.reproductions import memreranker
from delible.reproductions.harness import Setup
from delible.reproductions.memreranker import BESIDE, CONTROL, EXPECT, ROWS, Judge, Question, measure, questions

SMOKE = Setup(seed=0, scale="smoke")


@pytest.fixture(scope="module")
def measured():
    return measure(SMOKE)


@pytest.fixture(scope="module")
def control():
    return measure(SMOKE, **CONTROL)


def test_the_numbered_list_of_the_docstring_is_what_is_expected():
    numbers = re.findall(r"^(\d+)\. ", memreranker.__doc__, re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, len(EXPECT) + 1))


def test_all_that_is_expected_or_shown_is_measured(measured, control):
    assert {expect.name for expect in EXPECT} | {name for cells in ROWS.values() for name in cells.values()} <= set(
        measured
    )
    assert set(measured) == set(control) and all(np.isfinite(list(measured.values())))


def test_a_student_of_the_other_dialogues_finds_what_answers(measured):
    assert measured["map, student"] > measured["map, rule"] and measured["ece, student"] < 0.02


def test_a_student_of_shuffled_labels_does_not(measured, control):
    assert control["map, student"] < control["map, rule"] and control["above the rule"] < 0
    assert control["map, rule"] == measured["map, rule"]


def test_without_neighbours_the_answer_to_a_question_is_not_found(measured):
    assert measured["map, no neighbours"] < measured["map, student"]


def test_a_seed_repeats_and_another_seed_is_another_run(measured):
    assert measure(SMOKE) == measured
    assert measure(Setup(seed=1, scale="smoke")) != measured


def test_unanswerable_questions_are_asked_and_kept_apart():
    names, asked = questions(None)
    kinds = [each.category for each in asked]
    assert kinds.count("adversarial") == 3 and len(kinds) == 18
    assert all(each.features.shape == (len(each.relevant), len(names)) for each in asked)


def test_some_features_speak_of_neighbours_and_some_do_not():
    beside = [bool(BESIDE.search(name)) for name in questions(None)[0]]
    assert any(beside) and not all(beside)


def test_a_threshold_comes_from_the_other_dialogues():
    def question(talk, relevant):
        rows = len(relevant)
        return Question(
            talk, "single-hop", 1, np.zeros((rows, 1)), np.array(relevant), np.zeros(rows), {}, np.zeros(0, bool)
        )

    asked = [question("one", [True, False]), question("two", [True, False, False])]
    scores = [np.array([0.9, 0.1]), np.array([0.6, 0.7, 0.2])]
    thresholds, share = memreranker.transferred({"one": scores, "two": scores}, asked)
    assert thresholds == {"one": 0.6, "two": 0.9}
    assert best_threshold(scores[1], asked[1].relevant)[1] == pytest.approx(2 / 3)
    assert share == pytest.approx((1 + 0) / 2)  # at .6 all is right in one; at .9 nothing is found in two


def test_a_judge_sees_grades_and_turns_its_share_of_votes_around():
    a, b = (Record(str(at), "", "", Source("import"), None, None) for at in (0, 1))
    judge = Judge(np.array([1.0, 0.0]), 0.25, np.random.default_rng(0))
    votes = [judge.compare("", a, b, Context()) for _ in range(2000)]
    assert np.mean(votes) == pytest.approx(0.75, abs=0.03)
    assert np.mean([judge.raw() for _ in range(2000)], axis=0) == pytest.approx([0.75, 0.25], abs=0.03)
