"""One's own archive comes back: ids, times, trust, holds, history and vectors, and nothing that was forgotten.

Into an empty folder goes everything, the ledger's chain included, which then continues. Into a folder with a history of
its own go the records that it lacks, alive from the `load` event on; what this folder forgot since stays forgotten.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apsw
import numpy as np

from delible.core.errors import ArchiveRefused, InvalidInput
from delible.core.identity import from_bytes, to_bytes
from delible.core.progress import Progress, silent
from delible.store import archive, encoders, ledger, sealing, spaces
from delible.store.archive_reading import Archive, Line, ends_open, refused
from delible.store.bits import sign_bits
from delible.store.lives import close_life
from delible.store.reading import ALIVE, UNSEALED
from delible.store.spaces import above
from delible.store.suppression import forgotten
from delible.store.turns import mark
from delible.store.words import count_tokens, index_row

GROUP = 512  # vectors whose sign bits are made at once


class Refusal(NamedTuple):
    """A record that was not taken back, why, and the receipt of the forget that keeps it out ("" where none does)."""

    id: str
    reason: str
    receipt: str = ""


@dataclass
class Restored:
    """What came back. `chain`: the ledger too, so every view and cache of this folder is stale."""

    chain: bool = False
    records: int = 0
    present: int = 0  # were here already
    vectors: int = 0
    events: int = 0
    receipts: int = 0  # of forgets that this folder had not heard of
    refused: list[Refusal] = field(default_factory=list)
    forget_again: list[str] = field(
        default_factory=list
    )  # ids that live here and were forgotten where the archive was made
    notes: list[str] = field(default_factory=list)


def is_fresh(connection: apsw.Connection) -> bool:
    """Whether a folder has no history that an archive's could contradict: no record, no forget, no event of one."""
    return not any(
        connection.execute(f"SELECT 1 FROM {source} LIMIT 1").get
        for source in ("records", "receipts", "suppressed", "erasures", "events WHERE ids != x''")
    )


def adopt_key(connection: apsw.Connection, key: bytes) -> None:
    """Give an empty folder another folder's key, so that its archive is restored as one's own. Open the folder anew.

    Raises InvalidInput where the folder has a history: its digests are made with its own key.
    """
    if len(key) != 32:
        raise InvalidInput("a folder's key has 32 bytes; nothing was changed")
    if not is_fresh(connection):
        raise InvalidInput(
            "this folder has a history and so keeps its own key; adopt one in a new folder. Nothing was changed"
        )
    _drop_events(connection)
    connection.execute("UPDATE meta SET value = ? WHERE name = 'key'", (key,))


def restore(
    connection: apsw.Connection, key: bytes, source: Archive, actor: str, progress: Progress = silent
) -> Restored:
    """Bring an own archive back in the caller's write transaction: all of it or nothing. Raises ArchiveRefused."""
    if not source.own:
        raise ArchiveRefused(f"{source.path.name}: another folder's key made it, so it can only be loaded as claims")
    if connection.execute("SELECT value FROM meta WHERE name = 'key'").get != key:
        raise InvalidInput("this folder took another key since it was opened; open it anew. Nothing was loaded")
    return _Restoring(connection, key, source, actor, progress).run()


