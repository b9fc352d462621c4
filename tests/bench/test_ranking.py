"""Figures of rankings are those one computes by hand, and intervals say how far they would move."""

from math import log2

import numpy as np
import pytest

from delible.bench.ranking import (
    Scored,
    average_precision,
    bootstrap,
    by_category,
    mean,
    ndcg_at,
    paired,
    recall_at,
    reciprocal_rank,
    reciprocal_rank_near,
)
from delible.core.errors import InvalidInput

RANKED = ["a", "x", "b", "y", "z"]


def test_average_precision_divides_by_all_that_is_relevant():
    assert average_precision(RANKED, {"a", "b"}) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert average_precision(RANKED, {"a", "b", "never"}) == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert average_precision(RANKED, {"z"}) == pytest.approx(1 / 5)
    assert average_precision(RANKED, {"never"}) == 0


def test_reciprocal_rank_is_of_the_first_that_is_relevant():
    assert reciprocal_rank(RANKED, {"b", "z"}) == pytest.approx(1 / 3)
    assert reciprocal_rank(RANKED, {"a"}) == 1
    assert reciprocal_rank(RANKED, {"never"}) == 0


def test_recall_is_the_share_found_in_the_first_k():
    relevant = {"a", "b", "never"}
    found = [recall_at(RANKED, relevant, k) for k in (1, 2, 3, 50)]
    assert found == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])


def test_ndcg_is_a_share_of_the_best_sum_of_discounts():
    gained = 1 / log2(2) + 1 / log2(4)
    assert ndcg_at(RANKED, {"a", "b"}) == pytest.approx(gained / (1 / log2(2) + 1 / log2(3)))
    assert ndcg_at(RANKED, {"a", "b", "never"}) == pytest.approx(gained / (1 / log2(2) + 1 / log2(3) + 1 / log2(4)))
    assert ndcg_at(RANKED, {"a", "b"}, k=2) == pytest.approx(1 / (1 + 1 / log2(3)))
    assert ndcg_at(["b", "a"], {"a", "b"}) == pytest.approx(1)


def test_ndcg_of_more_relevant_than_the_depth_can_be_whole():
    many = [str(i) for i in range(14)]
    assert ndcg_at(many, set(many)) == pytest.approx(1)
    assert ndcg_at([*(f"x{i}" for i in range(10)), *many], set(many)) == 0


def test_a_turn_beside_a_relevant_one_counts_where_near_is_enough():
    order = [f"D1:{i}" for i in range(1, 11)]
    ranked = ["D1:9", "D1:3", "D1:5"]
    assert reciprocal_rank(ranked, {"D1:5"}) == pytest.approx(1 / 3)
    assert reciprocal_rank_near(ranked, {"D1:5"}, order) == pytest.approx(1 / 2)
    assert reciprocal_rank_near(ranked, {"D1:5"}, order, turns=4) == 1
    assert reciprocal_rank_near(ranked, {"D1:5"}, order, turns=1) == pytest.approx(1 / 3)
    assert reciprocal_rank_near(ranked, {"D1:5"}, order, turns=0) == pytest.approx(1 / 3)
    # The first turn has none before it: the last is not its neighbour.
    assert reciprocal_rank_near(["D1:10", "D1:2"], {"D1:1"}, order) == pytest.approx(1 / 2)


MEASURES = [
    average_precision,
    reciprocal_rank,
    lambda ranked, relevant: recall_at(ranked, relevant, 10),
    ndcg_at,
    lambda ranked, relevant: reciprocal_rank_near(ranked, relevant, RANKED),
]


@pytest.mark.parametrize("measure", MEASURES)
def test_an_empty_ranking_scores_nothing(measure):
    assert measure([], {"a"}) == 0


@pytest.mark.parametrize("measure", MEASURES)
def test_the_best_ranking_scores_one(measure):
    assert measure(["a", "b", "x"], {"a", "b"}) == pytest.approx(1)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_question_without_anything_relevant_has_no_figure(measure):
    with pytest.raises(InvalidInput, match="nothing is relevant"):
        measure(RANKED, set())


@pytest.mark.parametrize("measure", MEASURES)
def test_a_reference_ranked_twice_is_a_mistake(measure):
    with pytest.raises(InvalidInput, match="twice in the ranking"):
        measure(["a", "x", "a"], {"a"})


@pytest.mark.parametrize("measure", MEASURES)
def test_evidence_named_twice_counts_once(measure):
    assert measure(RANKED, ["b", "b"]) == measure(RANKED, {"b"})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: recall_at(RANKED, {"a"}, 0),
        lambda: ndcg_at(RANKED, {"a"}, 0),
        lambda: reciprocal_rank_near(RANKED, {"a"}, ["a", "b", "a"]),
        lambda: reciprocal_rank_near(RANKED, {"never"}, RANKED),
        lambda: reciprocal_rank_near(RANKED, {"a"}, RANKED, turns=-1),
    ],
)
def test_a_depth_or_an_order_that_means_nothing_is_refused(wrong):
    with pytest.raises(InvalidInput):
        wrong()


