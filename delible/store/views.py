"""Views: what recall searches. The living, unheld, trusted rows of a scope, as columns in memory.

A view is advanced by what changed since its event (new lives, ended lives, changes of trust, hold and expiry), never
reread. It is immutable: a thread that searches keeps its own, whatever others advance. Rows that leave stay as dead
positions until a quarter is dead.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw
import numpy as np

from delible.core.errors import CorruptStore
from delible.store import bits, spaces
from delible.store.postings import Postings
from delible.store.spaces import Scope
from delible.store.turns import MARK, Turns
from delible.store.words import numbers_of

if TYPE_CHECKING:
    from numpy import bool_, float64, int32, int64, uint64
    from numpy.typing import NDArray

NEVER = 2**62  # `expires` of a record that does not expire
SMALL = 200  # a scope of at most so many records is read afresh each time
SHARE = 4  # a scope with more than one in four of all rows is read by walking the table, not its index
STATES = 3  # of a view are kept, for threads whose snapshot is a little older
LIMIT = 256 * 2**20

# One string a column instead of rows of Python objects: 100,000 records with their bits in 80 instead of 300 ms.
_COLUMNS = (
    "SELECT group_concat(r.row), group_concat(r.space), group_concat(ifnull(r.expires, 4611686018427387904)),"
    " group_concat(r.trust) FROM "
)
_MARKS = "SELECT group_concat(t.row), CAST(group_concat(t.mark, '') AS BLOB) FROM "
_MARKS_BY_WALK = _MARKS + "turns t"
_MARKS_BY_ROWS = _MARKS + "carray(?1) c CROSS JOIN turns t ON t.row = c.value"
# What is sealed and not yet erased is a list of few; what is erased has no record. A look for each row cost 40 ms.
_FREE = " AND r.hold = 0 AND r.row NOT IN (SELECT e.row FROM erasures e INDEXED BY erasures_open WHERE e.phase < 2)"
_ALIVE = " AND EXISTS (SELECT 1 FROM lives l WHERE l.row = r.row AND l.until IS NULL)"
_ALIVE_AT = " AND EXISTS (SELECT 1 FROM lives l WHERE l.row = r.row AND l.since <= ?3 AND ifnull(l.until > ?3, 1))"
_TRUST = " AND r.trust >= ?2"
_TRUST_EACH = " AND r.trust >= max(?2, (SELECT s.read_trust FROM spaces s WHERE s.space = r.space))"
_BY_INDEX = "records r INDEXED BY records_space WHERE r.space IN (SELECT value FROM carray(?1))"
_BY_WALK = "records r NOT INDEXED WHERE r.space IN (SELECT value FROM carray(?1))"
_BY_ROWS = "carray(?4) c CROSS JOIN records r ON r.row = c.value WHERE +r.space IN (SELECT value FROM carray(?1))"

_BITS = (
    "SELECT CAST(group_concat(b.bits, '') AS BLOB), group_concat(b.vector), group_concat(b.row), group_concat(b.part)"
    " FROM "
)
_BITS_BY_WALK = _BITS + "bits b WHERE b.encoder = ?1"
_BITS_BY_ROWS = (
    _BITS + "carray(?2) c CROSS JOIN vectors v INDEXED BY sqlite_autoindex_vectors_1"
    " ON v.encoder = ?1 AND v.row = c.value CROSS JOIN bits b ON b.vector = v.vector"
)
_CHANGED = (
    "SELECT row FROM lives INDEXED BY lives_since WHERE since > ? LIMIT ?",
    "SELECT row FROM lives INDEXED BY lives_until WHERE until > ? LIMIT ?",
    "SELECT row FROM records INDEXED BY records_changed WHERE changed > ? LIMIT ?",
)
_LATE = "SELECT row FROM bits NOT INDEXED WHERE vector > ?1 AND encoder = ?2"
_SIZE = (
    "SELECT count(*) FROM (SELECT 1 FROM carray(?) c CROSS JOIN records r INDEXED BY records_space"
    " ON r.space = c.value LIMIT ?)"
)
_PLACES = (
    "SELECT s.space, ifnull(s.expires, 4611686018427387904), s.read_trust"
    " FROM carray(?) c CROSS JOIN spaces s ON s.space = c.value"
)


_KINDS = {"row": "i8", "space": "i8", "expires": "i8", "trust": "f8"}


class Place(NamedTuple):
    """What a space says of its records."""

    expires: int
    read_trust: float


class Table:
    """Named columns of one length, with room behind it; what grows from a table shares its memory.

    Only the first table that grows from another may write behind it (`open`); a second one copies.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]], length: int):
        self.columns = dict(columns)  # the last axis is the long one
        self.length = length
        self.open = True

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name][..., : self.length]

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns.values())

    def grown(self, more: Mapping[str, NDArray[Any]], count: int) -> Table:
        """With rows added at the end."""
        length = self.length + count
        room = min(column.shape[-1] for column in self.columns.values())
        columns = self.columns
        if not self.open or room < length:
            capacity = length + length // 4 + 64
            columns = {}
            for name, column in self.columns.items():
                columns[name] = np.empty((*column.shape[:-1], capacity), column.dtype)
                columns[name][..., : self.length] = self[name]
        for name, column in columns.items():
            column[..., self.length : length] = more[name]
        self.open = False
        return Table(columns, length)

    def changed(self, at: NDArray[int64], values: Mapping[str, NDArray[Any]]) -> Table:
        """With other values in some columns at these positions; those are copied, so that older views keep theirs."""
        columns = dict(self.columns)
        for name, value in values.items():
            columns[name] = columns[name].copy()
            columns[name][..., at] = value
        table = Table(columns, self.length)
        table.open, self.open = self.open, False
        return table

    def taken(self, at: NDArray[Any]) -> Table:
        """The rows at these positions, as a table of its own."""
        columns = {name: np.ascontiguousarray(self[name][..., at]) for name in self.columns}
        return Table(columns, next(iter(columns.values())).shape[-1])


