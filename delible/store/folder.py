"""The folder of a memory: `store.db` (with `-wal` and `-shm`), `lists/`, `tmp/`. Private, and never somebody else's."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from delible.core.errors import DelibleError, DiskFull, NotAStore, ReadOnlyStore

DATABASE = "store.db"
TEMPORARY = "tmp"
LISTS = "lists"
MAKING = "new-"  # a database being made, in `tmp/`


@contextmanager
def typed_failures(folder: Path) -> Iterator[None]:
    """The system's errors while a folder is looked at and made, as ours. Raises NotAStore, DiskFull, ReadOnlyStore."""
    try:
        yield
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        why = os.strerror(number) if number else "no possible name"
        refused: type[DelibleError] = ReadOnlyStore
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            refused = DiskFull
        elif number in (None, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
            refused = NotAStore
        raise refused(f"{str(folder)[:200]} cannot be made: {why}. Nothing was changed") from error


def prepare(folder: Path, create: bool) -> Path:
    """The path of the database; makes the folder when asked. Raises NotAStore, ReadOnlyStore."""
    with typed_failures(folder):
        if folder.is_file():
            raise NotAStore(
                f"{folder} is a file, not a folder; name a folder of its own for a memory. Nothing was changed"
            )
        database = folder / DATABASE
        if database.is_dir():
            raise NotAStore(f"{database} is a folder, not a memory's file; nothing was changed")
        if database.is_file():
            return database
        if not create:
            raise NotAStore(f"no memory at {folder}; write something first, or name the folder with --path")
        strangers = _strangers(folder) if folder.exists() else 0
        if strangers and not database.is_file():  # asked again: another process may have made it this moment
            raise NotAStore(
                f"{folder} holds other files ({strangers}) and no memory; name an empty or new folder. Nothing was"
                " changed"
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / TEMPORARY).mkdir(mode=0o700, exist_ok=True)
    return database


def _strangers(folder: Path) -> int:
    """Entries that no making of a memory leaves: what lies in `tmp/` will be overwritten, so it must be ours too."""
    names = [entry.name for entry in os.scandir(folder) if entry.name != TEMPORARY]
    temporary = folder / TEMPORARY
    if temporary.is_dir() and not temporary.is_symlink():
        names += [entry.name for entry in os.scandir(temporary) if not entry.name.startswith(MAKING)]
    elif os.path.lexists(temporary):
        names.append(TEMPORARY)
    return len(names)


def touch_private(path: Path) -> None:
    """Make an empty file that only its owner reads; SQLite gives its journals the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def derived_files(folder: Path) -> list[Path]:
    """Files under `lists/` and `tmp/`: the only ones that may be overwritten and unlinked."""
    return sorted(
        path
        for name in (LISTS, TEMPORARY)
        if not (folder / name).is_symlink()  # a link may lead to somebody else's files
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
