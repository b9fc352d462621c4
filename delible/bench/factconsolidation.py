"""`delible bench factconsolidation`: is the newest fact found, and does an old one stand above it?

The facts are sentences of few forms (RELATIONS): a subject, what is said of it, an object. Two facts of one form about
one subject with different objects contradict each other, and the later one holds. Each fact is read by the form whose
words it has. A common beginning would not do: "The headquarters of University of" begins facts about many subjects,
"Thomas Kyd is" facts that do not contradict each other. A fact of no form contradicts none; such facts are counted.

The fact that answers a question is the newest of its subject and form, and its object holds the answer as whole words.
It ends the shortest way along newest facts from a subject that the question names: one step for a question of one hop,
more for one of several. The newest of all facts with the answer's words would not do: "Belgium" stands in facts about
anyone. A question to which no way leads is left out, and counted.

Each context is told twice, into two spaces. `told`: facts as they come, each a minute after the one before, so old and
new live side by side. `revised`: a fact revises the record of the one that it contradicts; only the newest lives.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import delible
from delible.bench import conversations, ranking
from delible.bench.conversations import Facts
from delible.bench.ranking import Scored
from delible.bench.results import Figure, Result, Table, closed, say
from delible.core.errors import InvalidInput
from delible.memory import Memory

NAME = "factconsolidation"
DEPTH = 10  # hits of a recall
STEPS = 4  # of the longest way; ours: the set's longest questions go so far
BATCH = 1000
START = datetime(2024, 1, 1, tzinfo=UTC)
WAYS = ("told", "revised")
KINDS = {"sh": "one hop", "mh": "several hops"}

RELATIONS = (  # S is the subject, O the object; misspelt as in the set; the last one reads offices ("The pope is O")
    *("The author of S is O", "The capital of S is O", "The chairperson of S is O", "The director of S is O"),
    *("The chief executive officer of S is O", "The company that produced S is O", "The head coach of S is O"),
    *("The headquarters of S is located in the city of O", "The official language of S is O"),
    *("The name of the current head of state in S is O", "The name of the current head of the S government is O"),
    *("The origianl broadcaster of S is O", "The original language of S is O"),
    *("The type of music that S plays is O", "The univeristy where S was educated is O"),
    *("S is a citizen of O", "S is affiliated with the religion of O", "S is associated with the sport of O"),
    *("S is employed by O", "S is famous for O", "S is located in the continent of O", "S is married to O"),
    *("S plays the position of O", "S speaks the language of O", "S works in the field of O"),
    *("S worked in the city of O", "S was born in the city of O", "S died in the city of O"),
    *("S was created by O", "S was created in the country of O", "S was developed by O", "S was performed by O"),
    *("S was founded by O", "S was founded in the city of O", "S was written in the language of O", "S's child is O"),
    "The S is O",
)
_FORMS = {form: re.compile(re.sub(r"\b[SO]\b", "(.+)", form) + r"\.") for form in RELATIONS}


class Claim(NamedTuple):
    """What a fact says; `about` is its subject and its form."""

    about: tuple[str, str]
    object: str


class Target(NamedTuple):
    """The fact that answers a question, and the older ones that it contradicts."""

    newest: str
    superseded: frozenset[str]


@dataclass(frozen=True)
class Context:
    """The facts of a context by what they are about, each list oldest first, and what answers each question.

    A target is None where no way leads to the answer.
    """

    facts: Facts
    chains: Mapping[tuple[str, str], Sequence[str]]
    targets: tuple[Target | None, ...]

    @property
    def name(self) -> str:
        """ "sh_6k" of "factconsolidation_sh_6k"."""
        return self.facts.name.removeprefix(f"{NAME}_")

    @property
    def kind(self) -> str:
        """One hop or several."""
        return KINDS.get(self.name.partition("_")[0], "others")

    @property
    def superseded(self) -> int:
        """How many facts a later one contradicts."""
        return sum(len(_contradicted(chain)) for chain in self.chains.values())

    @property
    def unread(self) -> int:
        """How many facts have none of the forms."""
        return len(self.facts.facts) - sum(map(len, self.chains.values()))


def run(data: Path | None, out: Path | None, encoder: str = "minilm") -> int:
    """Measure, print, write `out`/factconsolidation.json; 1 when a target is missed."""
    started = time.monotonic()
    contexts = [context_of(facts) for facts in conversations.factconsolidation(data or conversations.DATA)]
    if not any(target for context in contexts for target in context.targets):
        raise InvalidInput("no question of factconsolidation is answered by its newest facts; nothing was measured")
    scored: dict[str, list[Scored]] = {way: [] for way in WAYS}
    with TemporaryDirectory() as folder, delible.open(Path(folder) / "facts.mem", encoder=encoder) as memory:
        for number, together in enumerate(_with_equal_facts(contexts)):
            tell(memory, together[0].facts.facts, f"told/{number}")
            tell_revising(memory, together[0], f"revised/{number}")
            for way in WAYS:
                say(f"{way}/{number}: asking", sys.stderr)
                for context in together:
                    scored[way] += asked(memory, context, f"{way}/{number}")
            say(f"{len(together[0].facts.facts):,} facts measured after {time.monotonic() - started:,.0f} s")
    result = _result(contexts, scored, encoder, time.monotonic() - started)
    return closed(result, out)


def claim_of(fact: str) -> Claim | None:
    """What a fact says, by the first form that it has."""
    for form, pattern in _FORMS.items():
        if found := pattern.fullmatch(fact):
            return Claim((found[1], form), found[2])
    return None


def context_of(facts: Facts) -> Context:
    """Facts by what they are about, and the target of each question."""
    chains: dict[tuple[str, str], list[str]] = {}
    for fact in facts.facts:
        if claim := claim_of(fact):
            chains.setdefault(claim.about, []).append(fact)
    newest: dict[str, list[tuple[str, Target]]] = {}  # by subject: what a step reaches, and by which fact
    for (subject, _), chain in chains.items():
        claim = claim_of(chain[-1])
        assert claim is not None
        step = claim.object, Target(chain[-1], frozenset(_contradicted(chain)))
        newest.setdefault(subject, []).append(step)
    targets = tuple(target_of(*pair, newest) for pair in zip(facts.questions, facts.answers, strict=True))
    return Context(facts, chains, targets)


def target_of(
    question: str, answers: Sequence[str], newest: Mapping[str, Sequence[tuple[str, Target]]]
) -> Target | None:
    """The last fact of the shortest way; of two as short, the one from the longer name in the question."""
    named = [subject for subject in newest if _holds(question, subject)]
    front = sorted(named, key=lambda subject: (-len(subject), subject))
    seen = set(front)
    for _ in range(STEPS):
        steps = [step for subject in front for step in newest.get(subject, ())]
        for reached, target in steps:
            if any(_holds(reached, answer) for answer in answers):
                return target
        front = [reached for reached in dict.fromkeys(reached for reached, _ in steps) if reached not in seen]
        seen.update(front)
    return None


def tell(memory: Memory, facts: Iterable[str], space: str) -> dict[str, str]:
    """Write facts in order; ids by text."""
    items: list[dict[str, Any]] = [
        {"text": fact, "happened": START + timedelta(minutes=minute)} for minute, fact in enumerate(facts)
    ]
    ids: dict[str, str] = {}
    for start in range(0, len(items), BATCH):
        say(f"{space}: {start:,} of {len(items):,} facts written", sys.stderr)
        records = memory.write(items[start : start + BATCH], space=space, duplicates="keep")
        ids |= {record.text: record.id for record in records}
    return ids


def tell_revising(memory: Memory, context: Context, space: str) -> None:
    """Write the facts that contradict none before them, then revise each by those that contradict it."""
    first = {chain[0] for chain in context.chains.values()}
    later = {fact for chain in context.chains.values() for fact in chain[1:]} - first
    ids = tell(memory, [fact for fact in dict.fromkeys(context.facts.facts) if fact not in later], space)
    for number, (oldest, *others) in enumerate(context.chains.values()):
        if number % BATCH == 0:
            say(f"{space}: {number:,} of {len(context.chains):,} subjects revised", sys.stderr)
        id = ids[oldest]
        for fact in others:
            id = memory.revise(id, fact).id


def asked(memory: Memory, context: Context, space: str) -> list[Scored]:
    """Ask each question that has a target."""
    now = START + timedelta(minutes=len(context.facts.facts))
    found = []
    for question, target in zip(context.facts.questions, context.targets, strict=True):
        if target is not None:
            hits = memory.recall(question, k=DEPTH, space=space, now=now)
            found.append(Scored(context.name, context.kind, figures_of([hit.record.text for hit in hits], target)))
    return found


def figures_of(texts: Sequence[str], target: Target) -> dict[str, float]:
    """`old above` is there only where the newest fact or one that it contradicts was found."""
    rank = texts.index(target.newest) if target.newest in texts else len(texts)
    figures = {"at 1": float(rank == 0 < len(texts)), "at 10": float(rank < len(texts))}
    old = min((at for at, text in enumerate(texts) if text in target.superseded), default=len(texts))
    if min(rank, old) < len(texts):
        figures["old above"] = float(old < rank)
    return figures


def _holds(text: str, words: str) -> bool:
    """Whether the words stand in the text, as whole words in any case."""
    text, words = text.casefold(), words.casefold()
    return words in text and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def _contradicted(chain: Sequence[str]) -> list[str]:
    return [fact for fact in chain if fact != chain[-1]]


def _with_equal_facts(contexts: Iterable[Context]) -> Iterator[list[Context]]:
    """Contexts of one hop and of several have the same facts: they are told once."""
    together: dict[tuple[str, ...], list[Context]] = {}
    for context in contexts:
        together.setdefault(context.facts.facts, []).append(context)
    yield from together.values()


def _result(
    contexts: Sequence[Context], scored: Mapping[str, Sequence[Scored]], encoder: str, seconds: float
) -> Result:
    kinds = {way: ranking.by_category(of) for way, of in scored.items()}
    figures: dict[str, Figure] = {
        f"{kind}, {way}, {name}": value
        for way in WAYS
        for kind, of in kinds[way].items()
        for name, value in _means(of).items()
    }
    groups = [
        (context.name, [[one for one in scored[way] if one.conversation == context.name] for way in WAYS])
        for context in contexts
    ]
    groups += [(f"all, {kind}", [kinds[way][kind] for way in WAYS]) for kind in kinds["told"]]
    told = [context for context, *_ in _with_equal_facts(contexts)]
    targets = [target for context in contexts for target in context.targets]
    return Result(
        name=NAME,
        module=__name__,
        figures=figures,
        n={
            "facts": sum(len(context.facts.facts) for context in told),
            "superseded": sum(context.superseded for context in told),
            "facts of no form": sum(context.unread for context in told),
            "questions": len(scored["told"]),
            "left out": targets.count(None),
            "with an old one": sum(bool(target.superseded) for target in targets if target),
        },
        options={"encoder": encoder, "k": DEPTH, "steps": STEPS},
        seconds=seconds,
        tables=(
            Table(
                "contexts",
                "Facts of each context, and questions whose answer contradicts an old one",
                ("", "facts", "superseded", "no form", "questions", "left out", "with an old one"),
                tuple(map(_counts, contexts)),
            ),
            *(
                Table(
                    way,
                    f"Newest fact found, {title}",
                    ("", "n", "at 1", "95 %", "at 10", "95 %", "old above", "of"),
                    tuple((name, *_cells(pair[at])) for name, pair in groups if pair[at]),
                )
                for at, (way, title) in enumerate(zip(WAYS, ("old and new side by side", "old revised"), strict=True))
            ),
        ),
        notes=(
            "intervals: bootstrap over questions",
            "old above: share of questions with the newest fact or one that it contradicts among the first 10, where "
            "such an old one stands above the newest",
        ),
    )


def _counts(context: Context) -> tuple[Figure, ...]:
    return (
        context.name,
        len(context.facts.facts),
        context.superseded,
        context.unread,
        len(context.targets),
        context.targets.count(None),
        sum(bool(target.superseded) for target in context.targets if target),
    )


def _cells(of: Sequence[Scored]) -> list[Figure]:
    means = _means(of)
    cells: list[Figure] = [len(of)]
    for name in ("at 1", "at 10"):
        low, high = ranking.bootstrap(of, name, over="questions")
        cells += [means[name], f"{low:.2f} to {high:.2f}"]
    return [*cells, means["old above"], sum("old above" in one.figures for one in of)]


def _means(of: Sequence[Scored]) -> dict[str, float | None]:
    stale = [one for one in of if "old above" in one.figures]
    return {
        "at 1": ranking.mean(of, "at 1"),
        "at 10": ranking.mean(of, "at 10"),
        "old above": ranking.mean(stale, "old above") if stale else None,
    }
