"""`delible show`, `list`, `history`, `spaces` and `stats`: look at what there is."""

from __future__ import annotations

from typing import Annotated

import typer

from delible.cli import documents
from delible.cli.call import Call, command
from delible.cli.options import Where, parse_where
from delible.cli.recall import origin
from delible.cli.screen import clean, head, number, put, short, table, width, wrapped
from delible.core.records import Record

app = typer.Typer(rich_markup_mode=None, add_completion=False)

RecordId = Annotated[str, typer.Argument(metavar="ID", help="Id of a record, as recall and list show it.")]


@command(app)
def show(call: Call, id: RecordId) -> None:
    """Show a record whole: text, source, times, lineage, validity."""
    with call.open() as memory:
        record = memory.get(id)
    if not call.give(documents.of_record(record)):
        show_record(call, record)
        call.hint(f"Next: {call.again(f'history {record.id}')}")


@command(app, "list")
def list_(
    call: Call,
    where: Where = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="How many at most.")] = 20,
    after: Annotated[str | None, typer.Option("--after", metavar="ID", help="Go on behind this record.")] = None,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="Those that are held out of recall.")] = False,
) -> None:
    """List records in the order in which they were written."""
    with call.open() as memory:
        records = memory.list(where=parse_where(where), limit=limit, after=after, held=quarantined)
    for record in records:
        if not call.give(documents.of_record(record)):
            show_line(call, record)
    if not records:
        call.hint(f"No record{' is held' if quarantined else ' here'}. Next: {call.again('spaces')}")
    elif len(records) == limit:
        call.hint(
            f"{number(len(records), 'record')}; there may be more. Next: {call.again(f'list --after {records[-1].id}')}"
        )
    else:
        call.hint(f"{number(len(records), 'record')}. Next: {call.again('show ID')}")


@command(app)
def history(call: Call, id: RecordId) -> None:
    """Show every version of a record, and when each was true."""
    with call.open() as memory:
        versions = memory.history(id)
    for version in versions:
        if not call.give(documents.of_record(version)):
            head(validity(call, version))
            put(wrapped(version.text, indent="    "))
            put(f"    {version.id}")
    call.hint(f"{number(len(versions), 'version')}. Next: {call.again('recall QUESTION --as-of TIME')}")


@command(app)
def spaces(call: Call) -> None:
    """List the spaces, and how many records each holds."""
    with call.open() as memory:
        found = memory.spaces()
    if call.json:
        for space in found:
            call.give(
                {
                    "path": space.path,
                    "records": space.records,
                    "held": space.held,
                    "expires": documents.of_time(space.expires),
                }
            )
        return
    if found:
        rows = [
            (
                space.path,
                f"{space.records:,}",
                f"{space.held:,}",
                call.time(space.expires) if space.expires else "never",
            )
            for space in found
        ]
        table(("space", "records", "held", "expires"), rows, right=(1, 2))
    call.hint(f"{number(len(found), 'space')}. Next: {call.again('list --space SPACE')}")


@command(app)
def stats(call: Call) -> None:
    """Show counts, sizes and the encoder of a memory."""
    with call.open() as memory:
        figures = memory.stats()
    if not call.give(figures):
        table(("figure", "value"), [(name.replace("_", " "), _figure(name, value)) for name, value in _flat(figures)])
        call.hint(f"Next: {call.again('verify')}")


def show_record(call: Call, record: Record) -> None:
    """All of a record, one field a line."""
    source = record.source
    fields = [
        ("id", record.id),
        ("space", record.space),
        ("kind", record.kind),
        ("key", record.key),
        ("channel", source.channel),
        ("author", source.author),
        ("reference", source.reference),
        (
            "trust",
            f"{record.trust:.2f}"
            + (
                ""
                if record.trust == source.trust
                else f" (its own {source.trust:.2f}; the lowest over its lineage counts)"
            ),
        ),
        ("happened", call.time(record.happened)),
        ("written", call.time(record.written, exact=True)),
        ("valid", validity(call, record)),
        ("expires", call.time(record.expires) if record.expires else None),
        ("held", record.hold_reason or "yes" if record.held else None),
        ("pinned", record.hold_reason or "yes" if record.pinned else None),
        ("hold", record.hold_reason if not record.held and not record.pinned else None),
        ("revises", record.revises),
        ("equal to", record.duplicate_of),
        ("derived from", ", ".join(record.parents)),
        ("media", f"{record.media.type}, {len(record.media.data):,} bytes" if record.media else None),
        *((f"meta.{name}", str(value)) for name, value in record.meta.items()),
        *(("note", note) for note in record.notes),
    ]
    room = max(len(clean(name)) for name, value in fields if value)
    for name, value in fields:
        if value:
            put(wrapped(value, indent=" " * (room + 2), first=f"{clean(name):<{room}}  "))
    put()
    put(wrapped(record.text))


def validity(call: Call, record: Record) -> str:
    """`2026-03-14 09:30:00 until now`: when the record was the one that held."""
    begin, until = record.valid
    return f"{call.time(begin or record.written, exact=True)} until {call.time(until, exact=True) if until else 'now'}"


def show_line(call: Call, record: Record) -> None:
    """A record in two lines: id, time and source; the beginning of the text."""
    head(f"{record.id}  {call.time(record.happened or record.written)}")
    put(f"    {short(f'{origin(record)}: {record.text}', width() - 4)}")
    if record.held:
        put(wrapped(record.hold_reason or "no reason given", indent="          ", first="    held: "))


def _flat(figures: object, above: str = "") -> list[tuple[str, object]]:
    if not isinstance(figures, dict):
        return [(above, figures)]
    return [pair for name, value in figures.items() for pair in _flat(value, f"{above} {name}".strip())]


def _figure(name: str, value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}" + (f" ({value / 2**20:,.1f} MiB)" if "bytes" in name else "")
    return (
        f"{value:,.3g}"
        if isinstance(value, float)
        else ", ".join(map(str, value))
        if isinstance(value, list | tuple)
        else str(value)
    )
