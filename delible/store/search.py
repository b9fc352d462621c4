"""The first stage of recall: candidates of a scope by words and by vectors, each with its BM25 and its exact cosine.

Runs inside one read transaction and calls no model. Nothing outside the view enters: no row, no frequency, no count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw
import numpy as np

from delible.core.errors import CorruptStore, EncoderMismatch
from delible.store import bits, words
from delible.store.postings import Postings
from delible.store.spaces import Scope, word_scope
from delible.store.views import UNKNOWN, View, Views, last_event

if TYPE_CHECKING:
    from numpy import bool_, float32, int64, intp
    from numpy.typing import NDArray

CANDIDATES = 200  # by words and as many by vectors; 256 of 95,664 by sign bits held .9997 of the true best ten
PARTS = 4  # nearest passages of a record that are scored exactly
NOTHING = "nothing is remembered here yet"
NOTHING_PASSES = "no record here passes the filter"

_WALK = "SELECT group_concat(r.row) FROM records r NOT INDEXED"
_INDEX = "SELECT group_concat(r.row) FROM records r INDEXED BY records_space"
_TEXTS = " CROSS JOIN texts t ON t.row = r.row"
_VALUES = (
    "SELECT group_concat(v.vector), group_concat(v.start), group_concat(v.stop),"
    " CAST(group_concat(v.value, '') AS BLOB) FROM carray(?) c CROSS JOIN vectors v ON v.vector = c.value"
)  # as in views: one string a column


@dataclass(frozen=True)
class Search:
    """What is looked for. `happened`: from, until, either None, ends included; `as_of`: an event. Microseconds."""

    scope: Scope
    encoder: int
    now: int
    terms: Sequence[str] = ()
    grams: Sequence[str] = ()
    vector: NDArray[float32] | None = None
    k: int = 8
    happened: tuple[int | None, int | None] | None = None
    where: tuple[str, Sequence[Any]] | None = None
    as_of: int | None = None
    candidates: int = CANDIDATES


@dataclass(frozen=True)
class Found:
    """Candidates (C,), ascending rows; `start`, `stop`: the best passage, -1 where none; `count`: visible records."""

    rows: NDArray[int64]
    bm25: NDArray[float32]
    cosine: NDArray[float32]
    start: NDArray[int64]
    stop: NDArray[int64]
    happened: NDArray[int64]  # views.UNKNOWN where it is not known
    count: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Look:
    """What a search needs no vector for: the view, what of it may be found, and every row's BM25."""

    seq: int  # the event that it saw last
    view: View
    allowed: NDArray[bool_]
    everything: bool  # whether all rows of the view may be found
    count: int  # visible rows
    bm25: NDArray[float32]


def look(connection: apsw.Connection, views: Views, request: Search) -> Look:
    """The first half of a search, which may run while the question's vector is made."""
    if request.as_of is None:
        view = views.view(connection, request.scope, request.encoder)
    else:
        view = views.past(connection, request.scope, request.encoder, request.as_of)
    visible = view.visible(request.now)
    count = int(np.count_nonzero(visible))
    allowed = _allowed(connection, view, visible, request) if count else visible
    scores = _words(connection, view, visible, count, request, views.postings)
    scores[~allowed] = 0
    return Look(view.seq, view, allowed, visible is allowed and count == len(view), count, scores)


def search(connection: apsw.Connection, views: Views, request: Search, before: Look | None = None) -> Found:
    """Candidates: the best by words and the best by vectors, each with both scores.

    `before`: a look of an earlier transaction, of use where nothing happened since.
    """
    if before is None or before.seq != last_event(connection):
        before = look(connection, views, request)
    view, allowed, scores, count = before.view, before.allowed, before.bm25, before.count
    if not count:
        return _nothing(0, NOTHING)
    if not allowed.any():
        return _nothing(count, NOTHING_PASSES)
    most = max(request.candidates, request.k)
    by_words = np.flatnonzero(scores)
    if len(by_words) > most:
        # The row breaks ties, as everywhere: a partition alone would choose among equals by chance.
        edge = np.partition(scores[by_words], len(by_words) - most)[len(by_words) - most]
        above = by_words[scores[by_words] > edge]
        by_words = np.concatenate([above, by_words[scores[by_words] == edge][: most - len(above)]])
    distances, by_vectors = _by_vectors(view, None if before.everything else allowed, most, request.vector)
    chosen = np.union1d(by_words, by_vectors)
    cosine, start, stop = _exact(connection, view, chosen, distances, request.vector)
    return Found(view.rows[chosen], scores[chosen], cosine, start, stop, view.happened[chosen], count)


def _nothing(count: int, note: str) -> Found:
    none, zero = np.empty(0, np.int64), np.empty(0, np.float32)
    return Found(none, zero, zero, none, none, none, count, (note,))


