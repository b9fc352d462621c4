"""A card is plain data that can be read without importing its method."""

import ast
from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from delible.core.cards import Card

LITERAL = 'Card(slug="s", title="T", arxiv="2501.00001", room="recall", claim="C", idea="one two")'


def test_a_card_holds_what_its_literal_says():
    call = ast.parse(LITERAL, mode="eval").body
    read = {field.arg: ast.literal_eval(field.value) for field in call.keywords}
    assert asdict(Card(**read)) == read and list(read) == [field.name for field in fields(Card)]


def test_a_card_does_not_change():
    card = Card(slug="s", title="T", arxiv="2501.00001", room="recall", claim="C", idea="one two")
    with pytest.raises(FrozenInstanceError):
        card.slug = "other"
