"""The entry of one published system: a literal in its method's file, read with ast; whether it holds is measured."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Card:
    """What a paper claims, in a line, and its idea in at most eight words."""

    slug: str
    title: str
    arxiv: str
    room: str
    claim: str
    idea: str


def cards(package: Path = PACKAGE) -> dict[str, Card]:
    """The card of each slug, slugs in order: read from the files of the rooms, none of which is imported."""
    found = [card for file in sorted(package.glob("*/**/*.py")) if (card := card_of(file)) is not None]
    return {card.slug: card for card in sorted(found, key=lambda card: card.slug)}


def card_of(file: Path) -> Card | None:
    """The literal `CARD = Card(..)` at the top level of a file, or None."""
    text = file.read_text("utf-8")
    if "\nCARD = Card(" not in text:
        return None
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="CARD")], value=ast.Call(args=[], keywords=fields)):
                return Card(**{str(field.arg): ast.literal_eval(field.value) for field in fields})
    return None