_WORKED_OUT = ("turns", "sessions", "session_lengths")  # cached by a view, of its rows alone


@dataclass(frozen=True, eq=False, repr=False)
class View:
    """The rows of a scope as of event `seq`. Positions count rows, ascending; vectors are in order of their rows."""

    seq: int
    places: Mapping[int, Place]
    records: Table  # row, space, expires, trust, and the fields of its mark (turns.MARK)
    vectors: Table  # owner (position of the row), part, vector, bits (w, n)
    alive: NDArray[bool_]
    wide: bool
    last_vector: int  # of any encoder, when this was read
    speakers: frozenset[int]  # first names (turns.first_name_number) of all who speak, some perhaps gone

    @cached_property
    def turns(self) -> Turns:
        """The rows in the order of their talks."""
        return Turns.of({name: self.records[name] for name in ("space", "session", "speaker", "traits", "moment")})

    @cached_property
    def sessions(self) -> NDArray[int64]:
        """The session of each row."""
        return self.turns.session(np.arange(len(self)))

    @cached_property
    def session_lengths(self) -> NDArray[float64]:
        """Words of each session."""
        return self.lengths_of(slice(None))

    def lengths_of(self, rows: NDArray[bool_] | slice) -> NDArray[float64]:
        """Words of each session in these rows."""
        count = self.turns.count
        return np.bincount(self.sessions[rows], weights=self.lengths[rows], minlength=count).astype(
            np.float64, copy=False
        )

    @property
    def rows(self) -> NDArray[int64]:
        rows: NDArray[int64] = self.records["row"]
        return rows

    @property
    def happened(self) -> NDArray[int64]:
        happened: NDArray[int64] = self.records["happened"]
        return happened

    @property
    def trust(self) -> NDArray[float64]:
        trust: NDArray[float64] = self.records["trust"]
        return trust

    @property
    def lengths(self) -> NDArray[int32]:
        lengths: NDArray[int32] = self.records["length"]
        return lengths

    @property
    def owners(self) -> NDArray[int32]:
        owners: NDArray[int32] = self.vectors["owner"]
        return owners

    @property
    def bits(self) -> NDArray[uint64]:
        """Sign bits by column, (w, n)."""
        columns: NDArray[uint64] = self.vectors["bits"]
        return columns

    @property
    def nbytes(self) -> int:
        return self.records.nbytes + self.vectors.nbytes + self.alive.nbytes

    def __len__(self) -> int:
        return len(self.alive)

    def later(self, seq: int, places: Mapping[int, Place], newest: int) -> View:
        """The same rows as of a later event."""
        view = replace(self, seq=seq, places=places, last_vector=newest)
        # What was worked out of the rows stays true of them.
        view.__dict__.update({name: self.__dict__[name] for name in _WORKED_OUT if name in self.__dict__})
        return view

    def same_rows(self, other: View) -> bool:
        """Whether both have the same rows, read once."""
        return self.records is other.records and self.alive is other.alive and self.places == other.places

    def visible(self, now: int) -> NDArray[bool_]:
        """Mask (R,) of the rows that recall may see at this time."""
        seen = self.alive & (self.records["expires"] > now)
        if ended := [number for number, place in self.places.items() if place.expires <= now]:
            seen &= ~np.isin(self.records["space"], ended)
        return seen


