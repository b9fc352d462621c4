"""`delible bench locomo | realtalk | beam`: does recall find the turns that answer?

Each talk is written into a space of its own, each question that has evidence is asked there. Ours is what
`Memory.recall` orders by; its parts are then removed in turn, from the very candidates that it had. Beside it BM25 as
we tune it and as FTS5 has it, and sentence vectors alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import apsw
import numpy as np

import delible
from delible.bench import conversations, ranking
from delible.bench.conversations import Asked, Item, Talk
from delible.bench.ranking import Scored
from delible.bench.results import Figure, Result, Table, judged, plain, record, say
from delible.core.errors import InvalidInput
from delible.core.identity import from_bytes
from delible.memory import Memory
from delible.recall.embedding import spoken
from delible.recall.encoders import open_encoder
from delible.recall.recalling import Request, Searched, searched
from delible.recall.score import RULE, Order, Weights, ordered
from delible.store.spaces import parse_scope

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

ENCODER = "minilm"
SETS: dict[str, Callable[[Path], tuple[Talk, ...]]] = {
    "locomo": conversations.locomo,
    "realtalk": conversations.realtalk,
    "beam": conversations.beam,
}
FIGURES = ("map", "mrr", "recall@5", "recall@10", "ndcg@10", "mrr near")
WITHOUT: dict[str, Callable[[Searched], Order]] = {
    "without inheritance": lambda s: _order(s, inherited=s.candidates.late),
    "without speakers": lambda s: _order(s, Weights(subject=0, another=0, subject_fuse=0)),
    "without the session": lambda s: _order(s, Weights(session_fuse=0, session_words=0)),
    "without the form": lambda s: _order(
        s, Weights(first_person=0, capitals=0, capitals_where=0, when=0, how_many=0, acknowledges=0, asks=0)
    ),
    "without dates": lambda s: _order(s, Weights(near_date=0, in_range=0, overlaps=0)),
    "late interaction with inheritance alone": lambda s: _by(s, s.candidates.inherited),
    "late interaction alone": lambda s: _by(s, s.candidates.late),
}


@dataclass(frozen=True, eq=False)
class Trial:
    """A question that was asked: what the search gave, and the references of rows."""

    talk: Talk
    asked: Asked
    searched: Searched
    reference: dict[int, str]

    def ranked(self, order: Order) -> list[str]:
        """References by an order of the candidates."""
        rows = self.searched.found.rows
        return [self.reference[int(rows[at])] for at in order.order]


def trials(memory: Memory, talks: Sequence[Talk], categories: Collection[str] | None = None) -> list[Trial]:
    """Write the talks and ask every question that has evidence, of these categories."""
    found: list[Trial] = []
    for number, talk in enumerate(talks):
        space = f"talk/{number}"
        records = memory.write([told(turn) for turn in talk.turns], space=space, duplicates="keep")
        ids = {record.id: str(record.source.reference) for record in records}
        with memory._store.reading() as connection:
            reference = {
                row: ids[from_bytes(id)]
                for row, id in connection.execute(
                    "SELECT r.row, r.id FROM records r JOIN spaces s ON s.space = r.space WHERE s.path = ?", (space,)
                )
            }
        now = max((turn["happened"] for turn in talk.turns if turn.get("happened")), default=None)
        for asked in talk.questions:
            if not asked.scorable or (categories and asked.category not in categories):
                continue
            request = Request(question=asked.question, k=8, scope=parse_scope(space), now=now)
            looked = searched(memory._store, memory._views, memory._embedding, request, lambda _, looked: looked)
            if looked is not None:
                found.append(Trial(talk, asked, looked, reference))
    return found


def told(turn: Item) -> Item:
    """A turn with what its photo shows."""
    caption = turn["meta"].get("caption")
    return turn | {"text": f"{turn['text']} [photo: {caption}]"} if caption else turn


def figures_of(ranked: Sequence[str], trial: Trial) -> dict[str, float]:
    """The figures of one ranking."""
    relevant = trial.asked.evidence
    return {
        "map": ranking.average_precision(ranked, relevant),
        "mrr": ranking.reciprocal_rank(ranked, relevant),
        "recall@5": ranking.recall_at(ranked, relevant, 5),
        "recall@10": ranking.recall_at(ranked, relevant, 10),
        "ndcg@10": ranking.ndcg_at(ranked, relevant, 10),
        "mrr near": ranking.reciprocal_rank_near(ranked, relevant, trial.talk.order),
    }


def scored(found: Sequence[Trial], order: Callable[[Trial], Sequence[str]]) -> list[Scored]:
    """Every trial by a way to rank."""
    return [Scored(trial.talk.name, trial.asked.category, figures_of(order(trial), trial)) for trial in found]


def _order(looked: Searched, weights: Weights = RULE, inherited: NDArray[float32] | None = None) -> Order:
    candidates = looked.candidates if inherited is None else replace(looked.candidates, inherited=inherited)
    return ordered(looked.found, candidates, looked.question.form, weights)


def _by(looked: Searched, values: NDArray[float32]) -> Order:
    there = np.flatnonzero(values > 0)
    order = there[np.lexsort((looked.found.rows[there], -values[there]))]
    return Order(order, values[order].astype(np.float64), {})


def sentence_vectors(found: Sequence[Trial]) -> Callable[[Trial], list[str]]:
    """Turns by the cosine of their vector and the question's."""
    encoder = open_encoder(ENCODER)
    talks = {id(trial.talk): trial.talk for trial in found}
    turns = {
        key: encoder.encode([spoken(told(turn)["text"], turn.get("author")) for turn in talk.turns])
        for key, talk in talks.items()
    }
    questions = encoder.encode([trial.asked.question for trial in found], role="query")
    place = {id(trial): at for at, trial in enumerate(found)}

    def rank(trial: Trial) -> list[str]:
        cosine = turns[id(trial.talk)] @ questions[place[id(trial)]]
        return [trial.talk.order[at] for at in np.argsort(-cosine, kind="stable")]

    return rank


