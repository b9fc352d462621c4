"""What a guard or ranker may look at: the store, read-only, within the spaces of its handle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from delible.core.records import Hit, Record
from delible.store import encoders, reading
from delible.store.spaces import Scope
from delible.store.sqlite import SQLite

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


class Lookout:
    """A `StoreView`. Each call is a short read of its own."""

    def __init__(self, store: SQLite, seen: Scope | None, nearest: Callable[[str, int], list[Hit]] | None):
        self._store = store
        self._seen = seen
        self._nearest = nearest

    def get(self, ids: Sequence[str]) -> list[Record]:
        """Records by id, in order. Raises UnknownId."""
        with self._store.reading() as connection:
            rows = reading.rows_of(connection, ids, self._seen)
            found = reading.records_of(connection, rows, self._seen)
        return [found[row] for row in rows]

    def around(self, id: str, before: int = 1, after: int = 1) -> list[Record]:
        """Living records of the same space just before and after, by the time they happened (else were written),
        without itself."""
        with self._store.reading() as connection:
            (row,) = reading.rows_of(connection, [id], self._seen)
            space, when = connection.execute(
                "SELECT space, ifnull(happened, written) FROM records WHERE row = ?", (row,)
            ).fetchone()
            sides: list[int] = []
            for compare, order, count in (("<", "DESC", before), (">", "ASC", after)):
                found = connection.execute(
                    "SELECT r.row FROM records r INDEXED BY records_space WHERE r.space = ?1 AND (ifnull(r.happened,"
                    f" r.written), r.row) {compare} (?2, ?3) AND r.hold = 0 AND {reading.ALIVE} AND {reading.UNSEALED}"
                    f" ORDER BY ifnull(r.happened, r.written) {order}, r.row {order} LIMIT ?4",
                    (space, when, row, count),
                ).fetchall()
                rows = [one for (one,) in found]
                sides += rows[::-1] if order == "DESC" else rows
            records = reading.records_of(connection, sides, self._seen)
        return [records[one] for one in sides]

    def nearest(self, text: str, k: int) -> list[Hit]:
        """The records nearest in meaning and words; nothing where the caller is a recall itself."""
        return [] if self._nearest is None else self._nearest(text, k)

    def vectors(self, ids: Sequence[str]) -> NDArray[float32]:
        """The first vector of each record by the folder's encoder (N, D); zeros where a record has none."""
        with self._store.reading() as connection:
            known = encoders.known(connection)
            rows = reading.rows_of(connection, ids, self._seen)
            X = np.zeros((len(rows), known.dimension if known else 0), np.float32)
            for at, row in enumerate(rows):
                value = connection.execute(
                    "SELECT value FROM vectors WHERE encoder = ? AND row = ? AND part = 0",
                    (known.number if known else 0, row),
                ).get
                if value is not None:
                    X[at] = np.frombuffer(value, "<f2")
        return X