def _allowed(connection: apsw.Connection, view: View, visible: NDArray[bool_], request: Search) -> NDArray[bool_]:
    """Mask of the rows that the request's filters let through; `visible` itself where there are none."""
    allowed = visible
    if request.happened and request.happened != (None, None):
        first, last = request.happened
        allowed = allowed & (view.happened != UNKNOWN)
        if first is not None:
            allowed &= view.happened >= first
        if last is not None:
            allowed &= view.happened <= last
    if request.where and request.where[0] != "1":
        condition, bindings = request.where
        source = (_WALK if view.wide else _INDEX) + (_TEXTS if "t." in condition else "")
        listed = connection.execute(
            f"{source} WHERE r.space IN (SELECT value FROM carray(?)) AND ({condition})",
            (apsw.carray(np.array([*view.places], np.int64)), *bindings),
        ).get
        allowed = allowed & np.isin(view.rows, words.numbers_of(listed))
    return allowed


def _words(
    connection: apsw.Connection, view: View, visible: NDArray[bool_], count: int, request: Search, kept: Postings
) -> NDArray[float32]:
    limit = word_scope(connection, request.scope)
    if limit is None or not count or not (request.terms or request.grams):
        return np.zeros(len(view), np.float32)
    lengths = view.lengths if count == len(view) else view.lengths[visible]
    mean = max(float(lengths.mean()), 1.0)
    corpus = words.Corpus(view.rows, view.lengths, visible, count, mean, limit, view.wide, kept)
    return words.bm25(connection, corpus, request.terms, request.grams)


def _by_vectors(
    view: View, allowed: NDArray[bool_] | None, most: int, vector: NDArray[float32] | None
) -> tuple[NDArray[np.uint16], NDArray[intp]]:
    """Distances of all vectors, and the rows of the nearest ones that are allowed."""
    if vector is None or not len(view.owners):
        return np.empty(0, np.uint16), np.empty(0, np.intp)
    if bits.width(len(vector)) != 8 * len(view.bits):
        raise EncoderMismatch("the question's vector has another dimension than the records'; nothing was searched")
    question = bits.as_words(bits.sign_bits(vector[None, :])[0])
    distances = bits.distances(view.bits, question)
    owners = view.owners
    here = None if allowed is None else np.flatnonzero(allowed[owners])
    among = distances if here is None else distances[here]
    take = most
    while True:
        # Passages of one record may crowd out others: take more until there are rows enough.
        best = bits.nearest(among, take, 64 * len(question))
        nearest = owners[best if here is None else here[best]]
        _, first = np.unique(nearest, return_index=True)
        if len(first) >= most or len(best) == len(among):
            return distances, nearest[np.sort(first)[:most]].astype(np.intp)
        take *= 4


def _exact(
    connection: apsw.Connection,
    view: View,
    chosen: NDArray[intp],
    distances: NDArray[np.uint16],
    vector: NDArray[float32] | None,
) -> tuple[NDArray[float32], NDArray[int64], NDArray[int64]]:
    """The cosine of each chosen row's best passage and where it lies: 0, -1 and -1 where the row has no vector."""
    cosine = np.zeros(len(chosen), np.float32)
    start, stop = np.full(len(chosen), -1, np.int64), np.full(len(chosen), -1, np.int64)
    if vector is None or not len(distances):
        return cosine, start, stop
    first = np.searchsorted(view.owners, chosen)
    parts = np.searchsorted(view.owners, chosen, side="right") - first
    of = np.repeat(np.arange(len(chosen)), parts)
    at = np.repeat(first - np.cumsum(parts) + parts, parts) + np.arange(len(of))
    if len(of) and parts.max() > PARTS:
        order = np.lexsort((distances[at], of))
        rank = np.arange(len(of)) - np.repeat(np.cumsum(parts) - parts, parts)
        kept = order[rank < PARTS]
        of, at = of[kept], at[kept]
    ids = view.vectors["vector"][at]
    order = np.argsort(ids)  # pages of the table in their order
    line = connection.execute(_VALUES, (apsw.carray(ids[order]),)).fetchone() if len(ids) else None
    if line is None or line[0] is None:
        return cosine, start, stop
    found, starts, stops = (words.numbers_of(column) for column in line[:3])
    if len(line[3]) != 2 * len(vector) * len(found):
        raise CorruptStore("vectors have a wrong length; run: delible verify")
    of = of[order][np.searchsorted(ids[order], found)]
    products = np.frombuffer(line[3], "<f2").reshape(len(found), -1).astype(np.float32) @ vector
    best = np.lexsort((-products, of))  # of each row the best first
    best = best[np.concatenate([[True], np.diff(of[best]) > 0])]
    cosine[of[best]] = products[best]
    start[of[best]], stop[of[best]] = starts[best], stops[best]
    return cosine, start, stop
