"""Late interaction: the best match of each question word among a record's own words (Khattab and Zaharia 2020).

    S_i(t) = max(0, max_j cos(q_i, d_j))        over the content tokens j of record t
    Q_i(t) = the same over the tokens of questions in the nearest earlier turn of another speaker, at most 3 back
    T_i(t) = the same over the last earlier turn of t's own speaker before another spoke, at most 7 back
    mq(t)  = sum_i w_i max(S_i, 1.05 Q_i, .85 T_i)^2 / sum_i w_i

A record is encoded alone and kept as sign bits of its tokens: its neighbours come in here, at scoring time, so that
nothing of a forgotten turn stays in another's vectors. A turn that answers owns its partner's question, and the opener
of its own topic. (Inheritance is ours, tried on LoCoMo, REALTALK and BEAM: sheet memreranker.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from delible.core.shapes import Tokens
from delible.recall.question import STOP_WORDS
from delible.store.bits import sign_bits, width
from delible.store.search import Near
from delible.store.traits import question_spans

if TYPE_CHECKING:
    from numpy import float32, int64, uint8, uint64
    from numpy.typing import NDArray

PARTNER, OPENER = 1.05, 0.85  # weights of what is inherited; flat for 1.05-1.1 and .7-.9 (LoCoMo, REALTALK, BEAM)
BEFORE, AFTER = 0.85, 0.6  # of the record before and after where nobody speaks (documents, notes)
POWER = 2.0  # flat for 1 to 2.5
ASKS = 1  # mark of a token that stands in a question


def packed(tokens: Sequence[Tokens], texts: Sequence[str], skips: Sequence[int]) -> list[bytes]:
    """Tokens of texts as stored: of each its sign bits and a byte of marks.

    Stop words are left out, and what stands before the character `skip` (the author's name).
    """
    kept = [
        [
            at
            for at, (word, start) in enumerate(zip(each.words, each.starts or [skip] * len(each.words), strict=True))
            if start >= skip and word not in STOP_WORDS
        ]
        for each, skip in zip(tokens, skips, strict=True)
    ]
    if not any(kept):
        return [b""] * len(tokens)
    bits = sign_bits(np.concatenate([each.vectors[places] for each, places in zip(tokens, kept, strict=True)]))
    found = []
    done = 0
    for each, text, places in zip(tokens, texts, kept, strict=True):
        spans = question_spans(text) if each.starts else []
        asks = [any(start <= each.starts[at] < stop for start, stop in spans) for at in places]
        lines = bits[done : done + len(places)]
        found.append(np.concatenate([lines, np.array(asks, np.uint8)[:, None]], axis=1).tobytes() if places else b"")
        done += len(places)
    return found


class Stored(NamedTuple):
    """Tokens of several records: sign bits (m, words), marks (m,), and how many each record has (R,)."""

    bits: NDArray[uint64]
    marks: NDArray[uint8]
    counts: NDArray[int64]


def unpacked(blob: bytes, sizes: NDArray[int64], dimension: int) -> Stored:
    """What `packed` made, of many records, joined; `sizes`: bytes of each."""
    wide = width(dimension) + 1
    tokens = np.frombuffer(blob, np.uint8).reshape(-1, wide)
    bits = np.ascontiguousarray(tokens[:, :-1]).view("<u8").astype(np.uint64, copy=False)
    return Stored(bits, tokens[:, -1], sizes // wide)


def similarities(question: NDArray[float32], stored: Stored) -> NDArray[float32]:
    """Estimated cosines (n, m) of the question's tokens (n, D) to stored ones.

    Of two vectors at angle a, the sign bits of a rotation differ in a share a / pi of their places.
    """
    asked = sign_bits(question).view(np.uint64)
    known = np.ascontiguousarray(stored.bits.T)
    table = np.cos(np.pi * np.arange(64 * asked.shape[1] + 1) / question.shape[1]).clip(0).astype(np.float32)
    found = np.zeros((len(asked), known.shape[1]), np.uint16)
    for column, line in enumerate(known):
        found += np.bitwise_count(asked[:, column, None] ^ line)
    similar: NDArray[float32] = table[found]
    return similar


def best(similar: NDArray[float32], counts: NDArray[int64]) -> NDArray[float32]:
    """Per question token and record (n, R) the highest of its tokens' similarities (n, m); 0 without tokens."""
    maxima = np.zeros((len(similar), len(counts)), np.float32)
    there = np.flatnonzero(counts)
    if len(there):
        starts = (np.cumsum(counts) - counts)[there]
        maxima[:, there] = np.maximum.reduceat(similar, starts, axis=1)
    return maxima


def weighted(maxima: NDArray[float32], weights: NDArray[float32], power: float = POWER) -> NDArray[float32]:
    """sum_i w_i maxima_i^power / sum_i w_i, (R,)."""
    total = float(weights.sum())
    if not total or not len(maxima):
        return np.zeros(maxima.shape[1], np.float32)
    # No product of matrices: so few rows gain nothing by it, and BLAS warns of what lies behind the last column.
    scores: NDArray[float32] = (weights[:, None] * maxima**power).sum(axis=0) / np.float32(total)
    return scores


def inherited(own: NDArray[float32], asked: NDArray[float32], all_: NDArray[float32], near: Near) -> NDArray[float32]:
    """max(S, 1.05 Q, .85 T) of turns in a talk, max(S, .85 before, .6 after) of other texts in a session: (n, C).

    `own`: (n, C) of the candidates; `all_`, `asked`: (n, R) of all rows read, over all their tokens and over those of
    questions.
    """
    talks = near.speaks
    found = own.copy()
    for source, at, weight, where in (
        (asked, near.partner, PARTNER, talks),
        (all_, near.opener, OPENER, talks),
        (all_, near.before, BEFORE, ~talks),
        (all_, near.after, AFTER, ~talks),
    ):
        there = np.flatnonzero(where & (at >= 0))
        if len(there):
            found[:, there] = np.maximum(found[:, there], weight * source[:, at[there]])
    return found
