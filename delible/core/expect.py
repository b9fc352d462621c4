"""What a reproduction promises of a figure over its seeds: a literal beside the code that measures it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, stdev
from typing import Literal

Relation = Literal["<=", ">=", "=="]


@dataclass(frozen=True)
class Expect:
    """`name`: a key of what `measure` returns; `source`: where the bound comes from.

    over: the mean of the seeds; every seed; or "sure", the mean less two standard errors (of "<=": plus).
    """

    name: str
    relation: Relation
    bound: float
    source: str
    over: Literal["mean", "every", "sure"] = "mean"

    def judged(self, values: Sequence[float]) -> float:
        """The one number that is held against the bound, from the values of the seeds; at least one."""
        better = 1 if self.relation == ">=" else -1
        if self.over == "every":
            # Of "==" the value farthest away; max and min would let a NaN pass.
            far = [abs(value - self.bound) if self.relation == "==" else -better * value for value in values]
            return next((value for value in values if value != value), values[far.index(max(far))])
        if self.over == "sure":
            error = stdev(values) / sqrt(len(values)) if len(values) > 1 else inf  # one seed makes nothing sure
            return fmean(values) - better * 2 * error
        return fmean(values)
