"""Reading: rows as records, by id, listed, with their history."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

from delible.core.errors import CorruptStore, UnknownId
from delible.core.identity import from_bytes, tail_of, to_bytes
from delible.core.records import Media, Record, Source
from delible.core.times import from_micros
from delible.store import spaces
from delible.store.ledger import present
from delible.store.sqlite import damaged

CHUNK = 500
ALIVE = "EXISTS (SELECT 1 FROM lives l WHERE l.row = r.row AND l.until IS NULL)"
UNSEALED = "NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = r.row)"


def chunks(rows: Sequence[int]) -> Iterator[tuple[str, Sequence[int]]]:
    """Pieces of a list of rows with their placeholders: `IN (?,?,..)` keeps its index, a joined list would not."""
    for at in range(0, len(rows), CHUNK):
        piece = rows[at : at + CHUNK]
        yield ",".join("?" * len(piece)), piece


def records_of(connection: apsw.Connection, rows: Sequence[int], seen: spaces.Scope | None = None) -> dict[int, Record]:
    """Whole records by row. Ids of parents in spaces that `seen` does not hold are left out."""
    found: dict[int, Record] = {}
    for marks, piece in chunks(list(rows)):
        lives: dict[int, tuple[Any, Any]] = {
            row: (since, until)
            for row, since, until in connection.execute(
                "SELECT x.row, (SELECT e.time FROM events e WHERE e.seq = x.first), (SELECT e.time FROM events e WHERE"
                " e.seq = x.last) FROM (SELECT l.row, min(l.since) first, CASE WHEN count(*) > count(l.until) THEN"
                f" NULL ELSE max(l.until) END last FROM lives l WHERE l.row IN ({marks}) GROUP BY l.row) x",
                piece,
            )
        }
        parents: dict[int, list[str]] = {}
        for child, parent, path in connection.execute(
            "SELECT g.child, p.id, s.path FROM lineage g JOIN records p ON p.row = g.parent JOIN spaces s ON s.space ="
            f" p.space WHERE g.child IN ({marks}) ORDER BY g.child, g.parent",
            piece,
        ):
            if seen is None or seen.holds(path):
                parents.setdefault(child, []).append(from_bytes(parent))
        for line in connection.execute(
            "SELECT r.row, r.id, t.text, s.path, r.channel, r.reference, r.author, r.own_trust, r.happened, r.written,"
            " t.meta, r.kind, r.key, t.media, t.type, min(ifnull(r.expires, 9e18), ifnull(s.expires, 9e18)), r.trust,"
            " r.hold, r.hold_reason, r.pinned, t.notes, (SELECT d.id FROM records d WHERE d.row = r.duplicate_of AND"
            " NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = d.row)),"
            " (SELECT o.id FROM records o WHERE o.row = r.revises) FROM records r JOIN texts t ON t.row = r.row JOIN"
            f" spaces s ON s.space = r.space WHERE r.row IN ({marks})",
            piece,
        ):
            with damaged("a record"):
                found[line[0]] = _record(line, parents.get(line[0], []), lives.get(line[0], (None, None)))
    if len(found) < len(set(rows)):
        raise CorruptStore(f"{len(set(rows)) - len(found)} records have no text or no space; run: delible verify")
    return found


def _record(line: Sequence[Any], parents: Sequence[str], life: tuple[int | None, int | None]) -> Record:
    _, id, text, space, channel, reference, author, own, happened, written, meta, kind, key, media, type_, expires = (
        line[:16]
    )
    trust, hold, reason, pinned, notes, duplicate_of, revises = line[16:]
    return Record(
        id=from_bytes(id),
        text=text,
        space=space,
        source=Source(channel, reference, author, own),
        happened=None if happened is None else from_micros(happened),
        written=from_micros(written),
        parents=tuple(parents),
        meta=json.loads(meta),
        kind=kind,
        key=key,
        media=None if media is None else Media(media, type_),
        expires=None if expires >= 9e18 else from_micros(int(expires)),
        valid=(_time(life[0]), _time(life[1])),
        duplicate_of=None if duplicate_of is None else from_bytes(duplicate_of),
        trust=trust,
        held=hold > 0,
        hold_reason=reason,
        pinned=bool(pinned),
        revises=None if revises is None else from_bytes(revises),
        notes=tuple(json.loads(notes)),
    )


def _time(value: int | None) -> Any:
    return None if value is None else from_micros(value)


_BY_ID = f"SELECT r.row, s.path FROM records r JOIN spaces s ON s.space = r.space WHERE r.id = ? AND {UNSEALED}"
_BY_TAIL = (
    "SELECT r.row, s.path FROM records r INDEXED BY records_tail JOIN spaces s ON s.space = r.space WHERE"
    f" substr(r.id, 13) = ? AND {UNSEALED}"
)


def rows_of(connection: apsw.Connection, ids: Sequence[str], seen: spaces.Scope | None) -> list[int]:
    """The rows of ids, in order, where this scope holds them and nothing sealed them; eight hexadecimal digits stand
    for the one id that ends so. Raises UnknownId, naming those that are not there, or that several end with."""
    rows: list[int] = []
    missing: list[str] = []
    several: list[str] = []
    for id in ids:
        tail = tail_of(id)
        lines = connection.execute(*((_BY_ID, (to_bytes(id) or b"",)) if tail is None else (_BY_TAIL, (tail,))))
        # What other spaces hold is left out before anything is counted: it must not be told from nothing.
        found = [row for row, path in lines if seen is None or seen.holds(path)]
        if len(found) == 1:
            rows.append(found[0])
        else:
            (several if found else missing).append(str(id))
    if missing:
        raise UnknownId(missing)
    if several:
        raise UnknownId(several, "single record (several records end so: the whole id is needed) for")
    return rows


def id_of(connection: apsw.Connection, row: int) -> bytes:
    """The 16 bytes of a row's id, however short the one was that named it."""
    return bytes(connection.execute("SELECT id FROM records WHERE row = ?", (row,)).get)


