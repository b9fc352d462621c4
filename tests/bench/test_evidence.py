"""The bench of evidence on two small talks: rows, parts, the audited key, and that users get what was measured."""

import json
from dataclasses import replace

import pytest

import delible
from delible.bench import conversations, evidence
from delible.bench.evidence import Different, run
from delible.bench.results import load
from delible.core.errors import InvalidInput

TURNS = (
    "I adopted a puppy called Biscuit last week.",
    "How lovely! What breed?",
    "A beagle, he chews every slipper.",
    "My kitchen is being painted green.",
    "Who paints it?",
    "My cousin Olga paints it on Saturday.",
    "Did you see the lighthouse in Porto?",
    "We climbed the lighthouse and ate sardines.",
    "I lost my umbrella on the ferry.",
    "That umbrella was a gift from Hugo.",
)
ASKED = (
    ("Which breed is the puppy, a beagle?", ["D1:3"], 4),
    ("Who paints the kitchen green?", ["D1:4", "D1:6"], 1),
    ("Where was the umbrella lost?", ["D1:9"], 4),
)


def talk(name, key=ASKED):
    """A conversation in LoCoMo's format."""
    said = [{"speaker": ("Ana", "Bo")[i % 2], "dia_id": f"D1:{i}", "text": text} for i, text in enumerate(TURNS, 1)]
    asked = [{"question": q, "answer": "-", "evidence": where, "category": category} for q, where, category in key]
    spoken = {"speaker_a": "Ana", "speaker_b": "Bo", "session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": said}
    return {"sample_id": name, "conversation": spoken, "qa": asked}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "locomo").mkdir()
    # The audited key moves one piece of evidence and asks one question in other words.
    audited = (ASKED[0], ("Who paints the kitchen green?", ["D1:6"], 1), ("What was lost on the ferry?", ["D1:9"], 4))
    for name, key in (("locomo2.json", ASKED), ("locomo2_audited_qa.json", audited)):
        (folder / "locomo" / name).write_text(json.dumps([talk("one", key), talk("two", key)]))
    return folder


@pytest.fixture(scope="module")
def measured(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    code = run("locomo", data, out, encoder="hash")
    return code, load("locomo-hash", out)


@pytest.fixture
def asked(data, tmp_path):
    with delible.open(tmp_path / "talks.mem", encoder="hash") as memory:
        yield memory, evidence.trials(memory, conversations.locomo(data))


BESIDE = ["BM25, tuned", "BM25, FTS5's own", "sentence vectors"]


def labels(table):
    assert {len(row) for row in table.rows} == {len(table.columns)}
    return [row[0] for row in table.rows]


def test_every_way_to_rank_has_a_row(measured):
    tables = {table.key: table for table in measured[1].tables}
    assert labels(tables["systems"]) == ["Delible", *BESIDE, "Delible, audited key", "learned, leave one out"]
    assert labels(tables["parts"]) == ["Delible", *evidence.WITHOUT]
    assert labels(tables["categories"]) == ["Delible", "multi-hop", "single-hop"]
    assert [row[1] for row in tables["categories"].rows] == [6, 2, 4]
    both = {*labels(tables["systems"]), *labels(tables["parts"])}
    assert set(labels(tables["map"])) == set(labels(tables["part"])) == both
    assert tables["map"].columns == ("", "multi-hop", "single-hop")


def test_each_row_has_intervals_and_how_far_it_lies_from_ours(measured):
    result = measured[1]
    tables = {table.key: table for table in result.tables}
    ours, words, *_, audited, learned = (
        dict(zip(tables["systems"].columns, row, strict=True)) for row in tables["systems"].rows
    )
    assert ours["MAP"] == f"{result.figures['map']:.3f}" and ours["to ours"] == ""
    assert " to " in words["95 %"] and words["to ours"].count("+") + words["to ours"].count("-") == 2
    assert learned["to ours"] and not audited["to ours"]  # the audited key asks other questions
    assert "over conversations" in tables["systems"].title and "over questions" in tables["part"].title
    for name in evidence.FIGURES:
        assert result.figures[f"{name} low"] <= result.figures[name] <= result.figures[f"{name} high"]
        assert f"{name} low, last three" in result.figures


def test_targets_are_judged_on_the_last_talks_and_the_code_is_the_exit_code(measured):
    code, result = measured
    assert {target.figure for target in result.targets} >= {"map, last three", "recall@10, last three", "map, learned"}
    assert all(target.measured is not None for target in result.targets)
    assert code == (0 if result.held else 1)
    assert result.figures["recall@10, last three"] == 1  # all ten turns are within reach


def test_the_result_says_where_its_constants_come_from(measured):
    assert "REALTALK and BEAM" in measured[1].notes[0] and "tuned here" in measured[1].notes[0]


def test_the_audited_key_is_counted_and_only_new_words_are_asked_again(measured):
    assert any("6 questions with evidence: 2 with other" in note and "2 in other words" in note
               for note in measured[1].notes)  # fmt: skip


def test_a_model_of_the_other_sets_has_a_row_only_when_asked_for(data, tmp_path, monkeypatch, measured):
    assert not any(label.startswith("learned on") for label in labels(measured[1].tables[0]))
    monkeypatch.setattr(evidence, "SETS", {"locomo": conversations.locomo, "realtalk": conversations.locomo})
    run("locomo", data, tmp_path, encoder="hash", transfer=True)
    result = load("locomo-hash", tmp_path)
    assert {"learned on REALTALK", evidence.UNSEEN} < set(labels(result.tables[0]))
    assert {"map, transferred", "map, transferred above ours"} <= {target.figure for target in result.targets}
    assert "map, last three, unseen" in {target.figure for target in result.targets}
    assert sum(note.startswith("Constants chosen on REALTALK: meaning ") for note in result.notes) == 1


def test_the_smallest_chats_are_a_part_of_their_own():
    talks = [conversations.Talk(str(n), (), ({},) * n, ()) for n in (9, 2, 7, 4, 3, 8)]
    label, choose = evidence.PARTS["realtalk"]
    assert label == "five smallest" and sorted(len(talk.turns) for talk in choose(talks)) == [2, 3, 4, 7, 8]
    assert [talk.name for talk in evidence.PARTS["locomo"][1](talks)] == ["4", "3", "8"]


def test_what_was_measured_is_what_a_user_gets(asked):
    memory, found = asked
    assert evidence.confirm(memory, found) == 6 and evidence.confirm(memory, found, sample=2) == 2
    moved = dict(zip(found[0].reference, [*found[0].reference.values()][::-1], strict=True))
    with pytest.raises(Different, match="no figure was recorded"):
        evidence.confirm(memory, [replace(found[0], reference=moved)])


def test_missing_data_and_an_unknown_set_are_refused_in_one_line(tmp_path):
    with pytest.raises(InvalidInput, match=r"no locomo/locomo\*.json"):
        run("locomo", tmp_path, tmp_path)
    with pytest.raises(InvalidInput, match="no set 'atlantis'"):
        run("atlantis", tmp_path, tmp_path)
    assert not list(tmp_path.glob("*.json"))
