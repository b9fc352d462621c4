"""The log of reads: recalls enter the ledger in groups, from a thread of their own, never by the caller.

At most 200 ms or 256 reads wait; a kill may lose that tail, and `verify` then says which process did not close.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence

import apsw

from delible.core.errors import DelibleError
from delible.core.process import this_process
from delible.store import ledger, sealing
from delible.store.sqlite import SQLite

log = logging.getLogger(__name__)
PAUSE = 0.2  # seconds
GROUP = 256  # reads


def _all_there(connection: apsw.Connection, ids: Sequence[bytes]) -> bool:
    """Whether nobody forgot one of these meanwhile: a question that waited must not outlive its hits."""
    return all(
        connection.execute(
            "SELECT 1 FROM records r WHERE r.id = ? AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.row = r.row)",
            (id,),
        ).get
        for id in ids
    )


class ReadLog:
    """Collects reads and writes them down; `idle` is called now and then when nothing is left to write."""

    def __init__(self, store: SQLite, keep_questions: bool = False, idle: Callable[[], None] | None = None):
        self._store = store
        self._keep_questions = keep_questions
        self._idle = idle
        self._waiting: list[tuple[bytes, tuple[bytes, ...], str]] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._logged = False
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    def add(self, question: str, ids: Sequence[bytes]) -> None:
        """Note a read; returns at once."""
        digest = sealing.digest(self._store.key, ("question", question))
        self._after_fork()
        with self._lock:
            self._waiting.append((digest, tuple(ids), question if self._keep_questions else ""))
            self._start()
            if len(self._waiting) >= GROUP:
                self._wake.set()

    def _after_fork(self) -> None:
        """The thread is the parent's, and so is what waited; it may have held the locks."""
        if self._process != os.getpid():
            self._lock, self._writing, self._wake = threading.Lock(), threading.Lock(), threading.Event()
            self._waiting, self._thread, self._process, self._logged = [], None, os.getpid(), False

    def start(self) -> None:
        """Start the thread without a read: there is other work for it."""
        self._after_fork()
        with self._lock:
            self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="delible-reads", daemon=True)
            self._thread.start()

    def waiting(self) -> set[bytes]:
        """Ids that were recalled and are not in the ledger yet."""
        self._after_fork()
        with self._lock:
            return {id for _, ids, _ in self._waiting for id in ids}

    def flush(self) -> None:
        """Write down what waits, in one transaction."""
        self._after_fork()
        with self._writing:
            with self._lock:
                group, self._waiting = self._waiting, []
            if not group:
                return
            try:
                with self._store.writing() as connection:
                    for part in [[one] for one in group] if self._keep_questions else [group]:
                        ids = list(dict.fromkeys(id for _, found, _ in part for id in found))
                        seq, _ = ledger.append(
                            connection,
                            self._store.key,
                            this_process(),
                            "recall",
                            ids,
                            counts={"reads": len(part), "hits": sum(len(found) for _, found, _ in part)},
                            digest=sealing.digest(self._store.key, (digest for digest, _, _ in part)),
                        )
                        if self._keep_questions and _all_there(connection, ids):
                            connection.execute(
                                "INSERT INTO questions(seq, text, hits) VALUES (?,?,?)",
                                (seq, part[0][2], b"".join(ids)),
                            )
                self._logged = True
            except DelibleError as error:
                log.warning("%d reads are not in the ledger yet: %s", len(group), type(error).__name__)
                with self._lock:
                    self._waiting = group + self._waiting

    def close(self) -> None:
        """Write the rest, and that this process closed."""
        self._after_fork()
        self._closed = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)
        self.flush()
        if self._logged:
            try:
                with self._store.writing() as connection:
                    ledger.append(connection, self._store.key, this_process(), "close")
            except DelibleError as error:
                log.warning("the close is not in the ledger: %s", type(error).__name__)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(PAUSE)
            self._wake.clear()
            self.flush()
            if self._idle is not None:
                try:
                    self._idle()
                except DelibleError as error:
                    log.warning("background work: %s", type(error).__name__)
