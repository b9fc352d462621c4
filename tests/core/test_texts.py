"""Text is kept as it is, or refused in one line that does not repeat it."""

import pytest

from delible.core.errors import InvalidInput
from delible.core.texts import checked, count_words, normalised


@pytest.mark.parametrize(
    "text", ["שלום", "👩‍👩‍👧", "e\u0301", 'say "hi" OR 1=1; --', "a\r\nb\tc", " x ", "\ufeffx", "\ufffe"]
)
def test_text_is_returned_as_it_is(text):
    assert checked(text) == text


@pytest.mark.parametrize("text", ["", "  \n\t ", "a\x00b", "\ud800", 7, None, b"bytes"])
def test_what_cannot_be_kept_is_refused_without_being_repeated(text):
    with pytest.raises(InvalidInput) as caught:
        checked(text, "note")
    assert str(caught.value).startswith("note ") and len(str(caught.value).splitlines()) == 1


def test_what_two_writings_share_is_case_width_and_space():
    assert normalised("  Ｃafé\n OLÉ ") == normalised("CAFÉ olé") == "café olé"
    assert normalised("cafe") != normalised("café")


def test_words_are_counted_in_any_script():
    assert (count_words("Thanks!"), count_words("it's 5 o'clock"), count_words("да, нет"), count_words("")) == (
        1,
        5,
        2,
        0,
    )
