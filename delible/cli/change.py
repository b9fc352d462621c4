"""`delible revise`: what is true now, while the old stays in history."""

from __future__ import annotations

from typing import Annotated

import typer

from delible.cli import documents
from delible.cli.call import Call, command
from delible.cli.look import RecordId
from delible.cli.screen import clean, put

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app)
def revise(
    call: Call,
    id: RecordId,
    text: Annotated[str, typer.Argument(help="What is true now; - reads it from a pipe.")],
    reason: Annotated[str, typer.Option("--reason", "-r", metavar="WHY", help="Why; kept with the new version.")] = "",
) -> None:
    """Replace what a record says; the old version stays in history."""
    import sys

    with call.open() as memory:
        record = memory.revise(id, sys.stdin.read().rstrip("\n") if text == "-" else text, reason=reason)
    if not call.give(documents.of_record(record)):
        put(record.id)
    call.note(record.notes)
    if record.held:
        call.hint(f"held, out of recall: {clean(record.hold_reason or 'the one before it is held')}")
    call.hint(f"Revised. Next: {call.again(f'history {record.id}')}")
