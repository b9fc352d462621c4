"""The score of a hit: what the question's words, its meaning, its speaker, its time and its form say of a record.

    score =  2    z(mq)                              meaning  late interaction with inheritance (late.py)
          +  4.8  [the subject speaks]               speaker
          -  1    [another speaks]                   speaker
          +   .5  z(fuse) [the subject speaks]       speaker
          +   .3  max of z(fuse) in its session      nearby
          +  1    session BM25 / its maximum         nearby
          +  1.6  first-person words / 4             form
          +  1    capitals / 4, who which what       form
          +  1    capitals / 4, where                form
          +  2    a time expression, when            form
          +  1    a number, how many                 form
          -   .5  opens as an acknowledgement        form
          -   .5  ends in a question                 form     not for when and would
          -   .25 ln(words / 20), beyond 20          form
          +  4    exp(-days to the date / 10)        time     where the question names one
          +  2    happened within the date's range   time
          +   .5  a date that it names overlaps      time
          +   .1  max of the score so far, four turns either side, above the lowest     beside  in a talk
          +       up to the best that it revises     newest   the newest that says it (newest.py)
    fuse  =  z(BM25) + z(MS) + .5 z(cosine),   z over the candidates

The subject is the speaker whom the question names first, or the user where he asks of himself ("where did I ..").
MS is late interaction without inheritance. The rule is rule 2 of the sheet memreranker, without its sentence units;
where each constant comes from stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from delible.recall import newest
from delible.store.search import Found

if TYPE_CHECKING:
    from numpy import bool_, float32, float64, int64, intp
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Weights:
    """Constants of the rule; chosen on REALTALK and BEAM (sheet memreranker), so LoCoMo tests them."""

    meaning: float = 2.0
    subject: float = 4.8
    another: float = -1.0
    subject_fuse: float = 0.5
    session_fuse: float = 0.3
    session_words: float = 1.0
    first_person: float = 1.6
    capitals: float = 1.0
    capitals_where: float = 1.0
    when: float = 2.0
    how_many: float = 1.0
    acknowledges: float = -0.5
    asks: float = -0.5
    long: float = -0.25  # ours, on LoCoMo and REALTALK: a long text matches any word somewhat
    near_date: float = 4.0
    in_range: float = 2.0
    overlaps: float = 0.5
    beside: float = 0.1  # ours, on REALTALK: R@10 .636 > .650 at equal MAP; more costs MAP
    dense: float = 0.5  # of the cosine in fuse


RULE = Weights()
# A prompt is read as a whole, and what answers often lies in several turns of a talk: of LoCoMo's questions with all
# evidence in 1,000 tokens, .788 with `beside` at 0, .797 at .1, .804 at .4 (REALTALK .586, .596, .602).
PROMPT = Weights(beside=0.4)
AROUND = 4  # turns either side whose best score counts; 3 to 6 give the same
TURN = 20  # words of a usual turn


@dataclass(frozen=True, eq=False)
class Candidates:
    """What is known of the candidates of a question, (C,) each."""

    bm25: NDArray[float32]
    cosine: NDArray[float32]
    late: NDArray[float32]  # MS
    inherited: NDArray[float32]  # mq
    session: NDArray[int64]
    session_bm25: NDArray[float32]
    talk: NDArray[int64]  # -1 for none
    place: NDArray[int64]  # in the talk
    subject: NDArray[bool_]
    another: NDArray[bool_]
    first_person: NDArray[int64]
    capitals: NDArray[int64]
    time: NDArray[bool_]
    number: NDArray[bool_]
    acknowledges: NDArray[bool_]
    asks: NDArray[bool_]
    length: NDArray[int64]  # words
    days: NDArray[float64]  # to the date that the question names; inf where neither has one
    in_range: NDArray[bool_]
    overlaps: NDArray[bool_]
    newer: NDArray[intp] | None = None  # the place of the newest that revises it, -1 for none; None: nobody looked

    def __len__(self) -> int:
        return len(self.bm25)


@dataclass(frozen=True)
class Form:
    """What the question asks for."""

    names: bool = False  # who, which, what
    where: bool = False
    when: bool = False  # when, how long
    how_many: bool = False
    would: bool = False


class Order(NamedTuple):
    """Candidates, best first: `order` are positions in what was found; scores and columns follow that order."""

    order: NDArray[intp]
    scores: NDArray[float64]
    columns: Mapping[str, NDArray[Any]]

    def parts(self, at: int) -> dict[str, float]:
        """What the score of this place is made of; then bm25, cosine and late, as they were."""
        return {name: float(values[at]) for name, values in self.columns.items()}


def ordered(found: Found, c: Candidates, form: Form, weights: Weights = RULE) -> Order:
    """The candidates by their score. Equal scores: the latest happening first, then the latest row."""
    terms = parts(c, form, weights)
    own = score(terms)
    terms["newest"] = newest.rise(own - terms["time"], c.newer)
    scores = own + terms["newest"]
    order = np.lexsort((-found.rows, -found.marks["happened"], -scores))
    columns = terms | {"bm25": c.bm25, "cosine": c.cosine, "late": c.inherited}
    return Order(order, scores[order], {name: values[order] for name, values in columns.items()})


def standardised(values: NDArray[Any]) -> NDArray[float64]:
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


def parts(c: Candidates, form: Form, w: Weights = RULE) -> dict[str, NDArray[float64]]:
    """The terms of the score, by the name under which a hit shows them; their sum is the score."""
    fuse = standardised(c.bm25) + standardised(c.late) + w.dense * standardised(c.cosine)
    fuse = standardised(fuse)
    counted = c.capitals / 4
    found = {
        "meaning": w.meaning * standardised(c.inherited),
        "speaker": w.subject * c.subject + w.another * c.another + w.subject_fuse * fuse * c.subject,
        "nearby": w.session_fuse * highest(fuse, c.session) + w.session_words * share(c.session_bm25),
        "form": w.first_person * c.first_person / 4
        + w.capitals * form.names * counted
        + w.capitals_where * form.where * counted
        + w.when * (form.when & c.time)
        + w.how_many * (form.how_many & c.number)
        + w.acknowledges * c.acknowledges
        + w.asks * (c.asks & (not (form.when or form.would)))
        + w.long * np.log(np.maximum(c.length / TURN, 1)),
        "time": w.near_date * np.exp(-c.days / 10) + w.in_range * c.in_range + w.overlaps * c.overlaps,
    }
    return found | {"beside": w.beside * _beside(score(found), c)}


def score(found: dict[str, NDArray[float64]]) -> NDArray[float64]:
    """The sum of the parts (C,)."""
    total: NDArray[float64] = np.sum([*found.values()], axis=0)
    return total


def highest(values: NDArray[float64], group: NDArray[int64]) -> NDArray[float64]:
    """For each the highest value of its group."""
    groups, of = np.unique(group, return_inverse=True)
    highest = np.full(len(groups), -np.inf)
    np.maximum.at(highest, of, values)
    own: NDArray[float64] = highest[of]
    return own


def _beside(scores: NDArray[float64], c: Candidates) -> NDArray[float64]:
    """For each turn the highest score of the turns around it in its talk, above the lowest of all; 0 without any."""
    order = np.lexsort((c.place, c.talk))
    talk, place, above = c.talk[order], c.place[order], scores[order] - scores.min(initial=0)
    best = np.zeros(len(order))
    for by in range(1, min(AROUND, len(order) - 1) + 1):
        near = (talk[by:] == talk[:-by]) & (talk[by:] >= 0) & (place[by:] - place[:-by] <= AROUND)
        best[by:] = np.maximum(best[by:], near * above[:-by])
        best[:-by] = np.maximum(best[:-by], near * above[by:])
    found = np.empty(len(order))
    found[order] = best
    return found


def share(values: NDArray[float32]) -> NDArray[float64]:
    """Each as a share of the highest; all 0 where none is above 0."""
    most = float(values.max(initial=0))
    shares: NDArray[float64] = values.astype(np.float64) / most if most > 0 else np.zeros(len(values))
    return shares
