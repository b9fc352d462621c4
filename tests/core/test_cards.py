"""A card is plain data that can be read without importing its method."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, fields

import pytest

from delible.core.cards import Card, card_of, cards

LITERAL = 'CARD = Card(slug="s", title="T", arxiv="2501.00001", room="recall", claim="C", idea="one " "two")'


def test_a_card_does_not_change():
    card = Card(slug="s", title="T", arxiv="2501.00001", room="recall", claim="C", idea="one two")
    with pytest.raises(FrozenInstanceError):
        card.slug = "other"


def test_a_card_is_read_from_a_file_that_cannot_be_imported(tmp_path):
    (tmp_path / "s.py").write_text(f'"""S."""\nimport not_there\n\n{LITERAL}\n')
    assert card_of(tmp_path / "s.py") == Card("s", "T", "2501.00001", "recall", "C", "one two")


def test_a_file_without_the_literal_has_no_card(tmp_path):
    for text in ("", "x = 1\n", "def f():\n    CARD = Card()\n", '"""\nCARD = Card(..)\n"""\n'):
        (tmp_path / "s.py").write_text(text)
        assert card_of(tmp_path / "s.py") is None


def test_cards_are_those_of_all_rooms_by_slug(tmp_path):
    for place, slug in (
        ("recall/ar2.py", "ar2"),
        ("unlearning/objectives/zed.py", "zed"),
        ("guard/mirror.py", "mirror"),
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        literal = LITERAL.replace('"s"', repr(slug))
        (tmp_path / place).write_text(f'"""M."""\n\n{literal}\n')
    (tmp_path / "memory.py").write_text(f'"""No room."""\n\n{LITERAL}\n')
    assert list(cards(tmp_path)) == ["ar2", "mirror", "zed"]


def test_our_own_cards_are_whole_and_import_nothing():
    found = cards()
    assert "memreranker" in found and all(getattr(card, name.name) for card in found.values() for name in fields(card))
    code = "import sys; from delible.core.cards import cards; cards(); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