class _Restoring:
    def __init__(self, connection: apsw.Connection, key: bytes, source: Archive, actor: str, progress: Progress):
        self.connection = connection
        self.key = key
        self.source = source
        self.actor = actor
        self.progress = progress
        self.report = Restored(chain=source.complete and is_fresh(connection) and not self._same_history())
        self.common = 0  # events that this folder and the archive share
        self.seq = 0  # of the load
        self.seen: int = connection.execute("SELECT max(seq) FROM events").get or 0  # views may stand here
        self.rows: dict[bytes, int] = {}  # what came back
        self.settings: dict[str, tuple[int | None, float]] = {}
        self.places: dict[str, tuple[int, str]] = {}
        self.gone: set[bytes] = set()

    def run(self) -> Restored:
        if self.report.chain:
            _drop_events(self.connection)
            self._take_history()
        else:
            self._compare_history()
        self.seq = (self.connection.execute("SELECT max(seq) FROM events").get or 0) + 1
        self.settings = {
            line["path"]: (self._time(line["expires"]), line["read_trust"]) for line in self._lines(archive.SPACES)
        }
        if self.report.chain:
            for path in self.settings:
                self._place(path)
        total = self.source.manifest["counts"].get("records", 0)
        kinds: Counter[str] = Counter()
        for done, line in enumerate(self._lines(archive.RECORDS), 1):
            if self._record(line):
                kinds[line["kind"]] += 1
            if done % 1000 == 0:
                self.progress("records", done, total)
        self._take_vectors()
        self.report.records = len(self.rows)
        seq, _ = ledger.append(
            self.connection,
            self.key,
            self.actor,
            "load",
            ids=() if self.report.chain else list(self.rows),  # the chain has them already
            kinds=kinds,
            counts={"records": len(self.rows), "refused": len(self.report.refused)},
            digest=bytes.fromhex(self.source.manifest["keyed_digest"]),
        )
        if seq != self.seq:
            raise refused(self.source.path, "the ledger moved while it was loaded")
        return self.report

    def _lines(self, member: str) -> Iterator[Line]:
        return self.source.lines(member)

    def _time(self, value: str | None) -> int | None:
        return self.source.time(value)

    # The ledger and what speaks of it.

    def _same_history(self) -> bool:
        """Whether this folder's chain begins as the archive's does: then it goes on, and is not set back."""
        first = next(self._lines(archive.EVENTS), None)
        here = self.connection.execute("SELECT hash FROM events ORDER BY seq LIMIT 1").get
        return first is not None and here is not None and here.hex() == first["hash"]

    def _take_history(self) -> None:
        for line in self._lines(archive.EVENTS):
            digest, previous, hash = (bytes.fromhex(line[name]) for name in ("digest", "previous", "hash"))
            fields = (line["seq"], self._time(line["time"]), line["actor"], line["verb"], line["kinds"])
            self.connection.execute(
                "INSERT INTO events(seq, time, actor, verb, kinds, ids, counts, digest, previous, hash)"
                " VALUES (?,?,?,?,?,?,?,?,?,?)",
                (*fields, b"".join(self._ids(line["ids"])), line["counts"], digest, previous, hash),
            )
            self.report.events += 1
        for line in self._lines(archive.RECEIPTS):
            self._receipt(line, line["seq"])
        for line in self._lines(archive.QUESTIONS):
            hits = b"".join(self._ids(line["hits"]))
            self.connection.execute(
                "INSERT INTO questions(seq, text, hits) VALUES (?,?,?)", (line["seq"], line["text"], hits)
            )
        for line in self._lines(archive.EXPORTS):
            made = (line["path"], self._time(line["time"]), line["seq"], line["rows"])
            self.connection.execute("INSERT INTO exports(path, time, seq, rows) VALUES (?,?,?,?)", made)
        self._suppress(None)

    def _compare_history(self) -> None:
        """How far both went together; and what was forgotten there that this folder has not heard of."""
        self.gone = {
            ids[at : at + 16]
            for (ids,) in self.connection.execute("SELECT ids FROM events WHERE verb = 'seal'")
            for at in range(0, len(ids), 16)
        }
        elsewhere: set[bytes] = set()
        together = True
        for line in self._lines(archive.EVENTS):
            here = self.connection.execute("SELECT hash FROM events WHERE seq = ?", (line["seq"],)).get
            together = together and here is not None and here.hex() == line["hash"]
            if together:
                self.common = line["seq"]
            elif line["verb"] == "seal":
                elsewhere.update(self._ids(line["ids"]))
        self.report.forget_again = [from_bytes(id) for id in sorted(elsewhere) if self._row(id) is not None]
        unheard: set[str] = set()
        for line in self._lines(archive.RECEIPTS):
            if self.connection.execute("SELECT 1 FROM receipts WHERE id = ?", (line["id"],)).get is None:
                # Every receipt hangs on an event that has its digest; here it gets one of its own.
                body = self._body(line)
                digest = sealing.digest(self.key, (body,))
                seq, _ = ledger.append(self.connection, self.key, self.actor, "receipt", digest=digest)
                self._receipt(line, seq)
                unheard.add(line["id"])
        self.report.receipts = len(unheard)
        # An entry of a receipt that is known here and was released here must not come back.
        self._suppress(unheard)

    def _receipt(self, line: Line, seq: int) -> None:
        phase = max(2, line["phase"])
        body = self._body(line)
        self.connection.execute(
            "INSERT INTO receipts(id, seq, phase, body) VALUES (?,?,?,?)", (line["id"], seq, phase, body)
        )

    def _body(self, line: Line) -> str:
        """A receipt as it stood; one that was open can only be completed where it was opened, and says so."""
        stored: str = line["body"]
        if line["phase"] >= 2:
            return stored
        body = json.loads(stored)
        detail = "was open when the archive was made; only the folder it came from can confirm it"
        body["checks"] = [*body.get("checks", ()), ["restored", False, detail]]
        return json.dumps(body)

    def _suppress(self, receipts: set[str] | None) -> None:
        for line in self._lines(archive.SUPPRESSED):
            if receipts is None or line["receipt"] in receipts:
                self.connection.execute(
                    "INSERT OR IGNORE INTO suppressed(fingerprint, space, receipt, time) VALUES (?,?,?,?)",
                    (
                        bytes.fromhex(line["fingerprint"]),
                        bytes.fromhex(line["space"]),
                        line["receipt"],
                        self._time(line["time"]),
                    ),
                )

    # Records.

    def _record(self, line: Line) -> bool:
        """Put a record back, unless it is here, or was forgotten here, or stands in the way of what is here."""
        id = self._ids([line["id"]])[0]
        media = self.source.media(line)
        print_ = sealing.fingerprint(self.key, line["text"], media[0] if media else None)
        alive = any(ends_open(life) for life in line["valid"])
        if not self.report.chain:
            if (refusal := self._forgotten(id, line, print_)) is not None:
                self.gone.add(id)  # and with it what was derived from it
                self.report.refused.append(refusal)
                return False
            if self._row(id) is not None:
                self.report.present += 1
                return False
            if alive and (reason := self._in_the_way(line)):
                self.report.refused.append(Refusal(line["id"], reason))
                return False
        self._insert(id, line, print_, media, alive)
        return True

    def _forgotten(self, id: bytes, line: Line, print_: bytes) -> Refusal | None:
        found = forgotten(self.connection, self.key, line["space"], print_)
        if found and self._row(id) is None:
            return Refusal(line["id"], f"an equal record was forgotten on {found.day}", found.receipt)
        if id in self.gone:
            return Refusal(line["id"], "it was forgotten here", self._receipt_of(print_))
        source = [line["revises"], *line["parents"]]
        if any(parent in self.gone for parent in self._ids([named for named in source if named])):
            return Refusal(line["id"], "what it came from was forgotten here")
        return None

    def _receipt_of(self, print_: bytes) -> str:
        digest = sealing.digest(self.key, ("receipt", print_), size=16).hex()
        found: str | None = self.connection.execute(
            "SELECT r.id FROM receipts r, json_each(r.body, '$.digests') d WHERE d.value = ? ORDER BY r.id LIMIT 1",
            (digest,),
        ).get
        return found or ""

    def _in_the_way(self, line: Line) -> str:
        """Why a record cannot live here again: one living record a key, one living revision of a record."""
        revised = self._row_of(line["revises"])
        if line["key"] is not None:
            taken = self.connection.execute(
                "SELECT r.row FROM records r JOIN spaces s ON s.space = r.space"
                f" WHERE s.path = ? AND r.key = ? AND {ALIVE} AND {UNSEALED}",
                (line["space"], line["key"]),
            ).fetchall()
            if any(row != revised for (row,) in taken):
                return "its key is taken by a living record"
        newer = "SELECT 1 FROM records WHERE revises = ? LIMIT 1"
        if revised is not None and self.connection.execute(newer, (revised,)).get:
            return "this folder has another revision of the same record"
        return ""

    def _insert(self, id: bytes, line: Line, print_: bytes, media: tuple[bytes, str] | None, alive: bool) -> None:
        space, scope = self._place(line["space"])
        parents = [row for row in map(self._row, self._ids(line["parents"])) if row is not None]
        revises = self._row_of(line["revises"])
        own, verdict, trust, own_hold, hold = self._judged(line, parents)
        happened, written = self._time(line["happened"]), self._time(line["written"])
        length = count_tokens(self.connection, line["text"])
        self.connection.execute(
            "INSERT INTO records(id, space, kind, key, channel, reference, author, own_trust, verdict_trust, trust,"
            " own_hold, hold, hold_reason, pinned, happened, written, expires, revises, duplicate_of, fingerprint,"
            " length, changed, claims) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(id, space, line["kind"], line["key"], line["channel"], line["reference"], line["author"]),
                *(own, verdict, trust, own_hold, hold, line["hold"]["reason"], int(line["pinned"])),
                *(happened, written, self._time(line["expires"])),
                *(revises, self._row_of(line["duplicate_of"]), print_, length),
                *(self._changed(line), int(line["claims"])),
            ),
        )
        row = self.connection.last_insert_rowid()
        self.rows[id] = row
        meta, notes = json.dumps(line["meta"], ensure_ascii=False), json.dumps(line["notes"], ensure_ascii=False)
        self.connection.execute(
            "INSERT INTO texts(row, text, scope, meta, notes, media, type, checksum) VALUES (?,?,?,?,?,?,?,?)",
            (
                *(row, line["text"], scope, meta, notes, *(media or (None, None))),
                sealing.checksum(self.key, line["text"], meta, notes, media[0] if media else None),
            ),
        )
        session, said = line["meta"].get("session"), (line["text"], line["channel"], line["author"])
        seen = mark(self.key, *said, session, happened, written or 0, length)
        self.connection.execute("INSERT INTO turns(row, mark) VALUES (?, ?)", (row, seen))
        index_row(self.connection, row, line["text"], scope)
        for since, until in self._lives(line, alive):
            self.connection.execute("INSERT INTO lives(row, since, until) VALUES (?,?,?)", (row, since, until))
        for parent in parents:
            self.connection.execute("INSERT OR IGNORE INTO lineage(child, parent) VALUES (?,?)", (row, parent))
        if alive and revises is not None and not self.report.chain:
            close_life(self.connection, [revises], self.seq)

    def _judged(self, line: Line, parents: list[int]) -> tuple[float, float, float, int, int]:
        """Own trust, bound, effective trust, own hold, hold: as archived, and never above what the parents have."""
        own, verdict, trust = (line["trust"][name] for name in ("own", "verdict", "effective"))
        own_hold, hold = line["hold"]["own"], line["hold"]["effective"]
        if self.report.chain:
            return own, verdict, trust, own_hold, hold
        lineage = [
            self.connection.execute("SELECT trust, hold FROM records WHERE row = ?", (row,)).fetchone()
            for row in parents
        ]
        low = min([own, verdict, *(trust for trust, _ in lineage)])
        high = max([own_hold, *(hold for _, hold in lineage)])
        # A parent that did not come along had lowered it: the bound stays until somebody releases the record.
        verdict, own_hold = (min(verdict, trust) if trust < low else verdict), (hold if hold > high else own_hold)
        return own, verdict, min(low, trust), own_hold, max(high, hold)

    def _lives(self, line: Line, alive: bool) -> list[tuple[int, int | None]]:
        lives = line["lives"] or []
        if self.report.chain:
            return [(since, until) for since, until in lives]
        known = [(since, until) for since, until in lives if until is not None and until <= self.common]
        # What is history there is history here: closed by the event that brought it, where no shared event says when.
        return [*known, (self.seq, None)] if alive else known or [(self.seq, self.seq)]

    def _changed(self, line: Line) -> int | None:
        """The event of its last change. A view of the empty folder looks for what is after its own: one has to be."""
        if not self.report.chain:
            return None
        hidden = all(since <= self.seen for since, _ in line["lives"])
        changed: int | None = self.seq if hidden else line["changed"]
        return changed

    def _place(self, path: str) -> tuple[int, str]:
        if path not in self.places:
            there = set(above(path)) - {
                place
                for place in above(path)
                if self.connection.execute("SELECT 1 FROM spaces WHERE path = ?", (place,)).get
            }
            self.places[path] = spaces.make(self.connection, path)
            for place in there & self.settings.keys():
                self.connection.execute(
                    "UPDATE spaces SET expires = ?, read_trust = ? WHERE path = ?", (*self.settings[place], place)
                )
        return self.places[path]

    # Vectors.

    def _take_vectors(self) -> None:
        numbers = self._encoders()
        waiting: dict[int, list[tuple[Line, bytes, int]]] = {}
        for line, value in self.source.vectors():
            row = self.rows.get(self._ids([line["record"]])[0])
            number = numbers.get(line["encoder"])
            if row is None or number is None:
                continue
            group = waiting.setdefault(number, [])
            group.append((line, value, row))
            if len(group) == GROUP:
                self._vectors(number, group)
                group.clear()
        for number, group in waiting.items():
            self._vectors(number, group)

    def _vectors(self, number: int, group: list[tuple[Line, bytes, int]]) -> None:
        if not group:
            return
        X = np.frombuffer(b"".join(value for _, value, _ in group), "<f2").reshape(len(group), -1).astype(np.float32)
        for (line, value, row), signs in zip(group, sign_bits(X), strict=True):
            tokens = None if line["tokens"] is None else self.source.decoded(line["tokens"])
            self.connection.execute(
                "INSERT INTO vectors(encoder, row, part, start, stop, other, value, tokens, checksum)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    *(number, row, line["part"], line["start"], line["stop"], self._row_of(line["other"])),
                    *(value, tokens, zlib.crc32(value)),
                ),
            )
            self.connection.execute(
                "INSERT INTO bits(vector, encoder, row, part, bits) VALUES (?,?,?,?,?)",
                (self.connection.last_insert_rowid(), number, row, line["part"], signs.tobytes()),
            )
        self.report.vectors += len(group)

    def _encoders(self) -> dict[int, int]:
        """This folder's number of each encoder; made where missing and the archive says how to open it."""
        numbers: dict[int, int] = {}
        manifest: Mapping[str, Any] = self.source.manifest
        for each in manifest["encoders"]:
            name, version, dimension = each["name"], each["version"], each["dimension"]
            found = self.connection.execute(
                "SELECT encoder, dimension FROM encoders WHERE name = ? AND version = ?", (name, version)
            ).fetchone()
            if found is None and "spec" in each:
                self.connection.execute(
                    "INSERT INTO encoders(name, version, dimension, spec) VALUES (?,?,?,?)",
                    (name, version, dimension, each["spec"]),
                )
                found = (self.connection.last_insert_rowid(), dimension)
            if found is not None and found[1] == dimension:
                numbers[each["encoder"]] = found[0]
            else:
                self.report.notes.append(f"vectors of the encoder {name} were left out: this folder does not know it")
        if self.report.chain or encoders.known(self.connection) is None:
            for role in ("encoder", "encoder_next"):
                if (number := numbers.get(manifest[role])) is not None:
                    encoders.use(self.connection, role, number)
        used = encoders.known(self.connection)
        if used is not None and numbers.get(manifest["encoder"]) != used.number:
            self.report.notes.append(f"vectors for this folder's encoder {used.name} have to be made")
        return numbers

    # Ids.

    def _ids(self, named: list[Any]) -> list[bytes]:
        ids = [to_bytes(id) for id in named]
        if None in ids:
            raise refused(self.source.path, "an id is no UUID")
        return [id for id in ids if id is not None]

    def _row(self, id: bytes) -> int | None:
        found: int | None = self.connection.execute(
            f"SELECT r.row FROM records r WHERE r.id = ? AND {UNSEALED}", (id,)
        ).get
        return found

    def _row_of(self, id: str | None) -> int | None:
        return None if id is None else self._row(self._ids([id])[0])


def _drop_events(connection: apsw.Connection) -> None:
    """An empty folder's own events name no record; the chain that comes takes their place."""
    connection.execute("DELETE FROM questions")
    connection.execute("DELETE FROM events")
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")  # `verify` holds it against the last event
