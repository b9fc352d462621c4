"""Reading an archive that anybody may have made: all members are measured and summed up before a line is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Self

from delible.core.errors import ArchiveRefused, InvalidInput
from delible.core.identity import fresh_id, to_bytes
from delible.core.texts import checked
from delible.core.times import micros
from delible.store import archive, spaces
from delible.store.intake import LONGEST_FIELD, checked_meta
from delible.store.json_objects import parsed

Line = dict[str, Any]
CHUNK = 1 << 16
LARGEST = 64 * 2**30  # bytes of all members together
MOST_AT_ONCE = 2**20  # bytes of one read: what an honest archive's table of contents never needs

_TEXT, _NUMBER, _MAYBE_TEXT, _MAYBE_NUMBER = (str,), (int,), (str, NoneType), (int, NoneType)
_SHAPES: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    archive.SPACES: {"path": _TEXT, "expires": _MAYBE_TEXT, "read_trust": (int, float)},
    archive.RECORDS: {
        **dict.fromkeys(("id", "space", "kind", "text", "channel", "written"), _TEXT),
        **dict.fromkeys(("key", "reference", "author", "happened", "expires", "revises", "duplicate_of"), _MAYBE_TEXT),
        **dict.fromkeys(("valid", "parents", "notes"), (list,)),
        **dict.fromkeys(("trust", "hold", "meta"), (dict,)),
        **dict.fromkeys(("pinned", "claims"), (bool,)),
        "media": (dict, NoneType),
        "lives": (list, NoneType),
        "changed": _MAYBE_NUMBER,
    },
    archive.VECTORS: {
        "record": _TEXT,
        **dict.fromkeys(("encoder", "part", "start", "stop", "bytes"), _NUMBER),
        **dict.fromkeys(("other", "tokens"), _MAYBE_TEXT),
    },
    archive.EVENTS: {
        "seq": _NUMBER,
        "ids": (list,),
        **dict.fromkeys(("time", "actor", "verb", "kinds", "counts", "digest", "previous", "hash"), _TEXT),
    },
    archive.RECEIPTS: {"id": _TEXT, "seq": _NUMBER, "phase": _NUMBER, "body": _TEXT},
    archive.SUPPRESSED: dict.fromkeys(("fingerprint", "space", "receipt", "time"), _TEXT),
    archive.QUESTIONS: {"seq": _NUMBER, "text": _TEXT, "hits": (list,)},
    archive.EXPORTS: {"path": _TEXT, "time": _TEXT, "seq": _NUMBER, "rows": _NUMBER},
}
_MANIFEST: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("format", "created", "written_by", "keyed_digest"), _TEXT),
    **dict.fromkeys(("version", "schema", "last_event"), _NUMBER),
    **dict.fromkeys(("left_out", "encoders"), (list,)),
    **dict.fromkeys(("counts", "members"), (dict,)),
    "complete": (bool,),
    "encoder": _MAYBE_NUMBER,
    "encoder_next": _MAYBE_NUMBER,
}
_ENCODER = {"encoder": _NUMBER, "name": _TEXT, "version": _TEXT, "dimension": _NUMBER}
_MEMBER = {"sha256": _TEXT, "bytes": _NUMBER, "lines": _NUMBER}


def read_archive(path: Path, key: bytes, largest: int = LARGEST) -> Archive:
    """Check an archive from its first byte to its last; nothing is loaded. Raises ArchiveRefused."""
    file = _SmallReads.of(path)
    try:
        with refusing(path):
            zipped = zipfile.ZipFile(file)
            infos = _contents(zipped, largest, path)
            manifest = _manifest(zipped, infos, path)
            opened = Archive(path, zipped, file, manifest, key)
            opened.check()
        return opened
    except BaseException:
        file.close()
        raise


class Archive:
    """An archive whose sums hold. `own`: this folder's key made it, so that its trust, holds and history count."""

    def __init__(self, path: Path, zipped: zipfile.ZipFile, file: io.FileIO, manifest: Line, key: bytes):
        self.path = path
        self.manifest = manifest
        self.own = hmac.compare_digest(archive.keyed_digest(key, manifest), manifest["keyed_digest"])
        self.complete: bool = manifest["complete"]
        self.superseded = 0  # records that `claims` left out, because their archive has newer revisions
        self._zipped = zipped
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._zipped.close()
        self._file.close()

    def check(self) -> None:
        """Sum up every member, with no more in memory than a piece of it. Raises ArchiveRefused."""
        for name in self.manifest["members"]:
            with refusing(self.path):
                for _ in self._pieces(name):
                    pass

    def lines(self, member: str) -> Iterator[Line]:
        """A member's lines, each of its shape. Raises ArchiveRefused, also where the file changed since its check."""
        if member not in self.manifest["members"]:
            return
        expected = self.manifest["members"][member]["lines"]
        number = 0
        held: list[bytes] = []  # of the line that is not whole yet; joined once, or a long one would cost squares
        with refusing(self.path):
            for piece in self._pieces(member):
                first, *others = piece.split(b"\n")
                held.append(first)
                for other in others:
                    number += 1
                    yield self._line(member, number, b"".join(held))
                    held = [other]
                if sum(map(len, held)) > archive.LONGEST_LINE:
                    why = f"{member}, line {number + 1} has more than {archive.LONGEST_LINE:,} bytes"
                    raise refused(self.path, why)
            if any(held) or number != expected:
                raise refused(self.path, f"{member} has not the {expected} lines that the manifest names")

    def vectors(self) -> Iterator[tuple[Line, bytes]]:
        """Lines of vectors.jsonl, each with its float16 values. Raises ArchiveRefused."""
        sizes = {each["encoder"]: 2 * each["dimension"] for each in self.manifest["encoders"]}
        pieces = self._pieces(archive.VALUES)
        held = bytearray()
        for line in self.lines(archive.VECTORS):
            size = line["bytes"]
            if size != sizes.get(line["encoder"]):
                raise refused(self.path, "a vector has not the dimension of its encoder")
            with refusing(self.path):
                while len(held) < size:
                    piece = next(pieces, b"")
                    if not piece:
                        raise refused(self.path, f"{archive.VALUES} ends before its last vector")
                    held += piece
            yield line, bytes(held[:size])
            del held[:size]
        with refusing(self.path):
            if held or next(pieces, b""):
                raise refused(self.path, f"{archive.VALUES} goes on after its last vector")

    def claims(self) -> Iterator[Line]:
        """A foreign archive's living records as fields of drafts: channel `import`, what it says of them as claims.

        Each has a fresh `id`, and as `parents` the fresh ids of records given before it. Nothing is taken on trust: no
        vector, key, trust, channel, time of writing or receipt. What was held stays held. All are checked before the
        first is given, so that they may be written group by group. Raises ArchiveRefused.
        """
        for _ in self._claims():
            pass
        return self._claims()

    def _claims(self) -> Iterator[Line]:
        fresh: dict[bytes, str] = {}
        self.superseded = 0
        for number, line in enumerate(self.lines(archive.RECORDS), 1):
            claimed = to_bytes(line["id"])
            if claimed is None or claimed in fresh:
                raise refused(self.path, f"{archive.RECORDS} has an id twice, or one that is no UUID")
            if line["valid"] and not any(ends_open(life) for life in line["valid"]):
                self.superseded += 1
                continue
            fresh[claimed] = fresh_id()
            try:
                yield self._claim(line, fresh[claimed], fresh)
            except InvalidInput as error:
                why = str(error).partition(";")[0]
                raise refused(self.path, f"{archive.RECORDS}, line {number}: {why}") from None

    def _claim(self, line: Line, id: str, fresh: Mapping[bytes, str]) -> Line:
        named = (
            "id",
            "channel",
            "reference",
            "author",
            "written",
            "key",
            "trust",
            "hold",
            "pinned",
            "parents",
            "notes",
        )
        claims = {name: line[name] for name in named if line[name] not in (None, [], False)}
        if "claims" in line["meta"]:
            claims["claims"] = line["meta"]["claims"]  # it was imported there already
        parents = (to_bytes(parent) or b"" for parent in line["parents"])
        hold = line["hold"].get("effective")
        level = min(2, hold) if isinstance(hold, int) and hold > 0 else 0
        spaces.parse_scope(line["space"])
        return {
            "id": id,
            "text": checked(line["text"], empty=line["media"] is not None),
            "media": self.media(line),
            "space": line["space"],
            "kind": checked(line["kind"], "kind")[:LONGEST_FIELD],
            "channel": "import",
            "author": None if line["author"] is None else checked(line["author"], "author")[:LONGEST_FIELD],
            "reference": f"{self.path.name}:{line['id']}",  # the same archive again adds nothing
            "happened": self.time(line["happened"]),
            "expires": self.time(line["expires"]),
            "parents": tuple(dict.fromkeys(fresh[parent] for parent in parents if parent in fresh)),
            "meta": checked_meta({**line["meta"], "claims": claims}),
            "hold": level,
            "hold_reason": "held in the archive that it came from" if level else None,
            "claims": True,
        }

    def media(self, line: Line) -> tuple[bytes, str] | None:
        """The bytes and the type of a record's media. Raises ArchiveRefused."""
        media = line["media"]
        if media is None:
            return None
        if not isinstance(media.get("type"), str) or not isinstance(media.get("data"), str):
            raise refused(self.path, "a record's media has no type or no data")
        return self.decoded(media["data"]), media["type"]

    def decoded(self, data: str) -> bytes:
        """Bytes that a line holds as base64. Raises ArchiveRefused."""
        with refusing(self.path):
            return base64.b64decode(data, validate=True)

    def time(self, value: str | None) -> int | None:
        """A time in microseconds. Raises ArchiveRefused."""
        if value is None:
            return None
        with refusing(self.path):
            read = datetime.fromisoformat(value)
            if read.tzinfo is None:
                raise refused(self.path, "a time has no zone")
            return micros(read)

    def _line(self, member: str, number: int, raw: bytes) -> Line:
        try:
            line = parsed(raw)
        except ValueError:
            line = None
        if (wrong := misshaped(line, _SHAPES[member])) is not None:
            raise refused(self.path, f"{member}, line {number}: {wrong}")
        found: Line = line
        return found

    def _pieces(self, member: str) -> Iterator[bytes]:
        """The bytes of a member; at its end, whether they are those of its sum."""
        expected = self.manifest["members"][member]
        total = hashlib.sha256()
        size = 0
        with self._zipped.open(member) as stream:
            while piece := stream.read(CHUNK):
                total.update(piece)
                size += len(piece)
                yield piece
        if size != expected["bytes"] or total.hexdigest() != expected["sha256"]:
            raise refused(self.path, f"{member} is damaged (its SHA-256 differs)")


