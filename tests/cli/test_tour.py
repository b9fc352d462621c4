import json

import pytest

from delible.cli import tour_conversation
from delible.core.errors import EncoderMissing


def located():
    from delible.recall.encoders.minilm import locate

    try:
        return locate()
    except EncoderMissing:
        return None


def test_the_conversation_has_some_sixty_turns_in_order():
    turns = tour_conversation.turns()
    assert len(turns) == 60 and {turn["author"] for turn in turns} == {"Mara", "Jonas", "Viktor"}
    assert [turn["happened"] for turn in turns] == sorted(turn["happened"] for turn in turns)
    texts = [turn["text"] for turn in turns]
    assert all(sum(holds in text for text in texts) == 1 for _, holds in tour_conversation.QUESTIONS)


@pytest.mark.parametrize("encoder", ["hash", "minilm"])
def test_everything_in_the_tour_holds(shell, encoder):
    if encoder == "minilm" and not located():
        pytest.skip("MiniLM's files are not installed")
    (told,) = shell.json("tour", "--path", shell.path, "--encoder", encoder)
    assert told["holds"] and told["wrong"] == []
    steps = told["steps"]
    assert [question["rank"] for question in steps["Recall"]["questions"]] == [1] * 5
    assert all(
        question["hit"]["parts"] and question["hit"]["record"]["happened"] for question in steps["Recall"]["questions"]
    )
    assert not steps["Quarantine"]["recalled"] and steps["Quarantine"]["held"][0]["hold_reason"]
    answers = steps["Revise"]["answers"]
    assert "9th" in answers["before"]["hit"]["record"]["text"] and "23rd" in answers["after"]["hit"]["record"]["text"]
    assert steps["Forget"]["receipt"]["confirmed"] and steps["Forget"]["receipt"]["removed"]["rows"] == 6


def test_its_screens_fit_and_name_the_folder(shell):
    done = shell("tour", "--path", shell.path)
    lines = done.stdout.splitlines()
    commands = [line.split(maxsplit=1)[1] for line in lines if line.startswith("  delible ")]
    assert max(len(line) for line in lines if str(shell.path) not in line) <= 80
    assert done.stderr == "" and len(commands) == 5
    # What it says to try next works on the folder that it names.
    import shlex

    for command in commands:
        assert str(shell.path) in command
        shell(*shlex.split(command))


def test_it_does_not_touch_a_folder_that_is_there(shell):
    shell.write("Mine.")
    assert "new folder" in shell("tour", "--path", shell.path, code=2).stderr
    assert [record["text"] for record in shell.json("list")] == ["Mine."]


def test_it_ignores_the_memory_of_the_environment(shell, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (told,) = shell.json("tour")
    assert told["folder"] != str(shell.path) and not shell.path.exists()


def test_a_failed_tour_leaves_no_temporary_folder(shell, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shell("tour", "--encoder", "no such encoder", code=2)
    assert list(tmp_path.glob("tour-*")) == []


@pytest.fixture
def locomo(tmp_path):
    """Two sessions of a conversation in LoCoMo's format."""
    said = [
        "We planted a cherry tree behind the house.",
        "The cherry tree is three metres tall already.",
        "My sister sings in a choir.",
    ]
    turns = lambda number, texts: [  # noqa: E731
        {"speaker": "Ann" if place % 2 else "Ben", "dia_id": f"D{number}:{place}", "text": text}
        for place, text in enumerate(texts, 1)
    ]
    sample = {
        "sample_id": "conv-1",
        "conversation": {
            "speaker_a": "Ann",
            "speaker_b": "Ben",
            "session_1": turns(1, said),
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_2": turns(2, ["I sold my old bicycle to a student from Ulm.", "I hope that she rides it."]),
            "session_2_date_time": "2:10 pm on 9 May, 2023",
        },
        "qa": [
            {"question": "How tall is the cherry tree?", "answer": "3 m", "evidence": ["D1:2"], "category": 1},
            {"question": "Who sings in a choir?", "answer": "the sister", "evidence": ["D1:3"], "category": 1},
        ],
    }
    file = tmp_path / "locomo.json"
    file.write_text(json.dumps([sample]))
    return file


def test_a_conversation_of_ones_own_takes_the_tour(shell, locomo):
    (told,) = shell.json("tour", "--data", locomo, "--path", shell.path)
    assert told["holds"] and [question["rank"] for question in told["steps"]["Recall"]["questions"]] == [1, 1]
    assert told["steps"]["Forget"]["receipt"]["removed"]["rows"] == 3


def test_a_file_that_is_no_conversation_is_refused(shell, tmp_path):
    (tmp_path / "noise.json").write_text("[1, 2]")
    for file in ("noise.json", "absent.json"):
        assert shell("tour", "--data", tmp_path / file, "--path", shell.path, code=2).stderr.startswith("error:")
    assert not shell.path.exists()
