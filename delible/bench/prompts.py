"""`delible bench prompts`: does what a question needs stand in the prompt?

Of each question: does its whole evidence, every turn of it, stand in `memory.context(question, max_tokens=N)`? Beside
it the very same block made from the orders of other rankings, and from the end of the conversation, which is what a
program without a memory sends. One counter for all: the encoder's. A turn stands in a block if its whole text does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import delible
from delible.bench import conversations, evidence, ranking
from delible.bench.evidence import ENCODER, SETS, Trial
from delible.bench.ranking import Scored
from delible.bench.results import Figure, Result, Table, judged, plain, record, say
from delible.core.errors import InvalidInput
from delible.core.records import Hit, Record, Span
from delible.memory import Memory
from delible.recall.blocks import SHORT, block, quoted
from delible.store import reading

SIZES = (500, 1000, 2000, 4000)
OURS, LAST = "Delible", "the last N tokens"
TARGETS: dict[str, tuple[evidence.Bound, ...]] = {
    "locomo": (
        ("whole evidence in 1,000 tokens", "inside 1000", ">=", 0.80, ""),
        ("whole evidence in 2,000 tokens", "inside 2000", ">=", 0.85, ""),
        *((f"above every other row in {size:,} tokens", f"above others {size}", ">=", 0.0, "") for size in SIZES),
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
    spaces = {trial.space: trial for trial in found}
    with memory._store.reading() as connection:
        read = {space: reading.records_of(connection, list(trial.reference)) for space, trial in spaces.items()}
    return {
        space: {reference: by[reference] for reference in trial.talk.order}
        for space, trial in spaces.items()
        for by in ({trial.reference[row]: record for row, record in read[space].items()},)
    }


def made_of(records: Sequence[Record], max_tokens: int, count: Count) -> str:
    """The block of these records, best first; as many are offered as `Memory.context` would recall."""
    most = max(20, max_tokens // 20)
    return block([Hit(each, 0.0, {}, Span(each.text, 0, len(each.text))) for each in records[:most]], max_tokens, count)


def measured(memory: Memory, found: Sequence[Trial], sizes: Sequence[int] = SIZES) -> dict[str, list[Scored]]:
    """Of each row and question, for each size: 1 where the whole evidence stands in the block."""
    # Lines come again in the blocks of other questions and sizes: each is counted once.
    count = lru_cache(maxsize=1 << 17)(memory._embedding.counter())
    records = records_of(memory, found)
    orders: dict[str, Callable[[Trial], Sequence[str]]] = {
        "BM25, tuned": evidence.by_words,
        "BM25, FTS5's own": evidence.fts5(found),
        "sentence vectors": evidence.sentence_vectors(memory, found),
        LAST: lambda trial: trial.talk.order[::-1],
    }

    def ours(trial: Trial, size: int) -> str:
        return memory.context(trial.asked.question, max_tokens=size, count=count, space=trial.space, now=trial.now)

    def figures(trial: Trial, text: Callable[[int], str]) -> dict[str, float]:
        needed = [records[trial.space][reference] for reference in trial.asked.evidence]
        texts = {size: text(size) for size in sizes}
        return {f"inside {size}": float(all(inside(shown, each) for each in needed)) for size, shown in texts.items()}

    rows: dict[str, list[Scored]] = {label: [] for label in (OURS, *orders)}
    for trial in found:
        rows[OURS].append(_scored(trial, figures(trial, lambda size, trial=trial: ours(trial, size))))  # type: ignore[misc]
        for label, order in orders.items():
            ranked = [records[trial.space][reference] for reference in order(trial)]
            made = figures(trial, lambda size, ranked=ranked: made_of(ranked, size, count))  # type: ignore[misc]
            rows[label].append(_scored(trial, made))
    return rows


def run(name: str, data: Path | None, out: Path | None, encoder: str = ENCODER) -> int:
    """Measure, print, write `out`/prompts.json (LoCoMo) or prompts-<name>.json; 1 when a target is missed."""
    if name not in SETS:
        raise InvalidInput(f"no set {name!r:.40}; one of {', '.join(SETS)}")
    started = time.monotonic()
    talks = SETS[name](data or conversations.DATA)
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "talks.mem", encoder=encoder) as memory:
        found = evidence.trials(memory, talks, conversations.SCORED if name == "beam" else None)
        rows = measured(memory, found)
    figures = figures_of(rows)
    result = Result(
        name="prompts" if name == "locomo" else f"prompts-{name}",
        module=__name__,
        figures=figures,
        n={"conversations": len(talks), "turns": sum(len(talk.turns) for talk in talks), "questions": len(found)},
        options={"encoder": encoder, "set": name},
        seconds=time.monotonic() - started,
        targets=tuple(judged(TARGETS.get(name, ()), figures)),
        tables=(_table(rows, len(found)),),
        notes=("Tokens are the encoder's own. A block shows days, speakers and ids too: they count.",),
    )
    say("\n" + plain(result.tables[0]))
    for line in (*result.notes, *(target.line for target in result.targets)):
        say(line)
    path = record(result, out)
    say(f"\nfigures in {path.name}")
    return 0 if result.held else 1


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


def _scored(trial: Trial, figures: dict[str, float]) -> Scored:
    return Scored(trial.talk.name, trial.asked.category, figures)


def _table(rows: dict[str, list[Scored]], questions: int) -> Table:
    lines: list[tuple[Figure, ...]] = [
        (label, *(ranking.mean(of, f"inside {size}") for size in SIZES)) for label, of in rows.items()
    ]
    return Table(
        "inside",
        f"Share of {questions:,} questions whose whole evidence stands in a block of N tokens",
        ("", *(f"{size:,}" for size in SIZES)),
        tuple(lines),
    )