def listed(
    connection: apsw.Connection,
    scope: spaces.Scope,
    condition: tuple[str, Sequence[Any]] = ("1", ()),
    after: int = 0,
    limit: int | None = 100,
    held: bool | None = False,
    past: bool = False,
    now: int | None = None,
) -> list[int]:
    """Rows in the order of writing: living ones (with `past` all), unheld, held or both (None); with `now`, unexpired
    ones."""
    numbers = spaces.numbers(connection, scope)
    if not numbers:
        return []
    holds = {None: "1", True: "r.hold > 0", False: "r.hold = 0"}[held]
    inside = "1" if scope == spaces.EVERYTHING else f"+r.space IN ({','.join(map(str, numbers))})"
    # One space is read through its index; many are walked in row order, which pages without sorting.
    if len(numbers) == 1:
        inside = f"r.space = {numbers[0]}"
    fresh = (
        "1"
        if now is None
        else (
            f"(r.expires IS NULL OR r.expires > {now}) AND NOT EXISTS (SELECT 1 FROM spaces s WHERE s.space = r.space"
            f" AND s.expires <= {now})"
        )
    )
    statement = (
        f"SELECT r.row FROM records r JOIN texts t ON t.row = r.row WHERE {inside} AND r.row > ? AND {holds} AND"
        f" {UNSEALED} AND {'1' if past else ALIVE} AND {fresh} AND ({condition[0]}) ORDER BY r.row LIMIT ?"
    )
    return [row for (row,) in connection.execute(statement, (after, *condition[1], -1 if limit is None else limit))]


def revisions(connection: apsw.Connection, rows: Collection[int]) -> set[int]:
    """These rows with all their revisions, older and newer."""
    found: set[int] = set()
    todo = set(rows)
    while todo:
        found |= todo
        step: set[int] = set()
        for marks, piece in chunks(sorted(todo)):
            step |= {
                row
                for (row,) in connection.execute(
                    f"SELECT revises FROM records WHERE row IN ({marks}) AND revises IS NOT NULL", piece
                )
            }
            step |= {
                row
                for (row,) in connection.execute(
                    f"SELECT row FROM records INDEXED BY records_revises WHERE revises IN ({marks})", piece
                )
            }
        todo = step - found
    return found


def descendants(connection: apsw.Connection, rows: Collection[int]) -> set[int]:
    """All rows that were derived from these, at any remove; not these themselves."""
    found: set[int] = set()
    todo = set(rows)
    while todo:
        step: set[int] = set()
        for marks, piece in chunks(sorted(todo)):
            step |= {
                row
                for (row,) in connection.execute(
                    f"SELECT child FROM lineage INDEXED BY lineage_parent WHERE parent IN ({marks})", piece
                )
            }
        todo = step - found - set(rows)
        found |= todo
    return found


def rows_if_there(connection: apsw.Connection, ids: Sequence[str]) -> list[int]:
    """The rows of ids, in order; a negative number of its own for each that is gone."""
    found: list[int] = []
    for at, id in enumerate(ids):
        row = connection.execute("SELECT row FROM records WHERE id = ?", (to_bytes(id) or b"",)).get
        found.append(-1 - at if row is None else row)
    return found


def counted_spaces(connection: apsw.Connection) -> list[tuple[str, int, int, int | None]]:
    """(path, living records, held ones among them, expiry) of every space that holds something, by path."""
    lines: list[tuple[str, int, int, int | None]] = connection.execute(
        "SELECT s.path, count(*), sum(r.hold > 0), s.expires FROM records r JOIN spaces s ON s.space = r.space"
        f" WHERE {ALIVE} AND {UNSEALED} GROUP BY s.space ORDER BY s.path"
    ).fetchall()
    return lines


def stats(connection: apsw.Connection, seen: spaces.Scope | None, path: Path) -> dict[str, Any]:
    """Counts of what a handle sees, and the size of the file."""
    scope = seen or spaces.EVERYTHING
    numbers = ",".join(map(str, spaces.numbers(connection, scope))) or "NULL"
    records, held, expired, unread = connection.execute(
        "SELECT count(*), ifnull(sum(r.hold > 0), 0), ifnull(sum(r.expires <= ?), 0), ifnull(sum(r.happened IS NULL),"
        f" 0) FROM records r WHERE r.space IN ({numbers}) AND {ALIVE} AND {UNSEALED}",
        (present(),),
    ).fetchone()
    past = connection.execute(
        f"SELECT count(*) FROM records r WHERE r.space IN ({numbers}) AND NOT {ALIVE} AND {UNSEALED}"
    ).get
    found: dict[str, Any] = {
        "records": records,
        "held": held,
        "expired": expired,
        "undated": unread,
        "superseded": past,
        "spaces": (
            connection.execute(
                f"SELECT count(DISTINCT r.space) FROM records r WHERE r.space IN ({numbers}) AND {ALIVE} AND {UNSEALED}"
            ).get
        ),
    }
    if seen is None or seen == spaces.EVERYTHING:
        found |= {
            "passages": connection.execute("SELECT count(*) FROM vectors").get,
            "events": connection.execute("SELECT count(*) FROM events").get,
            "receipts": connection.execute("SELECT count(*) FROM receipts").get,
            "open_receipts": connection.execute("SELECT count(*) FROM receipts WHERE phase < 2").get,
            "schema": connection.pragma("user_version"),
            "bytes": path.stat().st_size,
        }
    return found
