"""Marks made anew from the texts: by the migration that brought them, and where one is missing or wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import apsw

from delible.store.turns import mark

if TYPE_CHECKING:
    from delible.store.sqlite import SQLite

ROWS = 500  # a transaction

_LINES = (
    "SELECT r.row, t.text, r.channel, r.author, t.meta, r.happened, r.written, r.length, m.mark FROM records r"
    " JOIN texts t ON t.row = r.row LEFT JOIN turns m ON m.row = r.row"
)


def compared(
    connection: apsw.Connection, key: bytes, rest: str, bindings: Sequence[Any]
) -> Iterator[tuple[int, bytes | None, bytes]]:
    """Rows with the mark that each has and the one that its text gives; `rest`: the statement's WHERE and so on."""
    for row, text, channel, author, meta, happened, written, length, known in connection.execute(
        f"{_LINES} {rest}", bindings
    ):
        yield row, known, mark(key, text, channel, author, json.loads(meta).get("session"), happened, written, length)


def renew(connection: apsw.Connection, key: bytes, after: int) -> int | None:
    """Mark some rows above `after` as their texts say; the last of them, None when none is left."""
    lines = list(compared(connection, key, "WHERE r.row > ? ORDER BY r.row LIMIT ?", (after, ROWS)))
    wrong = [(row, made) for row, known, made in lines if known != made]
    connection.executemany("INSERT OR REPLACE INTO turns(row, mark) VALUES (?, ?)", wrong)
    return lines[-1][0] if lines else None


def renew_all(store: SQLite) -> None:
    """Make every mark anew, in short transactions; those that belong to nothing go."""
    done: int | None = 0
    while done is not None:
        with store.writing() as connection:
            done = renew(connection, store.key, done)
    with store.writing() as connection:
        connection.execute("DELETE FROM turns WHERE NOT EXISTS (SELECT 1 FROM texts t WHERE t.row = turns.row)")
