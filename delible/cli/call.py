"""One call of a command: the memory it is about, and how it answers. The options that all commands share end here."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

import typer

from delible.cli.failures import start_logging
from delible.cli.options import EncoderName, Folder, Json, Space, Verbose
from delible.cli.screen import give, say, stamp, wrapped
from delible.core.times import zone

if TYPE_CHECKING:
    from delible.memory import Memory


@dataclass(frozen=True)
class Call:
    """What the shared options say. `space_named`: --space stands on the command line, not only in the environment."""

    path: str
    space: str | None
    encoder: str | None
    json: bool
    space_named: bool = False

    def open(self, create: bool = False, space: str | None = None) -> Memory:
        """The memory; its folder is made with `create` only. `space`: where --space names none."""
        import delible

        return delible.open(
            self.path,
            space=self.space or space,
            timezone=self.timezone,
            encoder=self.encoder,
            create=create,
        )

    @property
    def timezone(self) -> str:
        return os.environ.get("DELIBLE_TIMEZONE") or "UTC"

    @property
    def zone(self) -> tzinfo:
        """Naive times are read, and all times shown, in this zone."""
        return zone(self.timezone)

    def time(self, moment: datetime | None, exact: bool = False) -> str:
        """A time as it is shown: `2026-03-14 09:30`."""
        return stamp(moment, self.zone, exact)

    def give(self, document: object) -> bool:
        """With --json, put the document on stdout as one line, and say that this was the answer."""
        if self.json:
            give(document)
        return self.json

    def hint(self, line: str) -> None:
        """What to do next, for a person: to stderr."""
        if not self.json:
            say(line)

    def note(self, notes: Iterable[str]) -> None:
        """What the memory has to say of an answer, to stderr; with --json it stands in the answer."""
        if not self.json:
            for note in notes:
                say(wrapped(note, indent="      ", first="note: "))

    def again(self, command: str) -> str:
        """A command to type next, for this folder and, where the command takes one, this space."""
        whole = command.split()[0] in ("verify", "ledger", "compact", "encoder", "tour")
        named = (
            ""
            if self.path == "agent.mem" or os.environ.get("DELIBLE_PATH") == self.path
            else f" -p {quoted(self.path)}"
        ) + (f" -s {quoted(self.space)}" if self.space and self.space_named and not whole else "")
        return f"delible {command}{named}"


def quoted(text: str) -> str:
    """Text as one word of a shell command."""
    import shlex

    return shlex.quote(text)


_SHARED = {
    "path": (Folder, "agent.mem"),
    "space": (Space, None),
    "encoder": (EncoderName, None),
    "json": (Json, False),
    "verbose": (Verbose, 0),
}


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    group: bool = False,
    leave: tuple[Literal["path", "space", "encoder"], ...] = (),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command (or, with `group`, what a group does by itself): its first argument is the Call.

    `leave` names shared options that the command has no use for, or has of its own.
    """
    shared = {option: kind for option, kind in _SHARED.items() if option not in leave}

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def called(context: typer.Context, **values: Any) -> None:
            given = {option: _nearest(context, option, values.pop(option)) for option in shared}
            start_logging(given["verbose"])
            call = Call(
                path=given.get("path", "agent.mem"),
                space=given.get("space"),
                encoder=given.get("encoder"),
                json=given["json"],
                space_named=_typed(context, "space"),
            )
            if group:
                values = {"context": context} | values
            function(call, **values)

        # Typer reads a command's options off its signature.
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(function).parameters.values())[1:]
            if parameter.name != "context"
        ]
        added = [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for option, (kind, default) in shared.items()
        ]
        first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        parameters = [first, *own, *added]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        if group:
            app.callback(invoke_without_command=True)(called)
        else:
            app.command(name)(called)
        return function

    return register


def _typed(context: Any, option: str) -> bool:
    source = context.get_parameter_source(option)
    return getattr(source, "name", "") == "COMMANDLINE" or (
        context.parent is not None and _typed(context.parent, option)
    )


def _nearest(context: Any, option: str, value: Any) -> Any:
    """The value typed nearest to the end of the line: options may also stand before the command."""
    while context is not None:
        if getattr(context.get_parameter_source(option), "name", "") == "COMMANDLINE":
            return context.params.get(option, value)
        context = context.parent
    return value
