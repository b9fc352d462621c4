"""`delible bench refusals`: does recall say so where nothing answers, and how often wrongly?

The figure: the share of LoCoMo's category 5 (questions about one speaker that only the other could answer) that is
refused where 5 % of its answerable questions are wrongly refused; of each talk with the threshold of the others. Beside
it what recall does as it ships: on talks that its threshold was not taken from, on BEAM and on LongMemEval, whose
abstention questions are about something near that was never said. And of the hits of answerable questions, how many
that are evidence are marked weak, and how many that are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

import delible
from delible.bench import conversations, longmemeval, ranking
from delible.bench.conversations import UNANSWERABLE, Talk
from delible.bench.evidence import Bound, Trial, trials
from delible.bench.ranking import Scored
from delible.bench.results import Figure, Result, Table, closed, judged
from delible.recall.doubt import ENOUGH, Answered, answered, weakness
from delible.recall.score import Order, ordered

if TYPE_CHECKING:
    from numpy import bool_, float64, int64
    from numpy.typing import NDArray

SETS: Mapping[str, Callable[[Path], Sequence[Talk]]] = {
    "locomo": conversations.locomo,
    "realtalk": conversations.realtalk,
    "beam": conversations.beam,
    "longmemeval": lambda data: [longmemeval.merged(conversations.longmemeval(data))],
}
WRONGLY = 0.05  # of the answerable questions
CHOSEN_ON = 4  # talks of LoCoMo from which the shipped threshold is, with REALTALK
K = 8  # hits of a recall
BOUNDS: tuple[Bound, ...] = (
    ("refused of LoCoMo's category 5", "refused", ">=", 0.6, ""),
    ("evidence that is marked weak", "weak evidence", "<=", 0.06, ""),
)
NOTES = (
    "Each talk of LoCoMo with the threshold of the other talks; intervals over conversations.",
    "As shipped: the threshold is from LoCoMo's first four talks and REALTALK; the form of the measure and the weight"
    " of the lead were chosen with a look at all of LoCoMo.",
)


@dataclass(frozen=True)
class Seen:
    """What recall makes of a question, and of the hits whether they are evidence and marked weak (k, 2)."""

    talk: str
    answerable: bool
    measured: Answered
    cosine: float
    hits: NDArray[bool_]


MEASURES: dict[str, Callable[[Seen], float]] = {
    "Delible": lambda seen: seen.measured.value,
    "without the lead of another speaker": lambda seen: seen.measured.met,
    "the lead of another speaker alone": lambda seen: -seen.measured.lead,
    "best cosine alone": lambda seen: seen.cosine,
}


def run(data: Path | None, out: Path | None, encoder: str = "minilm") -> int:
    """Measure, print, write `out`/refusals.json; 1 when a target is missed."""
    started = time.monotonic()
    found = {name: asked(talks(data or conversations.DATA), encoder) for name, talks in SETS.items()}
    result = _result(found, encoder, time.monotonic() - started)
    return closed(result, out)


def asked(talks: Sequence[Talk], encoder: str) -> list[Seen]:
    """Every question of the talks that an answer is known for, or that none answers, as recall sees it."""
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "talks.mem", encoder=encoder) as memory:
        return [_seen(trial) for trial in trials(memory, [_whole(talk) for talk in talks])]


def refused(values: NDArray[float64], answerable: NDArray[bool_], talk: NDArray[int64]) -> NDArray[bool_]:
    """Questions (n,) below the threshold that wrongly refuses 5 % of what other talks answer."""
    found = np.zeros(len(values), bool)
    for one in np.unique(talk):
        own = talk == one
        found[own] = values[own] < np.quantile(values[~own & answerable], WRONGLY)
    return found


def auc(values: NDArray[float64], answerable: NDArray[bool_]) -> float:
    """Share of the pairs (answerable, not) in which the answerable one has the higher value; equal ones count half."""
    no = np.sort(values[~answerable])
    yes = values[answerable]
    below, most = np.searchsorted(no, yes, "left"), np.searchsorted(no, yes, "right")
    return float((below + most).mean() / 2 / len(no))


def _whole(talk: Talk) -> Talk:
    """The talk with its unanswerable questions too: `trials` asks what names evidence, so each names a turn."""
    questions = [
        replace(one, answerable=True, evidence=one.evidence or talk.order[:1]) if one.category in UNANSWERABLE else one
        for one in talk.questions
    ]
    return replace(talk, questions=tuple(questions))


def _seen(trial: Trial) -> Seen:
    found, candidates = trial.searched.found, trial.searched.candidates
    order = ordered(found, candidates, trial.searched.question.form)
    return Seen(
        trial.talk.name,
        trial.asked.category not in UNANSWERABLE,
        answered(found, candidates, order),
        float(candidates.cosine.max(initial=0)),
        _hits(trial, order),
    )


def _hits(trial: Trial, order: Order) -> NDArray[bool_]:
    relevant = set(trial.asked.evidence)
    lines = [
        (reference in relevant, bool(weakness(float(order.scores[0] - score))))
        for reference, score in zip(trial.ranked(order)[:K], order.scores[:K], strict=True)
    ]
    return np.array(lines, bool).reshape(-1, 2)


def _result(found: Mapping[str, Sequence[Seen]], encoder: str, seconds: float) -> Result:
    talks = [seen.talk for seen in found["locomo"]]
    names = list(dict.fromkeys(talks))
    talk = np.array([names.index(one) for one in talks])
    answerable = np.array([seen.answerable for seen in found["locomo"]], bool)
    figures: dict[str, Figure] = {}
    rows: list[tuple[Figure, ...]] = []
    for label, measure in MEASURES.items():
        values = np.array([measure(seen) for seen in found["locomo"]], np.float64)
        no = refused(values, answerable, talk)
        scored = [Scored(name, "", {"no": float(one)}) for name, one in zip(talks, no, strict=True)]
        wrong = [one for one, yes in zip(scored, answerable, strict=True) if yes]
        right = [one for one, yes in zip(scored, answerable, strict=True) if not yes]
        low, high = ranking.bootstrap(right, "no")
        share, wrongly, area = ranking.mean(right, "no"), ranking.mean(wrong, "no"), auc(values, answerable)
        rows.append((label, share, f"{low:.2f} to {high:.2f}", wrongly, area))
        if label == "Delible":
            figures = {"refused": share, "refused low": low, "refused high": high, "wrongly": wrongly, "auc": area}
    others = set(names[CHOSEN_ON:])
    parts = {
        "LoCoMo's last three talks": [seen for seen in found["locomo"] if seen.talk in others],
        "LoCoMo's first four, tuned": [seen for seen in found["locomo"] if seen.talk not in others],
        "REALTALK, tuned": found["realtalk"],
        "BEAM": found["beam"],
        "LongMemEval": found["longmemeval"],
    }
    enough = ENOUGH.get(encoder)
    shipped = [(label, *_shipped(part, enough)) for label, part in parts.items()] if enough is not None else []
    figures |= {f"{key}, {line[0]}": line[at] for line in shipped for key, at in (("refused", 2), ("wrongly", 4))}
    # LongMemEval names sessions, no turns, as evidence.
    turns = [found[name] for name in ("locomo", "realtalk", "beam")]
    hits = np.concatenate([seen.hits for part in turns for seen in part if seen.answerable])
    figures |= {"weak evidence": float(hits[hits[:, 0], 1].mean()), "weak others": float(hits[~hits[:, 0], 1].mean())}
    return Result(
        name="refusals",
        module=__name__,
        figures=figures,
        n={
            "talks": len(names),
            "answerable": int(answerable.sum()),
            "category 5": int((~answerable).sum()),
            "hits": len(hits),
        },
        options={"encoder": encoder},
        seconds=seconds,
        targets=tuple(judged(BOUNDS, figures)),
        tables=(
            Table(
                "measures",
                f"LoCoMo: refused of {(~answerable).sum()} unanswerable and {answerable.sum():,} answerable questions",
                ("", "refused", "95 %", "wrongly", "AUC"),
                tuple(rows),
            ),
            Table("shipped", "As shipped", ("", "unanswerable", "refused", "answerable", "wrongly"), tuple(shipped)),
            Table(
                "weak",
                f"Of the first {K} hits of answerable questions, marked weak",
                ("", "n", "marked weak"),
                tuple(
                    (label, int(of.sum()), float(hits[of, 1].mean()))
                    for label, of in (("evidence", hits[:, 0]), ("others", ~hits[:, 0]))
                ),
            ),
        ),
        notes=NOTES,
    )


def _shipped(part: Sequence[Seen], enough: float) -> tuple[Figure, ...]:
    """Of the unanswerable how many and which share is refused, then of the answerable."""
    cells: list[Figure] = []
    for answerable in (False, True):
        said = [seen.measured.value < enough for seen in part if seen.answerable is answerable]
        cells += [len(said), sum(said) / len(said) if said else None]
    return tuple(cells)