def scored(**values):
    """One question for each value; a keyword is a conversation, categories alternate."""
    return [
        Scored(conversation, ("temporal", "multi-hop")[i % 2], {"map": value})
        for conversation, found in values.items()
        for i, value in enumerate(found)
    ]


def test_the_mean_counts_each_question_once():
    assert mean(scored(one=[1, 0, 0], two=[1]), "map") == 0.5


def test_categories_are_apart_and_by_name():
    found = by_category(scored(one=[0.25, 0.5, 0.75], two=[0.1]))
    assert list(found) == ["multi-hop", "temporal"]
    assert mean(found["multi-hop"], "map") == 0.5 and len(found["temporal"]) == 3
    assert by_category([]) == {}


def test_drawing_whole_conversations_gives_only_what_conversations_can_mean():
    # Of two conversations a draw has one twice (0 or 1, a quarter each) or both (10 of 40, half of the draws).
    low, high = bootstrap(scored(good=[1] * 10, bad=[0] * 30), "map", rounds=4000)
    assert (low, high) == (0, 1)
    tight = bootstrap(scored(**{f"c{i}": [1] * 10 + [0] * 10 for i in range(5)}), "map")
    assert tight == (0.5, 0.5)


def test_drawing_questions_keeps_every_conversation():
    assert bootstrap(scored(good=[1] * 10, bad=[0] * 30), "map", over="questions") == (0.25, 0.25)
    low, high = bootstrap(scored(one=[1, 0] * 50, two=[1, 0] * 50), "map", over="questions")
    assert low < 0.5 < high
    # 200 draws of a coin: the interval is near 1.96 standard errors on each side.
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.5 / 200**0.5, 0.5 + 1.96 * 0.5 / 200**0.5), abs=0.01)


def test_conversations_of_unlike_size_are_drawn_as_by_hand():
    sizes, random = {"a": 3, "b": 1, "c": 6}, np.random.default_rng(5)
    values = {name: random.random(size).tolist() for name, size in sizes.items()}
    drawn = np.random.default_rng(7).integers(0, 3, (50, 3))
    names = sorted(values)
    means = [np.mean([value for i in draw for value in values[names[i]]]) for draw in drawn]
    found = bootstrap(scored(**values), "map", seed=7, rounds=50)
    assert found == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


@pytest.mark.parametrize("over", ["conversations", "questions"])
def test_the_same_seed_gives_the_same_interval_in_any_order_of_conversations(over):
    values = {f"c{i}": [0.1 * i, 0.9, 0.05 * i * i] for i in range(6)}
    backwards = dict(reversed(values.items()))
    first = bootstrap(scored(**values), "map", over, seed=3)
    assert first == bootstrap(scored(**backwards), "map", over, seed=3)
    assert first != bootstrap(scored(**values), "map", over, seed=4)


def test_one_question_alone_has_no_width():
    assert bootstrap(scored(one=[0.3]), "map") == bootstrap(scored(one=[0.3]), "map", "questions") == (0.3, 0.3)


@pytest.mark.parametrize("over", ["conversations", "questions"])
def test_a_pair_cancels_what_both_find_hard(over):
    base = [0.1, 0.9, 0.4, 0.6]
    better = scored(one=[value + 0.05 for value in base], two=[0.35, 0.75])
    worse = scored(one=base, two=[0.3, 0.7])
    assert paired(better, worse, "map", over) == pytest.approx((0.05, 0.05))
    assert paired(worse, better, "map", over) == pytest.approx((-0.05, -0.05))
    assert paired(worse, worse, "map", over) == (0, 0)
    low, high = bootstrap(worse, "map", "questions")
    assert high - low > 0.1


def test_a_pair_of_other_questions_is_refused():
    for other in (scored(one=[1]), scored(one=[1], two=[0]), scored(two=[1, 0])):
        with pytest.raises(InvalidInput, match="the same questions in the same order"):
            paired(scored(one=[1, 0]), other, "map")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: mean([], "map"),
        lambda: bootstrap([], "map"),
        lambda: paired([], [], "map"),
        lambda: mean(scored(one=[1]), "mrr"),
        lambda: bootstrap(scored(one=[1]), "map", over="days"),
        lambda: bootstrap(scored(one=[1]), "map", rounds=0),
    ],
)
def test_what_has_no_mean_is_refused(wrong):
    with pytest.raises(InvalidInput):
        wrong()