def _anything_since(connection: apsw.Connection, view: View) -> bool:
    """Whether a life, a record or a vector changed anywhere since this view was read; recalls alone change nothing."""
    changed = any(connection.execute(statement, (view.seq, 1)).get is not None for statement in _CHANGED)
    return changed or last_vector(connection) != view.last_vector


def last_event(connection: apsw.Connection) -> int:
    """The number of the last event of this read transaction; 0 before the first."""
    return int(connection.execute("SELECT max(seq) FROM events").get or 0)


def words_of(connection: apsw.Connection, encoder: int) -> int:
    """64-bit words of a vector's sign bits; 0 for an encoder that is not known here."""
    return bits.width(connection.execute("SELECT dimension FROM encoders WHERE encoder = ?", (encoder,)).get or 0) // 8


def last_vector(connection: apsw.Connection) -> int:
    """The number of the newest vector of any encoder; 0 before the first."""
    return int(connection.execute("SELECT max(vector) FROM bits").get or 0)


def places_of(connection: apsw.Connection, scope: Scope) -> dict[int, Place]:
    """The spaces of a scope."""
    numbers = spaces.numbers(connection, scope)
    if not numbers:
        return {}
    return {
        number: Place(expires, trust)
        for number, expires, trust in connection.execute(_PLACES, (apsw.carray(np.array(numbers, np.int64)),))
    }


def size_of(connection: apsw.Connection, places: Mapping[int, Place], most: int) -> int:
    """How many rows, dead ones too, lie in these spaces; counting stops at `most`."""
    if not places:
        return 0
    return int(connection.execute(_SIZE, (apsw.carray(np.array([*places], np.int64)), most)).get or 0)


def build(connection: apsw.Connection, scope: Scope, encoder: int, seq: int, at: int | None = None) -> View:
    """A view read from the tables; with `at`, of what was alive at that event and is not held or forgotten today."""
    places = places_of(connection, scope)
    share = (connection.execute("SELECT max(row) FROM records").get or 0) // SHARE
    wide = size_of(connection, places, share + 1) > share
    records = _records(connection, places, "walk" if wide else "index", at=at)
    vectors = _vectors(connection, encoder, records["row"], walk=wide)
    count = len(records["row"])
    tables = Table(records, count), Table(vectors, len(vectors["owner"]))
    return View(seq, places, *tables, np.ones(count, bool), wide, last_vector(connection), _speakers(records))


