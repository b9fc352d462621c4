"""The first stage of recall: candidates of a scope by words and by vectors, each with its BM25 and its exact cosine.

Runs inside one read transaction and calls no model. Nothing outside the view enters: no row, no frequency, no count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import apsw
import numpy as np

from delible.core.errors import CorruptStore, EncoderMismatch
from delible.store import bits, words
from delible.store.spaces import Scope, word_scope
from delible.store.turns import DAY, MARK, UNKNOWN, windowed
from delible.store.views import View, Views, last_event

if TYPE_CHECKING:
    from numpy import bool_, float32, int64, intp
    from numpy.typing import NDArray

CANDIDATES = 300  # by words, by words of a window, by vectors and by the days asked for
WINDOW = 0.5  # share of a neighbour's words in its window; ours
PARTS = 4  # nearest passages of a record that are scored exactly
NOTHING = "nothing is remembered here yet"
NOTHING_PASSES = "no record here passes the filter"

_WALK = "SELECT group_concat(r.row) FROM records r NOT INDEXED"
_INDEX = "SELECT group_concat(r.row) FROM records r INDEXED BY records_space"
_TEXTS = " CROSS JOIN texts t ON t.row = r.row"
_VALUES = (
    "SELECT group_concat(v.vector), CAST(group_concat(v.value, '') AS BLOB)"
    " FROM carray(?) c CROSS JOIN vectors v ON v.vector = c.value"
)  # as in views: one string a column
_TOKENS = (
    "SELECT group_concat(v.vector), group_concat(ifnull(length(v.tokens), 0)),"
    " CAST(group_concat(ifnull(v.tokens, ''), '') AS BLOB)"
    " FROM carray(?) c CROSS JOIN vectors v ON v.vector = c.value"
)


@dataclass(frozen=True)
class Search:
    """What is looked for. `happened`: from, until, either None, ends included; `as_of`: an event. Microseconds.

    `terms`: for each its forms; `names`: words of the question that may name a speaker, by `turns.named_in`; `days`:
    since 1970 that the question names, from and until before.
    """

    scope: Scope
    encoder: int
    now: int
    terms: Sequence[Sequence[str]] = ()
    grams: Sequence[str] = ()
    names: Mapping[str, int] = field(default_factory=dict)
    days: Sequence[tuple[int, int]] = ()
    vector: NDArray[float32] | None = None
    k: int = 8
    happened: tuple[int | None, int | None] | None = None
    where: tuple[str, Sequence[Any]] | None = None
    as_of: int | None = None
    candidates: int = CANDIDATES


@dataclass(frozen=True, eq=False)
class Near:
    """Of each candidate (C,) the turns beside it, as places among the rows whose tokens were read; -1 for none."""

    own: NDArray[int64]
    partner: NDArray[int64]
    opener: NDArray[int64]
    before: NDArray[int64]
    after: NDArray[int64]
    speaks: NDArray[bool_]  # it is a turn of a speaker


@dataclass(frozen=True, eq=False)
class Found:
    """Candidates (C,), ascending rows; `passage`: the vector of the best one, -1 for none; `count`: visible records."""

    rows: NDArray[int64]
    bm25: NDArray[float32]
    cosine: NDArray[float32]
    passage: NDArray[int64]
    marks: Mapping[str, NDArray[Any]]  # fields of turns.MARK
    session: NDArray[int64]
    session_bm25: NDArray[float32]
    talk: NDArray[int64]  # the talk of a turn; -1 where it is none, or a model answers in it
    place: NDArray[int64]  # of a turn in its talk
    near: Near
    tokens: bytes  # of the rows read (R,), joined
    sizes: NDArray[int64]  # (R,) bytes of each
    frequencies: Mapping[str, int]  # visible records in which a term stands, by its first form
    named: tuple[str, ...]  # words of the question that name a speaker here
    count: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Look:
    """What a search needs no vector for: the view, what of it may be found, and what the words say of every row."""

    seq: int  # the event that it saw last
    view: View
    visible: NDArray[bool_]
    allowed: NDArray[bool_]
    everything: bool  # whether all rows of the view may be found
    count: int  # visible rows
    bm25: NDArray[float32]  # 0 for what may not be found
    windowed: NDArray[float32]
    sessions: NDArray[float32]  # BM25 of each session
    frequencies: Mapping[str, int]
    named: tuple[str, ...]


def look(connection: apsw.Connection, views: Views, request: Search) -> Look:
    """The first half of a search, which may run while the question's vector is made."""
    view = _view(connection, views, request)
    visible = view.visible(request.now)
    count = int(np.count_nonzero(visible))
    allowed = _allowed(connection, view, visible, request) if count else visible
    everything = visible is allowed and count == len(view)
    named = tuple(word for word, number in request.names.items() if number in view.speakers)
    # A speaker's name stands in few of his turns and in many of his partner's: it says who, not what.
    terms = [forms for forms in request.terms if forms[0].lower() not in named] or request.terms
    limit = word_scope(connection, request.scope)
    none = np.zeros(len(view), np.float32)
    if limit is None or not count or not (terms or request.grams):
        return Look(view.seq, view, visible, allowed, everything, count, none, none, none[:0], {}, named)
    lengths = view.lengths if count == len(view) else view.lengths[visible]
    mean = max(float(lengths.mean()), 1.0)
    corpus = words.Corpus(view.rows, view.lengths, visible, count, mean, limit, view.wide, views.postings)
    found = words.postings(connection, corpus, terms, request.grams)
    frequencies = {posting.term: len(posting.positions) for posting in found}
    found = words.telling(corpus, found)
    scores = words.bm25(corpus, found)
    told = view.session_lengths if count == len(view) else view.lengths_of(visible)
    sessions = words.bm25_of_groups(found, view.sessions, told)
    near = windowed(scores, view.turns, WINDOW)
    scores[~allowed] = 0
    near[~allowed] = 0
    return Look(view.seq, view, visible, allowed, everything, count, scores, near, sessions, frequencies, named)


