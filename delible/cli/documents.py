"""What --json puts out: the field names are the library's, times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from delible.core.receipts import Preview, Receipt
from delible.core.records import Hit, Record, Span

Document = dict[str, Any]


def of_time(time: datetime | None) -> str | None:
    """ISO 8601 or null."""
    return None if time is None else time.isoformat()


def of_record(record: Record) -> Document:
    """id, text, space, kind, key, source, trust, held, times, lineage, meta and notes of a record."""
    return {
        "id": record.id,
        "text": record.text,
        "space": record.space,
        "kind": record.kind,
        "key": record.key,
        "source": {
            "channel": record.source.channel,
            "reference": record.source.reference,
            "author": record.source.author,
            "trust": record.source.trust,
        },
        "trust": record.trust,
        "held": record.held,
        "hold_reason": record.hold_reason,
        "pinned": record.pinned,
        "happened": of_time(record.happened),
        "written": of_time(record.written),
        "expires": of_time(record.expires),
        "valid": {"from": of_time(record.valid[0]), "until": of_time(record.valid[1])},
        "parents": list(record.parents),
        "revises": record.revises,
        "duplicate_of": record.duplicate_of,
        "meta": dict(record.meta),
        "media": None if record.media is None else {"type": record.media.type, "bytes": len(record.media.data)},
        "notes": list(record.notes),
    }


def of_span(span: Span | None) -> Document | None:
    """text, start, end: `record.text[start:end] == text`."""
    return None if span is None else {"text": span.text, "start": span.start, "end": span.end}


def of_hit(rank: int, hit: Hit) -> Document:
    """rank, score, parts of the score, evidence, passage and the record."""
    return {
        "rank": rank,
        "id": hit.record.id,
        "score": float(hit.score),
        "parts": {name: float(value) for name, value in hit.parts.items()},
        "evidence": of_span(hit.evidence),
        "passage": of_span(hit.passage),
        "record": of_record(hit.record),
    }


def of_receipt(receipt: Receipt) -> Document:
    """What a forget removed, and the checks that confirm it; no content."""
    return {
        "id": receipt.id,
        "confirmed": receipt.confirmed,
        "time": of_time(receipt.time),
        "actor": receipt.actor,
        "reason": receipt.reason,
        "reach": receipt.reach,
        "removed": dict(receipt.removed),
        "digests": list(receipt.digests),
        "checks": [{"name": check.name, "passed": check.passed, "detail": check.detail} for check in receipt.checks],
        "limits": list(receipt.limits),
        "survivors": list(receipt.survivors),
        "phase": receipt.phase,
    }


def of_preview(preview: Preview) -> Document:
    """What a forget would remove; a forget may be bound to `digest`."""
    return {
        "ids": list(preview.ids),
        "removed": dict(preview.removed),
        "mentions": list(preview.mentions),
        "limits": list(preview.limits),
        "digest": preview.digest,
    }
