"""Figures of a long bench, kept phase by phase, so that a run that was cut off goes on where it stopped."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from delible.bench.results import say


class Journal:
    """Phases in a file of `folder`; `mark` (the code's hash and the options) must be the same to go on."""

    def __init__(self, folder: Path, mark: str, resume: bool):
        self.folder, self._mark = folder, mark
        self._file = folder / "phases.json"
        found = json.loads(self._file.read_text("utf-8")) if resume and self._file.is_file() else {}
        self.resumed = found.get("mark") == mark
        self.phases: dict[str, dict[str, Any]] = found["phases"] if self.resumed else {}
        self.seconds: float = found["seconds"] if self.resumed else 0.0
        if found and not self.resumed:
            say("the code or the options changed since the last run: it cannot be gone on with, all is measured anew")
        if not self.resumed:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

    def phase(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the phase measured: now, or in the run that this one goes on from."""
        if name not in self.phases:
            started = time.perf_counter()
            figures = measure()
            self.seconds += time.perf_counter() - started
            self.keep(name, figures)
        return self.phases[name]

    def keep(self, name: str, figures: dict[str, Any]) -> None:
        """Store the figures of a phase."""
        self.phases[name] = figures
        partial = self._file.with_suffix(".tmp")
        partial.write_text(json.dumps({"mark": self._mark, "seconds": self.seconds, "phases": self.phases}), "utf-8")
        partial.replace(self._file)
