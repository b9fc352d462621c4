"""Processes beside the test. One server imports everything once and opens nothing; each connection to it is a fork.

So a fresh process costs milliseconds, can be killed at any step, and may read the folder's files: doing that in the
test itself would drop the locks that SQLite holds for it.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache, lru_cache
from multiprocessing.connection import Connection
from pathlib import Path

import apsw

import delible
from delible.bench.leftovers import Pieces, left_in, whole_in
from delible.core.errors import DelibleError
from delible.governance import erase
from delible.recall.embedding import checked_vectors, spoken
from delible.recall.encoders import open_encoder
from delible.recall.passages import passages
from delible.store.bits import sign_bits

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds until a process that does not answer is a failure


def perform(memory, verb, arguments):
    """What a call returned, or the name of the error it raised; nothing else may come out of a memory."""
    try:
        return getattr(memory, verb)(**arguments), ""
    except DelibleError as error:
        return None, type(error).__name__


class Processes:
    """The server, and the way to a fresh process."""

    def __init__(self, socket_path):
        self._path = str(socket_path)
        command = [sys.executable, "-m", "tests.memory_machine.processes", self._path]
        quiet = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # no thread, so that a fork is whole
        self._server = subprocess.Popen(
            command, cwd=ROOT, env=quiet, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout.readline() == "ready\n"

    def start(self, folder=None):
        """A fresh process, which has this folder open."""
        plain = socket.socket(socket.AF_UNIX)
        plain.connect(self._path)
        return Other(Connection(plain.detach()), folder)

    def stop(self):
        self._server.communicate()


class Other:
    """Another process, which does what it is told, and can be killed."""

    def __init__(self, pipe, folder):
        self._pipe = pipe
        self.pid = pipe.recv()
        if folder is not None:
            self.ask("open", str(folder))

    def ask(self, *message):
        """Its answer; EOFError where it died before."""
        self._pipe.send(message)
        assert self._pipe.poll(PATIENCE), f"no answer to {message[0]}"
        answer = self._pipe.recv()
        if isinstance(answer, AssertionError):
            raise answer
        return answer

    def perform(self, verb, arguments, kill_at=None, kill_after=None):
        """As `perform`. `kill_at`: a step of forget, or "progress"; `kill_after`: seconds."""
        return self.ask("perform", verb, arguments, kill_at, kill_after)

    def kill(self):
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._pipe.close()

    def close(self):
        self.ask("close")
        self._pipe.close()


def left(folder, gone, kept, told):
    """Files that hold a piece of what is gone (text, author) and of nothing kept: 16 bytes of text, 32 of vectors."""
    kept_texts = [text.encode() for text in (*(text for text, _ in kept), *told)]
    found = left_in(Path(folder), Pieces((text.encode() for text, _ in gone), kept_texts))
    lawful = b"|".join(raw for one in kept for raw in _vectors(*one))
    # Anywhere in what is kept: vectors of one word have two values, and so many pieces in common by chance.
    return found | whole_in(Path(folder), [piece for piece in _pieces(tuple(gone)) if piece not in lawful])


@cache
def _vectors(text, author):
    """A record's vectors, as stored and as float32, and their sign bits, by both encoders."""
    found = []
    for encoder in map(open_encoder, ("hash", "hash:128")):
        said = [spoken(text[start:stop], author) for start, stop in passages(text, encoder)]
        X = checked_vectors(encoder, encoder.encode(said), len(said))
        found += [whole.tobytes() for whole in [*X.astype("<f2"), *X.astype("<f4"), *sign_bits(X)]]
    return found


@lru_cache(8)
def _pieces(records):
    cut = {raw[at : at + 32] for one in records for raw in _vectors(*one) for at in range(0, len(raw), 32)}
    # A vector of few words is mostly zeros, and those lie everywhere.
    return [piece for piece in cut if len(piece) == 32 and piece.count(0) < 20]


def _cut_log(folder):
    """In a fork: with a connection of its own, the one that reads files would drop the locks of it."""
    if (child := os.fork()) == 0:
        connection = apsw.Connection(f"{folder}/store.db")
        connection.set_busy_timeout(5000)
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        os._exit(busy)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _die():
    os.kill(os.getpid(), signal.SIGKILL)


def _serve(pipe):
    pipe.send(os.getpid())
    memory = None
    while True:
        try:
            message = pipe.recv()
        except EOFError:
            os._exit(0)
        answer = None
        match message:
            case ("open", folder):
                memory = delible.open(folder, timeout=30)
            case ("perform", verb, arguments, kill_at, kill_after):
                erase.trace = lambda step, at=kill_at: _die() if step == at else None
                if kill_at == "progress":
                    arguments = {**arguments, "progress": lambda *_: _die()}
                if kill_after is not None:
                    threading.Timer(kill_after, _die).start()
                try:
                    answer = perform(memory, verb, arguments)
                except Exception as error:
                    answer = AssertionError(f"{verb} ended in {error!r}")
            case ("cut", folder):
                _cut_log(folder)
            case ("left", *what):
                answer = left(*what)
            case ("close",):
                memory.close()
        pipe.send(answer)


def _warm(place):
    """Import what is imported when first needed; closed again, nothing of it is left for a fork to share."""
    with delible.open(place / "warm", encoder="hash") as memory:
        memory.export(place / "warm.zip")
        record = memory.write("something to do")[0]
        memory.recall("something")
        memory.forget(record.id, reason="done")
        memory.load(place / "warm.zip")


def _main(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _warm(Path(path).parent)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while server in select.select([server, sys.stdin], [], [])[0]:
        plain, _ = server.accept()
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _serve(Connection(plain.detach()))
        plain.close()


if __name__ == "__main__":
    _main(sys.argv[1])