def advance(connection: apsw.Connection, scope: Scope, encoder: int, base: View, seq: int) -> View | None:
    """The view as of a later event, made from an earlier one; None where reading it anew is better."""
    most = max(SMALL, len(base) // 4)
    changed: set[int] = set()
    for statement in _CHANGED:
        found = connection.execute(statement, (base.seq, most + 1)).fetchall()
        if len(found) > most:
            return None
        changed.update(row for (row,) in found)
    places = places_of(connection, scope)
    if any(number in places and places[number].read_trust != place.read_trust for number, place in base.places.items()):
        return None
    if words_of(connection, encoder) != len(base.bits):
        return None  # the encoder was not known yet
    newest = last_vector(connection)
    if newest > base.last_vector:
        late = {row for (row,) in connection.execute(_LATE, (base.last_vector, encoder))} - changed
        if late and _found(base.rows, np.array(sorted(late), np.int64))[1].any():
            return None  # records that were written without a vector have one now
    if not changed:
        return base.later(seq, places, newest)
    now = _records(connection, places, "rows", rows=np.array(sorted(changed), np.int64))
    records, vectors, alive = base.records, base.vectors, base.alive.copy()
    speakers = base.speakers
    at, known = _found(base.rows, np.array(sorted(changed), np.int64))
    alive[at[known]] = False
    at, known = _found(base.rows, now["row"])
    alive[at[known]] = True
    moved = {
        name: now[name][known] for name in ("expires", "trust") if (now[name][known] != records[name][at[known]]).any()
    }
    if moved:
        records = records.changed(at[known], moved)
    if not known.all():
        fresh = {name: column[~known] for name, column in now.items()}
        speakers |= _speakers(fresh)
        added = _vectors(connection, encoder, fresh["row"])
        added["owner"] += len(alive)
        records = records.grown(fresh, len(fresh["row"]))
        vectors = vectors.grown(added, len(added["owner"]))
        alive = np.concatenate([alive, np.ones(len(fresh["row"]), bool)])
        if (np.diff(records["row"][max(len(base) - 1, 0) :]) < 0).any():  # a release or a rollback: from the middle
            records, vectors, alive = _kept(records, vectors, alive, np.argsort(records["row"], kind="stable"))
    if SHARE * np.count_nonzero(~alive) > len(alive):
        records, vectors, alive = _kept(records, vectors, alive, np.flatnonzero(alive))
    total = connection.execute("SELECT max(row) FROM records").get or 0
    return View(seq, places, records, vectors, alive, len(alive) > total // SHARE, newest, speakers)


def _kept(
    records: Table, vectors: Table, alive: NDArray[bool_], order: NDArray[int64]
) -> tuple[Table, Table, NDArray[bool_]]:
    """Only these positions, in this order, and their vectors."""
    place = np.full(len(alive), -1, np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    owners = place[vectors["owner"]]
    inside = np.flatnonzero(owners >= 0)
    inside = inside[np.argsort(owners[inside], kind="stable")]
    kept = vectors.taken(inside)
    kept.columns["owner"] = owners[inside]
    return records.taken(order), kept, alive[order]


def _found(rows: NDArray[int64], wanted: NDArray[int64]) -> tuple[NDArray[int64], NDArray[bool_]]:
    """Positions of the wanted rows, and which of them are there."""
    at = np.searchsorted(rows, wanted)
    if not len(rows):
        return at, np.zeros(len(wanted), bool)
    known = rows[np.minimum(at, len(rows) - 1)] == wanted
    return at, known


def statement_of(way: str, each: bool, past: bool) -> str:
    """The statement that reads the visible rows of spaces: by a walk over all, by the index, or given rows."""
    source = {"walk": _BY_WALK, "index": _BY_INDEX, "rows": _BY_ROWS}[way]
    return _COLUMNS + source + (_TRUST_EACH if each else _TRUST) + _FREE + (_ALIVE_AT if past else _ALIVE)


def _records(
    connection: apsw.Connection,
    places: Mapping[int, Place],
    way: str,
    at: int | None = None,
    rows: NDArray[int64] | None = None,
) -> dict[str, NDArray[Any]]:
    """The columns of the visible rows, ascending."""
    listed: tuple[str | None, ...] = (None,) * len(_KINDS)
    if places and (rows is None or len(rows)):
        floors = {place.read_trust for place in places.values()}
        bindings: list[Any] = [apsw.carray(np.array([*places], np.int64)), min(floors)]
        if at is not None or rows is not None:
            bindings.append(at)
        if rows is not None:
            bindings.append(apsw.carray(rows))
        listed = connection.execute(statement_of(way, len(floors) > 1, at is not None), bindings).fetchone() or listed
    columns: dict[str, NDArray[Any]] = {
        name: numbers_of(column, np.dtype(kind)) for (name, kind), column in zip(_KINDS.items(), listed, strict=True)
    }
    if (np.diff(columns["row"]) < 0).any():
        order = np.argsort(columns["row"])
        columns = {name: column[order] for name, column in columns.items()}
    return columns | _marks(connection, columns["row"], way == "walk")


def _marks(connection: apsw.Connection, rows: NDArray[int64], walk: bool) -> dict[str, NDArray[Any]]:
    """The fields of the marks of these rows. Raises CorruptStore where one is missing."""
    found: tuple[Any, ...] = (None, None)
    if len(rows):
        statement, bindings = (_MARKS_BY_WALK, ()) if walk else (_MARKS_BY_ROWS, (apsw.carray(rows),))
        found = connection.execute(statement, bindings).fetchone() or found
    blob, known = found[1] or b"", numbers_of(found[0])
    at, there = _found(known, rows)
    if len(blob) != MARK.itemsize * len(known) or not there.all():
        raise CorruptStore("records without a mark, or with a damaged one; run: delible verify")
    lines = np.frombuffer(blob, MARK)[at]
    return {name: np.ascontiguousarray(lines[name]) for name in MARK.names or ()}


def _speakers(columns: Mapping[str, NDArray[Any]]) -> frozenset[int]:
    return frozenset(np.unique(columns["speaker"] >> 32).tolist()) - {0}


def _vectors(
    connection: apsw.Connection, encoder: int, rows: NDArray[int64], walk: bool = False
) -> dict[str, NDArray[Any]]:
    """The vectors of these rows, in their order."""
    found: tuple[Any, ...] = (None,) * 4
    words = words_of(connection, encoder)
    if len(rows) and words:
        statement, bindings = (_BITS_BY_WALK, (encoder,)) if walk else (_BITS_BY_ROWS, (encoder, apsw.carray(rows)))
        found = connection.execute(statement, bindings).fetchone() or found
    blob = found[0] or b""
    vector, row, part = (numbers_of(column) for column in found[1:])
    if len(blob) != len(vector) * words * 8:
        raise CorruptStore(f"sign bits of encoder {encoder} have a wrong length; run: delible verify")
    columns = bits.as_words(blob).reshape(-1, words or 1).T
    at, known = _found(rows, row)
    order = np.flatnonzero(known)
    step = np.diff(at[order])
    if ((step < 0) | ((step == 0) & (np.diff(part[order]) < 0))).any():  # else they were stored in this order
        order = order[np.lexsort((part[order], at[order]))]
    return {
        "owner": at[order].astype(np.int32),
        "part": part[order].astype(np.int32),
        "vector": vector[order],
        "bits": np.ascontiguousarray(columns[:words, order]),
    }


class _Entry:
    """The newest states of one view; its lock is held while one is made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.states: deque[View] = deque(maxlen=STATES)

    @property
    def nbytes(self) -> int:
        """Of the largest state: the others share its columns."""
        return max((state.nbytes for state in tuple(self.states)), default=0)


class Views:
    """The views of a store by scope, for any thread; least recently used ones go when all take over `limit_bytes`."""

    def __init__(self, limit_bytes: int = LIMIT):
        self.limit_bytes = limit_bytes
        self.postings = Postings()
        self._lock = threading.Lock()
        self._entries: OrderedDict[Scope, _Entry] = OrderedDict()
        self._encoder = 0
        self._past: tuple[tuple[Any, ...], View] | None = None

    def view(self, connection: apsw.Connection, scope: Scope, encoder: int) -> View:
        """The scope as this read transaction sees it."""
        seq = last_event(connection)
        with self._lock:
            if encoder != self._encoder:  # the folder's encoder changed: bits of another one may be half there
                self._entries.clear()
                self._encoder = encoder
            entry = self._entries.get(scope)
            if entry:
                self._entries.move_to_end(scope)
        if entry is None:
            if size_of(connection, places_of(connection, scope), SMALL + 1) <= SMALL:
                return build(connection, scope, encoder, seq)
            with self._lock:
                entry = self._entries.setdefault(scope, _Entry())
        with entry.lock:
            view = self._at(connection, scope, encoder, seq, entry.states)
        self._drop()
        return view

    def _at(self, connection: apsw.Connection, scope: Scope, encoder: int, seq: int, states: deque[View]) -> View:
        before = [state for state in states if state.seq <= seq]
        if before and before[-1].seq == seq:
            return before[-1]
        view = advance(connection, scope, encoder, before[-1], seq) if before else None
        view = view or build(connection, scope, encoder, seq)
        if len(before) == len(states):  # else another thread is ahead of this snapshot: its state stays the newest
            states.append(view)
        return view

    def past(self, connection: apsw.Connection, scope: Scope, encoder: int, at: int) -> View:
        """The scope as it was at event `at`; trust, holds and forgetting are today's. Only the last one is kept."""
        seq = last_event(connection)
        asked = (scope, encoder, at)
        kept = self._past
        if kept and kept[0] == asked and kept[1].seq <= seq:
            if kept[1].seq == seq:
                return kept[1]
            places = places_of(connection, scope)
            if places == kept[1].places and not _anything_since(connection, kept[1]):
                view = kept[1].later(seq, places, kept[1].last_vector)
                self._past = (asked, view)
                return view
        view = build(connection, scope, encoder, seq, at)
        self._past = (asked, view)
        return view

    def _drop(self) -> None:
        with self._lock:
            taken = {scope: entry.nbytes for scope, entry in self._entries.items()}
            while sum(taken.values()) > self.limit_bytes and len(self._entries) > 1:
                scope, _ = self._entries.popitem(last=False)
                del taken[scope]

    def clear(self) -> None:
        """Forget all views; the next recall reads them anew."""
        with self._lock:
            self._entries.clear()
            self._past = None
        self.postings.clear()
