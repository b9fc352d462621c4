"""The `hash` encoder: no model and no meaning, equal words only. For tests, and where nothing may be installed.

A word is a vector of signs drawn from its hash; a text is the sum of its words, as in signed feature hashing
(Weinberger et al. 2009). In scripts without spaces a run is one word of a text's sum (so it was in version 1, and its
vectors are kept), and gives a token for each gram that it is looked up by (`sought`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from delible.core.errors import InvalidInput
from delible.core.records import Item
from delible.core.shapes import Role, Tokens
from delible.core.texts import normalised
from delible.recall.encoders.rows import texts_only, unit_rows
from delible.store.words import UNSPACED, sought

if TYPE_CHECKING:
    from numpy.typing import NDArray

_word = re.compile(r"\w+")
_piece = re.compile(rf"(?P<run>[{UNSPACED}]+)|[^\W{UNSPACED}]+")


class HashEncoder:
    """Same text, same vector, in every process and on every machine."""

    name = "hash"
    accepts = frozenset({"text"})

    def __init__(self, dimension: int = 384):
        if not 8 <= dimension <= 65_536 or dimension % 8:
            raise InvalidInput(f"the hash encoder's dimension is a multiple of 8 from 8 to 65,536, not {dimension}")
        self.dimension = dimension
        self.version = f"1-{dimension}"

    def __repr__(self) -> str:
        return f"HashEncoder({self.dimension})"

    def encode(self, items: Sequence[Item], role: Role = "passage") -> NDArray[np.float32]:
        """Float32 (N, D), unit rows."""
        return self.late(items, role)[0]

    def late(self, items: Sequence[Item], role: Role = "passage") -> tuple[NDArray[np.float32], list[Tokens]]:
        """The vectors, and a unit vector for each word."""
        texts = texts_only(items, self.name)
        vectors = np.zeros((len(texts), self.dimension), np.float64)
        tokens = []
        for row, text in enumerate(texts):
            read = normalised(text)
            found = [piece for match in _piece.finditer(read) for piece in _pieces(match)]
            words = tuple(word for word, _ in found)
            signs = np.array([_signs(word, self.dimension) for word in words], np.float32).reshape(-1, self.dimension)
            total = np.zeros(self.dimension)
            for word in _word.findall(read):
                total += _signs(word, self.dimension)
            vectors[row] = total if total.any() else _signs("\0" + text, self.dimension)
            starts = tuple(start for _, start in found)
            tokens.append(Tokens(words, signs / np.float32(self.dimension**0.5), starts))
        return unit_rows(vectors, len(texts), self.dimension, self.name), tokens


def _pieces(match: re.Match[str]) -> list[tuple[str, int]]:
    """A word, or what a run of a script without spaces is looked up by, and where it stands."""
    return [(piece, match.start()) for piece in (sought(match["run"]) if match["run"] else [match[0]])]


@lru_cache(maxsize=65_536)
def _signs(word: str, dimension: int) -> NDArray[np.int8]:
    """+1 and -1, (D,). Python's own hash differs from process to process."""
    drawn = hashlib.shake_256(word.encode("utf-8", "surrogatepass")).digest(dimension // 8)
    return np.unpackbits(np.frombuffer(drawn, np.uint8)).astype(np.int8) * 2 - 1
