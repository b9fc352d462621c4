"""The look: one pass over every byte of every file for the needles, whatever the byte belongs to.

Live cells, gaps, free blocks, free pages, the log and leftovers are all just bytes here. SQLite cuts a text that runs
on to overflow pages with a 4-byte pointer: the pieces across a cut are not seen, those on either side are.

The database is read through SQLite's own file layer: this process opening and closing `store.db` by itself would drop
the POSIX locks of its connections. That layer keeps the descriptor until the last lock is gone, and uses it again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import apsw
import numpy as np

from delible.store.needles import HEAD, LEAST, PIECE, SHORT_STRIDE, SHORT_WORD, STRIDE, WORD, WORD_BITS, Needles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from delible.store.needles import Bools, Halves, Longs, Places

Reader = Callable[[], Iterable[bytes]]

NOWHERE = 1 << 62  # behind every offset
CHUNK = 1 << 21  # bytes hashed at once (m: at 256 KiB the calls alone double the time, beyond 2 MiB nothing is won)


class Find(NamedTuple):
    """A piece in a file: `window` is its place in the needles, `offset` where it lies first, `times` how often."""

    file: str
    offset: int
    window: int
    times: int


class Look(NamedTuple):
    """What a look found, and how many bytes of each file it read."""

    finds: list[Find]
    read: dict[str, int]


class Settled(NamedTuple):
    """A look after living content was heard."""

    finds: list[Find]  # of pieces that no living content has
    shared: int  # pieces that were found and that living content has too
    bared: int  # fields that have no piece but such


class Sieve:
    """Needles made ready to be looked for in buffers; one serves any number of threads."""

    def __init__(self, needles: Needles):
        self.needles = needles
        self._shorts = [length for length in needles.lengths if length < PIECE]
        self._words = _table(needles.words)
        self._short_words = _table(needles.short_words)
        self._heads = _lengths_by_head(needles.heads)

    def search(self, buffer: bytes, seen: int = 0) -> Iterator[tuple[int, Places, Places]]:
        """All pieces in a buffer but those in its first `seen` bytes: (length, offsets (n,), which needles (n,))."""
        if not len(self.needles):
            return
        if PIECE in self.needles.lengths and len(buffer) >= PIECE:
            yield self._search_windows(buffer, seen)
        if self._shorts and len(buffer) >= self._shorts[0]:
            yield from self._search_shorts(buffer, seen)

    def _search_windows(self, buffer: bytes, seen: int) -> tuple[int, Places, Places]:
        mixer, (table, shift) = self.needles.mixer, self._words
        at_each = np.ndarray((len(buffer) - WORD + 1,), "<u8", buffer, 0, (1,))

        def known(at: Places) -> Bools:
            return table[(mixer.words(at_each[at]) >> np.uint64(shift)).view(np.int64)]

        probes = mixer.words(np.frombuffer(buffer, "<u8", len(buffer) // WORD))
        probes >>= np.uint64(shift)
        hits = np.flatnonzero(table.take(probes.view(np.int64), mode="clip")) * STRIDE
        # A window around the word at p reaches down to p - 4 or up to p + 12: so it has the word at p - 4 or at p + 4.
        hits = hits[known(np.maximum(hits - WORD // 2, 0)) | known(np.minimum(hits + WORD // 2, len(at_each) - 1))]
        starts = _starts(hits, STRIDE, max(0, seen - PIECE + 1), len(buffer) - PIECE)
        starts = starts[known(starts)]
        starts = starts[known(starts + WORD)]
        return PIECE, *self._same(starts, mixer.windows(at_each[starts], at_each[starts + WORD], PIECE))

    def _search_shorts(self, buffer: bytes, seen: int) -> Iterator[tuple[int, Places, Places]]:
        mixer, (table, shift) = self.needles.mixer, self._short_words
        size = len(buffer)
        padded = buffer + bytes(PIECE)  # so that the last bytes can be read as whole words
        at_each = np.ndarray((size + 1,), "<u8", padded, 0, (1,))
        probes = np.ndarray(((size - SHORT_WORD) // SHORT_STRIDE + 1,), "<u4", padded, 0, (SHORT_STRIDE,))
        mixed = mixer.short_words(probes)
        mixed >>= np.uint32(shift)
        hits = np.flatnonzero(table.take(mixed.astype(np.intp), mode="clip")) * SHORT_STRIDE
        starts = _starts(hits, SHORT_STRIDE, max(0, seen - self._shorts[-1] + 1), size - LEAST)
        heads, head_shift = self._heads
        lengths = heads[mixer.words(at_each[starts] & np.uint64(HEAD)) >> np.uint64(head_shift)]
        starts, lengths = starts[lengths != 0], lengths[lengths != 0]
        for length in self._shorts if len(starts) else ():
            some = starts[(lengths >> length & 1 != 0) & (starts > seen - length) & (starts <= size - length)]
            low, high = at_each[some], at_each[np.minimum(some + WORD, size)]
            low &= np.uint64((1 << 8 * min(length, WORD)) - 1)
            high &= np.uint64((1 << 8 * max(length - WORD, 0)) - 1)
            yield length, *self._same(some, mixer.windows(low, high, length))

    def _same(self, starts: Places, digests: Longs) -> tuple[Places, Places]:
        """Which of the windows are needles: their starts, ascending, and places."""
        known = self.needles.digests
        # Sorted needles are looked up faster in order.
        order = np.argsort(digests)
        starts, digests = starts[order], digests[order]
        places = np.minimum(np.searchsorted(known, digests), len(known) - 1)
        same = known[places] == digests
        starts, places = starts[same], places[same]
        order = np.argsort(starts)
        return starts[order], places[order]


def scan_files(readers: Mapping[str, Reader], needles: Needles, threads: int = 2) -> Look:
    """Looks for the needles in every byte that the readers give; chunks are of any size, pieces may lie across them."""
    sieve = Sieve(needles)
    read = dict.fromkeys(readers, 0)
    # By file: where each window lies first, and how often. Arrays, for texts alike in kind share a million places.
    found: dict[str, tuple[Places, Places]] = {}

    def look(file: str, base: int, seen: int, buffer: bytes) -> list[tuple[str, Places, Places, Places]]:
        hits: list[tuple[str, Places, Places, Places]] = []
        for _, offsets, which in sieve.search(buffer, seen):
            # Offsets ascend, so the first of each is the lowest.
            windows, first, times = np.unique(which, return_index=True, return_counts=True)
            if len(windows):
                hits.append((file, windows, offsets[first] + base, times))
        return hits

    def take(job: Future[list[tuple[str, Places, Places, Places]]]) -> None:
        for file, windows, places, times in job.result():
            if file not in found:
                found[file] = (np.full(len(needles), NOWHERE, np.int64), np.zeros(len(needles), np.int64))
            first, total = found[file]
            first[windows] = np.minimum(first[windows], places)
            total[windows] += times

    with ThreadPoolExecutor(max(1, threads), "delible-scan") as pool:
        jobs: deque[Future[list[tuple[str, Places, Places, Places]]]] = deque()
        for file, reader in readers.items():
            for base, seen, buffer in _overlapping(reader()):
                read[file] = base + len(buffer)
                jobs.append(pool.submit(look, file, base, seen, buffer))
                # Bounded: a reader faster than the search must not fill the memory.
                while len(jobs) > 2 * threads:
                    take(jobs.popleft())
        while jobs:
            take(jobs.popleft())
    finds = [
        Find(file, place, window, times)
        for file, (first, total) in found.items()
        for at in [np.flatnonzero(total)]
        for place, window, times in zip(first[at].tolist(), at.tolist(), total[at].tolist(), strict=True)
    ]
    return Look(sorted(finds), read)


def contained(needles: Needles, living: Iterable[bytes]) -> Bools:
    """Which of the needles (len,) some living content has. A piece across two contents is in neither."""
    sieve = Sieve(needles)
    held = np.zeros(len(needles), bool)
    for blobs in _batched(living):
        ends = np.cumsum([len(blob) for blob in blobs])
        for length, offsets, which in sieve.search(b"".join(blobs)):
            within = np.searchsorted(ends, offsets, "right") == np.searchsorted(ends, offsets + length - 1, "right")
            held[which[within]] = True
    return held


def subtract(needles: Needles, living: Iterable[bytes]) -> tuple[Needles, int]:
    """The needles that no living content has, and how many were dropped. It reads all that lives; `settle` seldom."""
    held = contained(needles, living)
    return needles.select(~held), int(held.sum())


def settle(finds: Iterable[Find], needles: Needles, living: Iterable[bytes]) -> Settled:
    """Drops the finds of pieces that living content has too; `living` is read only where there are finds.

    Living content is all that may lawfully lie in the files: the values of every table, its schema, the terms of the
    full-text index (they are lower case and cut to their stem, so no living text need have them).
    """
    finds = list(finds)
    shared = np.zeros(len(needles), bool)
    if finds:
        shared[[find.window for find in finds]] = True
        shared[shared] = contained(needles.select(shared), living)
    left = [find for find in finds if not shared[find.window]]
    return Settled(left, int(shared.sum()), needles.bared(needles.select(~shared)))


def folder_readers(folder: Path, database: str = "store.db") -> dict[str, Reader]:
    """A reader for each file of a store's folder, by its name within. `-shm` is left alone: only locks, no content."""
    readers: dict[str, Reader] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        name = path.relative_to(folder).as_posix()
        if name != f"{database}-shm":
            readers[name] = partial(read_through_vfs if name in (database, f"{database}-wal") else read_plain, path)
    return readers


