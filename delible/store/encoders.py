"""Which model made which vector: the encoders of a folder, the one in use, and the one it is changing to."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import apsw
import numpy as np

from delible.core.shapes import Encoder
from delible.store.bits import sign_bits, width

BLOCK = 4096  # vectors checked at once


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


_TOKENLESS = (
    " FROM vectors v JOIN texts t ON t.row = v.row JOIN records r ON r.row = v.row WHERE v.vector > ?1 AND v.encoder ="
    " ?2 AND v.tokens IS NULL AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = v.row)"
)


class Tokenless(NamedTuple):
    """A vector that has no tokens, with the passage that it was made of."""

    vector: int
    row: int
    text: str
    author: str | None


def without_tokens(connection: apsw.Connection, number: int, after: int, limit: int) -> list[Tokenless]:
    """Vectors of this encoder above `after` that have no tokens, as those of an older schema."""
    lines = connection.execute(
        f"SELECT v.vector, v.row, t.text, v.start, v.stop, r.author{_TOKENLESS} ORDER BY v.vector LIMIT ?3",
        (after, number, limit),
    )
    return [Tokenless(vector, row, text[start:stop], author) for vector, row, text, start, stop, author in lines]


def count_without_tokens(connection: apsw.Connection, number: int) -> int:
    """How many rows have a vector of this encoder without tokens."""
    return int(connection.execute(f"SELECT count(DISTINCT v.row){_TOKENLESS}", (0, number)).get)


def give_tokens(connection: apsw.Connection, vector: int, tokens: bytes) -> None:
    """Store the tokens of a vector that has none, if it is still there and unsealed."""
    # In place: the number stays, and with it every view that knows it.
    connection.execute(
        "UPDATE vectors SET tokens = ?2 WHERE vector = ?1 AND tokens IS NULL AND NOT EXISTS (SELECT 1 FROM erasures e"
        " WHERE e.row = vectors.row)",
        (vector, tokens),
    )


class Checked(NamedTuple):
    """Vectors of an encoder: how many there are, the row of each that is not whole, each whose tokens are not."""

    total: int
    rows: list[int]
    tokens: list[int]


def checked(connection: apsw.Connection, number: int, dimension: int) -> Checked:
    """Every vector of an encoder held against its sum, its bits and the width of a token."""
    lines = connection.execute(
        "SELECT v.vector, v.row, v.value, v.checksum, b.bits, length(v.tokens) FROM vectors v LEFT JOIN bits b ON"
        " b.vector = v.vector WHERE v.encoder = ?",
        (number,),
    )
    count, rows, tokens = 0, [], []
    for block in _blocks(lines):
        count += len(block)
        tokens += [line[0] for line in block if (line[5] or 0) % (width(dimension) + 1)]
        sizes = 2 * dimension, width(dimension)
        whole = [
            line for line in block if (len(line[2]), len(line[4] or b"")) == sizes and zlib.crc32(line[2]) == line[3]
        ]
        known = {line[0] for line in whole}
        rows += [line[1] for line in block if line[0] not in known]
        if whole:
            X = np.frombuffer(b"".join(line[2] for line in whole), "<f2").reshape(-1, dimension).astype(np.float32)
            kept = np.frombuffer(b"".join(line[4] for line in whole), np.uint8).reshape(len(whole), -1)
            # The stored value is rounded to float16: a coordinate next to zero may have turned over, no more.
            turned = np.bitwise_count(sign_bits(X) ^ kept).sum(axis=1) > 8
            rows += [line[1] for line, wrong in zip(whole, turned, strict=True) if wrong]
    return Checked(count, rows, tokens)


def _blocks(lines: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(lines)
    while block := list(islice(left, BLOCK)):
        yield block


def drop_damaged(connection: apsw.Connection, number: int, found: Checked) -> None:
    """Take out what was found wrong, and vectors and bits that belong to nothing: what is needed is made again."""
    for row in set(found.rows):
        connection.execute("DELETE FROM vectors WHERE encoder = ? AND row = ?", (number, row))
    for vector in found.tokens:
        connection.execute("UPDATE vectors SET tokens = NULL WHERE vector = ?", (vector,))
    connection.execute("DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM texts t WHERE t.row = vectors.row)")
    connection.execute("DELETE FROM bits WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.vector = bits.vector)")


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
