"""One score of words and meaning: the standardised sum."""

import numpy as np
import pytest

from delible.recall.fusion import fuse, standardised
from delible.store.search import Found
from delible.store.views import UNKNOWN


def found(bm25, cosine, rows=None, happened=None):
    n = len(bm25)
    rows = np.arange(1, n + 1) if rows is None else np.array(rows)
    happened = np.full(n, UNKNOWN) if happened is None else np.array(happened)
    none = np.full(n, -1)
    return Found(rows, np.array(bm25, np.float32), np.array(cosine, np.float32), none, none, happened, n)


def test_the_score_is_the_sum_of_both_standardised():
    fused = fuse(found([0, 1, 2], [0.9, 0.3, 0.6]))
    root = 1.5**0.5
    assert fused.order.tolist() == [2, 0, 1]
    assert fused.scores == pytest.approx([root, 0, -root], abs=1e-6)
    assert fused.parts(1) == pytest.approx({"words": -root, "meaning": root, "bm25": 0, "cosine": 0.9}, abs=1e-6)
    parts = [fused.parts(at) for at in range(3)]
    assert [part["words"] + part["meaning"] for part in parts] == pytest.approx(fused.scores.tolist())


def test_a_side_on_which_all_are_equal_says_nothing():
    fused = fuse(found([0, 0, 0], [0.1, 0.3, 0.2]))
    assert fused.order.tolist() == [1, 2, 0] and not fused.columns["words"].any()


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 7.7])
def test_equal_values_have_no_spread_whatever_the_rounding(value):
    assert standardised(np.full(97, value, np.float32)).tolist() == [0] * 97


def test_no_candidate_and_one_candidate():
    assert fuse(found([], [])).scores.tolist() == [] and fuse(found([], [])).order.tolist() == []
    one = fuse(found([3.0], [0.8]))
    assert one.scores.tolist() == [0] and one.parts(0)["bm25"] == 3


def test_equal_scores_are_ordered_by_the_latest_happening_then_the_latest_row():
    fused = fuse(found([1] * 5, [0.5] * 5, rows=[3, 5, 7, 8, 9], happened=[50, 70, 70, UNKNOWN, -10]))
    assert fused.order.tolist() == [2, 1, 0, 4, 3]


def test_the_order_does_not_depend_on_how_the_candidates_came():
    r = np.random.default_rng(1)
    bm25, cosine, rows = r.integers(0, 3, 60), r.integers(0, 3, 60) / 10, np.arange(60)
    turned = r.permutation(60)
    one = fuse(found(bm25, cosine, rows))
    other = fuse(found(bm25[turned], cosine[turned], rows[turned]))
    assert rows[one.order].tolist() == rows[turned][other.order].tolist()
