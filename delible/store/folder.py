"""The folder of a memory: `store.db` (with `-wal` and `-shm`), `lists/`, `tmp/`. Private, and never somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

from delible.core.errors import NotAStore, ReadOnlyStore

DATABASE = "store.db"
TEMPORARY = "tmp"
LISTS = "lists"
MAKING = "new-"  # a database being made, in `tmp/`
_OURS = {DATABASE, DATABASE + "-wal", DATABASE + "-shm", DATABASE + "-journal", TEMPORARY, LISTS}


def prepare(folder: Path, create: bool) -> Path:
    """The path of the database; makes the folder when asked. Raises NotAStore, ReadOnlyStore."""
    if folder.is_file():
        raise NotAStore(f"{folder} is a file, not a folder; name a folder of its own for a memory. Nothing was changed")
    database = folder / DATABASE
    if database.is_file():
        return database
    if not create:
        raise NotAStore(f"no memory at {folder}; write something first, or name the folder with --path")
    if folder.exists() and (strangers := sorted(entry.name for entry in os.scandir(folder) if entry.name not in _OURS)):
        raise NotAStore(
            f"{folder} holds other files ({len(strangers)}) and no memory; name an empty or new folder. Nothing was"
            " changed"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / TEMPORARY).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ReadOnlyStore(f"{folder} cannot be made: {error.strerror}. Nothing was changed") from error
    return database


def touch_private(path: Path) -> None:
    """Make an empty file that only its owner reads; SQLite gives its journals the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def derived_files(folder: Path) -> list[Path]:
    """Files under `lists/` and `tmp/`: the only ones that may be overwritten and unlinked."""
    return sorted(
        path
        for name in (LISTS, TEMPORARY)
        for path in (folder / name).rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def shred(path: Path) -> None:
    """Overwrite a file with zeros, sync it, unlink it: a file still open or mapped elsewhere then holds nothing."""
    try:
        with open(path, "r+b", buffering=0) as file:
            left = os.fstat(file.fileno()).st_size
            zeros = bytes(min(left, 2**20))
            while left > 0:
                left -= file.write(zeros[: min(left, len(zeros))])
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return  # another process swept it


def sync_folder(folder: Path) -> None:
    """Make names that appeared or went durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
