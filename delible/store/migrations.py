"""Migrations: a folder of an older schema is copied, changed in small transactions, verified, and the copy destroyed.

How far it got stands in the folder, so a killed migration goes on where it was. From the first transaction on the
folder has the number of the new schema: an older program then refuses it instead of writing into what is half changed.
The copy holds content: it lies in `tmp/`, which every opening and forget sweeps, and is overwritten before it goes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import apsw

from delible.core.errors import CorruptStore, DiskFull, ReadOnlyStore
from delible.core.progress import Progress, silent
from delible.store import folder as folders
from delible.store import schema, schema_1_to_2

log = logging.getLogger(__name__)

COPIED = 100 * 2**20  # bytes a second that a copy is reckoned with; ours, for a plain disk
SPARE = 16 * 2**20  # bytes left free beside the copy
PAGES = 1000  # of the copy, between two signs of life

trace: Callable[[str], None] = lambda step: None  # noqa: E731  a crash test hears each step here


@dataclass(frozen=True)
class Migration:
    """The step from one schema to the next.

    `batch` does some of the work in a transaction of its own: it gets how much is done and returns how much then is, or
    None when nothing is left. `total` counts the work, `rate` is how much of it a second does (measured).
    """

    batch: Callable[[apsw.Connection, int], int | None]
    total: Callable[[apsw.Connection], int]
    rate: float
    kept: tuple[str, ...] = ("records", "texts", "lives", "lineage", "vectors", "events", "receipts", "suppressed")


MIGRATIONS: Mapping[int, Migration] = {  # by the schema that a step starts from; schema 1 is the first
    1: Migration(schema_1_to_2.step, schema_1_to_2.total, schema_1_to_2.RATE),
}


@dataclass(frozen=True)
class Migrated:
    """What was done."""

    before: int
    after: int
    work: int
    seconds: float


@dataclass(frozen=True)
class _State:
    """How far a migration got; `at` is the schema whose step is under way."""

    before: int
    at: int
    done: int
    work: int
    counts: Mapping[str, int]


def is_pending(connection: apsw.Connection, target: int = schema.VERSION) -> bool:
    """Whether a folder has to be migrated, or was killed while it was."""
    return int(connection.pragma("user_version")) < target or _read(connection) is not None


def estimate(
    connection: apsw.Connection, migrations: Mapping[int, Migration] = MIGRATIONS, target: int = schema.VERSION
) -> float:
    """Seconds that a migration should take."""
    state = _read(connection)
    size = connection.pragma("page_count") * connection.pragma("page_size")
    seconds = 0.0 if state else size / COPIED
    for version in range(state.at if state else int(connection.pragma("user_version")), target):
        step = _step(migrations, version)
        done = state.done if state and state.at == version else 0
        seconds += max(0, step.total(connection) - done) / step.rate
    return seconds


def migrate(
    folder: Path,
    progress: Progress = silent,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    target: int = schema.VERSION,
    timeout: float = 5.0,
) -> Migrated | None:
    """Bring a folder that nobody has open to this schema, from wherever it stands; None where it is there already.

    Raises StoreLocked, DiskFull, ReadOnlyStore; CorruptStore when the result did not verify: then all is as it was.
    """
    from delible.store.sqlite import typed_errors

    path = folder / folders.DATABASE
    if not os.access(folder, os.W_OK) or not os.access(path, os.W_OK):
        raise ReadOnlyStore(
            f"{folder} has an older schema and takes no writes, so it cannot be migrated; nothing was changed"
        )
    with typed_errors(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            # Alone, or not at all: a program that has the folder open knows the old tables. In this mode SQLite refuses
            # while any other connection exists, and others are refused while this one does.
            connection.pragma("locking_mode", "exclusive")
            schema.set_up(connection, timeout)
            return _Migrating(connection, folder, progress, migrations, target).run()
        finally:
            connection.close(True)


class _Migrating:
    def __init__(
        self,
        connection: apsw.Connection,
        folder: Path,
        progress: Progress,
        migrations: Mapping[int, Migration],
        target: int,
    ):
        self.connection = connection
        self.folder = folder
        self.progress = progress
        self.migrations = migrations
        self.target = target

    def run(self) -> Migrated | None:
        started = time.monotonic()
        self.connection.execute("BEGIN EXCLUSIVE")
        self.connection.execute("COMMIT")  # nobody else has it open, and in this mode nobody will
        state = _read(self.connection)
        if state is None:
            before = int(self.connection.pragma("user_version"))
            if before >= self.target:
                return None
            state = self._begin(before)
        while state.at < self.target:
            state = self._batch(state)
        trace("verify")
        wrong = self._wrong(state)
        if wrong:
            self._put_back(state, wrong)
        with self.connection:
            self.connection.execute("DELETE FROM meta WHERE name = 'migration'")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        trace("shred")
        self._shred_copies()
        return Migrated(state.before, self.target, state.work, time.monotonic() - started)

    def _begin(self, before: int) -> _State:
        for version in range(before, self.target):
            _step(self.migrations, version)  # every step is known before the first is taken
        seconds = estimate(self.connection, self.migrations, self.target)
        log.info("schema %d to %d, about %.0f s", before, self.target, seconds)
        self._shred_copies()  # of a migration that was killed while it copied
        self._copy(before, seconds)
        counts = _counts(
            self.connection,
            {table for version in range(before, self.target) for table in self.migrations[version].kept},
        )
        state = _State(before, before, 0, 0, counts)
        with self.connection:
            self.connection.pragma("user_version", self.target)
            _write(self.connection, state)
        return state

    def _batch(self, state: _State) -> _State:
        step = _step(self.migrations, state.at)
        total = step.total(self.connection)
        left = max(0, total - state.done) / step.rate
        self.progress(f"schema {state.at} to {state.at + 1}, about {left:.0f} s", min(state.done, total), total)
        trace(f"batch {state.at} {state.done}")
        with self.connection:
            done = step.batch(self.connection, state.done)
            if done is None:
                state = replace(state, at=state.at + 1, done=0, work=state.work + total)
            elif done <= state.done:
                raise CorruptStore(f"the migration from schema {state.at} does not get on at {done}; nothing was lost")
            else:
                state = replace(state, done=done)
            _write(self.connection, state)
        return state

    def _wrong(self, state: _State) -> str:
        """What does not hold after the last step; "" where all does."""
        found = self.connection.execute("PRAGMA integrity_check(1)").get
        if found != "ok":
            return "the file does not pass SQLite's integrity check"
        for table, count in _counts(self.connection, state.counts).items():
            if count != state.counts[table]:
                return f"{table} has {count:,} rows instead of {state.counts[table]:,}"
        for table in ("words", "grams"):
            try:
                self.connection.execute(f"INSERT INTO {table}({table}) VALUES ('integrity-check')")
            except apsw.CorruptError:
                return f"the index {table} does not fit the texts"
        return ""

    def _put_back(self, state: _State, wrong: str) -> None:
        copy = self._copy_path(state.before)
        if not copy.exists():
            told = f"after the migration {wrong}, and its copy is gone"
            raise CorruptStore(f"{self.folder}: {told}; restore an export: delible load FILE")
        source = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            with self.connection.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(PAGES)
        finally:
            source.close(True)
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._shred_copies()
        told = f"after the migration {wrong}; the memory was put back as it was"
        raise CorruptStore(f"{self.folder}: {told}. Please report this")

    def _copy_path(self, version: int) -> Path:
        return self.folder / folders.TEMPORARY / f"{folders.DATABASE}.before-{version}"

    def _copy(self, version: int, seconds: float) -> None:
        size = self.connection.pragma("page_count") * self.connection.pragma("page_size")
        free = shutil.disk_usage(self.folder).free
        if free < size + SPARE:
            room = f"needs {(size + SPARE) // 2**20} MiB free for a copy, {free // 2**20} are"
            raise DiskFull(f"migrating {self.folder} {room}; make room and open it again. Nothing was changed")
        copy = self._copy_path(version)
        made = copy.with_name(copy.name + ".part")  # without a log or journal: it is whole when it has its name
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        folders.touch_private(made)
        target = apsw.Connection(str(made), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            target.pragma("journal_mode", "off")
            with target.backup("main", self.connection, "main") as backup:
                while not backup.done:
                    trace("copy")
                    backup.step(PAGES)
                    done = backup.page_count - backup.remaining
                    self.progress(
                        f"copying the memory first, all in all about {seconds:.0f} s", done, backup.page_count
                    )
        finally:
            target.close(True)
        with open(made, "rb") as file:
            os.fsync(file.fileno())
        os.rename(made, copy)
        folders.sync_folder(copy.parent)
        trace("copied")

    def _shred_copies(self) -> None:
        for path in sorted((self.folder / folders.TEMPORARY).glob(f"{folders.DATABASE}.before-*")):
            folders.shred(path)
        folders.sync_folder(self.folder / folders.TEMPORARY)


def _step(migrations: Mapping[int, Migration], version: int) -> Migration:
    if version not in migrations:
        raise CorruptStore(f"the memory claims schema {version}, which no Delible ever wrote; nothing was changed")
    return migrations[version]


def _counts(connection: apsw.Connection, tables: Mapping[str, int] | set[str]) -> dict[str, int]:
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return {
        table: connection.execute(f"SELECT count(*) FROM {table}").get for table in sorted(tables) if table in there
    }


def _read(connection: apsw.Connection) -> _State | None:
    stored = connection.execute("SELECT value FROM meta WHERE name = 'migration'").get
    return None if stored is None else _State(**json.loads(stored))


def _write(connection: apsw.Connection, state: _State) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO meta(name, value) VALUES ('migration', ?)", (json.dumps(vars(state)).encode(),)
    )
