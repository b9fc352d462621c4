"""Conversations in the format of LoCoMo (Maharana et al., ACL 2024): turns to write, questions with their evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from delible.core.errors import InvalidInput
from delible.core.texts import checked
from delible.store.json_objects import document

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


@dataclass(frozen=True)
class Question:
    """`evidence` lists the references of the turns that answer it; one of category 5 has no answer."""

    question: str
    answer: str | None
    evidence: tuple[str, ...]
    category: int


@dataclass(frozen=True)
class Conversation:
    """Turns are items for `write`, in order: text, author, happened, reference, meta (session, caption of a photo)."""

    name: str
    speakers: tuple[str, str]
    turns: tuple[dict[str, Any], ...]
    questions: tuple[Question, ...]


def locomo(path: Path, naive: tzinfo = UTC) -> tuple[Conversation, ...]:
    """The conversations of a file; session times have no zone and are read in `naive`. Raises InvalidInput."""
    samples = document(path)
    if not isinstance(samples, list):
        raise InvalidInput(f"{path.name} is no list of conversations in LoCoMo's format; nothing was loaded")
    found = []
    for number, sample in enumerate(samples, 1):
        try:
            found.append(_conversation(sample, naive))
        except (LookupError, TypeError, ValueError, AttributeError):
            # The cause may quote a turn: it is not passed on.
            raise InvalidInput(
                f"{path.name}, conversation {number} is not in LoCoMo's format; nothing was loaded"
            ) from None
    return tuple(found)


def session_time(text: str, naive: tzinfo = UTC) -> datetime:
    """The time in UTC of "1:56 pm on 8 May, 2023", whatever the locale. Raises ValueError."""
    found = re.fullmatch(r"(1[0-2]|0?[1-9]):([0-5]\d) ?([ap])m on (\d{1,2}) (\w+),? (\d{4})", text.strip().lower())
    if not found or found[5] not in MONTHS:
        raise ValueError("no session time")
    hour = int(found[1]) % 12 + (12 if found[3] == "p" else 0)
    month = MONTHS.index(found[5]) + 1
    return datetime(int(found[6]), month, int(found[4]), hour, int(found[2]), tzinfo=naive).astimezone(UTC)


def _conversation(sample: Mapping[str, Any], naive: tzinfo) -> Conversation:
    talk = sample["conversation"]
    turns: list[dict[str, Any]] = []
    for number in sorted(int(found[1]) for key in talk if (found := re.fullmatch(r"session_(\d+)", key))):
        session = talk[f"session_{number}"]
        happened = session_time(talk[f"session_{number}_date_time"], naive) if session else None
        turns += [item_of(turn, number, happened) for turn in session]
    questions = tuple(_question(each) for each in sample.get("qa", ()))
    return Conversation(str(sample["sample_id"]), (talk["speaker_a"], talk["speaker_b"]), tuple(turns), questions)


def item_of(turn: Mapping[str, Any], session: int, happened: datetime | None, text: str = "text") -> dict[str, Any]:
    """A turn as an item for `write`; `text` names the field that holds its words. Raises what a malformed one does."""
    caption = turn.get("blip_caption")
    return {
        "text": checked(turn[text]),
        "author": checked(turn["speaker"]),
        "happened": happened,
        "reference": checked(turn["dia_id"]),
        "meta": {"session": session} | ({"caption": checked(caption)} if caption else {}),
    }


def _question(each: Mapping[str, Any]) -> Question:
    answer = each.get("answer")
    return Question(
        question=checked(each["question"]),
        answer=None if answer is None else str(answer),  # years stand there as numbers
        evidence=tuple(str(reference) for reference in each.get("evidence", ())),
        category=int(each.get("category", 0)),
    )