def search(connection: apsw.Connection, views: Views, request: Search, before: Look | None = None) -> Found:
    """Candidates: the best by words, by words of a window of turns, and by vectors.

    `before`: a look of an earlier transaction, of use where nothing happened since.
    """
    if before is not None and before.seq != last_event(connection):
        view = _view(connection, views, request)
        before = replace(before, seq=view.seq, view=view) if view.same_rows(before.view) else None
    if before is None:
        before = look(connection, views, request)
    view, allowed = before.view, before.allowed
    if not before.count:
        return _nothing(0, NOTHING)
    if not allowed.any():
        return _nothing(before.count, NOTHING_PASSES)
    most = max(request.candidates, request.k)
    distances = _distances(view, request.vector)
    nearest = _nearest(view, distances, None if before.everything else allowed, most)
    # What happened on a day that is asked for may share neither words nor meaning with the question.
    dated = _nearest(view, distances, allowed & _happened(view, request.days), most) if request.days else nearest[:0]
    words_ = (_best(before.bm25, most), _best(before.windowed, most))
    chosen = np.unique(np.concatenate([*words_, nearest, dated]))
    cosine, passage = _exact(connection, view, chosen, distances, request.vector)
    near, ids = _near(before, chosen, passage)
    tokens, sizes = _tokens(connection, ids)
    session = view.sessions[chosen]
    return Found(
        view.rows[chosen],
        before.bm25[chosen],
        cosine,
        passage,
        {name: view.records[name][chosen] for name in MARK.names or ()},
        session,
        before.sessions[session] if len(before.sessions) else np.zeros(len(chosen), np.float32),
        np.where(view.turns.with_model[session], -1, view.turns.talk(chosen)),
        view.turns.place[chosen],
        near,
        tokens,
        sizes,
        before.frequencies,
        before.named,
        before.count,
    )


def _view(connection: apsw.Connection, views: Views, request: Search) -> View:
    if request.as_of is None:
        return views.view(connection, request.scope, request.encoder)
    return views.past(connection, request.scope, request.encoder, request.as_of)


def _best(scores: NDArray[float32], most: int) -> NDArray[intp]:
    """Positions of the best scores above 0."""
    there = np.flatnonzero(scores)
    if len(there) <= most:
        return there
    # The row breaks ties, as everywhere: a partition alone would choose among equals by chance.
    edge = np.partition(scores[there], len(there) - most)[len(there) - most]
    above = there[scores[there] > edge]
    return np.concatenate([above, there[scores[there] == edge][: most - len(above)]])


def _nothing(count: int, note: str) -> Found:
    none, zero = np.empty(0, np.int64), np.empty(0, np.float32)
    marks = {name: np.empty(0, MARK[name]) for name in MARK.names or ()}
    near = Near(none, none, none, none, none, none.astype(bool))
    return Found(none, zero, zero, none, marks, none, zero, none, none, near, b"", none, {}, (), count, (note,))


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


def _happened(view: View, days: Sequence[tuple[int, int]]) -> NDArray[bool_]:
    """Mask of the rows that happened on one of these days."""
    found = np.zeros(len(view), bool)
    for first, last in days:
        found |= (view.happened >= first * DAY) & (view.happened < last * DAY)
    found &= view.happened != UNKNOWN
    return found


def _distances(view: View, vector: NDArray[float32] | None) -> NDArray[np.uint16]:
    """Of all vectors to the question's; none where there is none."""
    if vector is None or not len(view.owners):
        return np.empty(0, np.uint16)
    if bits.width(len(vector)) != 8 * len(view.bits):
        raise EncoderMismatch("the question's vector has another dimension than the records'; nothing was searched")
    return bits.distances(view.bits, bits.as_words(bits.sign_bits(vector[None, :])[0]))


