"""The entry of one published system: a literal in its method's file, read with ast; whether it holds is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """What a paper claims, in a line, and its idea in at most eight words."""

    slug: str
    title: str
    arxiv: str
    room: str
    claim: str
    idea: str
