"""Schema 1 to 2: every record gets its mark (session, speaker, traits), which recall's score reads.

Its vectors have no tokens yet: what fills them needs the encoder (`recall/embedding.py`).
"""

from __future__ import annotations

import apsw

from delible.store import marking

RATE = 8000.0  # rows a second; measured


def step(connection: apsw.Connection, done: int) -> int | None:
    """Mark some rows above `done`; the last of them, None when none is left."""
    connection.execute("CREATE TABLE IF NOT EXISTS turns(row INTEGER PRIMARY KEY, mark BLOB NOT NULL) STRICT")
    connection.execute("CREATE INDEX IF NOT EXISTS records_tail ON records(substr(id, 13))")
    return marking.renew(connection, bytes(connection.execute("SELECT value FROM meta WHERE name = 'key'").get), done)


def total(connection: apsw.Connection) -> int:
    """Rows to go through, as `step` counts them."""
    return int(connection.execute("SELECT max(row) FROM records").get or 0)
