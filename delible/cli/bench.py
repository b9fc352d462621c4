"""`delible bench`: measure the store, and kill it on purpose; figures go to files, never typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delible.cli.call import Call, command

app = typer.Typer(
    rich_markup_mode=None, add_completion=False, no_args_is_help=True, help="Measure the store; kill it on purpose."
)

RESULTS = Path(__file__).parent.parent / "bench" / "results"

Out = Annotated[Path, typer.Option("--out", help="Folder that the figures go to.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the last run stopped.")]


@command(app, leave=("path", "space", "encoder"))
def store(
    call: Call,
    data: Annotated[Path, typer.Option("--data", help="Folder of the data sets.")] = Path("../shared/data"),
    out: Out = RESULTS,
    scale: Annotated[str, typer.Option("--scale", help="smoke: a minute; full: what the figures are from.")] = "full",
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Also mem0, LangGraph's store and Chroma.")] = False,
    resume: Resume = False,
) -> None:
    """Times of write, recall and forget at 10k and 100k records."""
    from delible.bench.store import run

    raise typer.Exit(run(data, out, scale, peers, resume))


@command(app, leave=("path", "space", "encoder"))
def crash(
    call: Call,
    cycles: Annotated[int, typer.Option("--cycles", min=1, help="How often to kill.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Of when and what is killed.")] = 0,
    out: Out = RESULTS,
    resume: Resume = False,
) -> None:
    """Kill writers in every phase; nothing acknowledged may be lost, nothing forgotten come back."""
    from delible.bench.crash import run

    raise typer.Exit(run(cycles, seed, out, resume))
