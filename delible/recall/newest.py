"""Newest first where a fact was revised: of records that say nearly the same, the newest takes the best place.

    share(a, b)   = (words of a that b has + words of b that a has) / (words of a + words of b)
    b revises a     where share(a, b) >= .5 and |MS(a) - MS(b)| <= .05, told by one speaker, b newer
    score(newest) = the highest score of what it revises, if that is higher; each keeps what the date asked for gives

A record has a word where one of its tokens is alike: a cosine of .7, as their sign bits tell it. Both records match the
question alike (MS, see score.py), so what they differ in is not what is asked about: the author of one book does not
revise that of another. Nothing sinks or goes, for "Tom drinks coffee" may also be true beside "Tom drinks tea". (Ours.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from delible.core.shapes import Tokens
from delible.recall import late
from delible.store.bits import width
from delible.store.search import Found

if TYPE_CHECKING:
    from numpy import bool_, float32, float64, intp, uint64
    from numpy.typing import NDArray

# Chosen on sh_6k, the smallest context of factconsolidation, and so that LoCoMo, REALTALK and BEAM keep MAP and R@10.
FIRST = 16  # candidates that are compared
MOST = 16  # content tokens; a longer text says more than one thing (with 60, BEAM loses .003 MAP)
ALIKE = 0.7
SHARE = 0.5
NEAR = 0.05
HAIR = 1e-6  # more than rounding, less than any difference that says something


def newer(found: Found, matches: NDArray[float32], asked: Tokens | None) -> NDArray[intp]:
    """Of each candidate the place of the newest that revises it, perhaps by way of others; -1 for none (C,).

    `matches`: MS of the candidates (C,); `asked`: the question's tokens.
    """
    places = np.full(len(found), -1, np.intp)
    if asked is None or not found.tokens:
        return places
    dimension = asked.vectors.shape[1]
    first = np.argsort(-matches, kind="stable")[:FIRST]
    first = first[np.lexsort((found.rows[first], found.marks["moment"][first]))]  # oldest first
    near = np.abs(matches[first][:, None] - matches[first]) <= NEAR
    speaker = found.marks["speaker"][first]
    sizes = found.sizes[found.near.own[first]]
    short = (sizes > 0) & (sizes <= MOST * (width(dimension) + 1))
    near &= (speaker[:, None] == speaker) & short[:, None] & short
    np.fill_diagonal(near, False)
    paired = near.any(axis=0)
    if not paired.any():
        return places
    first, near = first[paired], near[np.ix_(paired, paired)]
    ends = np.cumsum(found.sizes)[found.near.own[first]]
    sizes = sizes[paired]
    blob = b"".join(found.tokens[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True))
    stored = late.unpacked(blob, sizes, dimension)
    revises = np.triu(near & (shares(stored, dimension) >= SHARE))
    for at in np.flatnonzero(revises.any(axis=1))[::-1]:  # newest first: its line is known already
        last = first[np.flatnonzero(revises[at])[-1]]
        places[first[at]] = last if places[last] < 0 else places[last]
    return places


def shares(stored: late.Stored, dimension: int) -> NDArray[float64]:
    """What share of the words of each two records both have (R, R); every record has a token."""
    starts = np.cumsum(stored.counts) - stored.counts
    has = np.logical_or.reduceat(_alike(stored.bits, dimension), starts, axis=1)
    common = np.add.reduceat(has, starts, axis=0, dtype=np.int64)
    shared: NDArray[float64] = (common + common.T) / (stored.counts[:, None] + stored.counts)
    return shared


def rise(scores: NDArray[float64], newer: NDArray[intp] | None) -> NDArray[float64]:
    """By how much the newest rises to stand a hair above the best that it revises; 0 for all others (C,)."""
    best = np.full(len(scores), -np.inf)
    if newer is not None:
        revised = np.flatnonzero(newer >= 0)
        np.maximum.at(best, newer[revised], scores[revised] + HAIR)
    return np.maximum(best - scores, 0)


def _alike(bits: NDArray[uint64], dimension: int) -> NDArray[bool_]:
    """Which tokens are alike (m, m): angle a where a / pi of the sign bits differ."""
    distance: NDArray[Any] = np.zeros((len(bits), len(bits)), np.uint16)
    for column in np.ascontiguousarray(bits.T):
        distance += np.bitwise_count(column[:, None] ^ column)
    alike: NDArray[bool_] = distance <= np.arccos(ALIKE) / np.pi * dimension
    return alike
