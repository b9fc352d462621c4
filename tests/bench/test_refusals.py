"""The bench of refusals on small talks: thresholds come from other talks, both kinds of question are asked, counted."""

import gzip
import json

import numpy as np
import pytest

from delible.bench.refusals import MEASURES, auc, refused, run
from delible.bench.results import load
from delible.core.errors import InvalidInput

TURNS = (
    "I adopted a puppy called Biscuit last week.",
    "How lovely! What breed?",
    "A beagle, he chews every slipper that I have.",
    "I am painting my kitchen green.",
    "Who helps you?",
    "My cousin Olga helps me on Saturday.",
)
ASKED = (("Which puppy did Ana adopt?", ["D1:1"], 4), ("What does Bo paint green?", ["D1:4"], 4))
MISTAKEN = (("What does Ana paint green?", ["D1:4"], 5), ("Which puppy did Bo adopt?", ["D1:1"], 5))


def qa(asked):
    return [{"question": q, "answer": "-", "evidence": where, "category": kind} for q, where, kind in asked]


def told(words):
    """The turns, each with what it says under the key `words`."""
    names = ("Ana", "Bo") * 3
    return [
        {"speaker": name, "dia_id": f"D1:{i}", words: text}
        for i, (name, text) in enumerate(zip(names, TURNS, strict=True), 1)
    ]


def locomo(name):
    spoken = {"speaker_a": "Ana", "speaker_b": "Bo", "session_1_date_time": "1:56 pm on 8 May, 2023"}
    return {"sample_id": name, "conversation": spoken | {"session_1": told("text")}, "qa": qa(ASKED + MISTAKEN)}


def realtalk(name):
    return {
        "sample_id": name, "sessions": [{"session": "session_1", "turns": told("clean_text")}], "qa": qa(ASKED)
    }  # fmt: skip


def history(name, question, text, **others):
    turn = {"role": "user", "content": text, "date": "2023/05/01 (Mon) 09:05"}
    asked = {"question_id": name, "question": question, "answer": "so"} | others
    return {"id": name, "question_type": "single-session-user", "conversation": [turn], "questions": [asked]}


def put(file, content):
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(content).encode()
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    put(folder / "locomo" / "locomo5.json", [locomo(name) for name in ("one", "two", "three", "four", "five")])
    put(folder / "rerank" / "realtalk1.json.gz", [realtalk("Chat_1_Ana_Bo")])
    turns = [{"role": "user", "content": text, "id": at} for at, text in enumerate(TURNS)]
    put(folder / "beam_100k" / "chat_1.json.gz", [{"batch_number": 1, "turns": [turns]}])
    probes = {
        "information_extraction": [{"question": "Which puppy?", "answer": "Biscuit", "source_chat_ids": [0]}],
        "abstention": [{"question": "Which boat?", "ideal_response": "nothing says so"}],
    }
    put(folder / "beam_100k" / "questions_1.json", probes)
    cat = history("cat", "How old is my cat Minou?", "My cat Minou is seven years old.")
    parrot = history("parrot", "What is my parrot called?", "I like tea.", is_abstention=True)
    put(folder / "longmemeval_sample" / "oracle.json", [cat])
    put(folder / "longmemeval_sample" / "abstention.json", [parrot])
    return folder


def test_both_kinds_of_question_are_asked_and_every_measure_has_a_row(data, tmp_path, capsys):
    code = run(data, tmp_path, encoder="hash")
    result = load("refusals", tmp_path)
    assert dict(result.n) | {"hits": 0} == {"talks": 5, "answerable": 10, "category 5": 10, "hits": 0}
    measures, shipped, weak = result.tables
    assert [row[0] for row in measures.rows] == [*MEASURES] and all(len(row) == 5 for row in measures.rows)
    # Who speaks of himself is told from who asks: all mistaken questions lie below all others.
    assert result.figures["auc"] == result.figures["refused"] == 1 and result.figures["wrongly"] == 0
    assert shipped.rows == (), "no threshold ships for this encoder"
    # Of the answerable 10 of LoCoMo, 2 of REALTALK, 1 of BEAM; LongMemEval's evidence is a session, no turn.
    assert [row[0] for row in weak.rows] == ["evidence", "others"] and weak.rows[0][1] == 13
    assert code == (0 if result.held else 1) and {target.figure for target in result.targets} == {
        "refused", "weak evidence"
    }  # fmt: skip
    assert "refused of 10 unanswerable and 10 answerable" in capsys.readouterr().out


def test_a_talk_is_judged_by_the_threshold_of_the_others():
    answerable = np.array([True] * 20 + [False, False] + [True] * 20 + [False, False])
    talk = np.repeat([0, 1], 22)
    # The first talk's answerable values are 1 to 20, the second's 101 to 120; 5 % lie below 1.95 and 101.95.
    values = np.array([*range(1, 21), 1.5, 50, *range(101, 121), 1.5, 2.5], float)
    no = refused(values, answerable, talk)
    assert no[:22].all(), "of the first talk all lie below the threshold of the second"
    assert no[22:].tolist() == [False] * 20 + [True, False]


def test_auc_counts_equal_values_half():
    values = np.array([0.0, 1.0, 1.0, 2.0])
    assert auc(values, np.array([False, False, True, True])) == (1 + 1 + 0.5 + 1) / 4
    assert auc(values, np.array([True, True, False, False])) == 0.125


def test_without_the_data_one_line_names_what_is_missing(tmp_path):
    with pytest.raises(InvalidInput, match=r"^no locomo/locomo\*\.json in the data folder.*$"):
        run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
