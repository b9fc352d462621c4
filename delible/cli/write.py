"""`delible write`: remember text from the command line or a pipe."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from delible.cli import documents
from delible.cli.call import Call, command
from delible.cli.options import parse_expiry, parse_meta, parse_time
from delible.cli.screen import clean, number, put, say
from delible.cli.working import Working
from delible.core.errors import DelibleError, InvalidInput

if TYPE_CHECKING:
    from delible.core.records import Record
    from delible.memory import Memory

app = typer.Typer(rich_markup_mode=None, add_completion=False)

BATCH = 1000  # items of one transaction

ChannelName = Literal["user", "model", "tool", "document", "import"]


@command(app)
def write(
    call: Call,
    text: Annotated[
        list[str] | None, typer.Argument(help="What to remember, one record each; - or nothing: read a pipe.")
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="A pipe's lines are one record each.")] = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="A pipe's lines are JSON: text, chat messages or items.")
    ] = False,
    author: Annotated[str | None, typer.Option("--author", "-a", help="Who said or wrote it.")] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help="Where it comes from: a file, an address.")
    ] = None,
    happened: Annotated[
        str | None, typer.Option("--happened", metavar="TIME", help="When it happened, as 2026-03-14T09:30.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="WORD", help="What it is, in a word of yours; else: note.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="A name of its own in the space.")] = None,
    parent: Annotated[
        list[str] | None, typer.Option("--parent", metavar="ID", help="A record it is derived from. May be repeated.")
    ] = None,
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="NAME=VALUE", help="A field of its own. May be repeated.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="Until when, or for how long: 90d, 12h.")
    ] = None,
    channel: Annotated[
        ChannelName | None, typer.Option("--channel", "-c", help="Where it came in: decides its trust; else: user.")
    ] = None,
    duplicates: Annotated[
        Literal["report", "keep"], typer.Option("--duplicates", help="What an equal record does.")
    ] = "report",
) -> None:
    """Remember text; print the ids of the records."""
    from delible.core.times import now

    items = _items(text or [], lines, jsonl)
    options = {
        "author": author,
        "reference": reference,
        "kind": kind,
        "key": key,
        "parents": tuple(parent or ()) or None,
        "channel": channel,
        "meta": parse_meta(meta),
        "duplicates": duplicates,
        "happened": parse_time(happened, call.zone, "--happened"),
        "expires": parse_expiry(expires, call.zone, now()),
    }
    with call.open(create=True) as memory, Working("Writing") as working:
        # What was not given is not passed: an item of a pipe may say it itself.
        given = {name: value for name, value in options.items() if value is not None}
        records = list(_written(memory, items, given, working))
    for record in records:
        if not call.give(documents.of_record(record)):
            put(record.id)
    held = [record for record in records if record.held]
    for record in held[:5]:
        call.hint(f"held, out of recall: {record.id} ({clean(record.hold_reason or 'no reason given')})")
    call.note(list(dict.fromkeys(note for record in records for note in record.notes))[:5])
    where = f"{clean(call.path)}, space {clean(call.space or 'main')}"
    call.hint(
        f"{number(len(records), 'record')} in {where}" + (f"; {len(held):,} held, out of recall." if held else ".")
    )
    call.hint(f"Next: {call.again('quarantine' if held else 'recall QUESTION')}")


def _written(memory: Memory, items: list[Any], options: dict[str, Any], working: Working) -> Iterator[Record]:
    for start in range(0, len(items), BATCH):
        try:
            yield from memory.write(items[start : start + BATCH], **options)
        except DelibleError as error:
            if not start:
                raise
            # The batches before this one are durable: to call this "nothing changed" would be a lie.
            say(f"error: {clean(str(error))}")
            say(f"The first {start:,} of {len(items):,} items were written, the rest was not.")
            raise typer.Exit(1) from None
        working("Writing", min(start + BATCH, len(items)), len(items))


def _items(texts: list[str], lines: bool, jsonl: bool) -> list[Any]:
    if lines and jsonl:
        raise InvalidInput("--lines and --jsonl exclude each other; nothing was written")
    piped = not texts or texts == ["-"]
    if not piped:
        if lines or jsonl:
            raise InvalidInput(
                "--lines and --jsonl are for a pipe, not for text on the command line; nothing was written"
            )
        return list(texts)
    if not texts and sys.stdin.isatty():
        raise InvalidInput(
            'nothing to write: give text, as delible write "Ann likes tea", or pipe it in. Nothing was written'
        )
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"what was piped in is not UTF-8 at byte {error.start:,}; nothing was written") from None
    if jsonl:
        items: list[Any] = list(_parsed(text))
    elif lines:
        items = [line.removesuffix("\r") for line in text.split("\n") if line.strip()]
    else:
        items = [_unended(text)]
    if not items or items == [""]:
        raise InvalidInput("what was piped in is empty; nothing was written")
    return items


def _unended(text: str) -> str:
    """Without the one line end that `echo` adds; all else stays as it is."""
    return text.removesuffix("\n").removesuffix("\r")


def _parsed(text: str) -> Iterator[Any]:
    for place, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = json_.loads(line)
        except ValueError:
            raise InvalidInput(f"line {place:,} is not JSON; nothing was written") from None
        if not isinstance(item, str | dict):
            raise InvalidInput(f"line {place:,} is neither text nor an object with text; nothing was written")
        yield item
