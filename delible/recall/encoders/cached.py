"""The built graph, kept in the user's cache: a second process needs neither the weights nor `onnx`.

The file's name carries what it was made from and a checksum of itself (`minilm-int8-1-53aa5117.8d2fa9c0.onnx`), so one
rename publishes it whole, two processes may build at once, and a torn or flipped file is seen and built again.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
import zlib
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

STALE_SECONDS = 3600  # a temporary file this old was left by a process that was killed


def graph(stem: str, cache: Path, build: Callable[[], bytes]) -> Path | bytes:
    """Path of the graph in `cache`; its bytes, and a logged line, where the cache cannot be written."""
    damaged = []
    for path in sorted(cache.glob(f"{stem}.*.onnx")):
        if _checksum(path) == path.name.split(".")[-2]:
            return path
        damaged.append(path)
    content = build()
    try:
        path = _publish(stem, cache, content)
    except OSError as error:
        log.warning("the encoder's graph is not cached (%s); it is built anew by every process", error.strerror)
        return content
    for old in damaged:
        if old != path:
            old.unlink(missing_ok=True)
    return path


def digest(path: Path, cache: Path, measure: Callable[[Path], str]) -> str:
    """`measure(path)`, remembered in the cache while size, time and inode of the file stay."""
    info = path.stat()
    stamp = [str(path.resolve()), info.st_size, info.st_mtime_ns, info.st_ino]
    note = cache / f"digest-{zlib.crc32(os.fsencode(path.resolve())):08x}.json"
    try:
        known = json.loads(note.read_text("utf-8"))
        if known["stamp"] == stamp:
            return str(known["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = measure(path)
    try:
        _replace(note, json.dumps({"stamp": stamp, "digest": found}).encode())
    except OSError as error:
        log.debug("the digest of an encoder's weights is not cached (%s)", error.strerror)
    return found


def _publish(stem: str, cache: Path, content: bytes) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    for left in cache.glob("*.tmp"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            left.unlink(missing_ok=True)
    path = cache / f"{stem}.{zlib.crc32(content):08x}.onnx"
    _replace(path, content)
    return path


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _checksum(path: Path) -> str:
    """CRC-32 of the file (8 ms for 35 MB, SHA-256 31 ms): against accidents; the folder is the user's own."""
    try:
        return f"{zlib.crc32(path.read_bytes()):08x}"
    except OSError:
        return ""
