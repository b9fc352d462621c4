"""The other end of `peers/worker.py`: a system in a process of its own, asked by JSON, stopped when it is too slow."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WORKER = Path(__file__).parent / "peers" / "worker.py"


class Stopped(Exception):
    """The time allowed is over; `where` says in what and how far it got."""

    def __init__(self, where: str):
        self.where = where
        super().__init__(where)


class Failed(Exception):
    """The system answered with an error, or its process ended."""


class Measured:
    """A worker; as a context manager it ends the process. `seconds`: all that its work may take (None: no limit)."""

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str] | None = None,
        seconds: float | None = None,
        progress: Callable[[int], None] | None = None,
        log: Path | None = None,
    ):
        self._allowed = seconds
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._progress = progress
        self._buffer = b""
        with open(log or os.devnull, "ab") as errors:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=variables
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """The worker's answer. Raises Stopped, Failed."""
        try:
            self._in.write(json.dumps({"do": verb} | arguments).encode() + b"\n")
            self._in.flush()
        except BrokenPipeError as error:
            raise Failed(f"the process ended before {verb!r} (exit code {self._process.wait()})") from error
        done = 0
        while True:
            answer = self._line(verb, done)
            if "done" in answer:
                done = answer["done"]
                if self._progress:
                    self._progress(done)
            elif answer.pop("ok"):
                return answer
            else:
                raise Failed(f"{verb}: {answer['error']}")

    def _line(self, verb: str, done: int) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            left = None if self._deadline is None else self._deadline - time.monotonic()
            if left is not None and (left <= 0 or not self._selector.select(left)):
                self._process.kill()
                raise Stopped(f"stopped after {self._allowed:,.0f} s in {verb}" + (f" at {done:,}" if done else ""))
            read = os.read(self._out.fileno(), 1 << 16)
            if not read:
                raise Failed(f"the process ended in {verb!r} (exit code {self._process.wait()})")
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self._in.close()
        self._out.close()
        self._selector.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
