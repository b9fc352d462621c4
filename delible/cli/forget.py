"""`delible forget` and `delible receipts`: erase everywhere, look before it, and have it in writing after it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from delible.cli import documents
from delible.cli.call import Call, command
from delible.cli.options import Where, parse_where
from delible.cli.screen import clean, head, number, put, say, short, width, wrapped
from delible.cli.working import Working
from delible.core.errors import InvalidInput, UnknownId
from delible.core.receipts import Preview, Receipt

if TYPE_CHECKING:
    from delible.memory import Memory

app = typer.Typer(rich_markup_mode=None, add_completion=False)

SHOWN = 10  # records of a preview


@command(app)
def forget(
    call: Call,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of records.")] = None,
    where: Where = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="REFERENCE", help="All that came from this reference.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="Why; it stands in the receipt.")] = None,
    reach: Annotated[
        Literal["derived", "everything"], typer.Option("--reach", help="everything: attached models and buffers too.")
    ] = "derived",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    preview: Annotated[
        str | None,
        typer.Option("--preview", metavar="DIGEST", help="Only if what would go is still what a dry run showed."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase records and what was derived from them; print the receipt.

    What to erase: ids, --where, --source, or with --space alone a whole space.
    """
    selection = _selection(call, ids or [], where, source)
    if not dry_run and not reason:
        raise InvalidInput("--reason is missing: it stands in the receipt. Nothing was changed")
    with call.open() as memory:
        before = None
        if dry_run or not (preview or yes):
            with Working("Looking for what would go"):
                before = memory.preview(**selection, reach=reach)
        if dry_run and before:
            if not call.give(documents.of_preview(before)):
                show_preview(before, memory)
                call.hint(f"Nothing was changed. Next: the same with --preview {before.digest} --reason WHY")
            return
        if before and len(before.ids) > 1 and person_present():
            show_preview(before, memory, put=say)
            if not typer.confirm(f"Erase {number(len(before.ids), 'record')} for good?", err=True):
                raise InvalidInput("not confirmed; nothing was changed")
        with Working("Erasing, and looking through every file"):
            receipt = memory.forget(**selection, reason=reason or "", reach=reach, preview=preview or before)
    if not call.give(documents.of_receipt(receipt)):
        show_receipt(call, receipt)
    if receipt.confirmed:
        call.hint(f"Erased. Next: {call.again(f'receipts {receipt.id}')}")
    else:
        call.hint(
            f"NOT confirmed: see the checks that failed. What was named is out of recall. Next: {call.again('verify')}"
        )
        raise typer.Exit(1)


@command(app)
def receipts(
    call: Call, id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Id of a receipt: show it whole.")] = None
) -> None:
    """List the receipts of what was forgotten; show one whole."""
    with call.open() as memory:
        found = memory.receipts()
    if id:
        found = [receipt for receipt in found if receipt.id == id]
        if not found:
            raise UnknownId(id, "receipt")
    for receipt in found:
        if call.give(documents.of_receipt(receipt)):
            continue
        if id:
            show_receipt(call, receipt)
        else:
            head(f"{receipt.id}  {call.time(receipt.time)}  {'' if receipt.confirmed else 'NOT '}confirmed")
            put(wrapped(receipt.reason, indent="    "))
            put(wrapped(f"{removed(receipt.removed)}; {passed(receipt)}", indent="    "))
    call.hint(f"{number(len(found), 'receipt')}. Next: {call.again('verify' if id or not found else 'receipts ID')}")
    if not all(receipt.confirmed for receipt in found):
        raise typer.Exit(1)


def person_present() -> bool:
    """Whether somebody sits there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def show_receipt(call: Call, receipt: Receipt) -> None:
    """A receipt: what went, the checks, and what cannot be checked."""
    head(f"Receipt {receipt.id}: {confirmation(receipt)}")
    put(f"  {call.time(receipt.time, exact=True)}, by {clean(receipt.actor)}, reach: {receipt.reach}")
    put(wrapped(receipt.reason, indent="          ", first="  reason: "))
    put(wrapped(removed(receipt.removed), indent="           ", first="  removed: "))
    put("  checks:")
    for check in receipt.checks:
        put(
            wrapped(
                f"{check.name}" + (f": {check.detail}" if check.detail else ""),
                indent=" " * 12,
                first=f"    {'passed' if check.passed else 'FAILED'}  ",
            )
        )
    if not receipt.checks:
        put("    none was run yet")
    for title, lines in (
        ("cannot be checked from here", receipt.limits),
        ("living, to derive from again", receipt.survivors),
    ):
        if lines:
            put(f"  {title}:")
            for line in lines:
                put(wrapped(line, indent="      ", first="    - "))
    if receipt.digests:
        more = f" and {len(receipt.digests) - 1:,} more" if receipt.digests[1:] else ""
        put(f"  digests (keyed): {receipt.digests[0]}{more}")


def show_preview(before: Preview, memory: Memory, put: Callable[[str], None] = put) -> None:
    """What a forget would remove, and what would stay though it mentions the same."""
    hidden = before.removed.get("elsewhere", 0)
    put(f"{number(len(before.ids), 'record')} would go, with all versions and all that was derived:")
    for id in before.ids[:SHOWN]:
        put(f"    {id}  {short(memory.get(id).text, width() - 42)}")
    if len(before.ids) > SHOWN:
        put(f"    and {len(before.ids) - SHOWN:,} more")
    if hidden:
        put(f"    and {number(hidden, 'record')} derived from them, in spaces not seen from here")
    put(wrapped(removed(before.removed), indent="            ", first="  removed:  "))
    if before.mentions:
        put(f"  {number(len(before.mentions), 'record')} would stay, though of equal text or naming the same:")
        for id in before.mentions[:SHOWN]:
            put(f"    {id}  {short(memory.get(id).text, width() - 42)}")
        if len(before.mentions) > SHOWN:
            put(f"    and {len(before.mentions) - SHOWN:,} more")
    put("  out of reach:")
    for limit in before.limits:
        put(wrapped(limit, indent="      ", first="    - "))
    put(f"  digest:   {before.digest}")


def confirmation(receipt: Receipt) -> str:
    """`confirmed, 5 of 5 checks passed`."""
    return f"{'confirmed' if receipt.confirmed else 'NOT confirmed'}, {passed(receipt)}"


def passed(receipt: Receipt) -> str:
    """`5 of 5 checks passed`."""
    count = sum(check.passed for check in receipt.checks)
    return f"{count} of {number(len(receipt.checks), 'check')} passed"


def removed(places: Mapping[str, int]) -> str:
    """`5 rows, 5 passages`; places where nothing was are left out."""
    return ", ".join(f"{count:,} {place.replace('_', ' ')}" for place, count in places.items() if count) or "nothing"


def _selection(call: Call, ids: list[str], where: list[str] | None, source: str | None) -> dict[str, Any]:
    given = {"ids": list(ids) or None, "where": parse_where(where), "source": source}
    chosen = {name: value for name, value in given.items() if value is not None}
    if len(chosen) > 1:
        raise InvalidInput(
            f"name what to forget in one way: {' and '.join(chosen)} were both given. Nothing was changed"
        )
    if not chosen:
        # A space in the environment narrows what is meant; it is no request to erase all of it.
        if not (call.space and call.space_named):
            raise InvalidInput(
                "name what to forget: ids, --where, --source, or --space for a whole space. Nothing was changed"
            )
        return {"space": call.space}
    return chosen
