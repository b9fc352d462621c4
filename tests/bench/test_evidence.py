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
    return code, load("locomo", out)


@pytest.fixture
def asked(data, tmp_path):
    with delible.open(tmp_path / "talks.mem", encoder="hash") as memory:
        yield memory, evidence.trials(memory, conversations.locomo(data))


def test_every_way_to_rank_has_a_row(measured):
    rows = [row[0] for row in measured[1].tables[0].rows]
    assert rows[0] == "Delible" and set(evidence.WITHOUT) < set(rows)
    others = {"BM25, tuned", "BM25, FTS5's own", "sentence vectors", "Delible, audited key", "learned, leave one out"}
    assert others < set(rows)
    assert len(measured[1].tables[0].rows[0]) == len(measured[1].tables[0].columns)


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
    assert not any(row[0].startswith("learned on") for row in measured[1].tables[0].rows)
    monkeypatch.setattr(evidence, "SETS", {"locomo": conversations.locomo, "realtalk": conversations.locomo})
    run("locomo", data, tmp_path, encoder="hash", transfer=True)
    result = load("locomo", tmp_path)
    assert "learned on REALTALK" in [row[0] for row in result.tables[0].rows]
    assert {"map, transferred", "map, transferred above ours"} <= {target.figure for target in result.targets}


def test_the_smallest_chats_are_a_part_of_their_own():
    talks = [conversations.Talk(str(n), (), ({},) * n, ()) for n in (9, 2, 7, 4, 3, 8)]
    label, choose = evidence.PARTS["realtalk"]
    assert label == "five smallest" and sorted(len(talk.turns) for talk in choose(talks)) == [2, 3, 4, 7, 8]
    assert [talk.name for talk in evidence.PARTS["locomo"][1](talks)] == ["4", "3", "8"]


def test_words_of_fts5_rank_the_only_turn_that_has_them_first(asked):
    _, found = asked
    rank = evidence.fts5(found)
    assert rank(found[2])[:1] == ["D1:9"] and evidence.figures_of(rank(found[2]), found[2])["map"] == 1


def test_sentence_vectors_rank_every_turn_once(asked):
    memory, found = asked
    ranked = evidence.sentence_vectors(memory, found)(found[0])
    assert sorted(ranked) == sorted(found[0].talk.order) and ranked[0] in ("D1:1", "D1:3")


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
