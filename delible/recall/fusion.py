"""One score of words and meaning: the plain sum of both, standardised over the candidates.

    score = z(bm25) + z(cosine),  z(x) = (x - mean) / standard deviation; 0 where all are equal

It compares candidates of one question with each other and nothing else: a score says how far above its rivals
a hit stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from delible.store.search import Found

if TYPE_CHECKING:
    from numpy import float32, float64, floating, intp
    from numpy.typing import NDArray


NAMES = ("words", "meaning", "bm25", "cosine")  # of the parts: standardised, then as they were


class Fused(NamedTuple):
    """Candidates, best first: `order` are positions in what was found; scores and columns follow that order."""

    order: NDArray[intp]
    scores: NDArray[float64]
    columns: Mapping[str, NDArray[floating[Any]]]

    def parts(self, at: int) -> dict[str, float]:
        """What the score of this place is made of."""
        return {name: float(values[at]) for name, values in self.columns.items()}


def standardised(values: NDArray[float32]) -> NDArray[float64]:
    """Zero mean and unit variance; all 0 where the values are equal, or none."""
    if not len(values):
        return np.zeros(0)
    exact = values.astype(np.float64)
    spread = float(exact.std())
    # Equal float32 values have a spread of rounding alone, not of exactly 0.
    if spread <= 1e-9 * max(1.0, float(np.abs(exact).max())):
        return np.zeros(len(exact))
    above: NDArray[float64] = (exact - exact.mean()) / spread
    return above


def fuse(found: Found) -> Fused:
    """Order and explain the candidates. Equal scores: the latest happening first, then the latest row."""
    words, meaning = standardised(found.bm25), standardised(found.cosine)
    scores = words + meaning
    order = np.lexsort((-found.rows, -found.happened, -scores))
    columns: tuple[NDArray[floating[Any]], ...] = (words, meaning, found.bm25, found.cosine)
    return Fused(order, scores[order], {name: of[order] for name, of in zip(NAMES, columns, strict=True)})
