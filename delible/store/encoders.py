"""Which model made which vector: the encoders of a folder, the one in use, and the one it is changing to."""

from __future__ import annotations

from typing import NamedTuple

import apsw

from delible.core.shapes import Encoder


class Known(NamedTuple):
    """An encoder of this folder; `spec` opens it again."""

    number: int
    name: str
    version: str
    dimension: int
    spec: str

    def made_by(self, encoder: Encoder) -> bool:
        """Whether this very model made the vectors."""
        return (self.name, self.version, self.dimension) == (encoder.name, encoder.version, encoder.dimension)


def register(connection: apsw.Connection, encoder: Encoder, spec: str) -> int:
    """The encoder's number here; a new line where the folder does not know it."""
    connection.execute(
        "INSERT OR IGNORE INTO encoders(name, version, dimension, spec) VALUES (?,?,?,?)",
        (encoder.name, encoder.version, encoder.dimension, spec),
    )
    number: int = connection.execute(
        "SELECT encoder FROM encoders WHERE name = ? AND version = ?", (encoder.name, encoder.version)
    ).get
    return number


def known(connection: apsw.Connection, role: str = "encoder") -> Known | None:
    """The folder's own encoder ("encoder"), or the one that it is changing to ("encoder_next")."""
    line = connection.execute(
        "SELECT e.encoder, e.name, e.version, e.dimension, e.spec FROM meta m JOIN encoders e ON e.encoder ="
        " CAST(CAST(m.value AS TEXT) AS INTEGER) WHERE m.name = ?",
        (role,),
    ).fetchone()
    return None if line is None else Known(*line)


def use(connection: apsw.Connection, role: str, number: int | None) -> None:
    """Set or clear a role."""
    if number is None:
        connection.execute("DELETE FROM meta WHERE name = ?", (role,))
    else:
        connection.execute("INSERT OR REPLACE INTO meta(name, value) VALUES (?, ?)", (role, str(number).encode()))


_MISSING = (
    " FROM texts t WHERE t.row > ?1 AND t.text != '' AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.encoder = ?2 AND"
    " v.row = t.row AND v.part = 0) AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = t.row)"
)


def without_vectors(connection: apsw.Connection, number: int, after: int, limit: int) -> list[tuple[int, str]]:
    """Rows above `after` that have no vector of this encoder yet, with their texts; records whose text is empty need
    none."""
    lines: list[tuple[int, str]] = connection.execute(
        f"SELECT t.row, t.text{_MISSING} ORDER BY t.row LIMIT ?3", (after, number, limit)
    ).fetchall()
    return lines


def count_without_vectors(connection: apsw.Connection, number: int) -> int:
    """How many rows have no vector of this encoder yet."""
    count: int = connection.execute(f"SELECT count(*){_MISSING}", (0, number)).get
    return count


def lacks(connection: apsw.Connection, number: int, row: int) -> bool:
    """Whether this row is there, unsealed, and has no vector of this encoder."""
    found = connection.execute(
        "SELECT 1 FROM texts t WHERE t.row = ?1 AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = ?1)"
        " AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.encoder = ?2 AND v.row = ?1)",
        (row, number),
    ).get
    return found is not None


def drop_unused(connection: apsw.Connection, limit: int) -> int:
    """Delete some vectors of encoders that the folder neither uses nor changes to; how many went."""
    used = {role.number for role in (known(connection), known(connection, "encoder_next")) if role}
    others = [number for (number,) in connection.execute("SELECT encoder FROM encoders") if number not in used]
    vectors = [
        vector
        for number in others
        for (vector,) in connection.execute("SELECT vector FROM vectors WHERE encoder = ? LIMIT ?", (number, limit))
    ]
    for vector in vectors:
        connection.execute("DELETE FROM bits WHERE vector = ?", (vector,))
        connection.execute("DELETE FROM vectors WHERE vector = ?", (vector,))
    return len(vectors)
