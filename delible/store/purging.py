"""Purging: what makes a deletion physical. The log is cut, and when a piece was found all the same, the file is
rewritten."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from delible.core.errors import DiskFull
from delible.store import folder as folders
from delible.store.sqlite import SQLite
from delible.store.words import open_vocabulary

TRY = 0.1  # seconds of one try: a truncating checkpoint holds the write lock while it waits (measured)
PAUSE = 0.05
_SHM_READERS = range(123, 128)  # bytes of `-shm` that a reader of the log locks


def cut_log(store: SQLite, timeout: float) -> str:
    """Move the log into the file and cut it to nothing; "" when done, else who keeps an old snapshot open."""
    deadline = time.monotonic() + timeout
    with store.connection() as connection:
        connection.set_busy_timeout(int(TRY * 1000))
        try:
            while True:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return ""
                if time.monotonic() > deadline:
                    return blocker(store.path)
                time.sleep(PAUSE)
        finally:
            connection.set_busy_timeout(int(store.timeout * 1000))


def blocker(database: Path) -> str:
    """Who reads an old snapshot, as far as the system says; found by the file's number, `-shm` is never opened."""
    try:
        inode = os.stat(f"{database}-shm").st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return "another process keeps an old snapshot open"
    holders: set[int] = set()
    for line in lines:
        fields = line.replace("->", "").split()
        # "1: POSIX ADVISORY READ 4121 fe:00:1234 123 123"
        try:
            process, file, first = int(fields[4]), fields[5], int(fields[6])
        except (IndexError, ValueError):
            continue
        if int(file.rsplit(":", 1)[-1]) == inode and first in _SHM_READERS:
            holders.add(process)
    if not holders:
        return "another process keeps an old snapshot open"
    own = os.getpid()
    named = [f"this process ({own})" if holder == own else f"process {holder}" for holder in sorted(holders)]
    return f"{' and '.join(named)} keeps an old snapshot open"


def rewrite(store: SQLite) -> None:
    """VACUUM into a file of the folder's `tmp/`. Raises DiskFull where the disk has less than twice the file free."""
    temporary = store.folder / folders.TEMPORARY
    temporary.mkdir(mode=0o700, exist_ok=True)
    size = store.path.stat().st_size
    free = shutil.disk_usage(store.folder).free
    if free < 2 * size:
        raise DiskFull(
            f"rewriting {store.path} needs {2 * size // 2**20} MiB free, {free // 2**20} are; nothing was changed"
        )
    with store.connection() as connection:
        # SQLite unlinks the file as it opens it; where it lay is named by the receipts as a limit of what can be seen.
        quoted = str(temporary).replace("'", "''")
        connection.execute(f"PRAGMA temp_store_directory = '{quoted}'")
        connection.pragma("temp_store", "FILE")
        try:
            connection.execute("VACUUM")
        finally:
            connection.pragma("temp_store", "MEMORY")
            open_vocabulary(connection)  # a change of temp_store drops what the temporary schema held


NEW = 60.0  # seconds in which a database that is being made may keep its temporary name


def sweep(folder: Path) -> int:
    """Overwrite and unlink what lies in `tmp/` and `lists/` under no name of ours; how many files went."""
    gone = 0
    for path in folders.derived_files(folder):
        try:
            if path.name.startswith(folders.MAKING) and time.time() - path.stat().st_mtime < NEW:
                continue
        except FileNotFoundError:
            continue
        folders.shred(path)
        gone += 1
    if gone:
        for name in (folders.TEMPORARY, folders.LISTS):
            if (folder / name).is_dir():
                folders.sync_folder(folder / name)
    return gone
