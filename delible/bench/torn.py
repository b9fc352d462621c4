"""A torn tail: what a power cut may leave after the last commit of SQLite's log.

Bytes that were synced stay: only what lies behind the last frame that ends a transaction is cut or overwritten.
"""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

HEADER, FRAME = 32, 24  # bytes of the log's header and of a frame's, https://www.sqlite.org/fileformat2.html#walformat


def committed(data: bytes) -> int:
    """Where the last committed frame of a log ends; 0 where there is no log."""
    if len(data) < HEADER:
        return 0
    (page,), salts = struct.unpack_from(">I", data, 8), data[16:24]
    end, at = HEADER, HEADER
    # Checksums are not followed: a frame of these salts counts as whole, which spares rather more than less.
    while at + FRAME + page <= len(data) and data[at + 8 : at + 16] == salts:
        (pages,) = struct.unpack_from(">I", data, at + 4)  # of the database, where a transaction ends with this frame
        at += FRAME + page
        if pages:
            end = at
    return end


def tear(log: Path, random: Random) -> bool:
    """Cut or overwrite what lies behind the last commit, or leave a half-written frame there; whether there is a log.

    No process may have the log open.
    """
    if not log.is_file() or not (end := committed(data := log.read_bytes())):
        return False
    kind = random.choice(("cut", "noise", "half a frame", "frame without its page"))
    tail = data[end:]
    if kind == "cut":
        tail = tail[: random.randrange(len(tail) + 1)]
    elif kind == "noise":
        tail = random.randbytes(max(len(tail), random.randrange(1, 20_000)))
    else:
        # A frame of the right salts and a wrong checksum, as when its page did not reach the disk.
        number, size = random.randrange(1, 50), random.randrange(1, 50)
        frame = struct.pack(">II", number, size) + data[16:24] + random.randbytes(8)
        (page,) = struct.unpack_from(">I", data, 8)
        tail = frame + random.randbytes(random.randrange(page) if kind == "half a frame" else 0)
    with log.open("r+b") as file:
        file.seek(end)
        file.write(tail)
        file.truncate(end + len(tail))
    return True
