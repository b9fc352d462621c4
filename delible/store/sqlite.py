"""The SQLite backend: connections, transactions, and SQLite's failures as typed errors.

A connection never leaves a transaction with a cursor open, and read transactions are short: a reader that keeps an
old snapshot
keeps forgotten bytes in the write-ahead log. Threads share a pool; processes share the file.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from delible.core.errors import (
    Closed,
    CorruptStore,
    DelibleError,
    DiskFull,
    NewerSchema,
    NotAStore,
    ReadOnlyStore,
    StoreLocked,
)
from delible.core.times import micros, now
from delible.store import folder as folders
from delible.store import schema
from delible.store.words import open_vocabulary

_abandoned: list[apsw.Connection] = []  # connections of before a fork: closing them here would hurt the parent's
KEPT = 8  # idle connections


@contextmanager
def typed_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, one line each, the cause kept."""
    try:
        yield
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreLocked(
            f"{path} is held by another process; try again, or open with a longer timeout. Nothing was changed"
        ) from error
    except apsw.FullError as error:
        raise DiskFull(f"the disk of {path} is full; make room and try again. The transaction was undone") from error
    except apsw.ReadOnlyError as error:
        raise ReadOnlyStore(f"{path} takes no writes; nothing was changed") from error
    except apsw.CantOpenError as error:
        raise ReadOnlyStore(
            f"{path} cannot be opened here (permissions, or a read-only folder with an unfinished log)"
        ) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise CorruptStore(
            f"{path} is damaged or no SQLite file; nothing was changed. Restore an export: delible load FILE"
        ) from error
    except apsw.IOError as error:
        raise DelibleError(f"reading or writing {path} failed; the transaction was undone. Check the disk") from error


class SQLite:
    """One folder, any number of threads and processes."""

    def __init__(self, folder: Path, create: bool = True, timeout: float = 5.0):
        self.folder = folder
        self.timeout = timeout
        self.path = folders.prepare(folder, create)
        self._idle: list[apsw.Connection] = []
        self._pool = threading.Lock()
        self._write = threading.RLock()
        self._process = os.getpid()
        self._closed = False
        self.read_only = False
        with typed_errors(self.path):
            if not self.path.exists():
                self._create()
            connection = self._connect()
            try:
                self._check(connection)
                self.key = bytes(connection.execute("SELECT value FROM meta WHERE name = 'key'").get)
            except (apsw.SQLError, TypeError) as error:
                connection.close()
                raise CorruptStore(
                    f"{self.path} is not a memory of ours, or its tables are damaged; nothing was changed"
                ) from error
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)

    def _create(self) -> None:
        # Made whole under another name, then linked: no process ever opens half a database, and of two makers one wins.
        made = self.folder / folders.TEMPORARY / f"{folders.MAKING}{secrets.token_hex(8)}.db"
        folders.touch_private(made)
        connection = apsw.Connection(str(made))
        schema.set_up(connection, self.timeout)
        schema.create(connection)
        with connection:
            connection.execute(
                "INSERT INTO meta VALUES ('key', ?), ('created', ?)",
                (secrets.token_bytes(32), str(micros(now())).encode()),
            )
        connection.pragma("wal_checkpoint(TRUNCATE)")
        connection.close()
        with suppress(FileExistsError):
            os.link(made, self.path)
        made.unlink()
        folders.sync_folder(self.folder)

    def _connect(self) -> apsw.Connection:
        try:
            connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
            schema.set_up(connection, self.timeout)
            if connection.readonly("main"):
                connection.close()
                raise apsw.ReadOnlyError
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()  # opens the log, where it must be made
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            log = self.path.with_name(self.path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            # A cleanly closed database in a read-only folder: nothing can change it, so nothing needs a lock.
            self.read_only = True
            connection = apsw.Connection(
                f"file:{_quoted(self.path)}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            )
            schema.set_up(connection, self.timeout, read_only=True)
        open_vocabulary(connection)  # here: made inside a read transaction, they would go with it
        return connection

    def _check(self, connection: apsw.Connection) -> None:
        if connection.pragma("application_id") != schema.APPLICATION:
            raise NotAStore(f"{self.path} is an SQLite file, but no memory of ours; nothing was changed")
        version = int(connection.pragma("user_version"))
        if version > schema.VERSION:
            raise NewerSchema(
                f"{self.folder} was written by a newer Delible (schema {version}, this one reads {schema.VERSION}); "
                "pip install --upgrade delible. Nothing was changed"
            )

    def _take(self) -> apsw.Connection:
        if self._closed:
            raise Closed("this memory was closed; open it again")
        if self._process != os.getpid():  # after a fork: never use, never close the parent's
            _abandoned.extend(self._idle)
            self._idle, self._pool, self._write, self._process = [], threading.Lock(), threading.RLock(), os.getpid()
        with self._pool:
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give(self, connection: apsw.Connection) -> None:
        with self._pool:
            if not self._closed and len(self._idle) < KEPT:
                self._idle.append(connection)
                return
        connection.close()

    @contextmanager
    def connection(self) -> Iterator[apsw.Connection]:
        """A connection outside any transaction."""
        with typed_errors(self.path):
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close(True)
                raise
            self._give(connection)

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection inside one read transaction: keep it short."""
        with self.connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """A connection inside one write transaction: durable when left, undone on any error."""
        if self.read_only:
            raise ReadOnlyStore(f"{self.folder} is read-only here; nothing was changed")
        with self._write, self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    with suppress(apsw.Error):
                        connection.execute("ROLLBACK")
                raise

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Close every idle connection; any number of times."""
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            if self._process == os.getpid():
                connection.close()


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
