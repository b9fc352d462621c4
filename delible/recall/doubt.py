"""Doubt: whether what was asked seems to be answered here at all, and which hits are weak beside the best.

    answered = (best MS + best cosine) / 2 - max(0, lead) / 4          about 0 to 1
    lead     = max over others of said(other's turns) - said(subject's turns)
    said     = 2 ln sum exp(score without its speaker part / 2)         over turns that tell: none that ends in "?"

Who asks of one speaker what another told has mistaken somebody: the lead says so. It counts where the question names
one speaker of this place, and against him only turns of people (no model) who speak of themselves. MS and cosine say
whether anything here is near. (Ours. The lead alone tells most of it on LoCoMo; MS and cosine tell questions of other
talks, where nobody is named.) A best hit of the day that is asked for is near enough, whatever its words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delible.recall.candidates import Question
from delible.recall.score import Candidates, Order
from delible.store.search import Found
from delible.store.traits import BY_MODEL
from delible.store.turns import USER

LEAD = 0.25  # ours, on LoCoMo: flat for .25 to .4, on its first four talks too
SPREAD = 2.0  # so that several turns count more than one; ours, on LoCoMo: flat for 1 to 2, worse from 3 on
ENOUGH = {"minilm": 0.405}  # by encoder: 5 % of what LoCoMo's first four talks and REALTALK answer lie below
NEAR = 0.3  # cosine below which nothing is near where no word is shared: for encoders that were not measured; ours
WEAK = 8.5  # points of the score below the best: 5 % of LoCoMo's and REALTALK's evidence among the first 8 lie there
TOLD = 3  # words that a note names
UNANSWERED = "nothing here seems to answer this"


class Answered(NamedTuple):
    """How near the best comes to what was asked, in [0, 1], and by how much another speaker leads the one asked of."""

    met: float
    lead: float

    @property
    def value(self) -> float:
        """Higher is more likely answered."""
        return self.met - LEAD * max(0.0, self.lead)


def answered(found: Found, c: Candidates, order: Order) -> Answered:
    """What is measured of a question; nothing found: nothing met."""
    met = (float(c.late.max(initial=0)) + float(c.cosine.max(initial=0))) / 2
    if len(c) and (c.in_range | c.overlaps)[order.order[0]]:
        met = 1.0
    return Answered(met, _lead(found, c, order))


def refusal(found: Found, c: Candidates, question: Question, order: Order, encoder: str) -> str | None:
    """Why nothing here seems to answer the question, in a line; None where something may."""
    if not len(found):
        return None
    seen = answered(found, c, order)
    cosine = float(c.cosine.max())
    enough = ENOUGH.get(encoder)
    if seen.value >= enough if enough is not None else cosine >= NEAR or c.bm25.any():
        return None
    if enough is not None and seen.met >= enough:
        asked = next(word for word in question.terms.words if word.lower() == found.named[0])
        return f"{UNANSWERED}: what comes nearest is said by someone else than {asked}"
    unsaid = [f'"{word}"' for word in question.terms.words if found.frequencies.get(word) == 0]
    said = f", and none says {' or '.join(unsaid[:TOLD])}" if unsaid else ""
    return f"{UNANSWERED}: the nearest record has a cosine of {cosine:.2f}{said}"


def weakness(behind: float) -> dict[str, float]:
    """The part that marks a hit as weak, by how far its score lies behind the best; none where it is not."""
    return {"weak": 1.0} if behind > WEAK else {}


def _lead(found: Found, c: Candidates, order: Order) -> float:
    """How far the other who says most leads the one speaker whom the question names; 0 where none can be compared."""
    if len(found.named) != 1 or found.named[0] == USER:
        return 0.0
    subject = c.subject & ~c.asks
    others = c.another & ~c.asks & (c.first_person > 0) & (found.marks["traits"] & BY_MODEL == 0)
    if not subject.any() or not others.any():
        return 0.0
    values = np.empty(len(c))
    values[order.order] = order.scores - order.columns["speaker"]
    said = np.exp((values - values.max()) / SPREAD)
    _, who = np.unique(found.marks["speaker"][others], return_inverse=True)
    return SPREAD * float(np.log(np.bincount(who, said[others]).max() / said[subject].sum()))
