"""`delible ledger`, `verify` and `compact`: what was done, whether all of it holds, and no more bytes than needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from delible.cli import documents
from delible.cli.call import Call, command
from delible.cli.screen import number, put, table, wrapped
from delible.cli.working import Working

if TYPE_CHECKING:
    from delible.governance.verify import Finding

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, leave=("space",))
def ledger(
    call: Call,
    after: Annotated[int, typer.Option("--after", metavar="N", min=0, help="Only events behind this number.")] = 0,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many at most.")] = 50,
    verify: Annotated[bool, typer.Option("--verify", help="Check the chain of hashes instead.")] = False,
) -> None:
    """List what was done, in order: ids, counts and digests, never text."""
    with call.open(space="**") as memory:
        if verify:
            _report(
                call, [finding for finding in memory.verify() if finding.code.startswith(("chain", "ledger"))], "ledger"
            )
            return
        events = memory.ledger(after=after, limit=limit)
    if call.json:
        for event in events:
            call.give(
                {
                    "seq": event.seq,
                    "time": documents.of_time(event.time),
                    "actor": event.actor,
                    "verb": event.verb,
                    "kinds": dict(event.kinds),
                    "ids": list(event.ids),
                    "counts": dict(event.counts),
                    "digest": event.digest,
                    "previous": event.previous,
                    "hash": event.hash,
                }
            )
        return
    if events:
        rows = [
            (
                event.seq,
                call.time(event.time, exact=True),
                event.verb,
                event.actor,
                len(event.ids),
                event.hash[:12],
            )
            for event in events
        ]
        table(("seq", "time", "verb", "actor", "ids", "hash"), rows, right=(0, 4))
    if len(events) == limit:
        call.hint(
            f"{number(len(events), 'event')}; there may be more. Next: {call.again(f'ledger --after {events[-1].seq}')}"
        )
    else:
        call.hint(f"{number(len(events), 'event')}. Next: {call.again('ledger --verify')}")


@command(app, leave=("space",))
def verify(call: Call) -> None:
    """Check that all of the memory holds; say what to do where not."""
    with call.open(space="**") as memory, Working("Checking"):
        findings = memory.verify()
    _report(call, findings, "memory")


@command(app, leave=("space",))
def compact(call: Call) -> None:
    """Give unused room back to the disk, and make marks anew."""
    with call.open(space="**") as memory, Working("Compacting"):
        sizes = memory.compact()
    if not call.give(sizes):
        put(f"{sizes['before']:,} bytes before, {sizes['after']:,} after")
    call.hint(f"Compacted. Next: {call.again('stats')}")


def _report(call: Call, findings: Sequence[Finding], what: str) -> None:
    """The findings; exit code 1 when one does not hold."""
    wrong = [finding for finding in findings if not finding.ok]
    document = {
        "holds": not wrong,
        "findings": [{"code": f.code, "ok": f.ok, "detail": f.detail, "advice": f.advice} for f in findings],
    }
    if not call.give(document):
        room = max((len(finding.code) for finding in findings), default=0)
        for finding in findings:
            mark = "holds " if finding.ok else "BROKEN"
            put(wrapped(finding.detail or "", indent=" " * (room + 10), first=f"{mark}  {finding.code:<{room}}  "))
            if finding.advice and not finding.ok:
                put(wrapped(finding.advice, indent=" " * (room + 10), first=" " * (room + 10)))
    if wrong:
        call.hint(f"{len(wrong):,} of {number(len(findings), 'check')} failed. Next: do what stands below each of them")
        raise typer.Exit(1)
    call.hint(f"The {what} holds: {number(len(findings), 'check')}. Next: {call.again('stats')}")
