"""Delible: memory for AI systems that is written to last, and can be erased.

import delible; memory = delible.open("agent.mem"); memory.write(...); memory.recall(...); memory.forget(...)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from delible.core.lazy import exports

__version__ = "0.1.0"

# fmt: off
_ERRORS = [
    "ArchiveRefused", "Blocked", "Closed", "CorruptStore", "DelibleError", "DiskFull", "EncoderFailed",
    "EncoderMismatch", "EncoderMissing", "InvalidInput", "KeyTaken", "MissingExtra", "NewerSchema", "NotAStore",
    "Pinned", "ReadOnlyStore", "RollbackRefused", "SpaceRefused", "StalePreview", "StoreLocked", "Suppressed",
    "UnknownField", "UnknownId",
]
# fmt: on
_NAMES = {
    **dict.fromkeys(("open", "Memory", "Diff", "SpaceInfo"), "delible.memory"),
    **dict.fromkeys(("open_async", "AsyncMemory"), "delible.asynchronous"),
    **dict.fromkeys(("Record", "Records", "Source", "Media", "Span", "Hit", "Hits"), "delible.core.records"),
    **dict.fromkeys(("Verdict", "Context"), "delible.core.verdicts"),
    **dict.fromkeys(("Check", "Receipt", "Preview"), "delible.core.receipts"),
    **dict.fromkeys(("Encoder", "Ranker", "Guard", "Carrier", "StoreView"), "delible.core.shapes"),
    "Event": "delible.store.ledger",
    "Finding": "delible.governance.verify",
    "LoadReport": "delible.governance.carrying",
    **dict.fromkeys(_ERRORS, "delible.core.errors"),
}

__getattr__, __dir__, __all__ = exports(__name__, _NAMES)

if TYPE_CHECKING:
    from delible.asynchronous import AsyncMemory as AsyncMemory
    from delible.asynchronous import open_async as open_async
    from delible.core.errors import *  # noqa: F403
    from delible.core.receipts import Check as Check
    from delible.core.receipts import Preview as Preview
    from delible.core.receipts import Receipt as Receipt
    from delible.core.records import Hit as Hit
    from delible.core.records import Hits as Hits
    from delible.core.records import Media as Media
    from delible.core.records import Record as Record
    from delible.core.records import Records as Records
    from delible.core.records import Source as Source
    from delible.core.records import Span as Span
    from delible.core.shapes import Carrier as Carrier
    from delible.core.shapes import Encoder as Encoder
    from delible.core.shapes import Guard as Guard
    from delible.core.shapes import Ranker as Ranker
    from delible.core.shapes import StoreView as StoreView
    from delible.core.verdicts import Context as Context
    from delible.core.verdicts import Verdict as Verdict
    from delible.governance.carrying import LoadReport as LoadReport
    from delible.governance.verify import Finding as Finding
    from delible.memory import Diff as Diff
    from delible.memory import Memory as Memory
    from delible.memory import SpaceInfo as SpaceInfo
    from delible.memory import open as open
    from delible.store.ledger import Event as Event
