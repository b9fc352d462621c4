"""Lives: from which event to which a record was alive. They make `as_of`, `revise`, `diff` and `rollback` work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import apsw

from delible.core.errors import RollbackRefused
from delible.core.identity import from_bytes
from delible.store import spaces
from delible.store.reading import UNSEALED, chunks
from delible.store.suppression import Forgotten, forgotten


def close_life(connection: apsw.Connection, rows: Collection[int], seq: int) -> None:
    """End the present life of these rows."""
    for marks, piece in chunks(sorted(rows)):
        connection.execute(f"UPDATE lives SET until = ? WHERE row IN ({marks}) AND until IS NULL", (seq, *piece))


def living_rows(connection: apsw.Connection, rows: Sequence[int]) -> set[int]:
    """Those of these rows whose life has not ended, held or not."""
    found: set[int] = set()
    for marks, piece in chunks(rows):
        found |= {
            row
            for (row,) in connection.execute(f"SELECT row FROM lives WHERE row IN ({marks}) AND until IS NULL", piece)
        }
    return found


def alive(connection: apsw.Connection, rows: Sequence[int]) -> set[int]:
    """Those of these rows that live, are not held and not sealed now: asked once more before recall returns."""
    found: set[int] = set()
    for marks, piece in chunks(rows):
        found |= {
            row
            for (row,) in connection.execute(
                f"SELECT r.row FROM records r JOIN lives l ON l.row = r.row WHERE r.row IN ({marks}) AND l.until IS"
                f" NULL AND r.hold = 0 AND {UNSEALED}",
                piece,
            )
        }
    return found


def unsealed(connection: apsw.Connection, rows: Sequence[int]) -> set[int]:
    """Those of these rows that no forget has sealed and nothing holds: the last look of a recall of the past."""
    found: set[int] = set()
    for marks, piece in chunks(rows):
        found |= {
            row
            for (row,) in connection.execute(
                f"SELECT r.row FROM records r WHERE r.row IN ({marks}) AND r.hold = 0 AND {UNSEALED}", piece
            )
        }
    return found


class Changes(NamedTuple):
    """Rows whose life began or ended between two events; `revised`: (old, new)."""

    added: list[int]
    closed: list[int]
    revised: list[tuple[int, int]]


def living(connection: apsw.Connection, scope: spaces.Scope, seq: int) -> set[int]:
    """Rows of a scope that were alive at an event and are not sealed."""
    inside = set(spaces.numbers(connection, scope))
    return {
        row
        for row, space in connection.execute(
            "SELECT r.row, r.space FROM lives l JOIN records r ON r.row = l.row WHERE l.since <= ?1 AND (l.until IS"
            f" NULL OR l.until > ?1) AND {UNSEALED}",
            (seq,),
        )
        if space in inside
    }


def changes(connection: apsw.Connection, scope: spaces.Scope, first: int, last: int) -> Changes:
    """What differs between two events."""
    before, after = living(connection, scope, first), living(connection, scope, last)
    added, closed = after - before, before - after
    revised: list[tuple[int, int]] = []
    for row in sorted(added):
        old, seen = row, {row}
        while (
            older := connection.execute("SELECT revises FROM records WHERE row = ?", (old,)).get
        ) is not None and older not in seen:
            old = older
            seen.add(old)
            if old in closed:
                revised.append((old, row))
                break
    return Changes(sorted(added - {new for _, new in revised}), sorted(closed - {old for old, _ in revised}), revised)


class Rolled(NamedTuple):
    """Rows that live again, rows that were closed, and what stays closed because an equal text was forgotten."""

    back: set[int]
    gone: set[int]
    kept_out: list[tuple[str, Forgotten]]


def rollback(connection: apsw.Connection, key: bytes, scope: spaces.Scope, to: int, seq: int) -> Rolled:
    """Close what lives now and did not then, let live again what lived then. Raises RollbackRefused."""
    now = living(connection, scope, seq)
    then = living(connection, scope, to)
    back, gone = then - now, now - then
    kept_out: list[tuple[str, Forgotten]] = []
    close_life(connection, gone, seq)
    for row in sorted(back):
        taken, space, id, print_, path = connection.execute(
            "SELECT r.key, r.space, r.id, r.fingerprint, s.path FROM records r JOIN spaces s ON s.space = r.space"
            " WHERE r.row = ?",
            (row,),
        ).fetchone()
        if found := forgotten(connection, key, path, print_):
            kept_out.append((from_bytes(id), found))
            back.remove(row)
            continue
        holder = (
            "SELECT 1 FROM records r INDEXED BY records_key JOIN lives l ON l.row = r.row"
            " WHERE r.space = ? AND r.key = ? AND l.until IS NULL LIMIT 1"
        )
        if taken is not None and connection.execute(holder, (space, taken)).get:
            raise RollbackRefused(
                f"the key of record {from_bytes(id)} is taken by a living record; nothing was changed"
            )
        connection.execute("INSERT INTO lives(row, since) VALUES (?, ?)", (row, seq))
    return Rolled(back, gone, kept_out)
