"""Real folders, real processes, and a look at the bytes that shares nothing with the product's own."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import delible
from delible.core.receipts import Check
from delible.governance import erase

ROOT = Path(__file__).resolve().parents[2]

# Every offset of every file, in a process of its own: opening `store.db` here would drop the locks of this process.
SEARCH = """
import json, pathlib, sys
folder, pieces = pathlib.Path(sys.argv[1]), {bytes.fromhex(line) for line in sys.stdin.read().split()}
shorter = [piece for piece in pieces if len(piece) < 16]
found = {}
for path in sorted(path for path in folder.rglob("*") if path.is_file()):
    raw = path.read_bytes()
    times = sum(raw.find(piece) >= 0 for piece in shorter)
    times += len({raw[at : at + 16] for at in range(len(raw) - 15) if raw[at : at + 16] in pieces})
    if times:
        found[path.relative_to(folder).as_posix()] = times
print(json.dumps(found))
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "agent.mem"


@pytest.fixture
def open_memory(folder):
    opened = []

    def open_(**options):
        opened.append(delible.open(folder, encoder="hash", **options))
        return opened[-1]

    yield open_
    for memory in opened:
        memory.close()


@pytest.fixture
def memory(open_memory):
    return open_memory()


@pytest.fixture
def child(folder):
    """Runs Python in a process of its own, which finds the folder in `sys.argv[1]`; what it printed."""

    def run(code, *arguments, given="", killed=False):
        command = [sys.executable, "-c", code, str(folder), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=ROOT, timeout=120)
        assert done.returncode == (-9 if killed else 0), done.stderr
        return done.stdout

    return run


@pytest.fixture
def start(folder):
    """Starts Python in a process that goes on beside the test; it says `ready`, and ends when its input does."""
    begun = []

    def begin(code, *arguments):
        command = [sys.executable, "-c", code, str(folder), *arguments]
        begun.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        assert begun[-1].stdout.readline() == "ready\n"
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def found(child):
    """How many of the pieces lie in which file of the folder."""
    return lambda pieces: json.loads(child(SEARCH, given="\n".join(piece.hex() for piece in pieces)))


@pytest.fixture
def at_step(monkeypatch):
    """Lets something happen once, when a forget comes to a step."""

    def let(step, happen):
        waiting = [happen]
        monkeypatch.setattr(erase, "trace", lambda heard: waiting.pop()() if heard == step and waiting else None)

    return let


@pytest.fixture
def of_text():
    """16-byte pieces of a text in the forms in which it may lie in a file; a shorter one whole."""

    def cut(text, stride=1):
        forms = {text.encode(), text.encode("utf-16-le"), json.dumps(text)[1:-1].encode()}
        return [form[at : at + 16] for form in forms for at in range(0, max(1, len(form) - 15), stride)]

    return cut


@pytest.fixture
def of_vectors(sql):
    """16-byte pieces of a record's vectors, as stored and as float32, and of their sign bits."""

    def cut_up(id):
        stored = sql(
            "SELECT v.value, b.bits FROM vectors v JOIN bits b ON b.vector = v.vector JOIN records r ON r.row = v.row"
            " WHERE r.id = ?",
            bytes.fromhex(id.replace("-", "")),
        )
        assert stored
        wide = [np.frombuffer(value, "<f2").astype("<f4").tobytes() for value, _ in stored]
        forms = [*wide, *(form for pair in stored for form in pair)]
        cut = [form[at : at + 16] for form in forms for at in range(0, len(form) - 15, 16)]
        return [piece for piece in cut if piece.count(0) < 10]  # zeros lie everywhere

    return cut_up


@dataclass
class Notebook:
    """A carrier that holds texts; it can fail, be silent or lie."""

    name: str = "notebook"
    needs_content: bool = False
    failures: int = 0
    answers: tuple[Check, ...] | None = (Check("pages", True, "torn out"),)
    heard: list[list[str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def erase(self, records):
        self.heard.append([record.id for record in records])
        self.texts = [record.text for record in records]
        if self.failures:
            self.failures -= 1
            raise RuntimeError(f"cannot tear out {records[0].text}")
        return self.answers


@pytest.fixture
def notebook():
    return Notebook