def _nearest(view: View, distances: NDArray[np.uint16], allowed: NDArray[bool_] | None, most: int) -> NDArray[intp]:
    """The allowed rows of the nearest vectors."""
    owners = view.owners[: len(distances)]
    here = None if allowed is None else np.flatnonzero(allowed[owners])
    among = distances if here is None else distances[here]
    take = most
    while True:
        # Passages of one record may crowd out others: take more until there are rows enough.
        best = bits.nearest(among, take, 64 * len(view.bits))
        nearest = owners[best if here is None else here[best]]
        _, first = np.unique(nearest, return_index=True)
        if len(first) >= most or len(best) == len(among):
            return nearest[np.sort(first)[:most]].astype(np.intp)
        take *= 4


def _exact(
    connection: apsw.Connection,
    view: View,
    chosen: NDArray[intp],
    distances: NDArray[np.uint16],
    vector: NDArray[float32] | None,
) -> tuple[NDArray[float32], NDArray[int64]]:
    """The cosine of each chosen row's best passage and its vector: 0, -1 where it has none."""
    cosine, best = np.zeros(len(chosen), np.float32), np.full(len(chosen), -1, np.int64)
    if vector is None or not len(distances):
        return cosine, best
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
        return cosine, best
    found, values = words.numbers_of(line[0]), line[1]
    if len(values) != 2 * len(vector) * len(found):
        raise CorruptStore("vectors have a wrong length; run: delible verify")
    of = of[order][np.searchsorted(ids[order], found)]
    products = np.frombuffer(values, "<f2").reshape(len(found), -1).astype(np.float32) @ vector
    first = np.lexsort((-products, of))  # of each row the best first
    first = first[np.concatenate([[True], np.diff(of[first]) > 0])]
    cosine[of[first]] = products[first]
    best[of[first]] = found[first]
    return cosine, best


def passages(connection: apsw.Connection, vectors: NDArray[int64]) -> dict[int, tuple[int, int]]:
    """Where in its text each vector's passage lies; read for what is shown only: it takes longer than to score."""
    sql = "SELECT v.vector, v.start, v.stop FROM carray(?) c CROSS JOIN vectors v ON v.vector = c.value"
    lines = connection.execute(sql, (apsw.carray(vectors),)) if len(vectors) else ()
    return {vector: (start, stop) for vector, start, stop in lines}


def _near(before: Look, chosen: NDArray[intp], vectors: NDArray[int64]) -> tuple[Near, NDArray[int64]]:
    """The turns beside the chosen rows, and the vectors whose tokens are needed: those of the chosen rows first."""
    view, seen, turns = before.view, before.visible, before.view.turns
    speaker = view.records["speaker"]
    partner, opener = turns.partner(chosen, speaker, seen), turns.opener(chosen, speaker, seen)
    # Who asks a model says in the question what will be asked for again: nobody inherits there.
    answered = turns.with_model[view.sessions[chosen]]
    partner[answered] = opener[answered] = -1
    sides = [turns.beside(chosen, by) for by in (-1, 1)]
    told = view.records["session"][chosen] != 0
    sides = [np.where((side >= 0) & told & seen[side], side, -1) for side in sides]
    beside = [partner, opener, *sides]
    others = np.setdiff1d(np.concatenate(beside), [-1, *chosen])
    rows = np.concatenate([chosen, others])
    order = np.argsort(rows)

    def place(at: NDArray[int64]) -> NDArray[int64]:
        found = order[np.searchsorted(rows, np.maximum(at, rows[order[0]]), sorter=order)] if len(rows) else at
        return np.where(at >= 0, found, -1)

    first = np.searchsorted(view.owners, others)
    inside = first < len(view.owners)
    has = np.zeros(len(others), bool)
    has[inside] = view.owners[first[inside]] == others[inside]
    if len(view.owners):
        ids = np.concatenate([vectors, np.where(has, view.vectors["vector"][np.where(has, first, 0)], -1)])
    else:
        ids = np.full(len(rows), -1, np.int64)
    partner, opener, previous, following = (place(at) for at in beside)
    return Near(np.arange(len(chosen)), partner, opener, previous, following, speaker[chosen] != 0), ids


def _tokens(connection: apsw.Connection, ids: NDArray[int64]) -> tuple[bytes, NDArray[int64]]:
    """The tokens of vectors, joined in their order, and the bytes of each; -1 has none."""
    there = np.unique(ids[ids >= 0])
    sizes = np.zeros(len(ids), np.int64)
    line = connection.execute(_TOKENS, (apsw.carray(there),)).fetchone() if len(there) else None
    if line is None or line[0] is None:
        return b"", sizes
    found, lengths, blob = words.numbers_of(line[0]), words.numbers_of(line[1]), line[2]
    ends = np.cumsum(lengths)
    at = np.searchsorted(found, ids)
    at[at == len(found)] = 0
    known = found[at] == ids
    sizes[known] = lengths[at[known]]
    pieces = [blob[end - size : end] for end, size in zip(ends[at[known]].tolist(), sizes[known].tolist(), strict=True)]
    return b"".join(pieces), sizes
