"""`delible bench`: measure the store, kill it on purpose, see what recall finds; figures go to files, never typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from delible.cli.call import Call, command

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Measure the store and what recall finds; kill it on purpose.",
)

Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Where the figures go; default: beside the benches.")
]
Data = Annotated[Path | None, typer.Option("--data", metavar="FOLDER", help="Data sets; default: ../shared/data.")]
Transfer = Annotated[bool, typer.Option("--transfer", help="Also a ranker trained on the other sets.")]
Mem0 = Annotated[bool, typer.Option("--peers/--no-peers", help="Also mem0, with the same vectors.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the last run stopped.")]


@command(app, leave=("path", "space", "encoder"))
def store(
    call: Call,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="As every bench; not read here: texts are made by rule."),
    ] = None,
    out: Out = None,
    scale: Annotated[
        str, typer.Option("--scale", metavar="SCALE", help="smoke: a minute; scaled; full: the figures.")
    ] = "full",
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Also mem0, LangGraph's store and Chroma.")] = False,
    resume: Resume = False,
) -> None:
    """Times of write, recall and forget, at 10k and 100k."""
    from delible.bench.store import run

    _measured(call, "store", out, lambda: run(data, out, scale, peers, resume))


@command(app, leave=("path", "space", "encoder"))
def crash(
    call: Call,
    cycles: Annotated[int, typer.Option("--cycles", min=1, help="How often to kill.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Of when and what is killed.")] = 0,
    out: Out = None,
    resume: Resume = False,
) -> None:
    """Kill writers in every phase; promises must hold."""
    from delible.bench.crash import run

    _measured(call, "crash", out, lambda: run(cycles, seed, out, resume))


@command(app, leave=("path", "space"))
def locomo(call: Call, data: Data = None, out: Out = None, transfer: Transfer = False, peers: Mem0 = False) -> None:
    """Evidence found in LoCoMo's talks of two people."""
    _evidence(call, "locomo", data, out, transfer, peers)


@command(app, leave=("path", "space"))
def realtalk(call: Call, data: Data = None, out: Out = None, transfer: Transfer = False, peers: Mem0 = False) -> None:
    """Evidence found in REALTALK's chats of real people."""
    _evidence(call, "realtalk", data, out, transfer, peers)


@command(app, leave=("path", "space"))
def beam(call: Call, data: Data = None, out: Out = None, transfer: Transfer = False, peers: Mem0 = False) -> None:
    """Evidence found in BEAM's long chats with an assistant."""
    _evidence(call, "beam", data, out, transfer, peers)


@command(app, leave=("path", "space", "encoder"))
def prompts(
    call: Call,
    data: Data = None,
    out: Out = None,
    name: Annotated[
        str, typer.Option("--set", metavar="SET", help="Whose questions: locomo, realtalk or beam.")
    ] = "locomo",
    peers: Mem0 = False,
) -> None:
    """Whole evidence inside a prompt of N tokens."""
    from delible.bench.prompts import named, run

    _measured(call, named(name), out, lambda: run(name, data, out, peers=peers))


@command(app, leave=("path", "space", "encoder"))
def refusals(call: Call, data: Data = None, out: Out = None) -> None:
    """Whether recall says so where nothing answers."""
    from delible.bench.refusals import run

    _measured(call, "refusals", out, lambda: run(data, out))


@command(app, leave=("path", "space", "encoder"))
def longmemeval(call: Call, data: Data = None, out: Out = None) -> None:
    """Sessions found among all of LongMemEval's histories."""
    from delible.bench.longmemeval import run

    _measured(call, "longmemeval", out, lambda: run(data, out))


@command(app, leave=("path", "space", "encoder"))
def factconsolidation(call: Call, data: Data = None, out: Out = None) -> None:
    """The newest of facts that overwrite each other."""
    from delible.bench.factconsolidation import run

    _measured(call, "factconsolidation", out, lambda: run(data, out))


@command(app, leave=("path", "space", "encoder"))
def memorybank(call: Call, data: Data = None, out: Out = None) -> None:
    """Time to load and to ask MemoryBank's diaries."""
    from delible.bench.memorybank import run

    _measured(call, "memorybank", out, lambda: run(data, out))


def _evidence(call: Call, name: str, data: Path | None, out: Path | None, transfer: bool, peers: bool) -> None:
    from delible.bench.evidence import ENCODER, named, run

    encoder = call.encoder or ENCODER
    _measured(call, named(name, encoder), out, lambda: run(name, data, out, encoder, transfer, peers))


def _measured(call: Call, name: str, out: Path | None, run: Callable[[], int]) -> None:
    """Run a bench; with --json what it says goes to stderr, and what it recorded to stdout."""
    from delible.bench.results import FOLDER

    with redirect_stdout(sys.stderr) if call.json else nullcontext():
        code = run()
    if call.json:
        call.give(json.loads(((out or FOLDER) / f"{name}.json").read_text("utf-8")))
    raise typer.Exit(code)
