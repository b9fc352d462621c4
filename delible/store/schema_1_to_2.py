"""Schema 1 to 2: every record gets its mark (session, speaker, traits), which recall's score reads."""

from __future__ import annotations

import json

import apsw

from delible.store.turns import mark

ROWS = 500  # a transaction
RATE = 8000.0  # rows a second; measured


def step(connection: apsw.Connection, done: int) -> int | None:
    """Mark some rows above `done`; the last of them, None when none is left."""
    connection.execute("CREATE TABLE IF NOT EXISTS turns(row INTEGER PRIMARY KEY, mark BLOB NOT NULL) STRICT")
    connection.execute("CREATE INDEX IF NOT EXISTS records_tail ON records(substr(id, 13))")
    key = bytes(connection.execute("SELECT value FROM meta WHERE name = 'key'").get)
    lines = connection.execute(
        "SELECT r.row, t.text, r.channel, r.author, t.meta, r.happened, r.written, r.length FROM records r JOIN texts t"
        " ON t.row = r.row WHERE r.row > ? ORDER BY r.row LIMIT ?",
        (done, ROWS),
    ).fetchall()
    for row, text, channel, author, meta, happened, written, length in lines:
        seen = mark(key, text, channel, author, json.loads(meta).get("session"), happened, written, length)
        connection.execute("INSERT OR REPLACE INTO turns(row, mark) VALUES (?, ?)", (row, seen))
    return lines[-1][0] if lines else None


def total(connection: apsw.Connection) -> int:
    """Rows to go through, as `step` counts them."""
    return int(connection.execute("SELECT max(row) FROM records").get or 0)
