"""The words of a question that are worth looking up: no stop words, in order, each once; unspaced scripts as grams."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

from delible.store.words import runs_of, sought, tokenize

STOP_WORDS = frozenset(
    [
        *("a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been", "being", "but", "by"),
        *("can", "could", "did", "do", "does", "doing", "for", "from", "had", "has", "have", "having", "he", "her"),
        *("here", "hers", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "me", "might"),
        *("mine", "must", "my", "myself", "no", "nor", "not", "of", "off", "on", "or", "our", "ours", "out", "shall"),
        *("she", "should", "so", "some", "such", "than", "that", "the", "their", "theirs", "them", "then", "there"),
        *("these", "they", "this", "those", "to", "too", "up", "us", "was", "we", "were", "what", "when", "where"),
        *("which", "while", "who", "whom", "whose", "why", "will", "with", "would", "you", "your", "yours"),
        *("ain't", "aren't", "can't", "cannot", "couldn't", "didn't", "doesn't", "don't", "hadn't", "hasn't"),
        *("haven't", "isn't", "shouldn't", "wasn't", "weren't", "won't", "wouldn't", "let's"),
    ]
)
ENDINGS = frozenset({"s", "t", "d", "m", "ll", "re", "ve"})  # behind an apostrophe
_APOSTROPHES = {0x2019: "'", 0x02BC: "'"}


class Terms(NamedTuple):
    """What to look up: words as they stand, and grams of scripts without spaces."""

    words: tuple[str, ...]
    grams: tuple[str, ...]


def question_terms(question: str) -> Terms:
    """The terms of a question; where all its words are stop words, those."""
    runs = runs_of(question)
    spaced = question
    for run in sorted(set(runs), key=len, reverse=True):
        spaced = spaced.replace(run, " ")
    kept: dict[str, str] = {}
    stopped: dict[str, str] = {}
    for word in _words(spaced):
        if word.lower() in STOP_WORDS:
            stopped.setdefault(word.lower(), word)
            continue
        first, *others = [piece for piece in word.split("'") if piece]
        for piece in (first, *(piece for piece in others if piece.lower() not in ENDINGS)):
            (stopped if piece.lower() in STOP_WORDS else kept).setdefault(piece.lower(), piece)
    grams = tuple(dict.fromkeys(gram for run in runs for gram in sought(run)))
    return Terms(tuple(kept.values()) or (() if grams else tuple(stopped.values())), grams)


def stems_of(terms: Terms) -> frozenset[str]:
    """The terms as `tokenize` cuts them: what evidence is looked for by."""
    return frozenset(tokenize(" ".join(terms.words))) | frozenset(terms.grams)


def _words(text: str) -> list[str]:
    """Runs of letters, numbers, marks and apostrophes, as the index cuts them."""
    other = {ord(character): " " for character in set(text) if not _inside(character)}
    return [word for word in text.translate(other | _APOSTROPHES).split() if word.strip("'")]


@lru_cache(maxsize=4096)
def _inside(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LNM" or category == "Co" or character == "'"
