"""What a forget did, and what it would do. No content, ever: ids, counts, digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Check:
    """A check that was really run."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Receipt:
    """What a forget request removed, where, when, and the checks that confirm it.

    `removed` counts by place (rows, passages, words, vectors, history, ...). `limits` names what cannot be checked
    from here (backups, exports); `survivors` are living parents of erased derived records, to derive them again.
    """

    id: str
    time: datetime
    actor: str
    reason: str
    reach: str
    removed: Mapping[str, int]
    digests: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    limits: tuple[str, ...] = ()
    survivors: tuple[str, ...] = ()
    phase: int = 2

    @property
    def confirmed(self) -> bool:
        """Everything was erased (phase 2) and every check passed; a receipt without a check confirms nothing."""
        return self.phase == 2 and bool(self.checks) and all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Preview:
    """What a forget would remove; nothing has happened. A forget may be bound to `digest`."""

    ids: tuple[str, ...]
    removed: Mapping[str, int]
    mentions: tuple[str, ...]
    limits: tuple[str, ...]
    digest: str
