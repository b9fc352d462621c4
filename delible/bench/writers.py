"""The processes of the crash bench: writers that announce each phase before they enter it, a reader, one that looks.

They are forked from a process that has no connection to the store, so each opens it anew. A board of shared memory
holds the phase that each writer is in: after a kill it says in which one it died. The writer that first enters the
phase of the plan kills: itself, or all, with SIGKILL, from a thread, so that it lands within the calls of SQLite too.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any, Literal

import delible
from delible.bench.oracle import Known, Questions, Seen, family
from delible.core.errors import UnknownId
from delible.core.receipts import Check
from delible.core.records import Record
from delible.governance import erase

STEPS = ("close", "seal", "carriers", "derived", "erase", "checkpoint", "look", "confirm")  # of a forget
PHASES = ("write", "batch", "revise", "hold", *STEPS, "re-embed", "compact", "export")
DELAYS = {
    "batch": 0.008,
    "re-embed": 0.02,
    "compact": 0.015,
    "export": 0.02,
    "look": 0.004,
}  # mean seconds from entering to the kill
ENCODERS = ("hash:64", "hash:96")
TIMEOUT = 30.0  # seconds that a writer waits for the lock: on a busy machine more than the default
LETTERS = "abcdefghijklmnopqrstuvwxyz"

_IDLE = 255
_TRIGGER, _STOP, _PIDS = 16, 17, 20  # places on the board; before them the phase of each writer


@dataclass(frozen=True)
class Plan:
    """What one cycle kills, and when. warm: seconds of peace before; nth: at which entry; delay: seconds after."""

    number: int
    seed: int
    phase: str
    warm: float
    nth: int
    delay: float
    scope: Literal["one", "all"]
    torn: bool
    entropy: int


class Board:
    """Shared memory of one cycle."""

    def __init__(self, writers: int):
        self.memory = mmap.mmap(-1, mmap.PAGESIZE)
        self.memory[:writers] = bytes([_IDLE]) * writers
        self.memory[_TRIGGER] = _IDLE
        self.writers = writers

    def pids(self) -> Iterable[int]:
        """Process ids of the writers that have come up."""
        found = struct.unpack_from(f"{self.writers}i", self.memory, _PIDS)
        return (pid for pid in found if pid)


class Carrier:
    """Something outside of the store in which records remain."""

    name, needs_content = "notebook", True

    def erase(self, records: Sequence[Record]) -> list[Check]:
        """It kept nothing."""
        return [Check("erase", True, f"{len(records)} looked for")]


class Writer:
    """One writing process."""

    def __init__(self, index: int, folder: Path, plan: Plan, owned: dict[str, Known], pipe: Connection, board: Board):
        self.index, self.folder, self.plan, self.owned, self.pipe, self.board = index, folder, plan, owned, pipe, board
        self.random = Random(f"{plan.seed} {plan.number} {index}")
        self.armed = time.monotonic() + plan.warm
        self.entered = 0
        self.exports = 0

    def work(self) -> None:
        """Until told to stop, or killed."""
        struct.pack_into("i", self.board.memory, _PIDS + 4 * self.index, os.getpid())
        erase.trace = self.enter
        with delible.open(self.folder, timeout=TIMEOUT, actor=f"writer {self.index}") as memory:
            memory.attach(Carrier())
            while not self.board.memory[_STOP]:
                self.choose()(memory)
                self.board.memory[self.index] = _IDLE

    def choose(self) -> Callable[[Any], None]:
        """The next thing to do; every second time what leads into the phase that is to be hit."""
        wanted = "forget" if self.plan.phase in STEPS else self.plan.phase.replace("-", "")
        ordinary = self.random.choices(
            ("write", "batch", "derive", "revise", "hold", "forget", "export", "compact"), (8, 3, 3, 3, 2, 4, 0.3, 0.3)
        )[0]
        name = wanted if self.random.random() < 0.5 else ordinary
        if name == "reembed" and self.index:
            name = "write"  # one at a time may change the encoder
        action: Callable[[Any], None] = getattr(self, name)
        return action

    def enter(self, phase: str) -> None:
        """Announce a phase; where it is the one of the plan, kill."""
        plan, memory = self.plan, self.board.memory
        memory[self.index] = PHASES.index(phase)
        if phase != plan.phase or memory[_TRIGGER] != _IDLE or time.monotonic() < self.armed:
            return
        self.entered += 1
        if self.entered < plan.nth:
            return
        memory[_TRIGGER] = self.index
        if plan.delay == 0:
            self.kill()
        else:
            timer = threading.Timer(plan.delay, self.kill)
            timer.daemon = True
            timer.start()

    def kill(self) -> None:
        """SIGKILL to all, this process last, or to this one alone."""
        if self.plan.scope == "all":
            for pid in self.board.pids():
                if pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, say: str, **what: Any) -> None:
        # Below 4096 bytes a pipe takes a message whole or not at all, also from a process that is killed meanwhile.
        self.pipe.send({"say": say, "by": self.index, **what})

    def text(self) -> str:
        """Words that nobody else ever writes."""
        return " ".join("".join(self.random.choices(LETTERS, k=self.random.randrange(4, 9))) for _ in range(9))

    def living(self, free: bool = False) -> list[Known]:
        """Own records that live; free: without parents, revisions or children."""
        alive = [record for record in self.owned.values() if record.state == "living"]
        return [record for record in alive if len(family([record.id], self.owned)) == 1] if free else alive

    def add(self, op: str, texts: list[str], records: Callable[[], list[Record]], **links: Any) -> None:
        self.tell("intent", op=op, texts=texts, **links)
        self.enter("write" if op == "derive" else op)
        ids = [record.id for record in records()]
        self.tell("done", ids=ids)
        parents, revises = tuple(links.get("parents", ())), links.get("revises")
        self.owned |= {id: Known(id, text, self.index, parents, revises) for id, text in zip(ids, texts, strict=True)}
        if revises:
            self.owned[revises].state = "closed"

    def write(self, memory: Any) -> None:
        """One record."""
        text = self.text()
        self.add("write", [text], lambda: memory.write(text))

    def batch(self, memory: Any) -> None:
        """Some at once."""
        texts = [self.text() for _ in range(self.random.randrange(3, 20))]
        self.add("batch", texts, lambda: memory.write(texts))

    def derive(self, memory: Any) -> None:
        """A record with parents."""
        if alive := self.living():
            parents = [record.id for record in self.random.sample(alive, min(2, len(alive)))]
            text = self.text()
            self.add("derive", [text], lambda: memory.write(text, parents=parents, channel="model"), parents=parents)

    def revise(self, memory: Any) -> None:
        """Another text for a record."""
        if alive := self.living():
            old, text = self.random.choice(alive).id, self.text()
            self.add("revise", [text], lambda: [memory.revise(old, text, reason="better known")], revises=old)

    def hold(self, memory: Any) -> None:
        """Out of recall, or back."""
        held = [record for record in self.owned.values() if record.state == "held"]
        release = bool(held) and self.random.random() < 0.5
        # A hold flows to what was derived: those without relatives keep the oracle simple.
        candidates = held if release else self.living(free=True)
        if candidates:
            record = self.random.choice(candidates)
            self.tell("intent", op="release" if release else "hold", ids=[record.id])
            self.enter("hold")
            (memory.release if release else memory.hold)(record.id, reason="looked at")
            self.tell("done")
            record.state = "living" if release else "held"

    def forget(self, memory: Any) -> None:
        """One to three records and all that hangs on them."""
        if not (alive := self.living()):
            return self.batch(memory)
        ids = [record.id for record in self.random.sample(alive, min(self.random.randrange(1, 4), len(alive)))]
        self.tell("intent", op="forget", ids=ids)
        receipt = memory.forget(
            ids=ids, reason="bench", reach=self.random.choice(("derived", "everything")), timeout=5.0
        )
        self.tell("done", confirmed=receipt.confirmed)
        for id in family(ids, self.owned):
            del self.owned[id]
        return None

    def reembed(self, memory: Any) -> None:
        """All vectors anew by the other encoder."""
        other = ENCODERS[memory.encoder()["spec"] == ENCODERS[0]]
        self.enter("re-embed")
        memory.reembed(other)

    def compact(self, memory: Any) -> None:
        """VACUUM."""
        self.enter("compact")
        memory.compact()

    def export(self, memory: Any) -> None:
        """An archive beside the folder."""
        self.exports += 1
        self.enter("export")
        memory.export(self.folder.parent / "exports" / f"{self.plan.number}-{self.index}-{self.exports}.delible")


def _write(*arguments: Any) -> None:
    writer = Writer(*arguments)
    _safely(writer.work, writer.tell, f"writer {writer.index}")


def _read(
    folder: Path, plan: Plan, living: list[tuple[str, str]], gone: list[tuple[str, str]], pipe: Connection, board: Board
) -> None:
    """Recall and get without end; nothing that is gone may come back."""
    random = Random(f"{plan.seed} {plan.number} reader")

    def read() -> None:
        forgotten = dict(gone)
        with delible.open(folder, timeout=TIMEOUT, actor="reader") as memory:
            while not board.memory[_STOP]:
                while pipe.poll():
                    forgotten.update(pipe.recv())
                known = list(forgotten.items()) + living
                id, text = random.choice(known) if known else ("", "anything")
                found = {hit.record.id for hit in memory.recall(text, k=5)} | {
                    record.id for record in memory.list(limit=20)
                }
                if found & forgotten.keys():
                    raise AssertionError(f"the reader saw {len(found & forgotten.keys())} forgotten records")
                if id in forgotten:
                    try:
                        memory.get(id)
                        raise AssertionError("the reader got a forgotten record")
                    except UnknownId:
                        pass

    _safely(read, lambda say, **what: pipe.send({"say": say, **what}), "the reader")


def _safely(work: Callable[[], None], tell: Callable[..., None], who: str) -> None:
    try:
        work()
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        tell(
            "complaint",
            text=f"{who}: {type(error).__name__}: {str(error)[:200]} ({Path(frame.filename).name}:{frame.lineno})",
        )
        os._exit(1)


def _look(folder: Path, questions: Questions, pipe: Connection) -> None:
    """Open the folder afresh, let it complete what was open, and say what is there."""
    seen = Seen()
    try:
        with delible.open(folder, timeout=TIMEOUT, actor="oracle") as memory:
            memory.attach(Carrier())
            findings = memory.verify()
            seen.findings = [f"{finding.code}: {finding.detail}" for finding in findings if not finding.ok]
            seen.open_receipts = [receipt.id for receipt in memory.receipts() if not receipt.confirmed]
            after = None
            while page := memory.list(after=after, limit=1000, held=None):
                seen.listed |= {record.id: (record.text, record.held) for record in page}
                after = page[-1].id
            for id, text in questions.living:
                if memory.get(id).text != text or id not in {hit.record.id for hit in memory.recall(text, k=3)}:
                    seen.unfound.append(id)
            for id in questions.gone:
                try:
                    memory.get(id)
                    seen.got.append(f"{id} by get")
                except UnknownId:
                    pass
            for id, text, time_ in questions.gone_sample:
                if id in {hit.record.id for hit in memory.recall(text, k=10)}:
                    seen.got.append(f"{id} by recall")
                if id in {hit.record.id for hit in memory.recall(text, k=10, as_of=time_)}:
                    seen.got.append(f"{id} by as_of")
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        seen.error = f"{type(error).__name__}: {str(error)[:200]} ({Path(frame.filename).name}:{frame.lineno})"
    pipe.send(seen)


def check(folder: Path, questions: Questions) -> Seen:
    """What a fresh process finds in the folder."""
    here, there = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_look, args=(folder, questions, there))
    process.start()
    there.close()
    try:
        seen = here.recv() if here.poll(120) else Seen(error="the process that looks did not answer for 120 s")
    except EOFError:
        seen = Seen(error="the process that looks ended by itself")
    process.kill() if seen.error else None
    process.join()
    here.close()
    return seen


def prepare(folder: Path, writers: int, seed: int, number: int) -> list[dict[str, Any]]:
    """Make the folder with a few records; the messages that tell the oracle of them."""
    here, there = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_prepare, args=(folder, writers, seed, number, there))
    process.start()
    there.close()
    messages: list[dict[str, Any]] = here.recv()
    process.join()
    here.close()
    return messages


def _prepare(folder: Path, writers: int, seed: int, number: int, pipe: Connection) -> None:
    random = Random(f"{seed} {number} beginning")
    messages = []
    with delible.open(folder, encoder=ENCODERS[0]) as memory:
        for writer in range(writers):
            texts = [" ".join("".join(random.choices(LETTERS, k=6)) for _ in range(9)) for _ in range(6)]
            ids = [record.id for record in memory.write(texts)]
            messages.append({"say": "intent", "by": writer, "op": "batch", "texts": texts})
            messages.append({"say": "done", "by": writer, "ids": ids})
    pipe.send(messages)


class Crew:
    """The processes of a cycle, from outside."""

    def __init__(self, folder: Path, plan: Plan, owned: Sequence[dict[str, Known]], gone: list[tuple[str, str]]):
        self.plan, self.board, self.complaints = plan, Board(len(owned)), list[str]()
        living = [
            (record.id, record.text) for records in owned for record in records.values() if record.state == "living"
        ]
        self._pipes: list[Connection] = []
        self._writers: list[BaseProcess] = []
        ends = []
        for index, records in enumerate(owned):
            here, there = _fork.Pipe(duplex=False)
            self._pipes.append(here)
            ends.append(there)
            self._writers.append(_fork.Process(target=_write, args=(index, folder, plan, records, there, self.board)))
        self._reader_pipe, there = _fork.Pipe()
        ends.append(there)
        self._pipes.append(self._reader_pipe)
        self._reader = _fork.Process(target=_read, args=(folder, plan, living, gone, there, self.board))
        for process in (*self._writers, self._reader):
            process.start()
        for end in ends:
            end.close()

    def pipes(self) -> list[Connection]:
        """What they speak through."""
        return self._pipes

    def take(self, pipe: Any) -> dict[str, Any] | None:
        """A message for the oracle, where there is one; complaints are kept here."""
        try:
            message: dict[str, Any] = pipe.recv()
        except (EOFError, OSError):
            self._pipes.remove(pipe)
            return None
        if message["say"] == "complaint":
            self.complaints.append(message["text"])
            return None
        return message

    def tell_reader(self, gone: list[tuple[str, str]]) -> None:
        """From now on the reader must not see these."""
        if gone and self._reader.is_alive():
            with suppress(OSError):
                self._reader_pipe.send(gone)

    @property
    def trigger(self) -> int:
        """The writer that entered the phase of the plan, or -1."""
        found = self.board.memory[_TRIGGER]
        return -1 if found == _IDLE else found

    def kill(self, victims: Iterable[int]) -> None:
        """SIGKILL to these writers, in whatever phase they are."""
        for index in victims:
            if self._writers[index].is_alive():
                self._writers[index].kill()

    def stop(self) -> None:
        """Ask those that live to finish and close."""
        self.board.memory[_STOP] = 1

    def running(self) -> bool:
        """Whether any process lives."""
        return any(process.is_alive() for process in (*self._writers, self._reader))

    def writing(self) -> int:
        """How many writers live."""
        return sum(process.is_alive() for process in self._writers)

    def killed(self) -> dict[int, str]:
        """The phase that each killed writer was in ("" between two)."""
        dead = [i for i, process in enumerate(self._writers) if process.exitcode == -signal.SIGKILL]
        return {i: "" if (at := self.board.memory[i]) == _IDLE else PHASES[at] for i in dead}

    def died(self) -> list[str]:
        """Those that ended otherwise than by the kill or when told."""
        codes = {f"writer {i}": process.exitcode for i, process in enumerate(self._writers)} | {
            "the reader": self._reader.exitcode
        }
        silent = [f"{who} ended with {code}" for who, code in codes.items() if code not in (0, -signal.SIGKILL, 1)]
        return self.complaints + silent

    def end(self) -> None:
        """Whatever still runs is stopped; pipes and board are given back."""
        for process in (*self._writers, self._reader):
            if process.is_alive():
                self.complaints.append("a process did not stop when told")
                process.kill()
            process.join()
        for pipe in self._pipes:
            pipe.close()


_fork = multiprocessing.get_context("fork")
