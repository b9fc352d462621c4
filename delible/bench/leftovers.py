"""What is left of forgotten content in the files of a folder, looked for from outside.

A scan of its own on purpose: it shares no line with the library's, or one mistake would blind both. It opens files, so
it must run in a process that has no connection to the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 16  # bytes of a piece
CHUNK = 1 << 22
_MASK = (1 << 22) - 1
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class Pieces:
    """The 16-byte pieces of forgotten contents that no living content has."""

    def __init__(self, forgotten: Iterable[bytes], living: Iterable[bytes] = ()):
        gathered = _unique(_hashes(content) for content in forgotten)
        self._hashes = _without(gathered, living)
        self._likely = np.zeros(_MASK + 1, np.bool_)
        self._likely[_slot(self._hashes)] = True

    def __len__(self) -> int:
        return len(self._hashes)

    def count(self, data: bytes) -> int:
        """How many places of the data hold one of the pieces."""
        if not len(self._hashes):
            return 0
        return sum(
            int(np.isin(hashes[self._likely[_slot(hashes)]], self._hashes).sum())
            for start in range(0, max(len(data) - WINDOW + 1, 0), CHUNK)
            for hashes in (_hashes(data[start : start + CHUNK + WINDOW - 1]),)
        )


def left_in(folder: Path, pieces: Pieces) -> dict[str, int]:
    """Files under the folder that hold a piece, and at how many places."""
    found = {str(file.relative_to(folder)): pieces.count(file.read_bytes()) for file in _files(folder)}
    return {name: places for name, places in found.items() if places}


def whole_in(folder: Path, contents: Iterable[bytes]) -> dict[str, int]:
    """Files under the folder that hold one of the contents as a whole, and how many of them: plain search."""
    wanted = list(contents)
    found = {}
    for file in _files(folder):
        data = file.read_bytes()
        found[str(file.relative_to(folder))] = sum(data.find(content) >= 0 for content in wanted)
    return {name: places for name, places in found.items() if places}


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file() and not file.is_symlink())


def _hashes(data: bytes) -> NDArray[np.uint64]:
    """A 64-bit hash of each window of the data: two words of 8 bytes, mixed. Equal windows, equal hashes."""
    count = len(data) - WINDOW + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    hashes = np.empty(count, np.uint64)
    for offset in range(min(8, count)):
        words = np.frombuffer(data, "<u8", (len(data) - offset) // 8, offset)
        mixed = (words[:-1] * _FIRST) ^ (words[1:] * _SECOND)
        mixed ^= mixed >> np.uint64(29)
        hashes[offset::8] = mixed[: len(hashes[offset::8])]
    return hashes


def _slot(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    return ((hashes * _FIRST) >> np.uint64(42)).astype(np.int64)


def _unique(parts: Iterable[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))


def _without(hashes: NDArray[np.uint64], living: Iterable[bytes]) -> NDArray[np.uint64]:
    """The hashes that no living content has; in portions, so that a large memory need not fit at once."""
    portion: list[NDArray[np.uint64]] = []
    size = 0
    for content in living:
        portion.append(_hashes(content))
        size += len(content)
        if size > 1 << 24:
            hashes = np.setdiff1d(hashes, _unique(portion), assume_unique=True)
            portion, size = [], 0
    return np.setdiff1d(hashes, _unique(portion), assume_unique=True)