def read_through_vfs(path: Path) -> Iterator[bytes]:
    """The bytes of a database or of its `-wal`, leaving this process's locks alone. None where there is no file."""
    kind = apsw.SQLITE_OPEN_WAL if path.name.endswith("-wal") else apsw.SQLITE_OPEN_MAIN_DB
    try:
        file = apsw.VFSFile("", str(path.resolve()), [apsw.SQLITE_OPEN_READONLY | kind, 0])
    except apsw.CantOpenError:
        if path.exists():
            raise
        return
    try:
        at = 0
        # The size again for each chunk: the log may grow or be cut meanwhile.
        while chunk := file.xRead(min(CHUNK, max(0, file.xFileSize() - at)), at):
            yield chunk
            at += len(chunk)
    finally:
        file.xClose()


def read_plain(path: Path) -> Iterator[bytes]:
    """The bytes of any other file; none where it went meanwhile. Never of a database in use: that drops its locks."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return
    try:
        while chunk := os.read(file, CHUNK):
            yield chunk
    finally:
        os.close(file)


def _starts(hits: Places, stride: int, lowest: int, highest: int) -> Places:
    """Where windows begin whose first whole word is one of the hits: each once, ascending, within bounds."""
    starts = (hits[:, None] - np.arange(stride)[::-1]).ravel()
    return starts[(starts >= lowest) & (starts <= highest)]


def _table(words: Halves) -> tuple[Bools, int]:
    """Which words are known, by their upper bits."""
    bits = _bits(words)
    shift = WORD_BITS - bits
    table = np.zeros(1 << bits, bool)
    table[words >> np.uint32(shift)] = True
    return table, shift


def _lengths_by_head(heads: Halves) -> tuple[NDArray[np.uint16], int]:
    """Of the first 6 bytes of a short form: bit n is set where one of n bytes begins so."""
    bits = _bits(heads)
    table = np.zeros(1 << bits, np.uint16)
    places = (heads & np.uint32((1 << WORD_BITS) - 1)) >> np.uint32(WORD_BITS - bits)
    np.bitwise_or.at(table, places, np.uint16(1) << (heads >> np.uint32(WORD_BITS)).astype(np.uint16))
    return table, WORD_BITS - bits


def _bits(words: Halves) -> int:
    """Bits of a table of words: small enough for the cache, sparse enough to turn most away."""
    return min(WORD_BITS, max(16, len(words).bit_length() + 7))


def _overlapping(chunks: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """(offset in the file, bytes seen before, buffer) of about CHUNK; each begins with the 15 bytes before it."""
    base, tail = 0, b""
    for blobs in _batched(chunks):
        buffer = b"".join((tail, *blobs))
        yield base, len(tail), buffer
        tail = buffer[-(PIECE - 1) :]
        base += len(buffer) - len(tail)


def _batched(blobs: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Blobs in lists of about CHUNK bytes: small ones together, a large one alone."""
    batch: list[bytes] = []
    size = 0
    for blob in blobs:
        batch.append(blob)
        size += len(blob)
        if size >= CHUNK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
