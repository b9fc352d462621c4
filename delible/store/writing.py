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
from delible.core.identity import fresh_id, tail_of, to_bytes
from delible.core.records import PRIOR_TRUST
from delible.store import ledger, sealing, spaces
from delible.store.bits import sign_bits
from delible.store.suppression import forgotten
from delible.store.turns import mark
from delible.store.words import count_tokens, index_row

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

HOLDS = {"allow": 0, "quarantine": 1, "block": 2}
SHORTEST_SUPPRESSED = 5  # words; a forgotten "Thanks!" must not refuse a whole chat (measured)
REPETITION = 3600 * 10**6  # microseconds in which an equal text repeats what was recalled


class Embedded(NamedTuple):
    """Vectors of one record by one encoder: passages (start, stop) in the text, X float32 (n, D), their tokens."""

    encoder: int
    passages: Sequence[tuple[int, int]]
    X: NDArray[float32]
    tokens: Sequence[bytes | None] | None = None


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


_PARENT = (
    "SELECT r.row, r.trust, r.hold, EXISTS (SELECT 1 FROM lives l WHERE l.row = r.row AND l.until IS NULL), r.space"
    " FROM records r WHERE"
)


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
    kept = [] if revises is None else _lineage(connection, revises[0])
    places: dict[str, tuple[int, str]] = {}
    left: dict[str, Written] = {}  # drafts that were forgotten before: nothing is derived from them
    rows: dict[str, int] = {}  # of drafts, written now or before
    todo: list[tuple[int, Draft, bytes]] = []
    again: list[tuple[int, Draft]] = []
    writings: dict[tuple[Any, ...], Draft] = {}
    for at, draft in enumerate(drafts):
        print_ = sealing.fingerprint(key, draft.text, draft.media[0] if draft.media else None)
        derived = bool(draft.parents or kept)
        if gone := next((left[parent] for parent in draft.parents if parent in left), None) or (
            forgotten(connection, key, draft.space, print_)
        ):
            if draft.channel != "user" or derived:
                left[draft.id] = Written(None, receipt=gone.receipt, day=gone.day)
                outcomes.append(left[draft.id])
                continue
            draft.notes.append(f"an equal record was forgotten on {gone.day}")
        if draft.space not in places:
            places[draft.space] = spaces.make(connection, draft.space)
        space = places[draft.space][0]
        outcomes.append(Written(None))
        if revises is None and draft.duplicates == "report" and (draft.reference or draft.happened) is not None:
            if (same := _same(connection, space, print_, draft)) is not None:
                outcomes[at], rows[draft.id] = Written(same, same=True), same
                continue
            # As in the store, one that is held or expired does not swallow another.
            if not draft.hold and (draft.expires is None or draft.expires > ledger.present()):
                writing = (space, draft.text, draft.channel, draft.reference, draft.happened, draft.key, draft.media)
                if (before := writings.setdefault(writing, draft)) is not draft:
                    again.append((at, before))
                    continue
        todo.append((at, draft, print_))
    if not todo:
        return outcomes
    seq, time = ledger.append(
        connection,
        key,
        actor,
        verb,
        ids=[_id(draft) for _, draft, _ in todo],
        kinds=Counter(draft.kind for _, draft, _ in todo),
        counts={"records": len(todo)},
        digest=sealing.digest(key, (print_ for _, _, print_ in todo)),
    )
    instead = {drafts[at].id: before.id for at, before in again}
    for at, draft, print_ in todo:
        space, scope = places[draft.space]
        if draft.key is not None and revises is None:
            _free_key(connection, space, draft.key, time, seq)
        parents = kept + [
            _parent(connection, parent, rows.get(instead.get(parent, parent)), visible, draft)
            for parent in draft.parents
        ]
        first = _first_equal(connection, space, print_)
        if revises is not None and first == revises[0]:
            first = None  # a revision may say the same; it repeats nothing but itself
        if first is not None and (original := _repeated(connection, first, time, recalled)):
            # A text that was just recalled and comes back is derived from its record: it can raise no trust, and goes
            # when that goes.
            draft.notes.append("repeats a record that was recalled within the last hour")
            if draft.channel != "user":
                parents.append(original)
        rows[draft.id] = _insert(connection, key, draft, print_, first, parents, space, scope, seq, time, revises)
        outcomes[at] = Written(rows[draft.id])
    for at, before in again:
        outcomes[at] = Written(rows[before.id], same=True)
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
    length = count_tokens(connection, draft.text)
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
            *(length, int(draft.claims)),
        ),
    )
    row: int = connection.last_insert_rowid()
    meta, notes = json.dumps(draft.meta, ensure_ascii=False), json.dumps(draft.notes, ensure_ascii=False)
    media, type_ = draft.media or (None, None)
    connection.execute(
        "INSERT INTO texts(row, text, scope, meta, notes, media, type, checksum) VALUES (?,?,?,?,?,?,?,?)",
        (row, draft.text, scope, meta, notes, media, type_, sealing.checksum(key, draft.text, meta, notes, media)),
    )
    session = draft.meta.get("session")
    seen = mark(key, draft.text, draft.channel, draft.author, session, draft.happened, time, length)
    connection.execute("INSERT INTO turns(row, mark) VALUES (?, ?)", (row, seen))
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
        tokens = embedded.tokens[part] if embedded.tokens else None
        connection.execute(
            "INSERT INTO vectors(encoder, row, part, start, stop, value, tokens, checksum) VALUES (?,?,?,?,?,?,?,?)",
            (embedded.encoder, row, part, start, stop, value, tokens, zlib.crc32(value)),
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
    """The living record, neither held nor expired, that this very writing made before."""
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
    connection: apsw.Connection, parent: str, row: int | None, visible: Collection[int] | None, draft: Draft
) -> Parent:
    """What the draft takes from a parent: one of its batch, by row, or the one that the handle sees by this id or its
    end. Raises UnknownId."""
    tail = tail_of(parent)
    where: tuple[str, Any] = ("r.id = ?", to_bytes(parent) or b"") if tail is None else ("substr(r.id, 13) = ?", tail)
    if row is not None:
        where = "r.row = ?", row
    lines = connection.execute(
        f"{_PARENT} {where[0]} AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = r.row)", (where[1],)
    ).fetchall()
    seen = [line for line in lines if row is not None or visible is None or line[4] in visible]
    if len(seen) != 1:
        raise UnknownId(parent, "parent")
    found = seen[0]
    if not found[3]:
        # Without its id: who reads the note may not see the parent's space.
        draft.notes.append("a parent was superseded before this was written")
    return Parent(*found[:4])


def _lineage(connection: apsw.Connection, row: int) -> list[Parent]:
    """The parents of a record, also those in spaces that the handle does not see: a revision sheds none of them."""
    return [
        Parent(*found[:4])
        for (parent,) in connection.execute("SELECT parent FROM lineage WHERE child = ?", (row,)).fetchall()
        for found in connection.execute(f"{_PARENT} r.row = ?", (parent,)).fetchall()
    ]


def _repeated(connection: apsw.Connection, first: int, time: int, recalled: Collection[bytes]) -> Parent | None:
    id, trust, hold = connection.execute("SELECT id, trust, hold FROM records WHERE row = ?", (first,)).fetchone()
    if id not in recalled:
        lately = connection.execute(
            "SELECT ids FROM events INDEXED BY events_time WHERE time >= ? AND verb = 'recall'", (time - REPETITION,)
        )
        if not any(id in (ids[at : at + 16] for at in range(0, len(ids), 16)) for (ids,) in lately):
            return None
    return Parent(first, trust, hold, True)
