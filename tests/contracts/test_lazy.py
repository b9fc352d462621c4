"""Importing delible costs little, and the records wing never brings a training library."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import delible

ROOMS = ["delible", "delible.core", "delible.store", "delible.recall", "delible.guard", "delible.governance"]
TRAINING = ["torch", "transformers", "sentence_transformers", "sklearn", "scipy", "numba"]
HEAVY = [*TRAINING, "onnx", "onnxruntime", "tokenizers"]


def loaded_after(code: str) -> set[str]:
    """The top-level modules of a fresh process that ran `code`."""
    code += "\nimport json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_delible_and_the_rooms_of_the_records_wing_loads_nothing_heavy():
    loaded = loaded_after(f"import {', '.join(ROOMS)}")
    assert loaded.isdisjoint({*HEAVY, "numpy", "apsw", "typer", "rich", "pydantic"})


def test_importing_the_front_door_loads_no_training_library_and_no_encoder():
    assert loaded_after("import delible.memory, delible.cli").isdisjoint(HEAVY)


def test_looking_every_public_name_up_loads_no_training_library():
    loaded = loaded_after("import delible\nfor name in delible.__all__: getattr(delible, name)")
    assert loaded.isdisjoint({*TRAINING, "onnx"})


def test_writing_recalling_and_forgetting_loads_no_training_library(tmp_path):
    loaded = loaded_after(
        "import delible\n"
        f"with delible.open({str(tmp_path / 'agent.mem')!r}, encoder='hash') as memory:\n"
        "    [record] = memory.write('Nadia plays the violin.')\n"
        "    assert memory.recall('who plays the violin?')\n"
        "    assert memory.forget(ids=[record.id], reason='asked').confirmed\n"
    )
    assert loaded.isdisjoint({*TRAINING, "onnx"})


def test_importing_delible_takes_less_than_a_tenth_of_a_second():
    def seconds(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    # The best of five: a busy machine makes single runs slow, never fast.
    bare, ours = (min(seconds(code) for _ in range(5)) for code in ("pass", "import delible"))
    assert ours - bare < 0.1


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A room of three files on the path, none of which can be imported twice unnoticed."""
    folder = tmp_path / "sample_room"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        '"""A room."""\nfrom delible.core.lazy import found\n__getattr__, __dir__ = found(__name__)\n'
    )
    (folder / "adding.py").write_text("LIMIT: int = 3\ndef add(a, b): return a + b\ndef screen(): ...\n")
    (folder / "hiding.py").write_text("class Hidden: ...\ndef screen(): ...\ndef _private(): ...\n")
    (folder / "broken.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("sample_room")
    for name in [name for name in sys.modules if name.partition(".")[0] == "sample_room"]:
        del sys.modules[name]


def test_a_room_finds_what_its_files_define_without_importing_the_others(room):
    assert room.add(1, 2) == 3 and room.LIMIT == 3 and room.Hidden.__module__ == "sample_room.hiding"
    assert "sample_room.broken" not in sys.modules


def test_a_room_lists_its_files_and_the_names_that_one_file_defines(room):
    assert dir(room) == ["Hidden", "LIMIT", "add", "adding", "broken", "hiding"]


def test_a_name_of_two_files_is_refused_with_where_to_find_it(room):
    with pytest.raises(AttributeError, match="adding, hiding have one each"):
        _ = room.screen


@pytest.mark.parametrize("name", ["nothing", "_private", "__wrapped__"])
def test_a_name_of_no_file_is_an_attribute_error(room, name):
    with pytest.raises(AttributeError, match=name):
        getattr(room, name)


@pytest.mark.parametrize("name", ROOMS[1:])
def test_every_name_that_a_room_lists_can_be_reached(name):
    module = __import__(name, fromlist=["_"])
    for listed in dir(module):
        if not listed.startswith("_"):
            getattr(module, listed)


def test_every_room_has_an_init_that_keeps_no_list():
    package = Path(delible.__file__).parent
    rooms = [folder for folder in package.iterdir() if folder.is_dir() and any(folder.glob("*.py"))]
    assert rooms and all((folder / "__init__.py").is_file() for folder in rooms)
