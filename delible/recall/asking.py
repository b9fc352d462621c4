"""What a question asks for: its form (who, when, how many) and the days that it names."""

from __future__ import annotations

import re

from delible.core.times import from_micros, micros
from delible.recall.score import Form
from delible.store.turns import DAY
from delible.store.when import asks_how_long, asks_how_many, asks_when, dated

LONGEST = 1000  # characters of a question that are looked at

_names = re.compile(r"\b(?:who|whom|whose|which|what)\b", re.I)
_where = re.compile(r"\bwhere\b", re.I)
_self = re.compile(r"\b(?:i|i'm|i've|i'd|i'll|me|my|mine|myself|we|our|ours|us)\b", re.I)
_would = re.compile(r"\b(?:would|could|might|likely)\b", re.I)


def form_of(question: str) -> Form:
    """The form of a question in English; of others, none."""
    read = question[:LONGEST]
    return Form(
        names=_names.search(read) is not None,
        where=_where.search(read) is not None,
        when=asks_when(read) or asks_how_long(read),
        how_many=asks_how_many(read),
        would=_would.search(read) is not None,
    )


def asks_of_self(question: str) -> bool:
    """Whether who asks speaks of himself: "where did I put it?"."""
    return _self.search(question[:LONGEST]) is not None


def days_of(question: str, now: int) -> tuple[tuple[int, int], ...]:
    """The days since 1970 that a question names, (from, until before) each; `now` in microseconds."""
    ranges = dated(question[:LONGEST], from_micros(now))
    return tuple((micros(each.start) // DAY, -(-micros(each.end) // DAY)) for each in ranges)
