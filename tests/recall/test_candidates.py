"""From a search to the columns of the score, on a real store with the `hash` encoder."""

from datetime import UTC, datetime

import pytest

import delible
from delible.core.times import micros
from delible.recall.recalling import Request, searched
from delible.store.spaces import parse_scope

TALK = [
    {"text": "Did you find your violin?", "author": "Ana", "meta": {"session": 1}, "happened": "2023-05-07"},
    {"text": "Yes, under the bed!", "author": "Bob", "meta": {"session": 1}, "happened": "2023-05-07"},
    {"text": "Ana keeps the boat in Porto.", "author": "Bob", "meta": {"session": 2}, "happened": "2023-06-01"},
    {"text": "I sold it last Friday.", "author": "Ana", "meta": {"session": 2}, "happened": "2023-06-01"},
]


@pytest.fixture
def memory(tmp_path):
    with delible.open(tmp_path / "agent.mem", encoder="hash") as memory:
        memory.write(TALK)
        yield memory


@pytest.fixture
def ask(memory):
    def asked(question, now="2023-06-10"):
        moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
        request = Request(question, 8, parse_scope("main"), now=moment)
        found = searched(memory._store, memory._views, memory._embedding, request, lambda _, found: found)
        return [int(row) - 1 for row in found.found.rows], found

    return asked


def test_the_speaker_whom_a_question_names_is_its_subject_and_no_word_of_it(ask):
    rows, found = ask("What did Ana sell?")
    by_row = dict(zip(rows, found.candidates.subject.tolist(), strict=True))
    assert by_row[0] and by_row[3] and not by_row[1] and not by_row[2]
    assert found.candidates.bm25[rows.index(2)] == 0, "her name is no word that is looked for"


def test_an_answer_inherits_the_words_of_its_question(ask):
    rows, found = ask("Where was the violin?")
    at = rows.index(1)
    assert found.candidates.late[at] < found.candidates.inherited[at] and found.candidates.bm25[at] == 0


def test_what_is_forgotten_lends_nothing_any_more(memory, ask):
    memory.forget(memory.list()[0].id, reason="asked")
    rows, found = ask("Where was the violin?")
    assert 0 not in rows and found.candidates.inherited[rows.index(1)] == found.candidates.late[rows.index(1)]


def test_dates_of_question_and_records_meet(ask):
    rows, found = ask("What happened on 26 May 2023?")
    c = found.candidates
    assert c.overlaps[rows.index(3)] and not c.overlaps[rows.index(0)]
    rows, found = ask("What happened on 7 May 2023?")
    assert found.candidates.in_range[rows.index(0)] and found.candidates.days[rows.index(2)] == 25


def test_a_question_without_a_date_is_near_to_none(ask):
    _, found = ask("violin")
    assert not found.candidates.in_range.any() and (found.candidates.days > 1e9).all()


def test_the_day_of_now_is_that_of_the_question(ask):
    rows, found = ask("What did Ana say yesterday?", now="2023-06-02")
    assert found.candidates.in_range[rows.index(3)]
    assert micros(datetime(2023, 6, 1, tzinfo=UTC)) in found.found.marks["happened"]
