"""A progress bar on stderr for what takes longer than a second; on a terminal only."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0  # seconds before a bar is drawn


class Working:
    """While inside, draws a bar once the work has taken a second; called as the library's `Progress`."""

    def __init__(self, what: str):
        self.what, self.done, self.total = what, 0, 0
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._timer = threading.Timer(PATIENCE, self._draw)
        self._timer.daemon = True

    def __enter__(self) -> Working:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def __call__(self, what: str, done: int, total: int) -> None:
        with self._lock:
            self.what, self.done, self.total = what, done, total
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, description=what, completed=done, total=total or None, count=self._count())

    def _count(self) -> str:
        return f"{self.done:,} of {self.total:,}" if self.total else ""

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        with self._lock:
            if not self._timer.finished.is_set():  # else: it was done in time
                bar = Progress(
                    TextColumn("{task.description}", markup=False),
                    BarColumn(bar_width=24),
                    TextColumn("{task.fields[count]}"),
                    TimeElapsedColumn(),
                    console=Console(stderr=True),
                    transient=True,
                )
                self._task = bar.add_task(self.what, total=self.total or None, completed=self.done, count=self._count())
                bar.start()
                self._bar = bar
