"""Runs one system and times its calls: `python worker.py SYSTEM | FILE.py`, a line of JSON in, lines of JSON out.

    {"do": "open", "folder": .., "corpus": .., "encoder": "given"}   > {"ok": true, "versions": {..}}
    {"do": "fill", "start": 0, "stop": 1000, "spaces": 1}            > {"done": 500} .. {"ok": true, "seconds": ..}
    {"do": "write", "rows": [..], "spaces": 1, "paired": path}       > {"ok": true, "seconds": [..], "bare": [..]}
    {"do": "recall", "rows": [..], "spaces": 1, "k": 8}              > {"ok": true, "seconds": [..], "found": 0.98}
    {"do": "rank", "rows": [..], "k": 500}                           > {"done": 1} .. {"ok": true, "ranked": [[..], ..]}
    {"do": "forget", "rows": [..], "together": false}                > {"ok": true, "seconds": [..], "confirmed": 5}
    {"do": "memory"} {"do": "close"}

It runs beside each system alike, in environments without Delible, so it imports nothing of ours. Connections to other
machines are refused and counted: nothing here may need a network.
"""

from __future__ import annotations

import importlib.util
import json
import mmap
import os
import resource
import socket
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Python puts the script's folder first, where chroma.py and mem0.py would stand before the packages of these names.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

CHUNK = 500  # texts a batch


class Corpus:
    """Texts, questions and their given vectors, as the parent laid them in a folder; read where they are asked for.

    Kept small: what this takes counts as the memory of the system under measurement.
    """

    def __init__(self, folder: Path):
        import numpy as np

        with open(folder / "texts.jsonl", "rb") as file:
            self._lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        ends = np.flatnonzero(np.frombuffer(self._lines, np.uint8) == ord("\n"))
        self._ends = np.concatenate([[-1], ends]).astype(np.int64)
        self._vectors = tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("texts", "questions"))
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ends) - 1

    def text(self, row: int) -> str:
        """The text of this number."""
        return self._line(row)[0]

    def question(self, row: int) -> str:
        """The question that it answers."""
        return self._line(row)[1]

    def vector(self, text: str) -> Any:
        """The given vector of a text or question: float32 (384,)."""
        if not self._places:
            for row in range(len(self)):
                for kind, line in enumerate(self._line(row)):
                    self._places[hash(line)] = 2 * row + kind
        row, kind = divmod(self._places[hash(text)], 2)
        return self._vectors[kind][row]

    def _line(self, row: int) -> tuple[str, str]:
        text, question = json.loads(self._lines[self._ends[row] + 1 : self._ends[row + 1]])
        return text, question


