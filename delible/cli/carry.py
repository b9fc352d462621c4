"""`delible export` and `delible load`: take a memory along in one file, and bring one in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from delible.cli.call import Call, command, quoted
from delible.cli.options import Where, parse_where
from delible.cli.screen import clean, number, put
from delible.cli.working import Working
from delible.core.errors import InvalidInput

app = typer.Typer(rich_markup_mode=None, add_completion=False)

SHOWN = 10  # refused records


@command(app)
def export(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The archive to write; it must not exist.")],
    where: Where = None,
    key_file: Annotated[
        str | None,
        typer.Option("--key-file", metavar="FILE", help="Also write the folder's key there, to restore elsewhere."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file where it is an archive.")] = False,
) -> None:
    """Write the memory, or what one person asks for, to one archive."""
    with call.open() as memory, Working("Exporting") as working:
        done = memory.export(file, where=parse_where(where), key_file=key_file, overwrite=overwrite, progress=working)
    document = {
        "file": file,
        "records": done.records,
        "bytes": done.bytes,
        "digest": done.digest,
        "complete": done.complete,
    }
    if not call.give(document):
        put(f"{number(done.records, 'record')}, {done.bytes:,} bytes, in {clean(file)}")
    call.hint("Receipts of later forgets name this file: no forget reaches into it.")
    with_key = f" --key-file {quoted(key_file)}" if key_file else ""
    call.hint(f"Next: delible load {quoted(file)} -p FOLDER{with_key}")


@command(app)
def load(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="An archive of export, or a file of another kind.")],
    source: Annotated[
        Literal["delible", "mcp-memory", "chat-jsonl"] | None,
        typer.Option("--from", help="What the file is; default: seen from the file."),
    ] = None,
    key_file: Annotated[
        str | None,
        typer.Option("--key-file", metavar="FILE", help="Key of an archive from elsewhere, for an empty folder."),
    ] = None,
) -> None:
    """Bring in an archive, or a file of another program."""
    if not Path(file).expanduser().is_file():
        raise InvalidInput(f"there is no file {clean(file)}; nothing was loaded")
    with call.open(create=True) as memory, Working("Loading") as working:
        report = memory.load(file, format=source, key_file=key_file, progress=working)
    if not call.give(asdict(report)):
        put(
            f"{number(report.records, 'record')} loaded, {report.present:,} there already, "
            f"{report.kept_as_claims:,} with claims kept as claims, {len(report.refused):,} refused"
        )
    for refused in report.refused[:SHOWN]:
        call.hint(f"refused: {clean(refused)}")
    if len(report.refused) > SHOWN:
        call.hint(f"and {len(report.refused) - SHOWN:,} more; --json lists all")
    call.note(report.notes)
    call.hint(f"Next: {call.again('list')}")
