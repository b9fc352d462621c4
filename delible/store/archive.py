"""The archive: one portable zip of records, vectors, lineage, history and ledger. Its format, for writer and reader.

`manifest.json` has a SHA-256 of every other member, and a keyed digest over itself with the folder's key. A wrong
SHA-256 is damage. A keyed digest that does not verify means that another folder wrote it, or that somebody changed it
and mended the sums: then nothing that it claims counts. Manifest and lines are described in `archive.schema.json`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from delible.core.errors import InvalidInput

FORMAT = "delible-archive"
VERSION = 1  # of the format; its own, not the schema's

MANIFEST = "manifest.json"
RECORDS, VECTORS, VALUES = "records.jsonl", "vectors.jsonl", "vectors.bin"
SPACES, EVENTS, RECEIPTS, SUPPRESSED = "spaces.jsonl", "events.jsonl", "receipts.jsonl", "suppressed.jsonl"
QUESTIONS, EXPORTS = "questions.jsonl", "exports.jsonl"
PARTIAL = (SPACES, RECORDS, VECTORS, VALUES)  # what an export of some records has
COMPLETE = (*PARTIAL, EVENTS, RECEIPTS, SUPPRESSED, QUESTIONS, EXPORTS)

LARGEST_MANIFEST = 2**20  # bytes
LONGEST_LINE = 128 * 2**20  # bytes of a record: text of ten million characters, and some 60 MB of media
MOST_RATIO = 200  # bytes of a member for each byte in the zip; deflate reaches 1,030, prose 4
HARMLESS = 2**20  # bytes that a member may have whatever its ratio

_KEY_FILE = re.compile(r"delible-key 1 ([0-9a-f]{64})\s*")


def swollen(size: int, compressed: int) -> bool:
    """Whether a member grows more than an honest one: the writer then leaves it as it is, the reader refuses it."""
    return size > HARMLESS and size > MOST_RATIO * compressed


def canonical(value: Any) -> bytes:
    """JSON in one way only."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def keyed_digest(key: bytes, manifest: Mapping[str, Any]) -> str:
    """HMAC-SHA256 over all of the manifest but the digest itself."""
    body = {name: value for name, value in manifest.items() if name != "keyed_digest"}
    return hmac.new(key, FORMAT.encode() + b"\x00" + canonical(body), hashlib.sha256).hexdigest()


def schema() -> dict[str, Any]:
    """The JSON Schema of the manifest (`#/$defs/manifest`) and of each member's lines (`#/$defs/record` and so on)."""
    found: dict[str, Any] = json.loads(files("delible.store").joinpath("archive.schema.json").read_text("utf-8"))
    return found


def write_key(path: Path, key: bytes) -> None:
    """Write the folder's key to a new file, for its owner only: with it, a new folder takes up this one's history."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileExistsError:
        raise InvalidInput(f"{path} exists; name another file for the key. Nothing was written") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}. Nothing was written") from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"delible-key 1 {key.hex()}\n")
        file.flush()
        os.fsync(file.fileno())


def read_key(path: Path) -> bytes:
    """The key of a file that `write_key` made. Raises InvalidInput."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            found = _KEY_FILE.fullmatch(file.read(200))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}; nothing was loaded") from error
    if not found:
        raise InvalidInput(f"{path} is no key file of Delible; nothing was loaded")
    return bytes.fromhex(found[1])
