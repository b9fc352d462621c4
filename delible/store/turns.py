"""Turns: which talk a record belongs to and who speaks in it, as numbers that say nothing of either.

A session is the same `meta["session"]` in a space; without it, records of a space that follow each other, cut where
their times jump by over an hour. The speaker is the author, else a leading "Name: " of the text, else the role of a
message. Both are kept as keyed digests: a view compares them, and no index holds a name.

What a view needs of a record stands in one mark of fixed width, written once: read as one string, a column of numbers
costs nothing (as text, each column of 100,000 took 25 ms).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delible.core.times import from_micros, micros
from delible.store.sealing import digest
from delible.store.traits import BY_MODEL, READ, traits_of
from delible.store.when import dated, mentions_time

if TYPE_CHECKING:
    from numpy import bool_, int64
    from numpy.typing import NDArray

GAP = 3600 * 10**6  # microseconds: an hour
DAY = 86_400 * 10**6
UNKNOWN = -(2**62)  # `happened` of a record that has none; microseconds of the years 1 to 9999 lie far inside
USER, MODEL = "\0user", "\0model"  # speakers who have no name; nobody's name begins so
PARTNER, OPENER = 3, 7  # turns that are looked back for the partner's question and the opener of one's own topic

MARK = np.dtype(
    [
        ("session", "<i8"),
        ("speaker", "<i8"),
        ("happened", "<i8"),
        ("moment", "<i8"),  # happened, else written
        ("since", "<i4"),  # days since 1970 that a date in the text names, relative ones resolved; until is beyond
        ("until", "<i4"),
        ("length", "<i4"),
        ("traits", "<i4"),
    ]
)

_leading = re.compile(r"([^\W\d_][\w.'-]{0,30}(?: [^\W\d_][\w.'-]{0,30}){0,2}): (?=\S)")


def mark(
    key: bytes,
    text: str,
    channel: str,
    author: str | None,
    session: Any,
    happened: int | None,
    written: int,
    length: int,
) -> bytes:
    """The mark of a record. Times in microseconds; `length` in words."""
    when = happened if happened is not None else written
    since, until = days_named(text, happened)
    line = np.zeros((), MARK)
    line["session"] = session_number(key, session)
    line["speaker"] = speaker_number(key, speaker_name(text, author, channel))
    line["happened"] = UNKNOWN if happened is None else happened
    line["moment"] = when
    line["since"], line["until"] = since, until
    line["length"] = min(length, 2**31 - 1)
    line["traits"] = traits_of(text, channel)
    return line.tobytes()


def marks(blob: bytes) -> NDArray[Any]:
    """Marks, one after another, as a structured array. Raises ValueError for half a mark."""
    return np.frombuffer(blob, MARK)


def days_named(text: str, happened: int | None) -> tuple[int, int]:
    """The first date that a text names, as days since 1970 (from, until before); 0, 0 where it names none."""
    read = text[:READ]
    if not mentions_time(read):
        return 0, 0
    ranges = dated(read, None if happened is None else from_micros(happened), record=True)
    if not ranges:
        return 0, 0
    first = ranges[0]
    return micros(first.start) // DAY, max(-(-micros(first.end) // DAY), micros(first.start) // DAY + 1)


def session_number(key: bytes, session: Any) -> int:
    """A number for meta["session"]; 0 for none."""
    return 0 if session is None else _number(digest(key, ("session", json.dumps(session, sort_keys=True)), 8), 63) or 1


def speaker_name(text: str, author: str | None, channel: str) -> str | None:
    """Who speaks: the author, a leading "Name: ", or in messages between a user and a model the channel."""
    if author:
        return author
    if found := _leading.match(text):
        return found[1]
    return {"user": USER, "model": MODEL}.get(channel)


def speaker_number(key: bytes, name: str | None) -> int:
    """A number for a speaker, 0 for none; the upper half is that of the first name alone (`first_name_number`)."""
    if not name or not name.split():
        return 0
    return first_name_number(key, name.split()[0]) << 32 | _number(digest(key, ("speaker", name.lower()), 8), 32)


def first_name_number(key: bytes, name: str) -> int:
    """A number for a first name, of 31 bits, never 0."""
    return _number(digest(key, ("first name", name.lower()), 8), 31) or 1


def named_in(key: bytes, words: Iterable[str]) -> dict[str, int]:
    """Words of a question, by what `first_name_number` gives for them."""
    return {word: first_name_number(key, word) for word in words}


def _number(raw: bytes, bits: int) -> int:
    return int.from_bytes(raw, "big") >> (8 * len(raw) - bits)


@dataclass(frozen=True, eq=False)
class Turns:
    """The rows of a view in the order of their talks."""

    order: NDArray[int64]  # positions of rows by space, session, row
    place: NDArray[int64]  # of each row in that order
    run: NDArray[int64]  # of each place: the number of its session, ascending
    count: int  # sessions
    talks: NDArray[bool_]  # of each place but the last: it and the next are turns of one talk
    with_model: NDArray[bool_]  # of each session: a model has a turn in it

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any]]) -> Turns:
        """From the columns space, session, speaker, traits and moment of a view's rows."""
        space, session, moment = columns["space"], columns["session"], columns["moment"]
        order = np.lexsort((session, space)) if _mixed(space) or _mixed(session) else np.arange(len(space))
        space, session, moment = space[order], session[order], moment[order]
        cut = np.ones(len(order), bool)
        if len(order):
            jumps = (session[1:] == 0) & (np.abs(np.diff(moment)) > GAP)
            cut[1:] = (np.diff(space) != 0) | (np.diff(session) != 0) | jumps
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        run = np.cumsum(cut) - 1
        # Notes that were written in a row are no talk, unless they say that they are.
        speaker = columns["speaker"][order]
        talks = (session[1:] != 0) | ((speaker[1:] != speaker[:-1]) & (speaker[1:] != 0) & (speaker[:-1] != 0))
        count = int(run[-1]) + 1 if len(run) else 0
        with_model = np.zeros(count, bool)
        with_model[run[columns["traits"][order] & BY_MODEL != 0]] = True
        return cls(order, place, run, count, ~cut[1:] & talks, with_model)

    def session(self, at: NDArray[Any]) -> NDArray[int64]:
        """The session of rows at these positions."""
        numbers: NDArray[int64] = self.run[self.place[at]]
        return numbers

    def talk(self, at: NDArray[Any]) -> NDArray[int64]:
        """The talk of rows at these positions: a number that turns of one talk share; -1 for what is no turn of any."""
        numbers = np.concatenate([[0], np.cumsum(~self.talks)])
        told = np.concatenate([[False], self.talks]) | np.concatenate([self.talks, [False]])
        return np.where(told, numbers[: len(told)], -1)[self.place[at]] if len(self.run) else np.empty(0, np.int64)

    def beside(self, at: NDArray[Any], by: int) -> NDArray[int64]:
        """The position of the turn `by` places later (or, below 0, earlier) in the same session; -1 where none is."""
        places = self.place[at] + by
        inside = (places >= 0) & (places < len(self.run))
        found = np.where(inside, places, 0)
        inside &= self.run[found] == self.run[self.place[at]]
        return np.where(inside, self.order[found], -1)

    def partner(self, at: NDArray[Any], speaker: NDArray[int64], seen: NDArray[bool_]) -> NDArray[int64]:
        """The nearest earlier turn of another speaker, at most three back; -1 where there is none.

        Rows that are not `seen` are passed over.
        """
        found = np.full(len(at), -1, np.int64)
        open_ = speaker[at] != 0
        for by in range(1, PARTNER + 1):
            before = self.beside(at, -by)
            open_ &= before >= 0
            hit = open_ & seen[before] & (speaker[before] != speaker[at])
            found[hit] = before[hit]
            open_ &= ~hit
        return found

    def opener(self, at: NDArray[Any], speaker: NDArray[int64], seen: NDArray[bool_]) -> NDArray[int64]:
        """The last earlier turn of the same speaker with another's between, at most seven back; -1 where none is."""
        found = np.full(len(at), -1, np.int64)
        open_ = speaker[at] != 0
        other = np.zeros(len(at), bool)
        for by in range(1, OPENER + 1):
            before = self.beside(at, -by)
            open_ &= before >= 0
            same = speaker[before] == speaker[at]
            hit = open_ & same & other & seen[before]
            found[hit] = before[hit]
            open_ &= ~hit
            other |= open_ & ~same & seen[before]
        return found


def _mixed(values: NDArray[int64]) -> bool:
    """Whether equal values do not all stand together."""
    changes = int(np.count_nonzero(np.diff(values)))
    return changes > 0 and changes + 1 > len(np.unique(values))


def windowed(scores: NDArray[Any], turns: Turns, share: float) -> NDArray[Any]:
    """Each row's score and a share of those of the turn before and after it in its talk."""
    if len(scores) < 2:
        return scores
    lined = scores[turns.order]
    near = np.zeros_like(lined)
    near[1:][turns.talks] += lined[:-1][turns.talks]
    near[:-1][turns.talks] += lined[1:][turns.talks]
    found = scores.copy()
    found[turns.order] += share * near
    return found