def ends_open(life: object) -> bool:
    """Whether a life (from, until) has no end yet."""
    return isinstance(life, list) and life[-1:] == [None]


def misshaped(value: object, shape: Mapping[str, tuple[type, ...]]) -> str | None:
    """Which field is not as it should be; None where all are. Further fields are no fault."""
    if not isinstance(value, dict):
        return "no JSON object"
    for name, types in shape.items():
        found = value.get(name, ...)
        # A bool is an int to Python, not to us; and SQLite's whole numbers have 64 bits.
        if not isinstance(found, types) or (isinstance(found, bool) and bool not in types):
            return f"{name} is missing or of another type"
        if isinstance(found, int) and not -(2**63) <= found < 2**63:
            return f"{name} is too large"
    return None


def refused(path: Path, why: str) -> ArchiveRefused:
    """The error, in one line."""
    return ArchiveRefused(f"{path.name}: {why}; nothing was loaded")


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """What the zip and its contents can raise, as one typed error."""
    try:
        yield
    except zipfile.BadZipFile as error:
        raise refused(path, "it is no zip file, or a damaged one") from error
    except (zlib.error, EOFError) as error:
        raise refused(path, "it is truncated or damaged") from error
    except (NotImplementedError, RuntimeError, LookupError, ValueError, OverflowError, OSError):
        # No cause: it may quote a member's content.
        raise refused(path, "it is damaged or uses what no archive of ours does") from None


