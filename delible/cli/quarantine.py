"""`delible quarantine`: what is held out of recall, and why; hold more, let go."""

from __future__ import annotations

from typing import Annotated

import typer

from delible.cli import documents
from delible.cli.call import Call, command
from delible.cli.look import RecordId, show_line
from delible.cli.options import Reason
from delible.cli.screen import number, put
from delible.core.records import Record

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, group=True)
def quarantine(
    call: Call,
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many at most.")] = 100,
) -> None:
    """List what is held out of recall, and why; hold and release."""
    if context.invoked_subcommand:
        return
    with call.open(space="**") as memory:
        records = memory.list(held=True, limit=limit)
    for record in records:
        if not call.give(documents.of_record(record)):
            show_line(call, record)
    call.hint(f"{number(len(records), 'record')} held. Next: {call.again('quarantine release ID --reason WHY')}")


@command(app)
def hold(
    call: Call,
    id: RecordId,
    reason: Reason,
    block: Annotated[bool, typer.Option("--block", help="For good, until released.")] = False,
    pin: Annotated[bool, typer.Option("--pin", help="A legal hold: it can be recalled, but not forgotten.")] = False,
) -> None:
    """Keep a record out of recall, it and what is derived from it."""
    with call.open() as memory:
        record = memory.hold(id, reason=reason, block=block, pin=pin)
    _answer(call, record, f"{'Pinned' if pin else 'Held'}. Next: {call.again('quarantine')}")


@command(app)
def release(
    call: Call,
    id: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a record; or of a receipt: what it forgot may be written again.")
    ],
    reason: Reason,
) -> None:
    """Let a record back into recall, or a forgotten text be written."""
    with call.open() as memory:
        record = memory.release(id, reason=reason)
    _answer(call, record, f"Released. Next: {call.again('recall QUESTION')}")


def _answer(call: Call, record: Record | None, hint: str) -> None:
    if record is None:
        call.give({"released": True})
    elif not call.give(documents.of_record(record)):
        put(record.id)
    call.hint(hint)
