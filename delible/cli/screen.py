"""What goes to the screen: lines that read without colour and fit 80 columns; JSON lines for programs."""

from __future__ import annotations

import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime, tzinfo

import typer

# A record may hold what a terminal obeys: escape sequences, and marks that turn the order of what follows around.
_obeyed = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_obeyed_in_json = re.compile("[\x7f-\x9f]")


def clean(text: str) -> str:
    """Text without what a terminal would obey: such characters are written out."""
    return _obeyed.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", text
    )


def give(document: object) -> None:
    """One JSON object on a line of stdout."""
    line = json.dumps(document, ensure_ascii=False, allow_nan=False, default=str)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        line = json.dumps(document, allow_nan=False, default=str)
    typer.echo(_obeyed_in_json.sub(lambda found: f"\\u{ord(found[0]):04x}", line))


def put(line: str = "") -> None:
    """A line of data to stdout."""
    typer.echo(line.rstrip())


def head(line: str) -> None:
    """A line of data that stands out on a terminal."""
    typer.secho(line.rstrip(), bold=True)


def say(line: str) -> None:
    """Progress, hints and errors: to stderr."""
    typer.echo(line, err=True)


def width() -> int:
    """Columns of the screen: at most 100, 80 where there is none."""
    return max(40, min(100, shutil.get_terminal_size((80, 24)).columns)) if sys.stdout.isatty() else 80


def columns(text: str) -> int:
    """Cells that the text takes: wide scripts take two each, combining marks none."""
    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in ("Cf", "Me", "Mn")
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def short(text: str, room: int) -> str:
    """The beginning of the text on one line of `room` columns, with "..." where something was left out."""
    line = " ".join(clean(text[: 4 * room + 400]).split())
    if columns(line) <= room and len(text) <= 4 * room + 400:
        return line
    kept = []
    left = room - 3
    for c in line:
        left -= columns(c)
        if left < 0:
            break
        kept.append(c)
    return "".join(kept).rstrip() + "..."


def wrapped(text: str, indent: str = "", first: str | None = None) -> str:
    """Text folded at spaces to the screen, its line breaks kept; `first` begins the first line, `indent` the others."""
    room = width() - len(indent)
    lines: list[str] = []
    for paragraph in clean(text).split("\n"):
        line, used = "", 0
        for word in re.findall(r"\s*\S+", paragraph.replace("\t", "    ")) or [""]:
            size = columns(word)
            if line and used + size > room:
                lines.append(line)
                word = word.lstrip()
                line, used = "", 0
                size = columns(word)
            while size > room:  # a script without spaces, or a very long word
                cut = 1
                while cut < len(word) and columns(word[: cut + 1]) <= room:
                    cut += 1
                lines.append(word[:cut])
                word = word[cut:]
                size = columns(word)
            line, used = line + word, used + size
        lines.append(line)
    shown = [f"{indent}{line}".rstrip() for line in lines]
    if first is not None and lines:
        shown[0] = f"{first}{lines[0]}".rstrip()
    return "\n".join(shown)


def stamp(time: datetime | None, zone: tzinfo, exact: bool = False) -> str:
    """`2026-03-14 09:30`; with seconds where `exact`; the day alone where it is midnight."""
    if time is None:
        return "no date"
    try:
        local = time.astimezone(zone)
    except OverflowError:  # at the very ends of the calendar
        local = time
    if exact:
        return f"{local:%Y-%m-%d %H:%M:%S}".rjust(19, "0")
    return f"{local:%Y-%m-%d}" if local.hour == local.minute == local.second == 0 else f"{local:%Y-%m-%d %H:%M}"


def number(count: int, noun: str, plural: str | None = None) -> str:
    """`1 record`, `2,000 records`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def table(titles: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> None:
    """A table to stdout: no lines around it, numbers (columns `right`) to the right, long cells folded."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for place, title in enumerate(titles):
        grid.add_column(title, justify="right" if place in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(clean(str(cell))) for cell in row))
    console = Console(width=width(), highlight=False, force_terminal=sys.stdout.isatty())
    with console.capture() as captured:
        console.print(grid)
    for line in captured.get().splitlines():
        put(line)
