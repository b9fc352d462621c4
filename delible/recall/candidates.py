"""From what a search found to what the score reads: late interaction, speakers and dates of the candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from delible.core.shapes import Tokens
from delible.recall import late, newest
from delible.recall.question import STOP_WORDS, Terms
from delible.recall.score import Candidates, Form
from delible.store.search import Found
from delible.store.traits import columns
from delible.store.turns import DAY, UNKNOWN
from delible.store.words import rarity, tokenize

if TYPE_CHECKING:
    from numpy import bool_, float32, float64
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Question:
    """A question as it is asked: its terms and their forms, its tokens, its form, the days it names, who speaks."""

    terms: Terms
    tokens: Tokens | None
    form: Form
    days: tuple[tuple[int, int], ...]  # since 1970, from and until before
    names: Mapping[str, int]  # numbers of words that may be a speaker's first name, in their order


def candidates_of(found: Found, question: Question) -> Candidates:
    """The columns of the score, (C,) each."""
    traits = columns(found.marks["traits"])
    own, inherited = _late(found, question)
    speaker = found.marks["speaker"]
    named = [number for word, number in question.names.items() if word in found.named]
    subject = speaker >> 32 == named[0] if named else np.zeros(len(found), bool)
    days, inside, overlaps = _dates(found, question.days)
    return Candidates(
        bm25=found.bm25,
        cosine=found.cosine,
        late=own,
        inherited=inherited,
        session=found.session,
        session_bm25=found.session_bm25,
        talk=found.talk,
        place=found.place,
        subject=subject,
        another=(speaker != 0) & ~subject if named else subject,
        first_person=traits.first_person,
        capitals=traits.capitals,
        time=traits.time,
        number=traits.number,
        acknowledges=traits.acknowledges,
        asks=traits.asks,
        length=found.marks["length"],
        days=days,
        in_range=inside,
        overlaps=overlaps,
        newer=newest.newer(found, own, question.tokens),
    )


def weights_of(tokens: Tokens, found: Found) -> NDArray[float32]:
    """What a question's pieces count: the root of their words' rarity here, 0 for stop words and speakers' names.

    Where nothing else is left, all count alike. (The root is ours, better on LoCoMo, REALTALK and BEAM: the rarity
    itself lets one rare word outweigh all others.)
    """
    known = {stem: count for term, count in found.frequencies.items() for stem in tokenize(term)}
    weights = np.zeros(len(tokens.words), np.float32)
    for at, word in enumerate(tokens.words):
        if word in STOP_WORDS or word.partition("'")[0] in found.named:
            continue
        counts = [known[stem] for stem in tokenize(word) if stem in known]
        weights[at] = rarity(found.count, min(counts, default=0)) ** 0.5
    return weights if weights.any() else np.ones(len(weights), np.float32)


def _late(found: Found, question: Question) -> tuple[NDArray[float32], NDArray[float32]]:
    """Late interaction of the candidates, without inheritance and with it; the cosine where there are no tokens."""
    tokens = question.tokens
    if tokens is None or not len(tokens.words) or not len(found.tokens):
        return found.cosine, found.cosine
    stored = late.unpacked(found.tokens, found.sizes, tokens.vectors.shape[1])
    weights = weights_of(tokens, found)
    counted = weights > 0
    similar, weights = late.similarities(tokens.vectors[counted], stored), weights[counted]
    all_ = late.best(similar, stored.counts)
    asked = late.best(similar * (stored.marks & late.ASKS), stored.counts)
    own = all_[:, found.near.own]
    return late.weighted(own, weights, 1.0), late.weighted(late.inherited(own, asked, all_, found.near), weights)


def _dates(found: Found, ranges: Sequence[tuple[int, int]]) -> tuple[NDArray[float64], NDArray[bool_], NDArray[bool_]]:
    """Days between each record and the nearest date of the question; whether it lies in one; whether a date that the
    record names overlaps one."""
    happened, since, until = (found.marks[name] for name in ("happened", "since", "until"))
    day = happened // DAY
    gap = np.full(len(found), np.inf)
    overlaps = np.zeros(len(found), bool)
    for first, last in ranges:
        gap = np.minimum(gap, np.where(day < first, first - day, np.where(day >= last, day - last + 1, 0)))
        overlaps |= (since < last) & (until > first) & (until > since)
    gap[happened == UNKNOWN] = np.inf
    return gap, gap == 0, overlaps
