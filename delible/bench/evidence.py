"""`delible bench locomo | realtalk | beam`: does recall find the turns that answer?

Each talk is written into a space of its own, each question that has evidence is asked there. Ours is what
`Memory.recall` orders by, which a sample of plain recalls confirms; its parts are then removed in turn, from the very
candidates that it had. Beside it BM25 as we tune it and as FTS5 has it, sentence vectors alone, mem0 over these very
vectors, linear models trained on the same candidates, and the same rule with constants of the other sets (chosen.py).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import delible
from delible.bench import chosen, conversations, learned, others, ranking
from delible.bench.conversations import Asked, Talk
from delible.bench.others import told
from delible.bench.ranking import Over, Scored
from delible.bench.results import Figure, Result, Table, closed, judged, say
from delible.core.errors import DelibleError, InvalidInput
from delible.core.identity import from_bytes
from delible.memory import Memory
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
FIGURES = ("map", "mrr", "recall@5", "recall@10", "ndcg@10", "mrr near")  # near: two turns either side count as well
SHOWN = ("MAP", "95 %", "MRR", "R@5", "R@10", "95 %", "NDCG@10", "MRR near")
OURS, AUDITED, LEFT_OUT = "Delible", "Delible, audited key", "learned, leave one out"
UNSEEN = "Delible, other sets' constants"
WITHOUT: dict[str, Callable[[Searched], Order]] = {
    "without inheritance": lambda s: _order(s, inherited=s.candidates.late),
    "without speakers": lambda s: _order(s, Weights(subject=0, another=0, subject_fuse=0)),
    "without the session": lambda s: _order(s, Weights(session_fuse=0, session_words=0)),
    "without the form": lambda s: _order(
        s, Weights(first_person=0, capitals=0, capitals_where=0, when=0, how_many=0, acknowledges=0, asks=0)
    ),
    "without the length": lambda s: _order(s, Weights(long=0)),
    "without dates": lambda s: _order(s, Weights(near_date=0, in_range=0, overlaps=0)),
    "without turns beside": lambda s: _order(s, Weights(beside=0)),
    "without the newest first": lambda s: _order(s, newer=None),
    "late interaction with inheritance alone": lambda s: _by(s, s.candidates.inherited),
    "late interaction alone": lambda s: _by(s, s.candidates.late),
}
PARTS: dict[str, tuple[str, Callable[[Sequence[Talk]], Sequence[Talk]]]] = {
    "locomo": ("last three", lambda talks: talks[-3:]),
    "realtalk": ("five smallest", lambda talks: sorted(talks, key=lambda talk: len(talk.turns))[:5]),
}
Bound = tuple[str, str, Literal["<=", ">=", "=="], float, str]
TARGETS: dict[str, tuple[Bound, ...]] = {
    "locomo": (
        ("MAP of the last three talks", "map, last three", ">=", 0.62, ""),
        ("recall@10 of the last three talks", "recall@10, last three", ">=", 0.81, ""),
    ),
    "realtalk": (("MAP of the five smallest chats", "map, five smallest", ">=", 0.52, ""),),
    "beam": (("MAP of what single turns say", "map", ">=", 0.62, ""),),
}
TUNED = {  # how a table's title marks figures on talks that constants were chosen on
    "locomo": "constants in part tuned here",
    "realtalk": "constants tuned here",
    "beam": "constants tuned here",
}
LEARNED: dict[str, dict[str, float]] = {"locomo": {"learned": 0.68, "transferred": 0.63}}
ORIGIN = {
    "locomo": "The rule's constants were chosen on REALTALK and BEAM (sheet memreranker), without these talks; `long`"
    " however on LoCoMo and REALTALK, `beside`, the weights of inheritance and the number of candidates with a look at"
    " LoCoMo: tuned here. The rows without the length and without turns beside leave the first two out.",
    "realtalk": "The rule's constants were chosen on REALTALK and BEAM, `long` and `beside` on LoCoMo and REALTALK:"
    " tuned here.",
    "beam": "The rule's constants were chosen on REALTALK and BEAM: tuned here.",
}
SAMPLE = 50  # questions that are asked again as a user asks


class Different(DelibleError):
    """A recall gave other records than those that were measured."""

    exit_code = 1


@dataclass(frozen=True, eq=False)
class Trial:
    """A question that was asked: what the search gave, the references of rows, where and when it was asked."""

    talk: Talk
    asked: Asked
    searched: Searched
    reference: dict[int, str]
    space: str
    now: datetime | None

    def ranked(self, order: Order) -> list[str]:
        """References by an order of the candidates."""
        rows = self.searched.found.rows
        return [self.reference[int(rows[at])] for at in order.order]


def trials(memory: Memory, talks: Sequence[Talk], categories: Collection[str] | None = None) -> list[Trial]:
    """Write the talks and ask every question that has evidence, of these categories."""
    found: list[Trial] = []
    for number, talk in enumerate(talks):
        say(f"talk {number + 1} of {len(talks)}: {len(talk.turns):,} turns to write, then questions", sys.stderr)
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
            if asked.scorable and (not categories or asked.category in categories):
                trial = _asked(memory, talk, asked, reference, space, now)
                found += [trial] if trial else []
    return found


def _asked(
    memory: Memory, talk: Talk, asked: Asked, reference: dict[int, str], space: str, now: datetime | None
) -> Trial | None:
    request = Request(question=asked.question, k=8, scope=parse_scope(space), now=now)
    looked = searched(memory._store, memory._views, memory._embedding, request, lambda _, looked: looked)
    return None if looked is None else Trial(talk, asked, looked, reference, space, now)


def audited(memory: Memory, talks: Sequence[Talk], found: Sequence[Trial]) -> list[Trial]:
    """The same talks by another key: what was asked is not asked again, only held against other evidence."""
    known = {(trial.talk.name, trial.asked.question): trial for trial in found}
    some = {trial.talk.name: trial for trial in found}
    again: list[Trial] = []
    for talk in talks:
        for asked in filter(lambda asked: asked.scorable, talk.questions):
            if old := known.get((talk.name, asked.question)):
                again.append(replace(old, asked=asked))
            elif place := some.get(talk.name):
                trial = _asked(memory, place.talk, asked, place.reference, place.space, place.now)
                again += [trial] if trial else []
    return again


def confirm(memory: Memory, found: Sequence[Trial], sample: int = SAMPLE) -> int:
    """How many questions, spread over all, were asked as a user asks. Raises Different where that gives other turns."""
    chosen = [found[at] for at in np.linspace(0, len(found) - 1, min(sample, len(found))).astype(int)]
    for trial in chosen:
        hits = memory.recall(trial.asked.question, k=8, space=trial.space, now=trial.now)
        given = [hit.record.source.reference for hit in hits]
        if given != trial.ranked(_order(trial.searched))[:8]:
            raise Different(
                f"a recall in {trial.space} gave other turns than those that were measured; no figure was recorded"
            )
    return len(chosen)


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


def by_order(found: Sequence[Trial], way: Callable[[Trial], Order]) -> list[Scored]:
    """Every trial by an order of its candidates."""
    return scored(found, lambda trial: trial.ranked(way(trial)))


def _order(looked: Searched, weights: Weights = RULE, **changed: Any) -> Order:
    """The rule's order, by other weights or over candidates of which some columns are `changed`."""
    return ordered(looked.found, replace(looked.candidates, **changed), looked.question.form, weights)


