"""Holds and trust: a change at one record walks down to everything derived from it, in the same transaction."""

from __future__ import annotations

from collections.abc import Collection

import apsw

from delible.store.reading import chunks, descendants, revisions

QUARANTINE, BLOCK = 1, 2


def hold(connection: apsw.Connection, row: int, reason: str, level: int, pin: bool) -> None:
    """Keep a record and what came from it out of recall; or pin it (a legal hold): nothing may erase it."""
    if pin:
        connection.execute(
            "UPDATE records SET pinned = 1, hold_reason = CASE WHEN own_hold > 0 THEN hold_reason ELSE ? END"
            " WHERE row = ?",
            (reason, row),
        )
    else:
        connection.execute(
            "UPDATE records SET own_hold = max(own_hold, ?), hold_reason = ? WHERE row = ?", (level, reason, row)
        )


def release(connection: apsw.Connection, row: int, reason: str) -> set[int]:
    """Lift the record's own hold and pin, with those of its revisions (a revision had kept them); the rows that were
    touched. The reason takes the place of the hold's."""
    rows = revisions(connection, {row})
    for marks, piece in chunks(sorted(rows)):
        connection.execute(
            "UPDATE records SET own_hold = 0, pinned = 0, verdict_trust = 1, hold_reason ="
            f" iif(hold_reason IS NULL, NULL, ?) WHERE row IN ({marks})",
            (f"released: {reason}", *piece),
        )
    return rows


def recompute(connection: apsw.Connection, rows: Collection[int], seq: int) -> set[int]:
    """Trust and hold of these rows and all derived from them, parents first; marks what changed with the event."""
    touched = set(rows) | descendants(connection, rows)
    changed: set[int] = set()
    for row in sorted(touched):  # a parent's row is always smaller
        own, verdict, trust, own_hold, held = connection.execute(
            "SELECT own_trust, verdict_trust, trust, own_hold, hold FROM records WHERE row = ?", (row,)
        ).fetchone()
        above, below = connection.execute(
            "SELECT min(p.trust), max(p.hold) FROM lineage g JOIN records p ON p.row = g.parent WHERE g.child = ?",
            (row,),
        ).fetchone()
        now = (min(own, verdict, 1.0 if above is None else above), max(own_hold, below or 0))
        if now != (trust, held) or row in rows:
            connection.execute("UPDATE records SET trust = ?, hold = ?, changed = ? WHERE row = ?", (*now, seq, row))
            changed.add(row)
    return changed
