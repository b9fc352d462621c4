"""All histories in one space: sessions keep apart, the ranking of turns becomes one of sessions, figures are exact."""

import json

import pytest

from delible.bench import conversations
from delible.bench.conversations import Asked
from delible.bench.longmemeval import figures_of, merged, run, sessions
from delible.bench.results import load
from delible.core.errors import InvalidInput

MONDAY, TUESDAY = "2023/05/01 (Mon) 09:05", "2023/05/02 (Tue) 21:48"


def history(name, kind, question, *messages, **others):
    return {
        "id": name,
        "question_type": kind,
        "conversation": [{"role": "user", "content": text, "date": date} for date, text in messages],
        "questions": [{"id": "q", "question": question, "answer": "so"} | others],
    }


CAT = history("one", "single-session-user", "How old is my cat Minou?", (MONDAY, "My cat Minou is seven years old."))
BOAT = history(
    "two",
    "multi-session",
    "Where is the boat?",
    (MONDAY, "The boat is in Oslo."),
    (TUESDAY, "Now the boat is in Bergen."),
)
ABSENT = history(
    "three", "single-session-user", "What is my parrot called?", (TUESDAY, "I like tea."), is_abstention=True
)


@pytest.fixture
def data(tmp_path):
    """Two histories that answer and one that does not."""
    folder = tmp_path / "data" / "longmemeval_sample"
    folder.mkdir(parents=True)
    (folder / "oracle.json").write_text(json.dumps([CAT, BOAT]), "utf-8")
    (folder / "abstention.json").write_text(json.dumps([ABSENT]), "utf-8")
    return folder.parent


def test_a_run_finds_sessions_among_all_histories_and_records_how_many(data, tmp_path, capsys):
    assert run(data, tmp_path / "out", encoder="hash") == 0
    result = load("longmemeval", tmp_path / "out")
    assert dict(result.n) == {
        "histories": 3, "sessions": 4, "turns": 4, "questions": 2, "abstention questions": 1
    }  # fmt: skip
    # Four sessions, so all stand among the first five; each question shares its rare words with its own alone.
    assert result.figures == {
        "recall@5": 1.0,
        "recall@5 low": 1.0,
        "recall@5 high": 1.0,
        "mrr": 1.0,
        "mrr low": 1.0,
        "mrr high": 1.0,
    }
    systems, categories = result.tables
    assert [row[0] for row in systems.rows] == ["Delible", "BM25, FTS5's own", "sentence vectors"]
    assert systems.rows[0] == ("Delible", 1.0, "1.00 to 1.00", 1.0, "1.00 to 1.00")
    assert categories.rows == (("multi-session", 1, 1.0, 1.0), ("single-session-user", 1, 1.0, 1.0))
    assert "2 questions, 4 sessions of 3 histories in one space" in capsys.readouterr().out


def test_sessions_of_two_histories_with_one_number_stay_two(data):
    whole = merged(conversations.longmemeval(data))
    assert whole.order == ("one/S1:1", "two/S1:1", "two/S2:1", "three/S1:1")
    assert [turn["meta"]["session"] for turn in whole.turns] == ["one/1", "two/1", "two/2", "three/1"]
    assert [asked.evidence for asked in whole.questions] == [("one/S1",), ("two/S1", "two/S2"), ()]


def test_a_session_stands_where_its_first_turn_stands():
    ranked = sessions(["a/S2:4", "b/S1:1", "a/S2:1", "a/S1:9", "b/S1:2"])
    assert ranked == ["a/S2", "b/S1", "a/S1"]
    asked = Asked("Where?", "there", ("b/S1", "a/S9"), "multi-session", answerable=True)
    assert figures_of(ranked, asked) == {"recall@5": 0.5, "mrr": 0.5}


def test_without_the_data_one_line_names_what_is_missing(tmp_path):
    with pytest.raises(InvalidInput, match=r"^no longmemeval_sample/oracle\.json in the data folder.*$"):
        run(tmp_path, tmp_path / "out", encoder="hash")
    assert not (tmp_path / "out").exists()