class _SmallReads(io.FileIO):
    """A file of which nobody gets much at once: a table of contents of a gigabyte is refused before it is read."""

    @classmethod
    def of(cls, path: Path) -> Self:
        try:
            return cls(path, "rb")
        except OSError as error:
            raise refused(path, f"it cannot be read ({error.strerror})") from error

    def read(self, size: int | None = -1, /) -> bytes | None:  # type: ignore[override]
        if size is not None and size > MOST_AT_ONCE:
            raise zipfile.BadZipFile("a table of contents of this size is not ours")
        return super().read(MOST_AT_ONCE if size is None or size < 0 else size)


def _contents(zipped: zipfile.ZipFile, largest: int, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The members, by name, where each may be opened: judged by the table of contents alone."""
    infos = zipped.infolist()
    names = [info.orig_filename for info in infos]
    for info, name in zip(infos, names, strict=True):
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
            raise refused(path, "a member's name leads out of the archive")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise refused(path, "a member is a link, a folder or no plain file")
        if info.flag_bits & 0x1:
            raise refused(path, "a member is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refused(path, "a member is packed in a way that no archive of ours is")
        if archive.swollen(info.file_size, info.compress_size):
            raise refused(path, f"a member would grow to more than {archive.MOST_RATIO} times its size")
    if len(set(names)) != len(names):
        raise refused(path, "a member stands in it twice")
    # Members that share their bytes would let a small file hold any amount.
    if sum(info.compress_size for info in infos) > path.stat().st_size:
        raise refused(path, "its members overlap")
    if sum(info.file_size for info in infos) > largest:
        raise refused(path, f"its members have more than {largest:,} bytes")
    return dict(zip(names, infos, strict=True))


def _manifest(zipped: zipfile.ZipFile, infos: Mapping[str, zipfile.ZipInfo], path: Path) -> Line:
    info = infos.get(archive.MANIFEST)
    if info is None or info.file_size > archive.LARGEST_MANIFEST:
        raise refused(path, "it has no manifest, so it is no archive of Delible")
    try:
        manifest = parsed(zipped.read(info))
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != archive.FORMAT:
        raise refused(path, "its manifest is not that of an archive of Delible")
    version = manifest.get("version")
    if isinstance(version, int) and version > archive.VERSION:
        newer = f"a newer Delible wrote it (format {version}, this one reads {archive.VERSION})"
        raise refused(path, f"{newer}: pip install --upgrade delible")
    if version != archive.VERSION or (wrong := misshaped(manifest, _MANIFEST)) is not None:
        raise refused(path, f"its manifest is malformed ({wrong if version == archive.VERSION else 'version'})")
    for member in manifest["members"].values():
        if misshaped(member, _MEMBER):
            raise refused(path, "its manifest is malformed (members)")
    for encoder in manifest["encoders"]:
        spec = encoder.get("spec", "") if isinstance(encoder, dict) else None
        if misshaped(encoder, _ENCODER) or not isinstance(spec, str) or not 0 < encoder["dimension"] <= 65536:
            raise refused(path, "its manifest is malformed (encoders)")
    wanted = set(archive.COMPLETE if manifest["complete"] else archive.PARTIAL)
    if set(infos) - wanted - {archive.MANIFEST}:
        raise refused(path, "it has members that no archive of ours has")
    if set(manifest["members"]) != wanted or not wanted <= set(infos):
        raise refused(path, "a member is missing")
    if any(infos[name].file_size != manifest["members"][name]["bytes"] for name in wanted):
        raise refused(path, "a member has not the size that the manifest names")
    found: Line = manifest
    return found
