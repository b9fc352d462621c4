"""The ledger: append-only, hash-chained; ids, kinds, times, actor, counts and keyed digests, never text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apsw

from delible.core.identity import from_bytes
from delible.core.times import from_micros, micros, now
from delible.store.sealing import digest as keyed
from delible.store.sqlite import damaged

GENESIS = bytes(32)


@dataclass(frozen=True)
class Event:
    """One line of the ledger. `digest`, `previous` and `hash` are hexadecimal."""

    seq: int
    time: datetime
    actor: str
    verb: str
    kinds: Mapping[str, int]
    ids: tuple[str, ...]
    counts: Mapping[str, int]
    digest: str
    previous: str
    hash: str


def _hash(
    key: bytes,
    seq: int,
    time: int,
    actor: str,
    verb: str,
    kinds: str,
    ids: bytes,
    counts: str,
    digest: bytes,
    previous: bytes,
) -> bytes:
    return keyed(key, ("event", str(seq), str(time), actor, verb, kinds, ids, counts, digest, previous), size=32)


def append(
    connection: apsw.Connection,
    key: bytes,
    actor: str,
    verb: str,
    ids: Sequence[bytes] = (),
    kinds: Mapping[str, int] | None = None,
    counts: Mapping[str, int] | None = None,
    digest: bytes = b"",
) -> tuple[int, int]:
    """Add an event in the caller's write transaction; its number and time. Times never go back, whatever the clock
    does."""
    last = connection.execute("SELECT seq, time, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    seq, time, previous = (last[0] + 1, max(present(), last[1]), last[2]) if last else (1, present(), GENESIS)
    fields = (
        json.dumps(dict(kinds or {}), sort_keys=True),
        b"".join(ids),
        json.dumps(dict(counts or {}), sort_keys=True),
        digest,
        previous,
    )
    connection.execute(
        "INSERT INTO events(seq, time, actor, verb, kinds, ids, counts, digest, previous, hash) VALUES"
        " (?,?,?,?,?,?,?,?,?,?)",
        (seq, time, actor, verb, *fields, _hash(key, seq, time, actor, verb, *fields)),
    )
    return seq, time


def events(connection: apsw.Connection, after: int = 0, limit: int | None = None) -> list[Event]:
    """Events with a number above `after`, oldest first."""
    rows = connection.execute(
        "SELECT seq, time, actor, verb, kinds, ids, counts, digest, previous, hash FROM events WHERE seq > ? ORDER BY"
        " seq LIMIT ?",
        (after, -1 if limit is None else limit),
    )
    with damaged("an event of the ledger"):
        return [_event(row) for row in rows]


def _event(row: Sequence[Any]) -> Event:
    seq, time, actor, verb, kinds, ids, counts, digest, previous, hash = row
    named = tuple(from_bytes(ids[at : at + 16]) for at in range(0, len(ids), 16))
    return Event(
        seq,
        from_micros(time),
        actor,
        verb,
        json.loads(kinds),
        named,
        json.loads(counts),
        digest.hex(),
        previous.hex(),
        hash.hex(),
    )


def chain_breaks(connection: apsw.Connection, key: bytes) -> Iterator[str]:
    """Every place where the chain does not hold: a missing number, a wrong link, a changed event."""
    expected, previous = 1, GENESIS
    rows = connection.execute(
        "SELECT seq, time, actor, verb, kinds, ids, counts, digest, previous, hash FROM events ORDER BY seq"
    )
    for seq, time, actor, verb, kinds, ids, counts, digest, before, hash in rows:
        if seq != expected:
            yield f"event {expected} is missing"
        elif before != previous:
            yield f"event {seq} does not follow from event {seq - 1}"
        if _hash(key, seq, time, actor, verb, kinds, ids, counts, digest, before) != hash:
            yield f"event {seq} was changed"
        expected, previous = seq + 1, hash


def present() -> int:
    """Now, in microseconds."""
    return micros(now())


def moment_of(connection: apsw.Connection, time: int) -> int:
    """The last event at or before a time in microseconds; 0 where there was none."""
    found = connection.execute(
        "SELECT max(seq) FROM events WHERE time = (SELECT max(time) FROM events WHERE time <= ?)", (time,)
    ).get
    return found or 0
