"""What a question asks for."""

from datetime import UTC, datetime

import pytest

from delible.core.times import micros
from delible.recall.asking import days_of, form_of
from delible.recall.score import Form

NOW = micros(datetime(2023, 6, 15, tzinfo=UTC))


@pytest.mark.parametrize(
    ("question", "form"),
    [
        ("Who painted the boat?", Form(names=True)),
        ("Where does Ana live?", Form(where=True)),
        ("When did Ana move?", Form(when=True)),
        ("How long did Ana live there?", Form(when=True)),
        ("How many eggs are left?", Form(how_many=True)),
        ("Would Ana like the sea?", Form(would=True)),
        ("Wo wohnt Ana?", Form()),
        ("", Form()),
    ],
)
def test_the_form_is_read_from_its_words(question, form):
    assert form_of(question) == form


def test_days_are_counted_from_1970():
    assert days_of("What did Ana do on 7 May 2023?", NOW) == ((19_484, 19_485),)
    assert days_of("What did Ana do in May?", NOW) == ((19_478, 19_509),)
    assert days_of("What did Ana do?", NOW) == ()


def test_a_question_of_any_length_is_read_in_time():
    assert form_of("When did Ana move? " + "and " * 100_000).when and len(days_of("7 May 2023 " * 100_000, NOW)) < 200
