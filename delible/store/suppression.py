"""Suppression: what was forgotten stays forgotten. Its keyed digest, in its space or above, keeps an equal text out."""

from __future__ import annotations

from typing import NamedTuple

import apsw

from delible.core.times import from_micros
from delible.store import sealing
from delible.store.spaces import above


class Forgotten(NamedTuple):
    """The receipt that keeps a text out, and the day of its forget."""

    receipt: str
    day: str


def forgotten(connection: apsw.Connection, key: bytes, path: str, fingerprint: bytes) -> Forgotten | None:
    """Whether an equal text was forgotten in this space or in one above, and not released since."""
    for place in above(path):
        found = connection.execute(
            "SELECT receipt, time FROM suppressed WHERE space = ? AND fingerprint = ?",
            (sealing.path_digest(key, place), fingerprint),
        ).fetchone()
        if found:
            return Forgotten(found[0], f"{from_micros(found[1]):%Y-%m-%d}")
    return None
