"""What a guard says, and what it may look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from delible.core.records import Hit, Source

if TYPE_CHECKING:
    from delible.core.shapes import StoreView

Decision = Literal["allow", "quarantine", "block"]
Direction = Literal["write", "recall", "prompt", "answer", "act"]


@dataclass(frozen=True)
class Verdict:
    """A guard's answer. `trust` is an upper bound that the store applies; a `question` holds until it is answered."""

    decision: Decision
    score: float = 0.0
    reasons: tuple[str, ...] = ()
    replacement: str | None = None
    question: str | None = None
    trust: float | None = None


@dataclass(frozen=True)
class Context:
    """What a guard, finder or ranker may look at beside the item."""

    direction: Direction = "write"
    space: str = ""
    question: str | None = None
    dialogue: Sequence[str] = ()
    source: Source | None = None
    now: datetime | None = None
    neighbours: Sequence[Hit] = ()
    store: StoreView | None = None
