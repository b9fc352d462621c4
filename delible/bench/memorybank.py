"""`delible bench memorybank`: how fast a user's diary is loaded, and how long its probing questions take.

Each user's days are written in one call into a space of their own, then each question is asked there once. The encoder
is loaded beforehand. Nobody wrote down the answers, nor where they stand: of what is found there is no figure.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import delible
from delible.bench import conversations
from delible.bench.conversations import Talk
from delible.bench.results import Figure, Result, Table, closed, say
from delible.core.errors import InvalidInput
from delible.memory import Memory

NAME = "memorybank"


@dataclass(frozen=True)
class Timed:
    """Seconds that a user's records took together, and each question alone."""

    user: str
    records: int
    load_seconds: float
    recall_seconds: tuple[float, ...]


def run(data: Path | None, out: Path | None, encoder: str = "minilm") -> int:
    """Measure, print, write `out`/memorybank.json; 1 when a target is missed."""
    started = time.monotonic()
    talks = [talk for talk in conversations.memorybank(data or conversations.DATA) if talk.turns]
    if not talks:
        raise InvalidInput("memorybank_en has no user with a diary; nothing was measured")
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "diaries.mem", encoder=encoder) as memory:
        memory.write("The model is loaded before the clock runs.", space="warm")
        memory.recall("Is the model loaded?", space="warm")
        found = [timed(memory, talk, f"user/{number}") for number, talk in enumerate(talks)]
    result = _result(found, encoder, time.monotonic() - started)
    return closed(result, out)


def timed(memory: Memory, talk: Talk, space: str) -> Timed:
    """Write a user's turns, then ask each question once."""
    say(f"{talk.name}: {len(talk.turns):,} turns to write, {len(talk.questions)} questions", sys.stderr)
    started = time.perf_counter()
    written = memory.write(talk.turns, space=space, duplicates="keep")
    load = time.perf_counter() - started
    now = max(turn["happened"] for turn in talk.turns)
    recalls = []
    for asked in talk.questions:
        started = time.perf_counter()
        memory.recall(asked.question, space=space, now=now)
        recalls.append(time.perf_counter() - started)
    return Timed(talk.name, len(written), load, tuple(recalls))


def _result(found: Sequence[Timed], encoder: str, seconds: float) -> Result:
    whole = Timed(
        "all",
        sum(one.records for one in found),
        sum(one.load_seconds for one in found),
        tuple(seconds for one in found for seconds in one.recall_seconds),
    )
    p50, p95 = _percentiles(whole.recall_seconds)
    figures: dict[str, Figure] = {
        "load_s": whole.load_seconds,
        "load_per_s": whole.records / whole.load_seconds,
        "recall_p50_ms": p50,
        "recall_p95_ms": p95,
    }
    return Result(
        name=NAME,
        module=__name__,
        figures=figures,
        n={"users": len(found), "records": whole.records, "questions": len(whole.recall_seconds)},
        options={"encoder": encoder},
        seconds=seconds,
        tables=(
            Table(
                "users",
                f"{len(found)} users, a space each; recall in ms",
                ("", "records", "load, s", "records/s", "questions", "p50", "p95"),
                tuple(_row(one) for one in (*found, whole)),
            ),
        ),
        notes=("each question is asked once", "the set has neither answers nor evidence: only times are measured"),
    )


def _row(one: Timed) -> tuple[Figure, ...]:
    return (
        one.user,
        one.records,
        one.load_seconds,
        one.records / one.load_seconds,
        len(one.recall_seconds),
        *_percentiles(one.recall_seconds),
    )


def _percentiles(seconds: Sequence[float]) -> tuple[float | None, float | None]:
    """p50 and p95 in milliseconds; None where nothing was asked."""
    if not seconds:
        return None, None
    low, high = np.percentile(np.array(seconds) * 1000, [50, 95])
    return float(low), float(high)