def fts5(found: Sequence[Trial]) -> Callable[[Trial], list[str]]:
    """Turns by FTS5's own bm25() over all words of the question."""
    connection = apsw.Connection(":memory:")
    tables: dict[int, str] = {}
    for trial in found:
        if id(trial.talk) not in tables:
            name = tables[id(trial.talk)] = f"talk{len(tables)}"
            connection.execute(f"CREATE VIRTUAL TABLE {name} USING fts5(text)")
            connection.executemany(
                f"INSERT INTO {name}(rowid, text) VALUES (?, ?)",
                [(at, told(turn)["text"]) for at, turn in enumerate(trial.talk.turns)],
            )

    def rank(trial: Trial) -> list[str]:
        name = tables[id(trial.talk)]
        asked = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", trial.asked.question))
        lines = connection.execute(f"SELECT rowid FROM {name} WHERE {name} MATCH ? ORDER BY rank, rowid", (asked,))
        return [trial.talk.order[row] for (row,) in lines]

    return rank


def run(name: str, data: Path | None, out: Path | None) -> int:
    """Measure, print, write `out`/<name>.json; 1 when a target is missed."""
    if name not in SETS:
        raise InvalidInput(f"no set {name!r:.40}; one of {', '.join(SETS)}")
    started = time.monotonic()
    talks = SETS[name](data or conversations.DATA)
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "talks.mem", encoder=ENCODER) as memory:
        found = trials(memory, talks, conversations.SCORED if name == "beam" else None)
    rows: dict[str, list[Scored]] = {"Delible": scored(found, lambda trial: trial.ranked(_order(trial.searched)))}
    for label, way in WITHOUT.items():
        rows[label] = scored(found, lambda trial, way=way: trial.ranked(way(trial.searched)))  # type: ignore[misc]
    rows["BM25, tuned"] = scored(found, lambda trial: trial.ranked(_by(trial.searched, trial.searched.candidates.bm25)))
    rows["BM25, FTS5's own"] = scored(found, fts5(found))
    rows["sentence vectors"] = scored(found, sentence_vectors(found))
    result = _result(name, talks, rows, time.monotonic() - started)
    for table in result.tables:
        say("\n" + plain(table))
    for target in result.targets:
        say(target.line)
    path = record(result, out)
    say(f"\nfigures in {path.name}")
    return 0 if result.held else 1


def _result(name: str, talks: Sequence[Talk], rows: dict[str, list[Scored]], seconds: float) -> Result:
    ours = rows["Delible"]
    figures: dict[str, Figure] = {figure: ranking.mean(ours, figure) for figure in FIGURES}
    for figure in ("map", "recall@10"):
        low, high = ranking.bootstrap(ours, figure)
        figures |= {f"{figure} low": low, f"{figure} high": high}
    main = [(label, *(ranking.mean(of, figure) for figure in FIGURES), _interval(of)) for label, of in rows.items()]
    categories = [
        (category, len(of), *(ranking.mean(of, figure) for figure in FIGURES))
        for category, of in ranking.by_category(ours).items()
    ]
    return Result(
        name=name,
        module=__name__,
        figures=figures,
        n={"conversations": len(talks), "turns": sum(len(talk.turns) for talk in talks), "questions": len(ours)},
        options={"encoder": ENCODER},
        seconds=seconds,
        targets=tuple(judged((), figures)),
        tables=(
            Table("systems", f"{len(ours):,} questions, {len(talks)} talks", ("", *FIGURES, "map, 95 %"), tuple(main)),
            Table("categories", "Ours by category", ("", "n", *FIGURES), tuple(categories)),
        ),
    )


def _interval(of: Sequence[Scored]) -> str:
    low, high = ranking.bootstrap(of, "map")
    return f"{low:.3f} to {high:.3f}"
