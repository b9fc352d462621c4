"""Constants of the rule, found by a search: what the rule comes to on a set that had no part in choosing them.

Each weight is 0 or a power of two, its sign kept as in score.py; all begin at 1. One after another takes the value at
which MAP is highest, the mean over the sets that they are chosen on, until a whole round changes nothing. The score is
linear in all weights but `dense`, which stays as it is: so a candidate's score is a product with its columns. (What
turns beside add, and what is newest, comes only when all are known: the search leaves it aside, the figures do not.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from delible.bench.learned import relevant
from delible.recall import ranks
from delible.recall.score import RULE, Weights, parts, score

if TYPE_CHECKING:
    from numpy import bool_, float32
    from numpy.typing import NDArray

    from delible.bench.evidence import Trial

FIXED = ("dense", "beside")
NAMES = tuple(field.name for field in fields(Weights) if field.name not in FIXED)
VALUES = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
ROUNDS = 4
_NONE = Weights(beside=0, **dict.fromkeys(NAMES, 0.0))


class Columns(NamedTuple):
    """A question: what each weight adds to each candidate (C, W), which are evidence (C,), all evidence there is."""

    values: NDArray[float32]
    relevant: NDArray[bool_]
    total: int


def columns(trial: Trial) -> Columns:
    """What a search for constants needs of a question."""
    looked = trial.searched
    of = [score(parts(looked.candidates, looked.question.form, replace(_NONE, **{name: 1.0}))) for name in NAMES]
    return Columns(np.column_stack(of).astype(np.float32), relevant(trial), len(set(trial.asked.evidence)))


def mean_map(questions: Sequence[Columns], weights: NDArray[float32]) -> float:
    """MAP of these weights (W,); of equal scores the relevant one stands last."""
    return float(np.mean([_precision(one, one.values @ weights) for one in questions]))


def chosen(sets: Mapping[str, Sequence[Columns]]) -> Weights:
    """The weights that rank these sets best."""
    signs = np.array([1.0 if getattr(RULE, name) >= 0 else -1.0 for name in NAMES], np.float32)
    weights = signs.copy()
    best = _over(sets, weights)
    for _ in range(ROUNDS):
        before = weights.copy()
        for at in range(len(NAMES)):
            for value in VALUES:
                tried = weights.copy()
                tried[at] = signs[at] * value
                if (reached := _over(sets, tried)) > best + 1e-9:
                    best, weights = reached, tried
        if (weights == before).all():
            break
    return replace(RULE, **{name: float(value) + 0.0 for name, value in zip(NAMES, weights, strict=True)})


def told(weights: Weights) -> str:
    """The weights in a line."""
    return ", ".join(f"{name} {getattr(weights, name):g}" for name in NAMES)


def _over(sets: Mapping[str, Sequence[Columns]], weights: NDArray[float32]) -> float:
    return sum(mean_map(questions, weights) for questions in sets.values()) / len(sets)


def _precision(one: Columns, scores: NDArray[float32]) -> float:
    found = np.sort(scores[one.relevant])[::-1]
    places = np.sort((scores[None, :] >= found[:, None]).sum(1))
    return ranks.average_precision(places, one.total)
