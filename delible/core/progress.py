"""Progress of long work: a callable that is told how far it got. The command line draws it; the library is silent."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the name of the work, how much is done and how much there is."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


def silent(what: str, done: int, total: int) -> None:
    """No progress shown."""
