"""Diaries are loaded and asked about: who is timed, and how often; the times themselves are the machine's."""

import json

import pytest

from delible.bench.memorybank import run
from delible.bench.results import load
from delible.core.errors import InvalidInput

DAYS = {
    "2023-04-27": [{"query": "I run.", "response": "Good!"}, {"query": "Daily.", "response": "Great!"}],
    "2023-04-28": [{"query": "I rest.", "response": "Good too."}],
}
NAMES = ("memory_bank_en", "probing_questions_en")


def bank(folder, users, probing):
    (folder / "memorybank_en").mkdir(parents=True)
    for name, document in zip(NAMES, (users, probing), strict=True):
        (folder / "memorybank_en" / f"{name}.json").write_text(json.dumps(document), "utf-8")
    return folder


def test_every_user_with_a_diary_is_timed_and_every_question_asked_once(tmp_path, capsys):
    users = {"Ivy": {"history": DAYS}, "Max": {"history": {}}, "Tom": {"history": {"2023-05-01": DAYS["2023-04-28"]}}}
    data = bank(tmp_path / "data", users, {"Ivy": ["Do I run?", "Do I rest?"], "Max": ["Who am I?"]})
    assert run(data, tmp_path / "out", encoder="hash") == 0
    result = load("memorybank", tmp_path / "out")
    assert dict(result.n) == {"users": 2, "records": 8, "questions": 2}
    [table] = result.tables
    assert [(row[0], row[1], row[4]) for row in table.rows] == [("Ivy", 6, 2), ("Tom", 2, 0), ("all", 8, 2)]
    assert table.rows[1][5:] == (None, None)  # nothing was asked, so nothing took time
    figures = result.figures
    assert figures["load_per_s"] == pytest.approx(8 / figures["load_s"])
    assert 0 < figures["recall_p50_ms"] <= figures["recall_p95_ms"]
    assert "2 users, a space each; recall in ms" in capsys.readouterr().out


def test_a_set_without_any_diary_is_refused(tmp_path):
    data = bank(tmp_path / "data", {"Max": {"history": {}}}, {})
    with pytest.raises(InvalidInput, match="no user with a diary"):
        run(data, tmp_path / "out", encoder="hash")


def test_without_the_data_one_line_names_what_is_missing(tmp_path):
    with pytest.raises(InvalidInput, match=r"^no memorybank_en/memory_bank_en\.json in the data folder.*$"):
        run(tmp_path, tmp_path / "out", encoder="hash")
    assert not (tmp_path / "out").exists()
