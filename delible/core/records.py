"""What is remembered and what comes back: plain, frozen data. Times are timezone-aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Channel = Literal["user", "model", "tool", "document", "import"]

PRIOR_TRUST: Mapping[str, float] = {"user": 0.9, "tool": 0.7, "model": 0.6, "document": 0.4, "import": 0.3}
"""Trust of a channel before anything else is known, in [0, 1]."""

ROLE_CHANNEL: Mapping[str, str] = {
    "user": "user",
    "assistant": "model",
    "model": "model",
    "tool": "tool",
    "function": "tool",
}
"""Channel of a chat role; `system` is no memory and is left out."""


@dataclass(frozen=True)
class Media:
    """Bytes that are not text, with their type ("image/png")."""

    data: bytes
    type: str


Item = str | Media


@dataclass(frozen=True)
class Source:
    """Provenance, assigned by the store from the channel, never read from the content."""

    channel: str
    reference: str | None = None
    author: str | None = None
    trust: float = 0.0


@dataclass(frozen=True)
class Record:
    """One remembered item. `trust` and `held` are effective over the lineage; `source.trust` is the record's own."""

    id: str
    text: str
    space: str
    source: Source
    happened: datetime | None
    written: datetime
    parents: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "note"
    key: str | None = None
    media: Media | None = None
    expires: datetime | None = None
    valid: tuple[datetime | None, datetime | None] = (None, None)
    duplicate_of: str | None = None
    trust: float = 1.0
    held: bool = False
    hold_reason: str | None = None  # why it is held or pinned; "released: .." with the reason afterwards
    pinned: bool = False
    revises: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """A verbatim piece of a record: `record.text[start:end] == text`."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Hit:
    """A recalled record, its score, the parts of that score, and the evidence. Every stage adds its own part."""

    record: Record
    score: float
    parts: Mapping[str, float]
    evidence: Span
    passage: Span | None = None


class Hits(list[Hit]):
    """Hits, best first, with what recall has to say of them: `notes` ("nothing is remembered here yet")."""

    def __init__(self, hits: Sequence[Hit] = (), notes: Sequence[str] = ()):
        super().__init__(hits)
        self.notes = tuple(notes)


class Records(list[Record]):
    """Records with what the store has to say of them together: `notes`."""

    def __init__(self, records: Sequence[Record] = (), notes: Sequence[str] = ()):
        super().__init__(records)
        self.notes = tuple(notes)