def _by(looked: Searched, values: NDArray[float32]) -> Order:
    there = np.flatnonzero(values > 0)
    order = there[np.lexsort((looked.found.rows[there], -values[there]))]
    return Order(order, values[order].astype(np.float64), {})


def run(
    name: str, data: Path | None, out: Path | None, encoder: str = ENCODER, transfer: bool = False, peers: bool = False
) -> int:
    """Measure, print, write `out`/<name>.json, for other encoders <name>-<encoder>.json; 1 when a target is missed.

    `transfer`: also by what the other sets teach, a model and the rule's constants, which takes as long as they do;
    `peers`: also by mem0.
    """
    if name not in SETS:
        raise InvalidInput(f"no set {name!r:.40}; one of {', '.join(SETS)}")
    started = time.monotonic()
    command = others.mem0_command() if peers else None
    data = data or conversations.DATA
    rows: dict[str, list[Scored]] = {}
    notes = [ORIGIN[name]]
    talks = SETS[name](data)
    columns: dict[str, list[chosen.Columns]] = {}
    model = learned.transferred(_elsewhere(name, data, encoder, columns)) if transfer else None
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "talks.mem", encoder=encoder) as memory:
        found = trials(memory, talks, categories_of(name))
        confirmed = confirm(memory, found)
        rows[OURS] = by_order(found, lambda trial: _order(trial.searched))
        for label, way in WITHOUT.items():
            rows[label] = by_order(found, lambda trial, way=way: way(trial.searched))  # type: ignore[misc]
        vectors = others.vectors_of(memory, found)
        for label, rank in beside(found, vectors, command).items():
            rows[label] = scored(found, rank)
        if name == "locomo":
            again = audited(memory, conversations.locomo(data, audited=True), found)
            rows[AUDITED] = by_order(again, lambda trial: _order(trial.searched))
            notes.append(_changed(found, again))
    if len(talks) > 1:
        say("training on all talks but one, for each", sys.stderr)
        rows[LEFT_OUT] = by_order(found, learned.learned(found))
    if model is not None:
        rows[_learned_on(name)] = by_order(found, model)
        theirs, said = unseen(name, talks, found, columns)
        rows[UNSEEN] = by_order(found, theirs)
        notes += said
    notes += [others.NOTE] if peers else []
    notes.append(f"{confirmed} of the questions, asked by `memory.recall(.., k=8)`, gave the same turns in that order.")
    options = {"encoder": encoder, "transfer": transfer, "peers": peers}
    result = _result(name, talks, rows, time.monotonic() - started, options, notes)
    return closed(result, out)


