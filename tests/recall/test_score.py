"""The score: its parts add up, each says what its name says, and ties are broken the same way each time."""

from dataclasses import fields, replace

import numpy as np
import pytest

from delible.recall.score import Candidates, Form, Weights, parts, score, standardised


def candidates(n=3, **given):
    columns = {}
    for field in fields(Candidates):
        flag = "bool_" in str(field.type)
        columns[field.name] = np.zeros(n, bool if flag else float)
    columns |= {"session": np.arange(n), "days": np.full(n, np.inf), "talk": np.full(n, -1)}
    return Candidates(**columns | {name: np.array(value) for name, value in given.items()})


def test_nothing_known_is_a_score_of_nothing():
    assert score(parts(candidates(), Form())).tolist() == [0, 0, 0]
    assert score(parts(candidates(0), Form())).tolist() == []


def test_the_score_is_the_sum_of_its_parts():
    c = candidates(
        inherited=[0.1, 0.5, 0.9], bm25=[3.0, 0.0, 1.0], subject=[True, False, False], first_person=[4, 0, 1]
    )
    found = parts(c, Form(names=True))
    assert set(found) == {"meaning", "speaker", "nearby", "form", "time", "beside"}
    assert score(found).tolist() == pytest.approx([sum(found[name][at] for name in found) for at in range(3)])
    assert found["meaning"].tolist() == pytest.approx([-2 * 1.5**0.5, 0, 2 * 1.5**0.5])


def test_the_subject_of_the_question_is_preferred_to_the_one_who_talks_with_him():
    c = candidates(subject=[True, False, False], another=[False, True, False])
    assert parts(c, Form())["speaker"].tolist() == [4.8, -1, 0]


def test_a_question_of_time_asks_for_a_time_and_one_of_number_for_a_number():
    c = candidates(time=[True, False, False], number=[False, True, False], capitals=[0, 0, 4])
    assert parts(c, Form(when=True))["form"].tolist() == [2, 0, 0]
    assert parts(c, Form(how_many=True))["form"].tolist() == [0, 1, 0]
    assert parts(c, Form(names=True))["form"].tolist() == parts(c, Form(where=True))["form"].tolist() == [0, 0, 1]


def test_a_turn_that_only_asks_answers_little_unless_time_is_asked():
    c = candidates(asks=[True, False, False], acknowledges=[False, True, False])
    assert parts(c, Form())["form"].tolist() == [-0.5, -0.5, 0]
    assert parts(c, Form(would=True))["form"].tolist() == [0, -0.5, 0]


def test_a_date_in_the_question_draws_records_of_that_time():
    c = candidates(days=[0, 10, np.inf], in_range=[True, False, False], overlaps=[False, False, True])
    assert parts(c, Form())["time"].tolist() == pytest.approx([6, 4 / np.e, 0.5])


def test_a_session_that_says_much_lifts_its_turns():
    c = candidates(session=[0, 0, 1], session_bm25=[4.0, 4.0, 1.0])
    assert parts(c, Form())["nearby"].tolist() == [1, 1, 0.25]


def test_a_weight_of_zero_takes_its_part_out():
    c = candidates(inherited=[0.1, 0.5, 0.9])
    assert parts(c, Form(), replace(Weights(), meaning=0.0))["meaning"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 7.7])
def test_equal_values_have_no_spread_whatever_the_rounding(value):
    assert standardised(np.full(97, value, np.float32)).tolist() == [0] * 97


def test_a_turn_gains_from_the_best_of_the_four_turns_either_side():
    c = candidates(7, inherited=[9.0, 0, 0, 0, 0, 0, 0], talk=[1] * 7, place=range(10, 17))
    meaning, beside = (parts(c, Form())[name] for name in ("meaning", "beside"))
    gain = 0.1 * (meaning[0] - meaning[1])
    assert beside.tolist() == pytest.approx([0, gain, gain, gain, gain, 0, 0])


def test_nothing_is_gained_beside_another_talk_or_where_none_is_a_turn():
    best = [9.0, 0, 0]
    for talk in ([1, 2, 2], [-1, -1, -1]):
        assert not parts(candidates(inherited=best, talk=talk, place=[1, 2, 3]), Form())["beside"].any()


def test_turns_that_are_no_candidates_lie_between_all_the_same():
    c = candidates(inherited=[9.0, 0, 0], talk=[1, 1, 1], place=[1, 5, 6])
    assert (parts(c, Form())["beside"] > 0).tolist() == [False, True, False]
