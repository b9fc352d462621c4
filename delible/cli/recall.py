"""`delible recall` and `delible context`: what is remembered about a question, for a person or for a prompt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from delible.cli import documents
from delible.cli.call import Call, command
from delible.cli.options import AsOf, Happened, Where, parse_range, parse_time, parse_where
from delible.cli.screen import clean, head, number, put, short, width, wrapped
from delible.core.records import Hit, Record

app = typer.Typer(rich_markup_mode=None, add_completion=False)

MEANINGS = {  # of the parts of a score, by the name under which a hit shows them
    "meaning": "its words, and those it replies to, against the question's",
    "speaker": "the one whom the question is about speaks, or somebody else",
    "nearby": "the rest of its session fits the question",
    "form": "it is worded as such an answer: names, numbers, times, I and my",
    "time": "its date is near to one that the question names",
    "beside": "a turn near it in its talk fits the question",
    "newest": "it says anew what an older record said, and rises to its place",
    "bm25": "words in common, rare ones more, counted in those above",
    "cosine": "likeness of the whole texts, counted in those above",
    "late": "likeness word by word, counted in those above",
    "weak": "1 where it lies so far behind the best hit that it may not answer",
    "rerank": "what a ranker makes of it",
}

Question = Annotated[str, typer.Argument(help="What to look for; - reads it from a pipe.")]


@command(app)
def recall(
    call: Call,
    question: Question,
    k: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many hits at most.")] = 8,
    where: Where = None,
    happened: Happened = None,
    as_of: AsOf = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", min=1, help="Stop before the hits have more tokens than this."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each score is made of.")] = False,
) -> None:
    """Find what is remembered about a question, with its evidence."""
    asked = _asked(question)
    with call.open() as memory:
        hits = memory.recall(asked, k=k, max_tokens=max_tokens, **_range(call, where, happened, as_of))
        if not call.give(
            {"hits": [documents.of_hit(rank, hit) for rank, hit in enumerate(hits, 1)], "notes": list(hits.notes)}
        ):
            for rank, hit in enumerate(hits, 1):
                show_hit(call, rank, hit, explain)
            if explain and hits:
                put(f"\n{legend(hits)}")
    call.note(hits.notes)
    if hits:
        call.hint(
            f"{number(len(hits), 'hit')}. Next: {call.again('show ID')}"
            + ("" if explain else ", or --explain for the scores")
        )
    else:
        call.hint(f"Nothing was found. Next: {call.again('list')}")


@command(app)
def context(
    call: Call,
    question: Question,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", min=1, help="Room in the prompt, in the encoder's tokens.")
    ] = 1000,
    where: Where = None,
    happened: Happened = None,
    as_of: AsOf = None,
) -> None:
    """Print what is remembered as a block for a prompt, dated, cited."""
    with call.open() as memory:
        block = memory.context(_asked(question), max_tokens=max_tokens, **_range(call, where, happened, as_of))
    if not call.give({"context": block}):
        put(clean(block) if sys.stdout.isatty() else block)
        if not block.strip():
            call.hint(f"Nothing was found. Next: {call.again('list')}")


def show_hit(call: Call, rank: int, hit: Hit, explain: bool) -> None:
    """Rank, score, time and source; the evidence; the id."""
    record = hit.record
    weak = "  weak" if "weak" in hit.parts else ""
    head(f"{rank:>2}  score {hit.score:.2f}{weak}  {call.time(record.happened or record.written)}  {origin(record)}")
    beginning = "" if hit.evidence.start == 0 else "..."
    ending = "" if hit.evidence.end >= len(record.text) else "..."
    put(wrapped(f"{beginning}{hit.evidence.text}{ending}", indent="    "))
    if explain:
        put(breakdown(hit))
    put(f"    {record.id}" + ("" if record.space == (call.space or "main") else f"  in {clean(record.space)}"))


def origin(record: Record) -> str:
    """Who or what a record is from, and its trust: `Ann (user, trust 0.90)`."""
    source = record.source
    named = short(source.author or source.reference or "", 24)
    return f"{named} ({source.channel}, trust {record.trust:.2f})".lstrip()


def breakdown(hit: Hit) -> str:
    """The parts of the score, name above value, as many beside each other as the screen has room for."""
    lines: list[str] = []
    room = 0
    for name, part in hit.parts.items():
        value = f"{part:.2f}"
        cell = max(len(name), len(value), len("-10.00")) + 1
        if cell > room:
            lines += [" " * 3, " " * 3]
            room = width() - 3
        lines[-2] += f"{clean(name):>{cell}}"
        lines[-1] += f"{value:>{cell}}"
        room -= cell
    return "\n".join(lines)


def legend(hits: Sequence[Hit]) -> str:
    """What each part of the scores says, one line each."""
    names = dict.fromkeys(name for hit in hits for name in hit.parts)
    room = max(map(len, names), default=0) + 2
    return "\n".join(
        wrapped(MEANINGS.get(name, "added by a ranker"), indent=" " * (room + 4), first=f"    {clean(name):<{room}}")
        for name in names
    )


def parts(hit: Hit) -> str:
    """What the score is made of, in one line."""
    return ", ".join(f"{name} {value:.2f}" for name, value in hit.parts.items()) or "no parts"


def _asked(question: str) -> str:
    return sys.stdin.read().rstrip("\n") if question == "-" else question


def _range(call: Call, where: list[str] | None, happened: str | None, as_of: str | None) -> dict[str, Any]:
    return {
        "where": parse_where(where),
        "happened": parse_range(happened, call.zone),
        "as_of": parse_time(as_of, call.zone, "--as-of"),
    }
