"""Figures of one question from the ranks of what is relevant: gains are binary, and what was not found counts as 0.

`ranks`: those of the relevant that were found, from 1, ascending; `total`: all that is relevant, found or not, from 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy import intp
    from numpy.typing import NDArray


def average_precision(ranks: NDArray[intp], total: int) -> float:
    """Mean, over all that is relevant, of the precision at its rank."""
    return float((np.arange(1, len(ranks) + 1) / ranks).sum()) / total


def reciprocal_rank(ranks: NDArray[intp]) -> float:
    """1 / the first rank; 0 where nothing was found."""
    return float(1 / ranks[0]) if len(ranks) else 0.0


def ndcg(ranks: NDArray[intp], total: int, k: int = 10) -> float:
    """Sum of 1 / log2(rank + 1) among the first `k`, as a share of the best possible sum."""
    best = np.arange(1, min(k, total) + 1)
    return float((1 / np.log2(ranks[ranks <= k] + 1)).sum() / (1 / np.log2(best + 1)).sum())
