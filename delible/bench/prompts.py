"""`delible bench prompts`: does what a question needs stand in the prompt?

Of each question: does its whole evidence, every turn of it, stand in `memory.context(question, max_tokens=N)`? Beside
it the very same block made from the orders of other rankings, and from the end of the conversation, which is what a
program without a memory sends. One counter for all: the encoder's. A turn stands in a block if its whole text does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import delible
from delible.bench import conversations, evidence, others, ranking
from delible.bench.evidence import ENCODER, OURS, SETS, Different, Trial
from delible.bench.ranking import Scored
from delible.bench.results import Figure, Result, Table, closed, judged, say
from delible.core.errors import InvalidInput
from delible.core.records import Hit, Hits, Record, Span
from delible.memory import Memory
from delible.recall.blocks import SHORT, block, quoted
from delible.recall.recalling import MOST
from delible.recall.score import PROMPT
from delible.store import reading

SIZES = (500, 1000, 2000, 4000)
SAMPLE = 50  # questions whose block is also made by `Memory.context`
LAST = "the last N tokens"
ABOVE: tuple[evidence.Bound, ...] = tuple(
    (f"above every other row in {size:,} tokens", f"above others {size}", ">=", 0.0, "") for size in SIZES
)
TARGETS: dict[str, tuple[evidence.Bound, ...]] = {
    "locomo": (
        ("whole evidence in 1,000 tokens", "inside 1000", ">=", 0.80, ""),
        ("whole evidence in 2,000 tokens", "inside 2000", ">=", 0.85, ""),
    )
}
Count = Callable[[str], int]


def inside(text: str, record: Record) -> bool:
    """Whether the whole text of the record stands in the block, in a line of its own id."""
    end = f": {quoted(record.text)}"
    ids = record.id[-SHORT:], record.id
    return any(line.endswith(end) and line.startswith(ids) for line in text.split("\n"))


def records_of(memory: Memory, found: Sequence[Trial]) -> dict[str, dict[str, Record]]:
    """The records of each space by reference, in the order of the talk."""
    told: dict[str, dict[str, Record]] = {}
    with memory._store.reading() as connection:
        for trial in {trial.space: trial for trial in found}.values():
            records = reading.records_of(connection, list(trial.reference))
            named = {trial.reference[row]: record for row, record in records.items()}
            told[trial.space] = {reference: named[reference] for reference in trial.talk.order}
    return told


def made_of(records: Sequence[Record], max_tokens: int, count: Count) -> str:
    """The block of these records, best first; as many are offered as `Memory.context` would recall."""
    some = records[: offered(max_tokens)]
    return block([Hit(each, 0.0, {}, Span(each.text, 0, len(each.text))) for each in some], max_tokens, count)


def offered(max_tokens: int) -> int:
    """How many records `Memory.context` recalls for a block of this size."""
    return min(MOST, max(20, max_tokens // 20))


def counted(counter: Count) -> Count:
    """The same counter, line by line and each line once: no token of an encoder reaches over the end of a line."""
    line = lru_cache(maxsize=1 << 17)(counter)
    return lambda text: sum(line(each) for each in text.split("\n") if each)


def measured(
    memory: Memory, found: Sequence[Trial], sizes: Sequence[int] = SIZES, command: Sequence[str] | None = None
) -> dict[str, list[Scored]]:
    """Of each row and question, for each size: 1 where the whole evidence stands in the block.

    One recall serves all sizes; a sample is held against `Memory.context`. Raises Different where it gives another.
    `command`: as of `evidence.beside`.
    """
    counter = memory._embedding.counter()
    count = counted(counter)
    records = records_of(memory, found)
    orders = evidence.beside(found, others.vectors_of(memory, found), command)
    orders[LAST] = lambda trial: trial.talk.order[::-1]
    rows: dict[str, list[Scored]] = {label: [] for label in (OURS, *orders)}
    every = max(1, len(found) // SAMPLE)
    for number, trial in enumerate(found):
        if number % 100 == 0:
            say(f"{number:,} of {len(found):,} prompts made", sys.stderr)
        needed = [records[trial.space][reference] for reference in trial.asked.evidence]
        hits = memory._recalled(trial.asked.question, offered(max(sizes)), PROMPT, space=trial.space, now=trial.now)
        blocks = {size: block(Hits(hits[: offered(size)], hits.notes), size, count) for size in sizes}
        rows[OURS].append(_scored(trial, blocks, needed))
        if number % every == 0:
            _confirm(memory, trial, blocks, count, counter)
        for label, order in orders.items():
            ranked = [records[trial.space][reference] for reference in order(trial)]
            rows[label].append(_scored(trial, {size: made_of(ranked, size, count) for size in sizes}, needed))
    return rows


def _confirm(memory: Memory, trial: Trial, blocks: dict[int, str], count: Count, counter: Count) -> None:
    for size, text in blocks.items():
        given = memory.context(trial.asked.question, size, count, space=trial.space, now=trial.now)
        if given != text or counter(text) > size:
            raise Different(f"a prompt of {size} tokens differs from the one that was measured; no figure was recorded")


def named(name: str) -> str:
    """The result of a set."""
    return "prompts" if name == "locomo" else f"prompts-{name}"


def run(name: str, data: Path | None, out: Path | None, encoder: str = ENCODER, peers: bool = False) -> int:
    """Measure, print, write `out`/prompts.json (LoCoMo) or prompts-<name>.json; 1 when a target is missed.

    `peers`: also the blocks of mem0's order.
    """
    if name not in SETS:
        raise InvalidInput(f"no set {name!r:.40}; one of {', '.join(SETS)}")
    started = time.monotonic()
    command = others.mem0_command() if peers else None
    talks = SETS[name](data or conversations.DATA)
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "talks.mem", encoder=encoder) as memory:
        found = evidence.trials(memory, talks, evidence.categories_of(name))
        rows = measured(memory, found, command=command)
    figures = figures_of(rows)
    result = Result(
        name=named(name),
        module=__name__,
        figures=figures,
        n={"conversations": len(talks), "turns": sum(len(talk.turns) for talk in talks), "questions": len(found)},
        options={"encoder": encoder, "set": name, "peers": peers},
        seconds=time.monotonic() - started,
        targets=tuple(judged((*TARGETS.get(name, ()), *ABOVE), figures)),
        tables=(_table(rows, len(found)),),
        notes=(
            "Tokens are the encoder's own. A block shows days, speakers and ids too: they count.",
            *([others.NOTE] if peers else []),
        ),
    )
    return closed(result, out)


def figures_of(rows: dict[str, list[Scored]], sizes: Sequence[int] = SIZES) -> dict[str, Figure]:
    """Ours at each size with its interval, the other rows, and how far ours stands above the best of them."""
    figures: dict[str, Figure] = {}
    for size in sizes:
        name = f"inside {size}"
        means = {label: ranking.mean(of, name) for label, of in rows.items()}
        figures[name] = means[OURS]
        figures[f"{name} low"], figures[f"{name} high"] = ranking.bootstrap(rows[OURS], name)
        figures |= {f"{name}, {label}": mean for label, mean in means.items() if label != OURS}
        figures[f"above others {size}"] = means[OURS] - max(mean for label, mean in means.items() if label != OURS)
    return figures


def _scored(trial: Trial, blocks: dict[int, str], needed: Sequence[Record]) -> Scored:
    figures = {f"inside {size}": float(all(inside(text, each) for each in needed)) for size, text in blocks.items()}
    return Scored(trial.talk.name, trial.asked.category, figures)


def _table(rows: dict[str, list[Scored]], questions: int) -> Table:
    lines: list[tuple[Figure, ...]] = []
    for label, of in rows.items():
        names = [f"inside {size}" for size in SIZES]
        lines.append((label, *(f"{ranking.mean(of, name):.3f}" for name in names)))
        if label == OURS:
            spans = [ranking.bootstrap(of, name) for name in names]
            lines.append(("its 95 % over conversations", *(f"{low:.3f} to {high:.3f}" for low, high in spans)))
    return Table(
        "inside",
        f"Share of {questions:,} questions whose whole evidence stands in a block of N tokens",
        ("", *(f"{size:,}" for size in SIZES)),
        tuple(lines),
    )
