"""The root command: which commands there are, and from which file each is loaded when it is named.

A command's file is imported only for that command and for `--help`, and imports numpy, SQLite and the encoder only
when it runs: `delible --help` answers at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from delible.cli.failures import close_pipe, reported
from delible.cli.options import EncoderName, Folder, Json, Space, Verbose

# Heading of --help: {command: its file}
COMMANDS = {
    "Start here": {"tour": "tour"},
    "Remember and recall": {
        "write": "write",
        "recall": "recall",
        "context": "recall",
        "show": "look",
        "list": "look",
        "history": "look",
        "revise": "change",
    },
    "Forget, with evidence": {"forget": "forget", "receipts": "forget", "quarantine": "quarantine"},
    "Look after a memory": {
        "spaces": "look",
        "stats": "look",
        "ledger": "account",
        "verify": "account",
        "export": "carry",
        "load": "carry",
        "compact": "account",
        "encoder": "encoder",
        "bench": "bench",
    },
    "See what is claimed": {"reproduce": "reproduce", "cards": "reproduce"},
}
FILES = {command: file for commands in COMMANDS.values() for command, file in commands.items()}


class Commands(TyperGroup):
    """The commands, loaded by name; `--help` lists them under headings."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        names: dict[str, Any] = dict.fromkeys(FILES)
        self.commands = names  # names only: what is typed wrongly is compared with them

    def list_commands(self, ctx: Any) -> list[str]:
        return list(FILES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in FILES:
            return None
        if self.commands.get(cmd_name) is None:
            loaded = typer.main.get_command(import_module(f"delible.cli.{FILES[cmd_name]}").app)
            # A file with a single command is that command; one with more is a group of them.
            inner = getattr(loaded, "commands", {})
            self.commands[cmd_name] = inner.get(cmd_name, loaded)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(name, self.get_command(ctx, name).get_short_help_str(68)) for name in commands], col_max=12
                )

    def invoke(self, ctx: Any) -> Any:
        with reported():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    name="delible",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from delible import __version__

        typer.echo(f"delible {__version__}")
        raise typer.Exit


@app.callback(no_args_is_help=True)
def delible(
    path: Folder = "agent.mem",
    space: Space = None,
    encoder: EncoderName = None,
    json: Json = False,
    verbose: Verbose = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A memory for agents: write, recall with evidence, forget with a receipt.

    Exit codes: 0 done; 1 something does not hold (a receipt, a check); 2 refused, nothing changed.

    Options may stand before or after the command; DELIBLE_PATH, DELIBLE_SPACE,
    DELIBLE_ENCODER and DELIBLE_TIMEZONE set their defaults. First steps: delible tour
    """


def run() -> None:
    """The command line as a process: quiet when the reader of a pipe has gone."""
    for stream in (sys.stdout, sys.stderr):
        # Text of any script is shown also where the terminal's encoding cannot hold it.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            app(prog_name="delible")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        close_pipe()
        raise SystemExit(0) from None
