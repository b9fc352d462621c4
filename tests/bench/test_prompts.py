"""The bench of prompts on a small talk: what stands in a block is counted as a reader of it would."""

import json

import pytest

import delible
from delible.bench import conversations, evidence, prompts
from delible.bench.prompts import LAST, OURS, inside, made_of, measured, run
from delible.bench.results import load
from delible.core.errors import InvalidInput

TURNS = (
    'The boat is called "Wave\tof Mercy".',
    "Since when?",
    "Since the storm in April.",
    "I like quinces.",
    "So do I.",
    "My aunt makes jelly of them.",
    "How many jars?",
    "Forty jars a year.",
    "That is a lot.",
    "She sells them at the harbour.",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "locomo").mkdir()
    said = [{"speaker": ("Ana", "Bo")[i % 2], "dia_id": f"D1:{i}", "text": text} for i, text in enumerate(TURNS, 1)]
    asked = [
        {"question": question, "answer": "-", "evidence": where, "category": 4}
        for question, where in (
            ("What is the boat called?", ["D1:1"]),
            ("Who sells jars at the harbour?", ["D1:10"]),
            ("Is the boat at the harbour?", ["D1:1", "D1:10"]),
        )
    ]
    spoken = {"speaker_a": "Ana", "speaker_b": "Bo", "session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": said}
    talk = {"sample_id": "one", "conversation": spoken, "qa": asked}
    (folder / "locomo" / "locomo1.json").write_text(json.dumps([talk]))
    return folder


@pytest.fixture
def asked(data, tmp_path):
    with delible.open(tmp_path / "talks.mem", encoder="hash") as memory:
        yield memory, evidence.trials(memory, conversations.locomo(data))


def words(text):
    return len(text.split())


def test_lines_are_counted_once_and_add_up():
    asked = []

    def counter(text):
        asked.append(text)
        return len(text.split())

    count = prompts.counted(counter)
    assert (count("two words\n\nthree more words"), count("two words\n"), count("")) == (5, 2, 0)
    assert asked == ["two words", "three more words"]


def test_a_prompt_that_differs_from_the_measured_one_is_no_figure(asked, monkeypatch):
    memory, found = asked
    monkeypatch.setattr(type(memory), "context", lambda *_, **__: "another")
    with pytest.raises(evidence.Different, match="no figure was recorded"):
        measured(memory, found, sizes=(60,))


def test_a_turn_is_inside_where_its_own_line_holds_all_of_it(asked):
    memory, found = asked
    records = prompts.records_of(memory, found)["talk/0"]
    assert list(records) == [f"D1:{i}" for i in range(1, 11)]
    boat, when = records["D1:1"], records["D1:2"]
    text = made_of([boat], 500, words)
    assert r"\"Wave\tof Mercy\"" in text and inside(text, boat) and not inside(text, when)
    assert not inside(text.replace(boat.id[-8:], when.id[-8:]), boat)  # another's line with the same words
    assert not inside(text.replace("The boat", "excerpt"), boat)


def test_the_end_of_the_talk_has_what_was_said_last(asked):
    memory, found = asked
    # Room for the header and the last turns, not for the whole talk.
    rows = measured(memory, found, sizes=(60, 4000))
    assert [one.figures["inside 60"] for one in rows[LAST]] == [0, 1, 0]
    assert [one.figures["inside 4000"] for one in rows[LAST]] == [1, 1, 1]
    assert [one.figures["inside 4000"] for one in rows[OURS]] == [1, 1, 1]


def test_figures_are_shares_of_questions_and_the_lead_over_the_best_other_row(asked):
    memory, found = asked
    figures = prompts.figures_of(measured(memory, found, sizes=(60,)), sizes=(60,))
    assert figures[f"inside 60, {LAST}"] == pytest.approx(1 / 3)
    others = [value for name, value in figures.items() if name.startswith("inside 60, ")]
    assert len(others) == 4 and figures["above others 60"] == pytest.approx(figures["inside 60"] - max(others))


def test_a_run_prints_and_records_a_row_for_each_way_to_fill_a_prompt(data, tmp_path, capsys):
    code = run("locomo", data, tmp_path, encoder="hash")
    result = load("prompts", tmp_path)
    rows = [row[0] for row in result.tables[0].rows]
    beside = ["BM25, tuned", "BM25, FTS5's own", "sentence vectors"]
    assert rows == [OURS, "its 95 % over conversations", *beside, LAST]
    assert result.tables[0].columns == ("", "500", "1,000", "2,000", "4,000") and result.n["questions"] == 3
    assert len(result.targets) == 6 and code == (0 if result.held else 1)
    shown = capsys.readouterr()
    assert "the last N tokens" in shown.out and "0 of 3 prompts made" in shown.err


def test_missing_data_and_an_unknown_set_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"no locomo/locomo\*.json"):
        run("locomo", tmp_path, tmp_path)
    with pytest.raises(InvalidInput, match="no set"):
        run("atlantis", tmp_path, tmp_path)
