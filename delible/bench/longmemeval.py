"""`delible bench longmemeval`: does recall find the sessions that answer, with all histories in one space?

Every turn of every history is written into one space, so a question has to find its own user's sessions among those of
all others; the histories of the abstention questions are there too. Evidence are sessions: turns are ranked, a session
stands where the first of its turns stands. Beside ours, the same turns by FTS5's own BM25 and by sentence vectors.

Of how many abstention questions recall says that nothing answers them: `delible bench refusals`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import delible
from delible.bench import conversations, ranking
from delible.bench.conversations import Asked, Talk, session
from delible.bench.evidence import OURS, Trial, trials
from delible.bench.others import fts5, sentence_vectors, vectors_of
from delible.bench.ranking import Scored
from delible.bench.results import Figure, Result, Table, closed
from delible.recall.score import RULE, ordered

NAME = "longmemeval"
FIGURES = ("recall@5", "mrr")


def run(data: Path | None, out: Path | None, encoder: str = "minilm") -> int:
    """Measure, print, write `out`/longmemeval.json; 1 when a target is missed."""
    started = time.monotonic()
    talks = conversations.longmemeval(data or conversations.DATA)
    whole = merged(talks)
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "talks.mem", encoder=encoder) as memory:
        found = trials(memory, [whole])
        vectors = vectors_of(memory, found)
    rows = {
        OURS: scored(found, ours),
        "BM25, FTS5's own": scored(found, fts5(found)),
        "sentence vectors": scored(found, sentence_vectors(found, vectors)),
    }
    result = _result(talks, whole, rows, encoder, time.monotonic() - started)
    return closed(result, out)


def merged(talks: Sequence[Talk]) -> Talk:
    """All histories as one talk; sessions and references bear the name of their history, so none occurs twice."""
    turns = tuple(
        turn
        | {
            "reference": f"{talk.name}/{turn['reference']}",
            "meta": turn["meta"] | {"session": f"{talk.name}/{turn['meta']['session']}"},
        }
        for talk in talks
        for turn in talk.turns
    )
    asked = tuple(
        replace(one, evidence=tuple(f"{talk.name}/{reference}" for reference in one.evidence))
        for talk in talks
        for one in talk.questions
    )
    return Talk(NAME, ("user", "assistant"), turns, asked)


def sessions(turns: Sequence[str]) -> list[str]:
    """The sessions of ranked turns, each where its first turn stands."""
    return list(dict.fromkeys(map(session, turns)))


def scored(found: Sequence[Trial], order: Callable[[Trial], Sequence[str]]) -> list[Scored]:
    """Every question by a way to rank turns."""
    return [
        Scored(trial.talk.name, trial.asked.category, figures_of(sessions(order(trial)), trial.asked))
        for trial in found
    ]


def figures_of(ranked: Sequence[str], asked: Asked) -> dict[str, float]:
    """The figures of one ranking of sessions."""
    return {
        "recall@5": ranking.recall_at(ranked, asked.evidence, 5),
        "mrr": ranking.reciprocal_rank(ranked, asked.evidence),
    }


def ours(trial: Trial) -> list[str]:
    """Turns as recall orders them, all of them."""
    looked = trial.searched
    return trial.ranked(ordered(looked.found, looked.candidates, looked.question.form, RULE))


def _result(talks: Sequence[Talk], whole: Talk, rows: dict[str, list[Scored]], encoder: str, seconds: float) -> Result:
    mine = rows[OURS]
    figures: dict[str, Figure] = {}
    for figure in FIGURES:
        low, high = ranking.bootstrap(mine, figure, over="questions")
        figures |= {figure: ranking.mean(mine, figure), f"{figure} low": low, f"{figure} high": high}
    count = len({session(reference) for reference in whole.order})
    heading = ("", *(cell for figure in FIGURES for cell in (figure, "95 %")))
    return Result(
        name=NAME,
        module=__name__,
        figures=figures,
        n={
            "histories": len(talks),
            "sessions": count,
            "turns": len(whole.turns),
            "questions": len(mine),
            "abstention questions": sum(one.category == "abstention" for one in whole.questions),
        },
        options={"encoder": encoder},
        seconds=seconds,
        tables=(
            Table(
                "systems",
                f"{len(mine):,} questions, {count:,} sessions of {len(talks)} histories in one space",
                heading,
                tuple((label, *_cells(of)) for label, of in rows.items()),
            ),
            Table(
                "categories",
                "Ours by kind of question",
                ("", "n", *FIGURES),
                tuple(
                    (category, len(of), *(ranking.mean(of, figure) for figure in FIGURES))
                    for category, of in ranking.by_category(mine).items()
                ),
            ),
        ),
        notes=("intervals: bootstrap over questions", "abstention: `delible bench refusals`"),
    )


def _cells(of: Sequence[Scored]) -> list[Figure]:
    cells: list[Figure] = []
    for figure in FIGURES:
        low, high = ranking.bootstrap(of, figure, over="questions")
        cells += [ranking.mean(of, figure), f"{low:.2f} to {high:.2f}"]
    return cells
