"""The unigram tokenizer of XLM-RoBERTa (Kudo 2018): of all ways to cut a word into known pieces, the likeliest.

Our own, for it needs a dictionary where the trie of `tokenizers` takes 280 MB and a second for 250,000 pieces. Text is
normalised code point by code point, so that each piece knows where it stands.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

MARK = "\u2581"  # stands for the space before a word
UNKNOWN = 10.0  # what an unknown character costs more than the rarest piece, as in SentencePiece
_GONE = frozenset([*range(1, 9), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F])
_BLANK = frozenset(
    [9, 10, 12, 13, 0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD]
)  # those of nmt_nfkc: control characters go, other blanks are spaces


class Cut(NamedTuple):
    """Pieces of a text as numbers, the word that each is part of, and (start, end) in the text."""

    ids: list[int]
    word_ids: list[int | None]
    offsets: list[tuple[int, int]]


class Unigram:
    """Pieces with their log probabilities; `first` and `last` stand around every text."""

    def __init__(self, pieces: Sequence[str], scores: Sequence[float], first: int, last: int, unknown: int):
        self._pieces = {
            piece: (number, score) for number, (piece, score) in enumerate(zip(pieces, scores, strict=True))
        }
        for special in (first, last, unknown):
            self._pieces.pop(pieces[special], None)  # "</s>" in a text is four characters like others
        self._longest = max(map(len, self._pieces))
        self._first, self._last, self._unknown = first, last, unknown
        self._cost = min(scores) - UNKNOWN

    def encode_batch(self, texts: Sequence[str]) -> list[Cut]:
        """Each text as `encode` cuts it."""
        return [self.encode(text) for text in texts]

    def encode(self, text: str, add_special_tokens: bool = True) -> Cut:
        """The pieces of a text."""
        cut = Cut([], [], [])
        letters, places = _normalised(text)
        at = word = 0
        for part in letters.split(" "):
            if part:
                found = self._cut(MARK + part)
                start = at - 1  # of the mark
                for number, size in found:
                    end = start + size
                    cut.ids.append(number)
                    cut.word_ids.append(word)
                    begin = places[max(start, at)] if end > at else places[at]
                    cut.offsets.append((begin, places[end - 1] + 1 if end > at else begin))
                    start = end
                word += 1
            at += len(part) + 1
        if not add_special_tokens:
            return cut
        return Cut([self._first, *cut.ids, self._last], [None, *cut.word_ids, None], [(0, 0), *cut.offsets, (0, 0)])

    def _cut(self, word: str) -> list[tuple[int, int]]:
        """Numbers and lengths of the pieces of a word: Viterbi over its characters."""
        size, known, unknown = len(word), self._pieces, (self._unknown, self._cost)
        best = [0.0] + [float("-inf")] * size
        back: list[tuple[int, int]] = [(0, 0)] * (size + 1)
        for start in range(size):
            here = best[start]
            for end in range(start + 1, min(start + self._longest, size) + 1):
                piece = known.get(word[start:end])
                if piece is None:
                    if end > start + 1:
                        continue
                    piece = unknown
                number, score = piece
                if here + score > best[end]:
                    best[end] = here + score
                    back[end] = number, end - start
        found = []
        while size:
            found.append(back[size])
            size -= back[size][1]
        return found[::-1]


def _normalised(text: str) -> tuple[str, list[int]]:
    """A text as nmt_nfkc writes it, and the place that each of its characters comes from."""
    if text.isascii() and text.isprintable():
        return text, list(range(len(text)))
    letters = [_letter(character) for character in text]
    return "".join(letters), [at for at, here in enumerate(letters) for _ in here]


@lru_cache(maxsize=4096)
def _letter(character: str) -> str:
    code = ord(character)
    if code in _GONE:
        return ""
    return " " if code in _BLANK else unicodedata.normalize("NFKC", character)
