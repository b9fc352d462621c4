"""The command line: `delible tour`, `write`, `recall`, `forget`, and the rest; one file for each group of commands."""

from __future__ import annotations


def main() -> None:
    """The command `delible`: exit code 0 done, 1 something does not hold, 2 refused and nothing changed."""
    from delible.cli.app import run

    run()