class Worker:
    """One system under measurement."""

    def __init__(self, name: str):
        self.system = _load(name).System()
        self.corpus: Any = None
        self.ids: dict[int, str] = {}
        self.refused = _refuse_network()

    def open(self, folder: str, corpus: str, **options: Any) -> dict[str, Any]:
        """Open or make the system's store in the folder."""
        self.folder = Path(folder)
        self.corpus = Corpus(Path(corpus))
        if self._ledger.is_file():
            self.ids = {int(row): id for row, id in json.loads(self._ledger.read_text("utf-8")).items()}
        started = time.perf_counter()
        versions = self.system.open(self.folder, self.corpus, **options)
        return {"versions": versions, "seconds": time.perf_counter() - started}

    @property
    def _ledger(self) -> Path:
        return self.folder.with_name(self.folder.name + ".ids.json")  # beside the store: which row has which id

    def fill(self, start: int, stop: int, spaces: int = 1) -> dict[str, Any]:
        """Write rows in the largest batches that the system takes, each batch into one space."""
        spent, done = 0.0, 0
        if spaces > 1:
            batches = [(space, list(range(start + space, stop, spaces))) for space in range(spaces)]
        else:
            batches = [(0, list(range(first, min(first + CHUNK, stop)))) for first in range(start, stop, CHUNK)]
        for space, rows in batches:
            texts = [self.corpus.text(row) for row in rows]
            before = time.perf_counter()
            ids = self.system.write(_space(space), texts)
            spent += time.perf_counter() - before
            self.ids.update(zip(rows, ids, strict=True))
            done += len(rows)
            _say({"done": done})
        return {"seconds": spent}

    def write(self, rows: list[int], spaces: int = 1, paired: str | None = None) -> dict[str, Any]:
        """Single writes; `paired`: a file in which each is followed by a bare durable transaction of its size."""
        seconds, bare = [], []
        plain = _bare(paired) if paired else None
        for row in rows:
            text = self.corpus.text(row)
            before = time.perf_counter()
            (self.ids[row],) = self.system.write(_space(row % spaces), [text])
            seconds.append(time.perf_counter() - before)
            if plain is not None:
                content = text.encode() + bytes(768)
                before = time.perf_counter()
                plain.execute("INSERT INTO bare(content) VALUES(?)", (content,))
                bare.append(time.perf_counter() - before)
        if plain is not None:
            plain.close()
        return {"seconds": seconds, "bare": bare}

    def recall(self, rows: list[int], spaces: int = 1, k: int = 8, **options: Any) -> dict[str, Any]:
        """Ask each row's question in its space; found: share of questions whose own text came back among the k."""
        seconds, found = [], 0
        for row in rows:
            question = self.corpus.question(row)
            before = time.perf_counter()
            texts = self.system.recall(_space(row % spaces), question, k, **options)
            seconds.append(time.perf_counter() - before)
            found += self.corpus.text(row) in texts
        return {"seconds": seconds, "found": found / max(len(rows), 1)}

    def rank(self, rows: list[int], k: int) -> dict[str, Any]:
        """For each row's question the k best rows of the first space, best first."""
        row_of = {id: row for row, id in self.ids.items()}
        ranked = []
        for row in rows:
            ranked.append([row_of[id] for id in self.system.ranked(_space(0), self.corpus.question(row), k)])
            _say({"done": len(ranked)})
        return {"ranked": ranked}

    def forget(self, rows: list[int], together: bool = False) -> dict[str, Any]:
        """Delete rows, one by one or in one call; confirmed: how many calls the system itself confirmed."""
        seconds, confirmed = [], 0
        for portion in [rows] if together else [[row] for row in rows]:
            ids = [self.ids.pop(row) for row in portion]
            before = time.perf_counter()
            confirmed += bool(self.system.forget(ids))
            seconds.append(time.perf_counter() - before)
        return {"seconds": seconds, "confirmed": confirmed}

    def memory(self) -> dict[str, Any]:
        """Resident memory now and at its highest, in MB; the highest of the kernel, where it tells."""
        try:
            status = Path("/proc/self/status").read_text("utf-8").splitlines()
            fields = dict(line.split(":", 1) for line in status)
            return {"rss_mb": int(fields["VmRSS"].split()[0]) / 1024, "peak_mb": int(fields["VmHWM"].split()[0]) / 1024}
        except OSError:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            return {"rss_mb": peak, "peak_mb": peak}

    def close(self) -> dict[str, Any]:
        """Close the store, so that its files lie still."""
        self.system.close()
        self._ledger.write_text(json.dumps(self.ids), "utf-8")
        return {"refused_connections": len(self.refused)}


def _load(name: str) -> Any:
    file = Path(name) if name.endswith(".py") else HERE / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"peer_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise SystemExit(f"no system {name!r}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _space(number: int) -> str:
    return f"person{number}"


def _bare(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS bare(row INTEGER PRIMARY KEY, content BLOB)")
    return connection


def _refuse_network() -> list[str]:
    refused: list[str] = []
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            refused.append(type(address).__name__)
            raise ConnectionRefusedError("no network here")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]
    return refused


_OUT = os.dup(1)


def _say(message: dict[str, Any]) -> None:
    os.write(_OUT, json.dumps(message).encode() + b"\n")


def main() -> int:
    """Answer commands until `close` or the end of input."""
    os.dup2(2, 1)  # what a library prints is no answer
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        command = json.loads(line)
        verb = command.pop("do")
        try:
            _say({"ok": True} | getattr(worker, verb)(**command))
        except Exception as error:
            _say({"ok": False, "error": f"{type(error).__name__}: {error}"[:500]})
        if verb == "close":
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
