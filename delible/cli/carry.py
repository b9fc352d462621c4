"""`delible export` and `delible load`: take a memory along in one file, and bring one in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from delible.cli.call import Call, command, quoted
from delible.cli.options import KeyFile, Where, parse_where
from delible.cli.screen import clean, number, put, say
from delible.cli.working import Working

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app)
def export(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The archive to write; it must not exist.")],
    where: Where = None,
    key_file: KeyFile = None,
) -> None:
    """Write the memory, or what one person asks for, to one archive."""
    with call.open() as memory, Working("Exporting"):
        written = memory.export(file, where=parse_where(where), **_with_key(key_file))
    size = written.stat().st_size
    if not call.give({"file": str(written), "bytes": size}):
        put(str(written))
    say(f"{size:,} bytes. Receipts of later forgets name this file: they do not reach into it.")
    say(f"Next: delible load {quoted(str(written))} -p FOLDER")


@command(app)
def load(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="An archive of export, or a file of another kind.")],
    source: Annotated[
        Literal["delible", "mcp-memory", "chat-jsonl"] | None,
        typer.Option("--from", help="What the file is; default: seen from the file."),
    ] = None,
    key_file: KeyFile = None,
) -> None:
    """Bring in an archive, or a file of another program."""
    with call.open(create=True) as memory, Working("Loading"):
        report = memory.load(file, format=source, **_with_key(key_file))
    document = {
        "records": report.records,
        "kept_as_claims": report.kept_as_claims,
        "refused": report.refused,
        "notes": list(report.notes),
    }
    if not call.give(document):
        put(f"{number(_count(report.records), 'record')} loaded, {_count(report.refused):,} refused")
        if report.kept_as_claims:
            put("What the file says of trust and times is kept as claims: it was not written with this memory's key.")
    for note in report.notes:
        say(f"note: {clean(note)}")
    say(f"Next: {call.again('list')}")


def _count(value: Any) -> int:
    return value if isinstance(value, int) else len(value)


def _with_key(key_file: str | None) -> dict[str, Any]:
    return {"key_file": key_file} if key_file else {}