def named(name: str, encoder: str) -> str:
    """The result of a set with this encoder."""
    return name if encoder == ENCODER else f"{name}-{encoder}"


def beside(
    found: Sequence[Trial], vectors: others.Vectors, command: Sequence[str] | None
) -> dict[str, Callable[[Trial], Sequence[str]]]:
    """Other systems' ways to rank; mem0 only where the `command` that starts its worker is given."""
    ways: dict[str, Callable[[Trial], Sequence[str]]] = {
        "BM25, tuned": by_words,
        "BM25, FTS5's own": others.fts5(found),
        "sentence vectors": others.sentence_vectors(found, vectors),
    }
    return ways | ({"mem0": others.mem0(found, vectors, command)} if command else {})


def unseen(
    name: str, talks: Sequence[Talk], found: Sequence[Trial], columns: Mapping[str, Sequence[chosen.Columns]]
) -> tuple[Callable[[Trial], Order], list[str]]:
    """The rule with constants chosen on the other sets, LoCoMo's last talks also on the first; what these are."""
    say("choosing constants on the other sets", sys.stderr)
    weights = chosen.chosen(columns)
    notes = [f"Constants chosen on {_others(name)}: {chosen.told(weights)}."]
    last: set[str] = set()
    late = weights
    if name == "locomo":
        last = {talk.name for talk in PARTS[name][1](talks)}
        if first := [chosen.columns(trial) for trial in found if trial.talk.name not in last]:
            late = chosen.chosen({**columns, name: first})
            notes.append(f"Those of the {PARTS[name][0]} talks, chosen on the first as well: {chosen.told(late)}.")
    return lambda trial: _order(trial.searched, late if trial.talk.name in last else weights), notes


def by_words(trial: Trial) -> list[str]:
    """Turns by BM25 as we tune it."""
    return trial.ranked(_by(trial.searched, trial.searched.candidates.bm25))


@cache  # whoever benches all sets in one process asks each once for the others
def _of(name: str, data: Path, encoder: str) -> list[Trial]:
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "talks.mem", encoder=encoder) as memory:
        return trials(memory, SETS[name](data), categories_of(name))


def _elsewhere(name: str, data: Path, encoder: str, columns: dict[str, list[chosen.Columns]]) -> Iterator[Trial]:
    """Trials of the other sets, a set at a time; what a search for constants needs of them goes to `columns`."""
    for other in SETS:
        if other != name:
            say(f"learning from {other}", sys.stderr)
            for trial in _of(other, data, encoder):
                columns.setdefault(other, []).append(chosen.columns(trial))
                yield trial


def categories_of(name: str) -> Collection[str] | None:
    """The categories whose questions are asked; None: all."""
    return conversations.SCORED if name == "beam" else None


def _learned_on(name: str) -> str:
    return f"learned on {_others(name)}"


def _others(name: str) -> str:
    return " + ".join({"locomo": "LoCoMo"}.get(other, other.upper()) for other in SETS if other != name)


def _changed(found: Sequence[Trial], again: Sequence[Trial]) -> str:
    """What the audited key changes."""
    before = {(trial.talk.name, trial.asked.question): set(trial.asked.evidence) for trial in found}
    keys = [(trial.talk.name, trial.asked.question) for trial in again]
    changed = sum(
        before.get(key, set(trial.asked.evidence)) != set(trial.asked.evidence)
        for key, trial in zip(keys, again, strict=True)
    )
    fresh = sum(key not in before for key in keys)
    return (
        f"The audited key has {len(again):,} questions with evidence: {changed} with other evidence than in the set's"
        f" own key, {fresh} in other words or new."
    )


