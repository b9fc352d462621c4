"""Writing: drafts become rows in one transaction. Screening and encoding happened before, with no lock held.

Order: what was forgotten is left out; the same writing twice gives the first record; parents must be there and
visible; trust is
the minimum over the lineage, a hold flows down it; then event, record, text, words, life, lineage, vectors, bits.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from delible.core.errors import InvalidInput, KeyTaken, UnknownId
from delible.core.identity import fresh_id, to_bytes
from delible.core.records import PRIOR_TRUST
from delible.core.times import from_micros
from delible.store import ledger, sealing, spaces
from delible.store.bits import sign_bits
from delible.store.words import count_tokens, index_row

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

HOLDS = {"allow": 0, "quarantine": 1, "block": 2}
SHORTEST_SUPPRESSED = 5  # words; a forgotten "Thanks!" must not refuse a whole chat (measured)
REPETITION = 3600 * 10**6  # microseconds in which an equal text repeats what was recalled


class Embedded(NamedTuple):
    """Vectors of one record by one encoder: passages (start, stop) in the text, X float32 (n, D)."""

    encoder: int
    passages: Sequence[tuple[int, int]]
    X: NDArray[float32]


@dataclass
class Draft:
    """A record that is ready to be written. Times in microseconds, `meta` checked for JSON."""

    text: str
    space: str
    channel: str = "user"
    kind: str = "note"
    key: str | None = None
    reference: str | None = None
    author: str | None = None
    happened: int | None = None
    expires: int | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    parents: tuple[str, ...] = ()
    media: tuple[bytes, str] | None = None
    hold: int = 0
    hold_reason: str | None = None
    verdict_trust: float = 1.0
    duplicates: str = "report"
    embedded: list[Embedded] = field(default_factory=list)
    id: str = field(default_factory=fresh_id)
    claims: bool = False  # came from a foreign archive: its lineage may name drafts of the same batch


class Written(NamedTuple):
    """What became of a draft: its row; or the row that it repeats; or the receipt that keeps it out, and the day."""

    row: int | None
    same: bool = False
    receipt: str = ""
    day: str = ""


class Parent(NamedTuple):
    """What a child takes from a parent."""

    row: int
    trust: float
    hold: int
    alive: bool


def write(
    connection: apsw.Connection,
    key: bytes,
    drafts: Sequence[Draft],
    actor: str,
    seen: spaces.Scope | None = None,
    recalled: Collection[bytes] = (),
    verb: str = "write",
    revises: tuple[int, float, int] | None = None,
) -> list[Written]:
    """Write all drafts or none. `seen` limits whose parents count; `recalled` holds ids recalled but not logged yet."""
    outcomes: list[Written] = []
    visible = None if seen is None else frozenset(spaces.numbers(connection, seen))
    seq = time = 0
    places: dict[str, tuple[int, str]] = {}
    fresh: dict[bytes, int] = {}
    todo: list[tuple[int, Draft, bytes, int | None]] = []
    for draft in drafts:
        print_ = sealing.fingerprint(key, draft.text, draft.media[0] if draft.media else None)
        if forgotten := _forgotten(connection, key, draft, print_):
            if draft.channel != "user" or draft.parents:
                outcomes.append(Written(None, receipt=forgotten[0], day=forgotten[1]))
                continue
            draft.notes.append(f"an equal record was forgotten on {forgotten[1]}")
        if draft.space not in places:
            places[draft.space] = spaces.make(connection, draft.space)
        space = places[draft.space][0]
        first = _first_equal(connection, space, print_)
        if revises is None and draft.duplicates == "report" and (same := _same(connection, space, print_, draft)):
            outcomes.append(Written(same, same=True))
            continue
        outcomes.append(Written(len(todo)))
        todo.append((len(outcomes) - 1, draft, print_, first))
    if not todo:
        return outcomes
    seq, time = ledger.append(
        connection,
        key,
        actor,
        verb,
        ids=[_id(draft) for _, draft, _, _ in todo],
        kinds=Counter(draft.kind for _, draft, _, _ in todo),
        counts={"records": len(todo)},
        digest=sealing.digest(key, (print_ for _, _, print_, _ in todo)),
    )
    for at, draft, print_, first in todo:
        space, scope = places[draft.space]
        if draft.key is not None and revises is None:
            _free_key(connection, space, draft.key, time, seq)
        parents = [_parent(connection, parent, visible, fresh, draft) for parent in draft.parents]
        if first is not None and (original := _repeated(connection, first, time, recalled)):
            # A text that was just recalled and comes back is derived from its record: it can raise no trust, and goes
            # when that goes.
            draft.notes.append("repeats a record that was recalled within the last hour")
            if draft.channel != "user":
                parents.append(original)
        outcomes[at] = Written(
            _insert(connection, key, draft, print_, first, parents, space, scope, seq, time, revises)
        )
        fresh[_id(draft)] = outcomes[at].row or 0
    return outcomes


def _insert(
    connection: apsw.Connection,
    key: bytes,
    draft: Draft,
    print_: bytes,
    first: int | None,
    parents: Sequence[Parent],
    space: int,
    scope: str,
    seq: int,
    time: int,
    revises: tuple[int, float, int] | None,
) -> int:
    own = PRIOR_TRUST[draft.channel]
    # A revision keeps the hold and the bound on trust of what it revises, until released.
    verdict_trust = min(draft.verdict_trust, revises[1] if revises else 1.0)
    own_hold = max(draft.hold, revises[2] if revises else 0)
    trust = min([own, verdict_trust, *(parent.trust for parent in parents)])
    hold = max([own_hold, *(parent.hold for parent in parents)])
    connection.execute(
        "INSERT INTO records(id, space, kind, key, channel, reference, author, own_trust, verdict_trust, trust,"
        " own_hold, hold, hold_reason, happened, written, expires, revises, duplicate_of, fingerprint, length, claims)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            *(
                _id(draft),
                space,
                draft.kind,
                draft.key,
                draft.channel,
                draft.reference,
                draft.author,
                own,
                verdict_trust,
                trust,
            ),
            *(
                own_hold,
                hold,
                draft.hold_reason,
                draft.happened,
                time,
                draft.expires,
                revises[0] if revises else None,
                first,
                print_,
            ),
            *(count_tokens(connection, draft.text), int(draft.claims)),
        ),
    )
    row: int = connection.last_insert_rowid()
    meta, notes = json.dumps(draft.meta, ensure_ascii=False), json.dumps(draft.notes, ensure_ascii=False)
    media, type_ = draft.media or (None, None)
    connection.execute(
        "INSERT INTO texts(row, text, scope, meta, notes, media, type, checksum) VALUES (?,?,?,?,?,?,?,?)",
        (row, draft.text, scope, meta, notes, media, type_, sealing.checksum(key, draft.text, meta, notes, media)),
    )
    index_row(connection, row, draft.text, scope)
    connection.execute("INSERT INTO lives(row, since) VALUES (?, ?)", (row, seq))
    for parent in {parent.row for parent in parents}:
        connection.execute("INSERT INTO lineage(child, parent) VALUES (?, ?)", (row, parent))
    for embedded in draft.embedded:
        add_vectors(connection, row, embedded)
    return row


def add_vectors(connection: apsw.Connection, row: int, embedded: Embedded) -> None:
    """Store the vectors of a record and their sign bits."""
    signs = sign_bits(embedded.X)
    values = embedded.X.astype("<f2")
    for part, (start, stop) in enumerate(embedded.passages):
        value = values[part].tobytes()
        connection.execute(
            "INSERT INTO vectors(encoder, row, part, start, stop, value, checksum) VALUES (?,?,?,?,?,?,?)",
            (embedded.encoder, row, part, start, stop, value, zlib.crc32(value)),
        )
        connection.execute(
            "INSERT INTO bits(vector, encoder, row, part, bits) VALUES (?,?,?,?,?)",
            (connection.last_insert_rowid(), embedded.encoder, row, part, signs[part].tobytes()),
        )


def _id(draft: Draft) -> bytes:
    raw = to_bytes(draft.id)
    if raw is None:
        raise InvalidInput("a record's id must be a UUID; nothing was written")
    return raw


def above(path: str) -> list[str]:
    """A path and every path above it."""
    segments = path.split("/")
    return ["/".join(segments[:end]) for end in range(len(segments), 0, -1)]


def _forgotten(connection: apsw.Connection, key: bytes, draft: Draft, print_: bytes) -> tuple[str, str] | None:
    for path in above(draft.space):
        found = connection.execute(
            "SELECT receipt, time FROM suppressed WHERE space = ? AND fingerprint = ?",
            (sealing.path_digest(key, path), print_),
        ).fetchone()
        if found:
            return found[0], f"{from_micros(found[1]):%Y-%m-%d}"
    return None


def _first_equal(connection: apsw.Connection, space: int, print_: bytes) -> int | None:
    """The first living record of equal normalised text in the space."""
    found: int | None = connection.execute(
        "SELECT r.row FROM records r INDEXED BY records_fingerprint WHERE r.space = ? AND r.fingerprint = ?"
        " AND EXISTS (SELECT 1 FROM lives l WHERE l.row = r.row AND l.until IS NULL)"
        " AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = r.row) ORDER BY r.row LIMIT 1",
        (space, print_),
    ).get
    return found


def _same(connection: apsw.Connection, space: int, print_: bytes, draft: Draft) -> int | None:
    """The living record, neither held nor expired, that this very writing made before; only where it can be told
    apart."""
    if draft.reference is None and draft.happened is None:
        return None
    found: int | None = connection.execute(
        "SELECT r.row FROM records r INDEXED BY records_fingerprint JOIN texts t ON t.row = r.row JOIN spaces s ON"
        " s.space = r.space WHERE r.space = ? AND r.fingerprint = ? AND t.text = ? AND r.channel = ? AND r.reference IS"
        " ? AND r.happened IS ? AND r.key IS ? AND r.hold = 0 AND ifnull(r.expires, 9e18) > ?8 AND ifnull(s.expires,"
        " 9e18) > ?8 AND EXISTS (SELECT 1 FROM lives l WHERE l.row = r.row AND l.until IS NULL) AND NOT EXISTS (SELECT"
        " 1 FROM erasures e WHERE e.row = r.row) ORDER BY r.row LIMIT 1",
        (space, print_, draft.text, draft.channel, draft.reference, draft.happened, draft.key, ledger.present()),
    ).get
    return found


def _free_key(connection: apsw.Connection, space: int, key: str, time: int, seq: int) -> None:
    """One living record a key: one that expired gives way."""
    taken = connection.execute(
        "SELECT r.row, ifnull(min(ifnull(r.expires, 9e18), ifnull(s.expires, 9e18)) <= ?, 0) FROM records r INDEXED BY"
        " records_key JOIN spaces s ON s.space = r.space WHERE r.space = ? AND r.key = ? AND EXISTS (SELECT 1 FROM"
        " lives l WHERE l.row = r.row AND l.until IS NULL) AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row ="
        " r.row)",
        (time, space, key),
    ).fetchone()
    if not taken:
        return
    if not taken[1]:
        raise KeyTaken(
            "a living record of this space has this key; revise that one, or forget it first. Nothing was written"
        )
    connection.execute("UPDATE lives SET until = ? WHERE row = ? AND until IS NULL", (seq, taken[0]))


def _parent(
    connection: apsw.Connection, parent: str, visible: Collection[int] | None, fresh: dict[bytes, int], draft: Draft
) -> Parent:
    raw = to_bytes(parent)
    found = connection.execute(
        "SELECT r.row, r.trust, r.hold, r.space, EXISTS (SELECT 1 FROM lives l WHERE l.row = r.row AND l.until IS NULL)"
        " FROM records r WHERE r.id = ? AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = r.row)",
        (raw or b"",),
    ).fetchone()
    if found is None or (visible is not None and found[3] not in visible and raw not in fresh):
        raise UnknownId(parent, "parent")
    if not found[4]:
        draft.notes.append(f"parent {parent} was superseded before this was written")
    return Parent(found[0], found[1], found[2], bool(found[4]))


def _repeated(connection: apsw.Connection, first: int, time: int, recalled: Collection[bytes]) -> Parent | None:
    id, trust, hold = connection.execute("SELECT id, trust, hold FROM records WHERE row = ?", (first,)).fetchone()
    if id not in recalled:
        lately = connection.execute(
            "SELECT ids FROM events INDEXED BY events_time WHERE time >= ? AND verb = 'recall'", (time - REPETITION,)
        )
        if not any(id in (ids[at : at + 16] for at in range(0, len(ids), 16)) for (ids,) in lately):
            return None
    return Parent(first, trust, hold, True)
