"""JSON that somebody else wrote: the objects of a file, one a line or in one array, without ever holding it whole; or
a document, which is."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from delible.core.errors import InvalidInput

LONGEST = 64 * 2**20  # bytes of one object: ten million characters fit, an endless line does not fill memory
LARGEST = 256 * 2**20  # bytes of a document
_CHUNK = 1 << 16
_BLANK = " \t\r\n"


class Malformed(Exception):
    """What is wrong with object `number`, in words of ours: nothing of the file is quoted."""

    def __init__(self, number: int, why: str):
        self.number = number
        super().__init__(why)


def opened(path: Path) -> BinaryIO:
    """The file, open for reading. Raises InvalidInput."""
    try:
        return open(path, "rb")
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else "cannot be read"
        raise InvalidInput(f"{path.name}: {why}; nothing was loaded") from error


def document(path: Path, told: str = "") -> Any:
    """The JSON value that a file is, unpacked where it is named .gz; errors call it `told`. Raises InvalidInput."""
    told = told or path.name
    with opened(path) as stream:
        try:
            content = (gzip.GzipFile(fileobj=stream) if path.suffix == ".gz" else stream).read(LARGEST + 1)
        except (OSError, EOFError, zlib.error):
            raise InvalidInput(f"{told} is damaged or no gzip file; nothing was loaded") from None
    if len(content) > LARGEST:
        raise InvalidInput(f"{told} has more than {LARGEST:,} bytes; split it. Nothing was loaded")
    try:
        return parsed(content)
    except ValueError:
        raise InvalidInput(f"{told} is no JSON document; nothing was loaded") from None


def objects(stream: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each object with its number: of its line, or of its place in the array. Raises Malformed."""
    head = stream.read(_CHUNK)
    stream.seek(-len(head), os.SEEK_CUR)
    array = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["
    for number, value in _elements(stream) if array else _lines(stream):
        if not isinstance(value, dict):
            raise Malformed(number, "no JSON object")
        yield number, value


def parsed(text: str | bytes) -> Any:
    """The JSON value. Raises ValueError, also for NaN, Infinity and what is nested too deep."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _lines(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise Malformed(number, f"longer than {LONGEST:,} bytes")
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.strip():
            try:
                value = parsed(line)
            except ValueError:
                raise Malformed(number, "no JSON") from None
            yield number, value


def _elements(stream: BinaryIO) -> Iterator[tuple[int, object]]:
    text = _Text(stream)
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    number, wanted = 0, _CHUNK
    try:
        buffer = text.more().lstrip().removeprefix("[").lstrip(_BLANK)
        while True:
            if buffer[:1] == "]":
                if buffer[1:].strip() or text.more().strip():
                    raise Malformed(number, "something follows the array")
                return
            try:
                value, end = decoder.raw_decode(buffer)
                rest = buffer[end:].lstrip(_BLANK)
                if not rest:
                    raise ValueError  # the comma or the end of the array is still to come
            except ValueError:
                # Cut within an element, most likely: again with twice as much, so that a long one costs no squares.
                if len(buffer) > LONGEST:
                    raise Malformed(number + 1, f"longer than {LONGEST:,} characters") from None
                added = text.more(wanted)
                if not added:
                    raise Malformed(number + 1, "no JSON, or the array has no end") from None
                buffer, wanted = (buffer + added).lstrip(_BLANK), min(2 * wanted, LONGEST)
                continue
            number, wanted = number + 1, _CHUNK
            yield number, value
            if rest[0] not in ",]":
                raise Malformed(number, "no comma follows it")
            buffer = rest.removeprefix(",").lstrip(_BLANK)
    except (UnicodeDecodeError, RecursionError):
        raise Malformed(number + 1, "no JSON in UTF-8") from None


class _Text:
    """Decodes a stream piece by piece; an empty piece is the end."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()

    def more(self, size: int = _CHUNK) -> str:
        while data := self._stream.read(size):
            if text := self._decoder.decode(data):
                return text
        return self._decoder.decode(b"", final=True)


def _no_constant(name: str) -> float:
    """NaN and Infinity are no JSON."""
    raise ValueError(name)
