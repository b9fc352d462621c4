"""Traits: what a text says of itself, seen once when it is written, so that a recall need not read texts to rank them.

    bits 0-2 first-person words, 0 to 4     bits 3-5 capitalised words inside sentences, 0 to 4
    bit 6 a time expression   7 a number   8 opens as an acknowledgement   9 ends in "?"   10 holds a question
    bit 11 a model wrote it

They are part of what is stored: a changed meaning takes another bit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from delible.store.when import mentions_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

BY_MODEL = 1 << 11
READ = 2000  # characters of a text that are looked at: a longer one is no turn of a talk
MOST = 4  # words counted

_first = re.compile(r"\b(?:i|i'm|i've|i'd|i'll|im|ive|me|my|mine|myself|we|we're|we've|we'd|our|ours|us)\b", re.I)
_capital = re.compile(r"(?<=[a-z0-9,;:'\")] )(?!I\b)[A-Z][\w'-]+")
_number = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|twenty|thirty|hundred|thousand"
    r"|once|twice|couple|several)\b",
    re.I,
)
_acknowledges = re.compile(
    r"\W*(?:thanks?|thank you|wow|great|awesome|cool|nice|yeah|yes|yep|ok|okay|sure|absolutely|exactly|definitely"
    r"|totally|congrats|congratulations|good|glad|that's|thats|that sounds|sounds|hey|hi|hello|bye|haha|lol|aww?|oh"
    r"|amazing|wonderful|fantastic|no problem|no worries|you're welcome|same here|agreed|right|true|of course"
    r"|i agree|i see)\b",
    re.I,
)


class Traits(NamedTuple):
    """Traits of many records, as columns."""

    first_person: NDArray[Any]
    capitals: NDArray[Any]
    time: NDArray[Any]
    number: NDArray[Any]
    acknowledges: NDArray[Any]
    asks: NDArray[Any]  # ends in a question
    holds_question: NDArray[Any]
    model: NDArray[Any]


def traits_of(text: str, channel: str = "user") -> int:
    """The traits of a text as a whole number."""
    read = text[:READ].replace("\u2019", "'")
    marks = (
        mentions_time(read),
        _number.search(read) is not None,
        _acknowledges.match(read) is not None,
        text.rstrip().endswith(("?", "？", "؟")),
        "?" in read or "？" in read or "؟" in read,
        channel == "model",
    )
    found = _count(_first, read) | _count(_capital, read) << 3
    return found | sum(mark << 6 + at for at, mark in enumerate(marks))


def columns(packed: NDArray[Any]) -> Traits:
    """Traits (n,) as columns."""
    return Traits(
        packed & 7,
        packed >> 3 & 7,
        *((packed >> at & 1).astype(bool) for at in range(6, 12)),
    )


def question_spans(text: str) -> list[tuple[int, int]]:
    """Sentences that end in a question mark, as (start, stop)."""
    if "?" not in text and "？" not in text and "؟" not in text:
        return []
    return [match.span() for match in _question.finditer(text)]


_question = re.compile(r"[^.!?\n。！？؟]+[?？؟]+")


def _count(pattern: re.Pattern[str], text: str) -> int:
    found = 0
    for _ in pattern.finditer(text):
        found += 1
        if found == MOST:
            break
    return found
