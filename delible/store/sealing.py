"""Keyed digests: what the ledger, suppression and checks know of a content without holding it.

The key lies in the folder; who has both can test a guess against a digest, and receipts say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from delible.core.texts import normalised


def digest(key: bytes, parts: Iterable[bytes | str], size: int = 16) -> bytes:
    """A keyed digest over parts, each with its length, so that no two lists of parts give the same bytes."""
    total = blake2b(key=key, digest_size=size)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(len(raw).to_bytes(8, "big"))
        total.update(raw)
    return total.digest()


def fingerprint(key: bytes, text: str, media: bytes | None = None) -> bytes:
    """What two writings of the same thing share: the digest of the normalised text (and of the media)."""
    return digest(key, ("text", normalised(text), media or b""))


def checksum(key: bytes, text: str, meta: str, notes: str, media: bytes | None) -> bytes:
    """Finds a flipped bit in a record's content."""
    return digest(key, ("sum", text, meta, notes, media or b""), size=8)


def path_digest(key: bytes, path: str) -> bytes:
    """A space's name in the table of what was forgotten."""
    return digest(key, ("space", path))
