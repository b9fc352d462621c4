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
from delible.store import migrations, schema
from delible.store.words import open_vocabulary

_abandoned: list[apsw.Connection] = []  # connections of before a fork: closing them here would hurt the parent's
KEPT = 8  # idle connections
LOAD = "delible load FILE"
NEARLY_NOTHING = 2**20  # bytes free; what was undone has given some back when the question is asked


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
        raise _full(path) from error
    except apsw.ReadOnlyError as error:
        raise ReadOnlyStore(f"{path} takes no writes; nothing was changed") from error
    except apsw.CantOpenError as error:
        raise ReadOnlyStore(
            f"{path} cannot be opened here (permissions, or a read-only folder with an unfinished log)"
        ) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise CorruptStore(
            f"{path} is damaged or no SQLite file; nothing was changed. Restore an export: {LOAD}"
        ) from error
    except UnicodeDecodeError:
        # The error holds the bytes of a record: it does not go on as the cause.
        raise CorruptStore(f"{path} holds a text that is damaged; run: delible verify") from None
    except apsw.SQLError as error:
        if not str(error).startswith(("malformed", "no such")):
            raise
        raise CorruptStore(f"{path} holds a table or a field that is damaged; run: delible verify") from error
    except apsw.IOError as error:
        if _no_room(path):
            raise _full(path) from error
        raise DelibleError(f"reading or writing {path} failed; the transaction was undone. Check the disk") from error


@contextmanager
def damaged(what: str) -> Iterator[None]:
    """What flipped bytes do to code that reads values of ours, as one typed error. Its cause may hold text: none."""
    try:
        yield
    except DelibleError:
        raise
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise CorruptStore(f"{what} is damaged ({type(error).__name__}); run: delible verify") from None


def _full(path: Path) -> DiskFull:
    return DiskFull(f"the disk of {path} is full; make room and try again. The transaction was undone")


def _no_room(path: Path) -> bool:
    """Whether the disk is why: SQLite calls some failures to grow a file, as of `-shm`, plain input or output."""
    try:
        system = os.statvfs(path.parent)
    except OSError:
        return False
    return system.f_bavail * system.f_frsize < NEARLY_NOTHING


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
                with folders.typed_failures(folder):
                    self._create()
            with suppress(apsw.CorruptError):  # another process may be moving its log: the real connection says
                self._peek()
            connection = self._connect(first=True)
            try:
                self._check(connection)
                if migrations.is_pending(connection):
                    connection.close()
                    migrations.migrate(self.folder, timeout=timeout)
                    connection = self._connect(first=True)
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
        try:
            connection = apsw.Connection(str(made))
            try:
                schema.set_up(connection, self.timeout)
                schema.create(connection)
                connection.execute(
                    "INSERT INTO meta VALUES ('key', ?), ('created', ?)",
                    (secrets.token_bytes(32), str(micros(now())).encode()),
                )
                connection.pragma("wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()
            with suppress(FileExistsError):
                os.link(made, self.path)
        finally:
            for part in ("", "-wal", "-shm", "-journal"):
                made.with_name(made.name + part).unlink(missing_ok=True)
        folders.sync_folder(self.folder)

    def _connect(self, first: bool = False) -> apsw.Connection:
        try:
            connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
            schema.set_up(connection, self.timeout)
            if connection.readonly("main"):
                connection.close()
                raise apsw.ReadOnlyError
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()  # opens the log, where it must be made
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # Later failures have other causes: what was opened for writing is never read as if nothing could change it.
            if self._log_size() or not (first or self.read_only):
                raise
            # A cleanly closed database in a read-only folder: nothing can change it, so nothing needs a lock.
            connection = self._immutable()
            self.read_only = True
        open_vocabulary(connection)  # here: made inside a read transaction, they would go with it
        return connection

    def _immutable(self) -> apsw.Connection:
        connection = apsw.Connection(
            f"file:{_quoted(self.path)}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        schema.set_up(connection, self.timeout, read_only=True)
        return connection

    def _log_size(self) -> int:
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def _peek(self) -> None:
        """Whose file it is, and of which schema, before anything is opened that could write to it."""
        if not self.path.stat().st_size and not self._log_size():
            raise CorruptStore(f"{self.path} is empty: it was cut off. Restore an export: {LOAD}")
        if self._log_size():
            connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # the log stays as it is
        else:
            connection = self._immutable()
        try:
            connection.set_busy_timeout(int(self.timeout * 1000))
            self._check(connection)
            if self.path.stat().st_size % connection.pragma("page_size") and not self._log_size():
                raise CorruptStore(f"{self.path} ends within a page: it was cut off. Restore an export: {LOAD}")
        finally:
            connection.close()

    def _check(self, connection: apsw.Connection) -> None:
        if connection.pragma("application_id") != schema.APPLICATION:
            raise NotAStore(f"{self.path} is an SQLite file, but no memory of ours; nothing was changed")
        version = int(connection.pragma("user_version"))
        if version > schema.VERSION:
            raise NewerSchema(
                f"{self.folder} was written by a newer Delible (schema {version}, this one reads {schema.VERSION}); "
                "pip install --upgrade delible. Nothing was changed"
            )

    def _after_fork(self) -> None:
        """Never use, never close the parent's connections; its locks may be held by threads that are not here."""
        if self._process != os.getpid():
            _abandoned.extend(self._idle)
            self._idle, self._pool, self._write, self._process = [], threading.Lock(), threading.RLock(), os.getpid()

    def _take(self) -> apsw.Connection:
        if self._closed:
            raise Closed("this memory was closed; open it again")
        self._after_fork()
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

    def refuse_read_only(self) -> None:
        """Raises ReadOnlyStore where this folder takes no writes."""
        if self.read_only:
            raise ReadOnlyStore(f"{self.folder} is read-only here; nothing was changed")

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """A connection inside one write transaction: durable when left, undone on any error."""
        self.refuse_read_only()
        self._after_fork()
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
        self._after_fork()
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
