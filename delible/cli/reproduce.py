"""`delible reproduce` and `delible cards`: measure what a system's paper claims; show which claims hold here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from delible.cli.call import Call, command
from delible.cli.screen import put, table

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, leave=("path", "space", "encoder"))
def reproduce(
    call: Call,
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Whose claim: see `delible cards`.", show_default=False)],
    scale: Annotated[
        str, typer.Option("--scale", metavar="SCALE", help="smoke: mechanics, in seconds; scaled; full.")
    ] = "scaled",
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Data sets; default: ../shared/data.")
    ] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", metavar="SEEDS", help="As 0-4 or 0,3,7; default 0-2.")] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option of the method; may be repeated. Not recorded."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where the figures go; default: beside the code.")
    ] = None,
) -> None:
    """Measure again what a system's paper claims, with it and without."""
    from delible.bench.results import plain
    from delible.reproductions import harness

    module = harness.reproduction(slug)
    chosen, given = harness.parse_seeds(seeds), harness.parse_options(module, options or [])
    result = harness.reproduce(module, scale, data, chosen, given)  # type: ignore[arg-type]  # checked there
    path = harness.keep(result, out)
    if not call.json:
        for each in result.tables:
            if each.key not in ("seeds", "control"):
                put(plain(each))
                put()
        for line in (*result.notes, *(target.line for target in result.targets)):
            put(line)
    elif path:
        call.give(json.loads(path.read_text("utf-8")))
    else:
        call.give({"name": result.name, "figures": result.figures, "options": result.options})
    call.hint(f"figures in {path.name}" if path else "nothing was recorded: this was no claim as it stands")
    raise typer.Exit(0 if result.held else 1)


@command(app, leave=("path", "space", "encoder"))
def cards(call: Call) -> None:
    """List the published systems that are built in, and which claims hold."""
    from delible.core.cards import cards as known
    from delible.reproductions import harness

    states = harness.states()
    for slug, card in known().items():
        call.give({"slug": slug, "state": states[slug], "room": card.room, "title": card.title, "arxiv": card.arxiv,
                   "claim": card.claim, "idea": card.idea})  # fmt: skip
    if not call.json:
        table(("card", "claim", "room", "idea"), [(c.slug, states[c.slug], c.room, c.idea) for c in known().values()])
    call.hint("Next: delible reproduce SLUG")
