"""What is expected is held against the mean of the seeds, every seed, or what is sure."""

import math

import pytest

from delible.core.expect import Expect


def judged(relation, values, over="mean", bound=0.5):
    return Expect("figure", relation, bound, "ours", over).judged(values)


def test_by_default_the_mean_counts():
    assert judged(">=", [0.2, 0.8]) == pytest.approx(0.5)


@pytest.mark.parametrize(("relation", "worst"), [(">=", 0.1), ("<=", 0.8), ("==", 0.1)])
def test_of_every_seed_the_worst_counts(relation, worst):
    assert judged(relation, [0.4, 0.1, 0.8], "every") == worst


def test_sure_takes_two_standard_errors_off():
    values = [0.5, 0.6, 0.7]
    error = 0.1 / math.sqrt(3)
    assert judged(">=", values, "sure") == pytest.approx(0.6 - 2 * error)
    assert judged("<=", values, "sure") == pytest.approx(0.6 + 2 * error)


def test_one_seed_makes_nothing_sure():
    assert judged(">=", [9.0], "sure") == -math.inf and judged("<=", [0.0], "sure") == math.inf


def test_what_is_no_number_is_not_passed_over():
    assert math.isnan(judged(">=", [0.9, math.nan], "every")) and math.isnan(judged("<=", [math.nan, 0.1]))
