"""Ids that sort by time: UUID version 7 in text form (RFC 9562), never going back within a process."""

from __future__ import annotations

import os
import re
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0
_short = re.compile("[0-9A-Fa-f]{8}")


def fresh_id() -> str:
    """A new id, 36 characters; later ones sort after earlier ones of this process, also when the clock is set back."""
    global _last
    with _lock:
        # 48 bits of milliseconds, 12 of a fraction; while a clock stands still or goes back, ids count on from the
        # last.
        now = time.time_ns() * 4096 // 1_000_000
        _last = now = max(now, _last + 1)
    millis, fraction = divmod(now, 4096)
    value = (millis & (2**48 - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62
    return str(UUID(int=value | int.from_bytes(os.urandom(8)) >> 2))


def to_bytes(id: str) -> bytes | None:
    """The 16 bytes of an id, or None where it is no UUID (then no record has it)."""
    try:
        return UUID(id).bytes
    except (ValueError, AttributeError, TypeError):
        return None


def tail_of(id: object) -> bytes | None:
    """The last four bytes of an id that is given by its last eight digits; else None."""
    return bytes.fromhex(id) if isinstance(id, str) and _short.fullmatch(id) else None


def from_bytes(value: bytes) -> str:
    """The text form of 16 bytes."""
    return str(UUID(bytes=value))
