"""Writing an archive: everything, or one person's records, row by row; what a forget has sealed never leaves."""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import apsw

from delible.core.errors import DiskFull, InvalidInput
from delible.core.identity import from_bytes
from delible.core.progress import Progress, silent
from delible.core.times import from_micros, now
from delible.store import archive
from delible.store.folder import shred, sync_folder
from delible.store.reading import UNSEALED

Line = dict[str, Any]
_PLAIN_SPEC = re.compile("[a-z0-9]+(:[a-z0-9]+)?")  # minilm, minilm:float32, hash
LEFT_OUT = ("ledger", "receipts", "suppressed", "questions", "exports")  # they speak of everybody's records


@dataclass(frozen=True)
class Exported:
    """What was written. `digest` is the archive's keyed digest, `seq` the last event that it knows of."""

    records: int
    bytes: int
    digest: str
    seq: int
    complete: bool


def export(
    connection: apsw.Connection,
    key: bytes,
    path: Path,
    where_sql: str | None = None,
    bindings: Sequence[Any] = (),
    scope_numbers: Collection[int] | None = None,
    written_by: str = "delible",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Write one archive in the caller's read transaction: with a filter or a scope those records only, without ledger.

    It appears whole under its name or not at all, for its owner only. Log it in `exports` before it starts: a forget
    that comes meanwhile must name it. Raises InvalidInput, DiskFull.
    """
    path = target(connection, path, overwrite)
    complete = where_sql is None and scope_numbers is None
    chosen = _chosen(connection, where_sql, bindings, scope_numbers)
    source = _Source(connection, complete, chosen, progress)
    with _temporary(path) as file:
        # A record of one letter ten million times would look like a bomb to the reader: such members are not deflated.
        for deflated in (True, False):
            file.seek(0)
            file.truncate()
            manifest, honest = _write(file, key, source, written_by, deflated)
            if honest:
                break
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
        _publish(Path(file.name), path, overwrite)
    sync_folder(path.parent)
    return Exported(manifest["counts"]["records"], size, manifest["keyed_digest"], manifest["last_event"], complete)


def target(connection: apsw.Connection, path: Path, overwrite: bool) -> Path:
    """Where an export may go, whole and absolute. Raises InvalidInput."""
    folder = path.parent.resolve()
    store = Path(connection.filename).parent.resolve()
    if not folder.is_dir():
        raise InvalidInput(f"{path.parent} is no folder; nothing was exported")
    if folder == store or store in folder.parents:
        raise InvalidInput(f"{path} lies in the memory's own folder; name another place. Nothing was exported")
    if path.is_dir() or (path.exists() and not overwrite) or path.is_symlink():
        raise InvalidInput(f"{path} exists; name another file. Nothing was exported")
    return folder / path.name


@contextmanager
def _temporary(path: Path) -> Iterator[IO[bytes]]:
    """A file beside the target, always of the same name: what a killed export leaves is taken by the next."""
    name = path.with_name(f".{path.name}.part")
    try:
        handle = os.open(name, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise InvalidInput(f"{path.parent} takes no file: {error.strerror}. Nothing was exported") from error
    file = open(name, "w+b", opener=lambda *_: handle)  # noqa: SIM115  closed below, when its fate is known
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(name).st_ino != os.fstat(handle).st_ino:
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            raise InvalidInput(f"another export is writing {path}; nothing was exported") from None
        os.fchmod(handle, 0o600)
        try:
            yield file
        except OSError as error:
            _discard(name)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"the disk of {path.parent} is full; make room and export again") from error
            raise
        except BaseException:
            _discard(name)
            raise
    finally:
        with suppress(OSError):  # closing flushes: on a full disk that fails again
            file.close()


def _discard(name: Path) -> None:
    try:
        shred(name)
    except OSError:  # the disk is full or failing: at least the name goes
        name.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, it never replaces what came meanwhile
    except FileExistsError:
        raise InvalidInput(f"{path} exists; name another file. Nothing was exported") from None
    except OSError:  # a file system without links
        os.rename(temporary, path)
        return
    os.unlink(temporary)


def _chosen(
    connection: apsw.Connection, where_sql: str | None, bindings: Sequence[Any], scope_numbers: Collection[int] | None
) -> frozenset[int]:
    statement = f"SELECT r.row, r.space FROM records r CROSS JOIN texts t ON t.row = r.row WHERE {UNSEALED}"
    if where_sql is not None:
        statement += f" AND ({where_sql})"
    inside = None if scope_numbers is None else frozenset(scope_numbers)
    found = connection.execute(statement, tuple(bindings) if where_sql is not None else ())
    return frozenset(row for row, space in found if inside is None or space in inside)


def _write(
    file: IO[bytes], key: bytes, source: _Source, written_by: str, deflated: bool
) -> tuple[dict[str, Any], bool]:
    """All members and the manifest; and whether the reader will take them for honest."""
    members: dict[str, Any] = {}
    with zipfile.ZipFile(file, "w", compresslevel=6) as zipped:
        for name, pieces in source.members():
            info = _info(name, deflated and name != archive.VALUES)  # vectors would take seconds and not shrink
            total = hashlib.sha256()
            count = size = 0
            with zipped.open(info, "w", force_zip64=True) as member:
                for piece in pieces:
                    if len(piece) > archive.LONGEST_LINE:
                        raise InvalidInput(
                            f"a record has {len(piece):,} bytes, more than an archive's {archive.LONGEST_LINE:,}; "
                            "leave it out with where=. Nothing was exported"
                        )
                    total.update(piece)
                    member.write(piece)
                    count, size = count + 1, size + len(piece)
            members[name] = {"sha256": total.hexdigest(), "bytes": size, "lines": count}
        manifest = source.manifest(members, written_by)
        manifest["keyed_digest"] = archive.keyed_digest(key, manifest)
        zipped.writestr(_info(archive.MANIFEST, deflated), json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        honest = not any(archive.swollen(info.file_size, info.compress_size) for info in zipped.infolist())
    return manifest, honest


def _info(name: str, deflated: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)  # of 1980: the time of the export is in the manifest
    info.external_attr = 0o600 << 16
    info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    return info


class _Source:
    """What goes in, as bytes, member by member."""

    def __init__(self, connection: apsw.Connection, complete: bool, chosen: frozenset[int], progress: Progress):
        self._connection = connection
        self._complete = complete
        self._chosen = chosen
        self._progress = progress

    def members(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Each member's name and its lines (vectors.bin: its vectors), in the order of the zip."""
        yield archive.SPACES, _lines(self._spaces())
        yield archive.RECORDS, _lines(self._records())
        yield archive.VECTORS, _lines(self._vectors())
        yield archive.VALUES, (value for value, *_ in self._vector_rows())
        if self._complete:
            yield archive.EVENTS, _lines(self._events())
            yield archive.RECEIPTS, _lines(self._receipts())
            yield archive.SUPPRESSED, _lines(self._suppressed())
            yield archive.QUESTIONS, _lines(self._questions())
            yield archive.EXPORTS, _lines(self._exports())

    def manifest(self, members: Line, written_by: str) -> Line:
        last = self._connection.execute("SELECT seq FROM events ORDER BY seq DESC LIMIT 1").get or 0
        meta = dict(self._connection.execute("SELECT name, value FROM meta WHERE name IN ('encoder', 'encoder_next')"))
        encoders = [
            # A spec may be an address or a path of this machine: such a one goes into one's own backup only.
            {"encoder": number, "name": name, "version": version, "dimension": dimension}
            | ({"spec": spec} if self._complete or _PLAIN_SPEC.fullmatch(spec) else {})
            for number, name, version, dimension, spec in self._connection.execute(
                "SELECT encoder, name, version, dimension, spec FROM encoders ORDER BY encoder"
            )
        ]
        return {
            "format": archive.FORMAT,
            "version": archive.VERSION,
            "created": now().isoformat(),
            "written_by": written_by,
            "schema": int(self._connection.pragma("user_version")),
            "complete": self._complete,
            "left_out": [] if self._complete else ["other records", *LEFT_OUT],
            "encoders": encoders,
            "encoder": _number(meta.get("encoder")),
            "encoder_next": _number(meta.get("encoder_next")),
            "last_event": last if self._complete else 0,
            "counts": {name[:-6]: each["lines"] for name, each in members.items() if name.endswith(".jsonl")},
            "members": members,
        }

    def _spaces(self) -> Iterator[Line]:
        rows = self._connection.execute("SELECT space, path, expires, read_trust FROM spaces ORDER BY space")
        if not self._complete:
            spaces = self._connection.execute("SELECT row, space FROM records")
            used = {space for row, space in spaces if row in self._chosen}
        for space, path, expires, read_trust in rows:
            if self._complete or space in used:
                yield {"path": path, "expires": _time(expires), "read_trust": read_trust}

    def _records(self) -> Iterator[Line]:
        rows = self._connection.execute(
            "SELECT r.row, r.id, s.path, r.kind, r.key, t.text, t.media, t.type, r.channel, r.reference, r.author,"
            " r.own_trust, r.verdict_trust, r.trust, r.own_hold, r.hold, r.hold_reason, r.pinned, r.happened,"
            " r.written, r.expires, r.changed, r.claims, r.revises, r.duplicate_of, t.meta, t.notes,"
            " (SELECT json_group_array(json_array(since, until, (SELECT time FROM events WHERE seq = since),"
            " (SELECT time FROM events WHERE seq = until)))"
            " FROM (SELECT since, until FROM lives l WHERE l.row = r.row ORDER BY since)),"
            " (SELECT json_group_array(parent)"
            " FROM (SELECT parent FROM lineage g WHERE g.child = r.row ORDER BY parent))"
            " FROM records r CROSS JOIN texts t ON t.row = r.row CROSS JOIN spaces s ON s.space = r.space"
            " ORDER BY r.row"
        )
        done = 0
        for row in rows:
            if row[0] in self._chosen:
                yield self._record(row)
                done += 1
                if done % 1000 == 0:
                    self._progress("records", done, len(self._chosen))

    def _record(self, row: Sequence[Any]) -> Line:
        _, id, space, kind, key, text, media, type_, channel, reference, author, own, verdict, trust = row[:14]
        own_hold, hold, reason, pinned, happened, written, expires, changed, claims, revises, duplicate_of = row[14:25]
        meta, notes, lives, parents = map(json.loads, row[25:29])
        return {
            "id": from_bytes(id),
            "space": space,
            "kind": kind,
            "key": key,
            "text": text,
            "media": None if media is None else {"type": type_, "data": base64.b64encode(media).decode("ascii")},
            "channel": channel,
            "reference": reference,
            "author": author,
            "trust": {"own": own, "verdict": verdict, "effective": trust},
            "hold": {"own": own_hold, "effective": hold, "reason": reason},
            "pinned": bool(pinned),
            "happened": _time(happened),
            "written": _time(written),
            "expires": _time(expires),
            "valid": [[_time(start), _time(end)] for _, _, start, end in lives],
            # Numbers of events mean something only beside the ledger.
            "lives": [[since, until] for since, until, _, _ in lives] if self._complete else None,
            "changed": changed if self._complete else None,
            "revises": self._id(revises),
            "duplicate_of": self._id(duplicate_of),
            "parents": [id for parent in parents if (id := self._id(parent))],
            "meta": meta,
            "notes": notes,
            "claims": bool(claims),
        }

    def _id(self, row: int | None) -> str | None:
        """The id of a row that goes too; ids of other records stay here."""
        if row is None or row not in self._chosen:
            return None
        return from_bytes(self._connection.execute("SELECT id FROM records WHERE row = ?", (row,)).get)

    def _vector_rows(self) -> Iterator[tuple[Any, ...]]:
        for row in self._connection.execute(
            "SELECT v.value, v.row, r.id, v.encoder, v.part, v.start, v.stop, v.other, v.tokens"
            " FROM vectors v CROSS JOIN records r ON r.row = v.row ORDER BY v.vector"
        ):
            if row[1] in self._chosen and (row[7] is None or row[7] in self._chosen):
                yield row

    def _vectors(self) -> Iterator[Line]:
        for value, _, id, encoder, part, start, stop, other, tokens in self._vector_rows():
            yield {
                "record": from_bytes(id),
                "encoder": encoder,
                "part": part,
                "start": start,
                "stop": stop,
                "other": self._id(other),
                "bytes": len(value),
                "tokens": None if tokens is None else base64.b64encode(tokens).decode("ascii"),
            }

    def _events(self) -> Iterator[Line]:
        for seq, time, actor, verb, kinds, ids, counts, digest, previous, hash in self._connection.execute(
            "SELECT seq, time, actor, verb, kinds, ids, counts, digest, previous, hash FROM events ORDER BY seq"
        ):
            named = [from_bytes(ids[at : at + 16]) for at in range(0, len(ids), 16)]
            # kinds and counts are strings: the chain is over their bytes.
            yield {"seq": seq, "time": _time(time), "actor": actor, "verb": verb, "kinds": kinds, "ids": named} | {
                "counts": counts,
                "digest": digest.hex(),
                "previous": previous.hex(),
                "hash": hash.hex(),
            }

    def _receipts(self) -> Iterator[Line]:
        for id, seq, phase, body in self._connection.execute("SELECT id, seq, phase, body FROM receipts ORDER BY id"):
            yield {"id": id, "seq": seq, "phase": phase, "body": body}

    def _suppressed(self) -> Iterator[Line]:
        for fingerprint, space, receipt, time in self._connection.execute(
            "SELECT fingerprint, space, receipt, time FROM suppressed ORDER BY space, fingerprint"
        ):
            yield {"fingerprint": fingerprint.hex(), "space": space.hex(), "receipt": receipt, "time": _time(time)}

    def _questions(self) -> Iterator[Line]:
        rows = self._connection.execute("SELECT r.id FROM erasures e JOIN records r ON r.row = e.row")
        sealed = {id for (id,) in rows}
        for seq, text, hits in self._connection.execute("SELECT seq, text, hits FROM questions ORDER BY seq"):
            ids = [hits[at : at + 16] for at in range(0, len(hits), 16)]
            if sealed.isdisjoint(ids):
                yield {"seq": seq, "text": text, "hits": [from_bytes(id) for id in ids]}

    def _exports(self) -> Iterator[Line]:
        made = self._connection.execute("SELECT path, time, seq, rows FROM exports ORDER BY rowid")
        for path, time, seq, rows in made:
            yield {"path": path, "time": _time(time), "seq": seq, "rows": rows}


def _lines(values: Iterable[Line]) -> Iterator[bytes]:
    for value in values:
        yield json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _time(micros: int | None) -> str | None:
    return None if micros is None else from_micros(micros).isoformat()


def _number(value: object) -> int | None:
    """A number that `meta` keeps as text."""
    if value is None:
        return None
    return int(value.decode() if isinstance(value, bytes) else str(value))
