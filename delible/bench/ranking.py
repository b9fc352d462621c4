"""How good a ranking is: figures of one question from its ranked references, then means and their intervals.

A ranking has each reference once, best first; `relevant` is what it should have found, at least one. Where these do
not hold the figure has no meaning: InvalidInput. An empty ranking found nothing: 0. Gains are binary.

Intervals are percentiles of a bootstrap. Over conversations (whole ones are drawn) they speak of other conversations;
over questions (drawn anew within each conversation) of other questions about the same ones. One conversation alone says
nothing of others: the first kind then has no width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from delible.core.errors import InvalidInput
from delible.recall import ranks

Over = Literal["conversations", "questions"]

ROUNDS = 2000
TAILS = (0.025, 0.975)  # an interval of 95 %


def average_precision(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Mean, over all that is relevant, of the precision at its rank; 0 for what was not found."""
    return ranks.average_precision(_ranks(ranked, relevant), len(set(relevant)))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """1 / rank of the first that is relevant."""
    return ranks.reciprocal_rank(_ranks(ranked, relevant))


def recall_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of what is relevant that stands among the first `k`."""
    found = _ranks(ranked, relevant)
    return float((found <= _depth(k)).sum() / len(set(relevant)))


def ndcg_at(ranked: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """Sum of 1 / log2(rank + 1) over what is relevant among the first `k`, as a share of the best possible sum."""
    return ranks.ndcg(_ranks(ranked, relevant), len(set(relevant)), _depth(k))


def reciprocal_rank_near(
    ranked: Sequence[str], relevant: Collection[str], order: Sequence[str], turns: int = 2
) -> float:
    """`reciprocal_rank` where a turn at most `turns` away from a relevant one, in the talk's `order`, is as good."""
    position = {reference: at for at, reference in enumerate(order)}
    if len(position) < len(order):
        raise InvalidInput("a reference stands twice in the order of the talk")
    if turns < 0:
        raise InvalidInput(f"turns is 0 or more, not {turns}")
    if not all(reference in position for reference in relevant):
        raise InvalidInput("a relevant reference does not stand in the order of the talk")
    near = {
        reference
        for middle in (position[one] for one in relevant)
        for reference in order[max(0, middle - turns) : middle + turns + 1]
    }
    return reciprocal_rank(ranked, near)


@dataclass(frozen=True)
class Scored:
    """The figures of one question."""

    conversation: str
    category: str
    figures: Mapping[str, float]


def mean(scored: Sequence[Scored], figure: str) -> float:
    """Mean over the questions: each counts the same, so a conversation counts by how many it has."""
    return float(_values(scored, figure).mean())


def bootstrap(
    scored: Sequence[Scored], figure: str, over: Over = "conversations", seed: int = 0, rounds: int = ROUNDS
) -> tuple[float, float]:
    """The 95 % interval of `mean`: low, high."""
    return _interval(_values(scored, figure), scored, over, seed, rounds)


def paired(
    a: Sequence[Scored],
    b: Sequence[Scored],
    figure: str,
    over: Over = "conversations",
    seed: int = 0,
    rounds: int = ROUNDS,
) -> tuple[float, float]:
    """The 95 % interval of mean(a) - mean(b); both have scored the same questions, in the same order."""
    if [(one.conversation, one.category) for one in a] != [(one.conversation, one.category) for one in b]:
        raise InvalidInput("a pair needs the same questions in the same order on both sides")
    return _interval(_values(a, figure) - _values(b, figure), a, over, seed, rounds)


def by_category(scored: Sequence[Scored]) -> dict[str, list[Scored]]:
    """The questions of each category; categories by name."""
    found: dict[str, list[Scored]] = {category: [] for category in sorted({one.category for one in scored})}
    for one in scored:
        found[one.category].append(one)
    return found


def _ranks(ranked: Sequence[str], relevant: Collection[str]) -> NDArray[np.intp]:
    """Ranks, from 1, of what is relevant."""
    if not relevant:
        raise InvalidInput("nothing is relevant: such a question has no figure; leave it out")
    if len(set(ranked)) < len(ranked):
        raise InvalidInput("a reference stands twice in the ranking")
    wanted = frozenset(relevant)
    return np.flatnonzero(np.fromiter((one in wanted for one in ranked), bool, len(ranked))) + 1


def _depth(k: int) -> int:
    if k < 1:
        raise InvalidInput(f"k is 1 or more, not {k}")
    return k


def _values(scored: Sequence[Scored], figure: str) -> NDArray[np.float64]:
    if not scored:
        raise InvalidInput("no question was scored: there is no mean")
    try:
        return np.array([one.figures[figure] for one in scored], np.float64)
    except KeyError:
        raise InvalidInput(f"not every question has the figure {figure!r:.60}") from None


def _interval(
    values: NDArray[np.float64], scored: Sequence[Scored], over: Over, seed: int, rounds: int
) -> tuple[float, float]:
    if rounds < 1:
        raise InvalidInput(f"rounds is 1 or more, not {rounds}")
    names, place = np.unique([one.conversation for one in scored], return_inverse=True)
    random = np.random.default_rng(seed)
    if over == "conversations":
        sums, sizes = np.bincount(place, values), np.bincount(place)
        drawn = random.integers(0, len(names), (rounds, len(names)))
        means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    elif over == "questions":
        means = np.zeros(rounds)
        for number in range(len(names)):
            own = values[place == number]
            means += own[random.integers(0, len(own), (rounds, len(own)))].sum(1)
        means /= len(values)
    else:
        raise InvalidInput(f"over is 'conversations' or 'questions', not {over!r:.40}")
    low, high = np.quantile(means, TAILS)
    return float(low), float(high)
