"""Evidence: the verbatim sentence of a record that has most of what the question names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence

from delible.core.records import Span
from delible.recall.passages import sentences
from delible.store import words

SHORT = 200  # characters: such a record is its own evidence
LONGEST = 400  # of a sentence; a longer one (a log, a table) is looked at in pieces of SHORT
PLACES = 40  # of a word in a long text that are looked at

Tokenize = Callable[[str], Sequence[str]]


def evidence(
    text: str, passage: tuple[int, int] | None, stems: Collection[str], tokenize: Tokenize = words.tokenize
) -> Span:
    """The sentence of the passage in which the rarest question stems stand; a short record whole.

    `stems` are the question's, cut by `tokenize`. Where the passage has none of them, all of the text is looked at;
    where nothing has, it is the passage's first sentence.
    """
    if len(text) <= SHORT:
        return Span(text, 0, len(text))
    begin, end = passage or (0, min(len(text), 4 * LONGEST))
    inside = list(_pieces(text, begin, end))
    best = _best(text, inside, stems, tokenize)
    if best is None and stems:
        best = _best(text, list(_near(text, stems)), stems, tokenize)
    start, stop = best or (inside[0] if inside else (begin, min(end, begin + SHORT)))
    return Span(text[start:stop], start, stop)


def _best(
    text: str, pieces: Sequence[tuple[int, int]], stems: Collection[str], tokenize: Tokenize
) -> tuple[int, int] | None:
    """The piece with the highest sum of rarities among these; the first of equals, None where no stem stands."""
    wanted = set(stems)
    found = [wanted.intersection(tokenize(text[start:stop])) for start, stop in pieces]
    times = Counter(stem for here in found for stem in here)
    weights = [sum(math.log(1 + len(pieces) / times[stem]) for stem in sorted(here)) for here in found]
    best = max(range(len(pieces)), key=weights.__getitem__, default=None)
    return None if best is None or not weights[best] else pieces[best]


def _pieces(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Sentences of text[begin:end] without the space around them; those that are too long, in pieces cut at spaces."""
    for start, stop in sentences(text[begin:end]):
        at, last = begin + start, begin + stop
        while last - at > LONGEST:
            cut = text.rfind(" ", at + 1, at + SHORT)
            cut = cut if cut > 0 else at + SHORT
            yield from _trimmed(text, at, cut)
            at = cut
        yield from _trimmed(text, at, last)


def _trimmed(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    inner = text[start:stop].strip()
    if inner:
        first = text.index(inner, start)
        yield first, first + len(inner)


def _near(text: str, stems: Collection[str]) -> Iterator[tuple[int, int]]:
    """Pieces around the places where a stem may stand, without cutting all of a long text."""
    # A stem's last letter may be another in the word (happi, happy); what is before it is not.
    heads = sorted({re.escape(stem[: max(3, len(stem) - 1)]) for stem in stems})
    after = 0
    for count, match in enumerate(re.finditer("|".join(heads), text, re.IGNORECASE)):
        if count == PLACES:
            return
        if match.start() >= after:
            # A window begins and ends at a space: no word of it is cut.
            begin = text.rfind(" ", 0, max(0, match.start() - LONGEST)) + 1 if match.start() > LONGEST else 0
            begin = max(begin, match.start() - 2 * LONGEST)
            after = min(len(text), match.end() + LONGEST)
            yield from _pieces(text, begin, after)