def _result(
    name: str,
    talks: Sequence[Talk],
    rows: dict[str, list[Scored]],
    seconds: float,
    options: dict[str, object],
    notes: Sequence[str],
) -> Result:
    ours = rows[OURS]
    systems = {label: of for label, of in rows.items() if label not in WITHOUT}
    parts = {label: rows[label] for label in (OURS, *WITHOUT)}
    asked = f"{len(ours):,} questions, {len(talks)} talks, {TUNED[name]}"
    figures: dict[str, Figure] = {figure: ranking.mean(ours, figure) for figure in FIGURES}
    figures |= _bounds(ours, "conversations")
    tables = [
        _table("systems", asked, systems, "conversations"),
        _table("parts", f"Ours, a part removed: {asked}", parts, "conversations"),
        _table("categories", f"Ours by category: {asked}", {OURS: ours} | ranking.by_category(ours), "conversations"),
        _by_category(rows),
    ]
    if name in PARTS:
        label, choose = PARTS[name]
        chosen = {talk.name for talk in choose(talks)}
        part = {row: [one for one in of if one.conversation in chosen] for row, of in rows.items()}
        figures |= {f"{figure}, {label}": ranking.mean(part[OURS], figure) for figure in FIGURES}
        figures |= {f"{figure}, {label}": value for figure, value in _bounds(part[OURS], "questions").items()}
        if UNSEEN in rows:
            figures |= {f"{figure}, {label}, unseen": ranking.mean(part[UNSEEN], figure) for figure in FIGURES}
        tables.append(
            _table("part", f"The {label} talks, {len(part[OURS]):,} questions, {TUNED[name]}", part, "questions")
        )
    bounds = [*TARGETS[name]]
    for key, row in (("learned", LEFT_OUT), ("transferred", _learned_on(name))):
        if row in rows:
            figures |= _learned_figures(key, rows[row], ours)
            if bound := LEARNED.get(name, {}).get(key):
                bounds.append((f"MAP, {row}", f"map, {key}", ">=", bound, ""))
            bounds.append((f"{row}: above ours", f"map, {key} above ours", ">=", 0.0, ""))
    if UNSEEN in rows:
        figures |= {f"{figure}, unseen": ranking.mean(rows[UNSEEN], figure) for figure in FIGURES}
        for said, figure, relation, bound, unit in TARGETS[name]:
            bounds.append((f"{said}, unseen", f"{figure}, unseen", relation, bound, unit))
    if AUDITED in rows:
        figures["map, audited"] = ranking.mean(rows[AUDITED], "map")
        figures["recall@10, audited"] = ranking.mean(rows[AUDITED], "recall@10")
    return Result(
        name=named(name, str(options["encoder"])),
        module=__name__,
        figures=figures,
        n={"conversations": len(talks), "turns": sum(len(talk.turns) for talk in talks), "questions": len(ours)},
        options=options,
        seconds=seconds,
        targets=tuple(judged(bounds, figures)),
        tables=tuple(tables),
        notes=tuple(notes),
    )


def _learned_figures(key: str, of: Sequence[Scored], ours: Sequence[Scored]) -> dict[str, Figure]:
    low, high = ranking.paired(of, ours, "map")
    mean = ranking.mean(of, "map")
    return {
        f"map, {key}": mean,
        f"recall@10, {key}": ranking.mean(of, "recall@10"),
        f"map, {key} above ours": mean - ranking.mean(ours, "map"),
        f"map, {key} above ours low": low,
        f"map, {key} above ours high": high,
    }


def _bounds(of: Sequence[Scored], over: Over) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    for figure in FIGURES:
        found[f"{figure} low"], found[f"{figure} high"] = ranking.bootstrap(of, figure, over)
    return found


def _table(key: str, title: str, rows: dict[str, list[Scored]], over: Over) -> Table:
    """A row a system; its intervals over conversations, or over questions within these.

    `to ours`: that of what its MAP lies above ours, where it was asked the same questions.
    """
    lines: list[tuple[Figure, ...]] = []
    for label, of in rows.items():
        cells = [f"{ranking.mean(of, figure):.3f}" for figure in FIGURES]
        for at, figure in ((1, "map"), (5, "recall@10")):
            cells.insert(at, _span(*ranking.bootstrap(of, figure, over)))
        same = label not in (OURS, AUDITED) and len(of) == len(rows[OURS])
        cells.append(_span(*ranking.paired(of, rows[OURS], "map", over), sign="+") if same else "")
        lines.append((label, len(of), *cells))
    return Table(key, f"{title} (intervals over {over})", ("", "n", *SHOWN, "to ours"), tuple(lines))


def _span(low: float, high: float, sign: str = "") -> str:
    return f"{low:{sign}.3f} to {high:{sign}.3f}"


def _by_category(rows: dict[str, list[Scored]]) -> Table:
    """MAP of every row by category."""
    split = {label: ranking.by_category(of) for label, of in rows.items()}
    categories = [*split[OURS]]
    lines = [
        (label, *(f"{ranking.mean(of[each], 'map'):.3f}" if each in of else "" for each in categories))
        for label, of in split.items()
    ]
    return Table("map", "MAP by category", ("", *categories), tuple(lines))
