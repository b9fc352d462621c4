"""Postings: in which rows the terms of questions stand, kept between recalls.

Reading a term's hits from the index costs .1 ms for each thousand; questions share their frequent terms. A row's words
never change and row numbers only grow, so what was read stays true: rows written since are asked for and put behind,
rows that left are no rows of a view any more. After an erasure all is dropped, so that no term of a forgotten
text stays in memory because it was once asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import apsw
import numpy as np

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

LIMIT = 32 * 2**20
MOST_NEW = 1000  # rows written since, above which a term is read anew
PATIENCE = 3  # times that a term is looked up in small scopes alone, before it is read for all of them
MOST_ASKED = 10_000  # terms that are counted for this

Hits = tuple["NDArray[int64]", "NDArray[int64]"]  # rows ascending, and how often each


class State(NamedTuple):
    """How far a read transaction sees: the newest row, and the newest line of the erasures."""

    newest: int
    erased: int


class _Entry(NamedTuple):
    upto: int
    hits: Hits

    @property
    def nbytes(self) -> int:
        return self.hits[0].nbytes + self.hits[1].nbytes


class Postings:
    """Hits by (table, term), for any thread; the least recently used go when all take over `limit_bytes`."""

    def __init__(self, limit_bytes: int = LIMIT):
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._asked: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._nbytes = 0
        self._erased = 0

    def __len__(self) -> int:
        return len(self._entries)

    def state(self, connection: apsw.Connection) -> State:
        """Of this read transaction; drops everything where something was erased since."""
        newest, erased = connection.execute(
            "SELECT (SELECT max(row) FROM records), (SELECT max(rowid) FROM erasures)"
        ).fetchone() or (0, 0)
        state = State(newest or 0, erased or 0)
        if state.erased != self._erased:
            self.clear()
            self._erased = state.erased
        return state

    def pays(self, key: tuple[str, str], wide: bool) -> bool:
        """Whether to ask here: always in a wide scope, else where the term is kept or has been asked for often."""
        with self._lock:
            if wide or key in self._entries:
                return True
            asked = self._asked.pop(key, 0) + 1
            if asked > PATIENCE:
                return True
            self._asked[key] = asked
            if len(self._asked) > MOST_ASKED:
                self._asked.popitem(last=False)
            return False

    def hits(self, key: tuple[str, str], state: State, whole: Callable[[], Hits], since: Callable[[int], Hits]) -> Hits:
        """A term's hits: `whole()` reads all, `since(row)` those above a row. Some may be newer than the state."""
        with self._lock:
            entry = self._entries.get(key)
        if entry is not None and entry.upto >= state.newest:
            hits = entry.hits
        elif entry is not None and state.newest - entry.upto <= MOST_NEW:
            rows, counts = since(entry.upto)
            hits = entry.hits
            if len(rows):
                hits = np.concatenate([hits[0], rows]), np.concatenate([hits[1], counts])
        else:
            hits = whole()
        self._keep(key, _Entry(max(state.newest, entry.upto if entry else 0), hits), state)
        return hits

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._entries.clear()
            self._asked.clear()
            self._nbytes = 0

    def _keep(self, key: tuple[str, str], entry: _Entry, state: State) -> None:
        with self._lock:
            if state.erased != self._erased:
                return  # read before an erasure that another thread has seen
            before = self._entries.pop(key, None)
            if before is not None and before.upto > entry.upto:
                entry = before
            self._nbytes += entry.nbytes - (before.nbytes if before is not None else 0)
            self._entries[key] = entry
            while self._nbytes > self.limit_bytes and len(self._entries) > 1:
                self._nbytes -= self._entries.popitem(last=False)[1].nbytes
