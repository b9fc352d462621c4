"""Paths of spaces and what lies in a scope."""

import pytest

from delible.core.errors import InvalidInput, SpaceRefused
from delible.store.spaces import EVERYTHING, Scope, escaped, make, narrowed, numbers, parse_scope, word_scope
from delible.store.sqlite import SQLite

PATHS = ("a", "a/b", "a/b/c", "a/bc", "ab", "a0", "a/", "A/b", "a /b", "a/é", "a/\U0010ffff", "a\n", "%", "_", "a/%")


def test_a_scope_is_a_space_or_all_below_it_or_everything():
    assert parse_scope("a/b") == Scope("a/b") and parse_scope("a/b/**") == Scope("a/b", True)
    assert parse_scope("**") == EVERYTHING and [str(parse_scope(t)) for t in ("a", "a/**", "**")] == ["a", "a/**", "**"]


@pytest.mark.parametrize(
    "text", ["", " ", "/", "a/", "/a", "a//b", "a/**/b", "**/a", "/**", "a/ /b", "a\0", "\ud800", None, 3]
)
def test_a_path_with_an_empty_segment_or_stars_in_the_middle_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_scope(text)


def test_a_label_written_as_a_segment_means_nothing_but_itself():
    assert escaped("a/b") == "a%2Fb" and escaped("**") == "%2A%2A" and escaped("%2F") == "%252F"
    assert len({escaped(label) for label in ("a/b", "a%2Fb", "a%252Fb", "**", "%2A%2A")}) == 5
    assert parse_scope(f"user/{escaped('**')}") == Scope("user/%2A%2A")


def test_numbers_words_and_holding_agree_on_what_lies_in_a_scope(tmp_path):
    store = SQLite(tmp_path / "agent.mem")
    paths = [path for path in PATHS if path != "a/"]
    with store.writing() as connection:
        made = {path: make(connection, path) for path in paths}
        by_number = dict(connection.execute("SELECT space, path FROM spaces").fetchall())
        for scope in [Scope(path, below) for path in paths for below in (False, True)] + [EVERYTHING]:
            inside = {by_number[number] for number in numbers(connection, scope)}
            assert inside == {path for path in by_number.values() if scope.holds(path)}, scope
            word = word_scope(connection, scope)
            if word:
                assert {path for path, (_, words) in made.items() if word in words.split()} == inside & set(made)
        assert numbers(connection, Scope("nowhere", True)) == () and word_scope(connection, Scope("nowhere")) is None
    store.close()


def test_making_a_space_twice_gives_the_same_number_and_those_above_are_made_too(tmp_path):
    store = SQLite(tmp_path / "agent.mem")
    with store.writing() as connection:
        number, words = make(connection, "a/b/c")
        assert make(connection, "a/b/c") == (number, words) and words.split()[0] == f"x{number}"
        assert {path for (path,) in connection.execute("SELECT path FROM spaces")} == {"a", "a/b", "a/b/c"}
    store.close()


@pytest.mark.parametrize(
    ("handle", "asked", "given"),
    [
        (None, None, "main"),
        (None, "**", "**"),
        (None, "a/**", "a/**"),
        ("a", None, "a"),
        ("a", "a", "a"),
        ("a/**", None, "a/**"),
        ("a/**", "a/b", "a/b"),
        ("a/**", "a/b/**", "a/b/**"),
        ("a/**", "a", "a"),
        ("**", "x/**", "x/**"),
        ("**", "**", "**"),
    ],
)
def test_a_call_means_its_space_or_that_of_its_handle(handle, asked, given):
    assert str(narrowed(handle and parse_scope(handle), asked)) == given


@pytest.mark.parametrize(
    ("handle", "asked"),
    [("a", "a/b"), ("a", "a/**"), ("a", "**"), ("a", "ab"), ("a", "A"), ("a", "a\n"), ("a/**", "**"), ("a/**", "ab/**"),
     ("a/b/**", "a"), ("a/b/**", "a/**"), ("a", "main"), ("a", "%"), ("a/**", "a%2Fb")],
)  # fmt: skip
def test_no_call_leaves_the_scope_of_its_handle(handle, asked):
    with pytest.raises(SpaceRefused):
        narrowed(parse_scope(handle), asked)
