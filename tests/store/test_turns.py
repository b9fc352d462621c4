"""Turns: sessions and speakers as numbers, and who stands beside whom."""

import numpy as np
import pytest

from delible.store import turns
from delible.store.turns import GAP, MARK, Turns, mark, speaker_name, speaker_number, windowed

KEY = b"k" * 32


def lined(*talks, space=None, gap=0):
    """Rows given as (session, speaker), their moments one second apart."""
    sessions, speakers = np.array([t[0] for t in talks], np.int64), np.array([t[1] for t in talks], np.int64)
    n = len(talks)
    moments = np.arange(n, dtype=np.int64) * 10**6 + gap * np.arange(n)
    spaces = np.zeros(n, np.int64) if space is None else np.array(space, np.int64)
    columns = {"space": spaces, "session": sessions, "speaker": speakers, "moment": moments}
    return Turns.of(columns | {"traits": np.zeros(n, np.int32)}), speakers


def test_the_speaker_is_the_author_else_the_leading_name_else_the_role():
    assert speaker_name("Hello", "Ana", "user") == "Ana"
    assert speaker_name("Bob Miller: hello there", None, "document") == "Bob Miller"
    assert speaker_name("hello", None, "model") != speaker_name("hello", None, "user")
    assert speaker_name("Note: 3 eggs", None, "document") == "Note"
    assert speaker_name("https://x.org is down", None, "document") is None


def test_a_number_tells_the_first_name_and_the_whole_one_and_nothing_without_the_key():
    one, other = speaker_number(KEY, "Ana Silva"), speaker_number(KEY, "ana Costa")
    assert one >> 32 == other >> 32 == turns.first_name_number(KEY, "Ana") and one != other
    assert speaker_number(KEY, "ANA SILVA") == one and speaker_number(b"x" * 32, "Ana Silva") != one
    assert speaker_number(KEY, None) == speaker_number(KEY, " ") == 0


def test_a_mark_holds_what_a_view_needs():
    made = turns.marks(mark(KEY, "We met on 7 May 2023. Did you?", "user", "Ana", 3, None, 5, 7))[0]
    assert MARK.itemsize == 48 and made["happened"] == turns.UNKNOWN and made["moment"] == 5 and made["length"] == 7
    assert (made["since"], made["until"]) == (19_484, 19_485)
    assert made["session"] == turns.session_number(KEY, 3) != turns.session_number(KEY, "3") and made["session"] > 0


@pytest.mark.parametrize("happened", [-62_135_596_800_000_000, 253_402_300_799_999_999, None])
def test_the_ends_of_time_do_not_overflow(happened):
    made = turns.marks(mark(KEY, "yesterday, next year, in 9999, last week", "user", None, None, happened, 0, 1))[0]
    assert made["since"] <= made["until"]


def test_a_session_is_cut_by_its_number_or_by_an_hour():
    found, _ = lined((1, 1), (1, 2), (2, 1), (0, 1), (0, 1))
    assert found.run.tolist() == [0, 0, 1, 2, 2] and found.count == 3
    found, _ = lined((0, 1), (0, 1), gap=GAP)
    assert found.run.tolist() == [0, 1]
    assert lined((7, 1), (7, 1), gap=GAP)[0].count == 1


def test_sessions_that_were_written_in_turns_are_brought_together():
    found, _ = lined((1, 1), (2, 1), (1, 2), (2, 2))
    assert found.order.tolist() == [0, 2, 1, 3] and found.count == 2
    assert found.beside(np.array([0, 1]), 1).tolist() == [2, 3]
    assert found.beside(np.array([2, 1]), -1).tolist() == [0, -1]


def test_the_same_session_in_two_spaces_is_two():
    found, _ = lined((1, 1), (1, 1), space=[0, 1])
    assert found.count == 2 and found.beside(np.array([0]), 1).tolist() == [-1]


def test_the_partner_is_the_nearest_other_speaker_at_most_three_back():
    found, speakers = lined((1, 1), (1, 2), (1, 2), (1, 2), (1, 2))
    at, seen = np.arange(5), np.ones(5, bool)
    assert found.partner(at, speakers, seen).tolist() == [-1, 0, 0, 0, -1]
    assert found.partner(at, speakers, np.array([0, 1, 1, 1, 1], bool)).tolist() == [-1] * 5


def test_the_opener_is_the_own_turn_before_another_spoke():
    found, speakers = lined((1, 1), (1, 1), (1, 2), (1, 1), (2, 1))
    assert found.opener(np.arange(5), speakers, np.ones(5, bool)).tolist() == [-1, -1, -1, 1, -1]


def test_without_speakers_nobody_has_a_partner():
    found, speakers = lined((1, 0), (1, 0), (1, 0))
    seen = np.ones(3, bool)
    assert found.partner(np.arange(3), speakers, seen).tolist() == [-1] * 3
    assert found.opener(np.arange(3), speakers, seen).tolist() == [-1] * 3


def test_a_window_lends_a_share_within_a_session_only():
    found, _ = lined((1, 1), (1, 1), (2, 1))
    assert windowed(np.array([1.0, 0.0, 4.0], np.float32), found, 0.5).tolist() == [1, 0.5, 4]
    assert windowed(np.array([], np.float32), lined()[0], 0.5).tolist() == []


def test_notes_that_follow_each_other_are_no_talk_and_lend_nothing():
    notes, _ = lined((0, 1), (0, 1), (0, 0))
    assert windowed(np.array([1.0, 0.0, 0.0], np.float32), notes, 0.5).tolist() == [1, 0, 0]
    talk, _ = lined((0, 1), (0, 2))
    assert windowed(np.array([1.0, 0.0], np.float32), talk, 0.5).tolist() == [1, 0.5]


def test_turns_of_one_talk_share_its_number_and_notes_have_none():
    found, _ = lined((0, 1), (0, 1), (1, 1), (1, 1), (2, 1), (0, 1), (0, 2))
    assert found.order.tolist() == [0, 1, 5, 6, 2, 3, 4]
    talk = found.talk(np.arange(7)).tolist()
    assert talk[:2] == [-1, -1] and talk[4] == -1
    assert talk[2] == talk[3] >= 0 and talk[5] == talk[6] >= 0 and talk[2] != talk[5]
    assert lined()[0].talk(np.arange(0)).tolist() == []


def test_an_empty_view_has_no_turns():
    found, speakers = lined()
    none = np.array([], np.int64)
    assert found.count == 0 and found.session(none).tolist() == found.beside(none, 1).tolist() == []
    assert found.partner(none, speakers, none.astype(bool)).tolist() == []
