"""What the tour tells: a conversation, questions about it, and what changes; the sample, or one from a LoCoMo file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from delible.cli import tour_conversation as sample
from delible.core.errors import InvalidInput


class Asked(NamedTuple):
    """A question, and what finds its answer: a piece of the text, or references of turns."""

    question: str
    holds: str | None = None
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Story:
    """One conversation and what the tour does with it.

    `sure`: the answers are known to be found, so one that is not found is a failure; otherwise its rank is only told.
    """

    name: str
    turns: list[dict[str, Any]]
    page: str
    page_reference: str
    page_question: str
    questions: list[Asked]
    changed: Asked  # the question whose evidence is revised
    correction: str  # what is true then; {old} stands for what was said before
    forgotten: Mapping[str, Any]  # `where` of what is erased
    forgotten_name: str
    forgotten_reason: str
    forgotten_question: str
    summary: str  # derived from what is forgotten, so that it goes too
    sure: bool


def sample_story() -> Story:
    """Mara and Jonas open a repair cafe; Viktor leaves and wants to be forgotten."""
    return Story(
        name="Mara and Jonas open a repair cafe (made up)",
        turns=sample.turns(),
        page=sample.PAGE,
        page_reference=sample.PAGE_REFERENCE,
        page_question="Is there an offer for white wall paint?",
        questions=[Asked(question, holds=holds) for question, holds in sample.QUESTIONS],
        changed=Asked("On which day do we open?", holds="9th of May"),
        correction="We open on Saturday, the 23rd of May, at two in the afternoon. The wires take two weeks more.",
        forgotten={"author": "Viktor"},
        forgotten_name="Viktor",
        forgotten_reason="Viktor left the project and asked for it",
        forgotten_question="How can we reach Viktor?",
        summary=sample.SUMMARY,
        sure=True,
    )


def locomo_story(file: Path) -> Story:
    """The first conversation of a file in LoCoMo's format; its last session is forgotten. Raises InvalidInput."""
    from delible.store.importers import locomo

    found = locomo(file)
    if not found or not found[0].turns:
        raise InvalidInput(f"{file.name} holds no conversation; nothing was written")
    talk = found[0]
    sessions = sorted({turn["meta"]["session"] for turn in talk.turns})
    last = sessions[-1]
    gone = {turn["reference"] for turn in talk.turns if turn["meta"]["session"] == last}
    # Questions with one turn as evidence, outside the session that will be forgotten: spread over the conversation.
    plain = [q for q in talk.questions if q.answer is not None and len(q.evidence) == 1 and q.evidence[0] not in gone]
    if not plain or len(sessions) < 2:
        raise InvalidInput(f"{file.name} has no two sessions with questions about the first; nothing was written")
    chosen = [plain[place * len(plain) // 5] for place in range(min(5, len(plain)))]
    questions = [Asked(q.question, references=q.evidence) for q in chosen]
    about = next((t for t in talk.turns if t["reference"] in gone and len(t["text"]) > 40), talk.turns[-1])
    return Story(
        name=f"{talk.name}: {talk.speakers[0]} and {talk.speakers[1]}, {len(sessions)} sessions",
        turns=list(talk.turns),
        page=sample.PAGE,
        page_reference=sample.PAGE_REFERENCE,
        page_question="Is there an offer for white wall paint?",
        questions=questions,
        changed=questions[0],
        correction="{old} Correction: that was a mistake, it was not so.",
        forgotten={"meta.session": last},
        forgotten_name=f"Session {last}",
        forgotten_reason="shown in the tour",
        forgotten_question=about["text"],
        summary=f"What {talk.speakers[0]} and {talk.speakers[1]} said in session {last}, in short.",
        sure=False,
    )
