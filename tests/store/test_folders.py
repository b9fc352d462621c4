"""A folder of every released schema is kept and opened, migrated and verified for ever (`tests/folders/make.py`)."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import delible
from delible.store import schema

FOLDERS = Path(__file__).parents[1] / "folders"
sys.path.insert(0, str(FOLDERS))
from make import told  # noqa: E402  one file says what is compared

RELEASED = sorted(FOLDERS.glob("schema-*"))


@pytest.fixture(params=RELEASED, ids=lambda folder: folder.name)
def kept(request, tmp_path):
    """A copy of a kept folder, as private as the original was; and what it must give back."""
    folder = tmp_path / "agent.mem"
    folder.mkdir(mode=0o700)
    (folder / "tmp").mkdir(mode=0o700)
    shutil.copy(request.param / "store.db", folder / "store.db")
    os.chmod(folder / "store.db", 0o600)
    return folder, json.loads((request.param / "expected.json").read_text("utf-8"))


def test_there_is_a_folder_of_every_released_schema():
    assert [folder.name for folder in RELEASED] == [f"schema-{version}" for version in range(1, schema.VERSION + 1)]


def test_a_kept_folder_gives_back_every_record_and_verifies(kept):
    folder, expected = kept
    with delible.open(folder) as memory:
        records = [told(record) for held in (False, True) for record in memory.list(space="**", held=held, limit=None)]
        assert records == expected["records"]
        revised = expected["history"][-1]["id"]
        assert [told(record) for record in memory.history(revised)] == expected["history"]
        assert [finding.code for finding in memory.verify() if not finding.ok] == []
        assert [receipt.id for receipt in memory.receipts() if receipt.confirmed] == [expected["receipt"]]


def test_a_kept_folder_answers_as_of_then_and_now_and_goes_on(kept):
    folder, expected = kept
    with delible.open(folder) as memory:
        asked = {"space": "user/ana", "k": 1}
        assert "Lisbon" in memory.recall("Where does Bob move in May?", **asked)[0].record.text
        assert (
            "Porto"
            in memory.recall("Where does Bob move in May?", as_of=expected["before_the_revision"], **asked)[
                0
            ].record.text
        )
        [record] = memory.write("Written by a later version of this program.", space="user/ana")
        assert memory.recall("a later version", space="user/ana", k=1)[0].record.id == record.id
        assert memory.forget(ids=[record.id], reason="only a test").confirmed


def test_what_a_kept_folder_forgot_is_in_none_of_its_bytes_and_stays_forgotten(kept):
    folder, expected = kept
    pieces = [expected["forgotten"][at : at + 16].encode() for at in range(len(expected["forgotten"]) - 15)]
    with delible.open(folder) as memory:
        with pytest.raises(delible.Suppressed):
            memory.write(expected["forgotten"], channel="tool")
        memory.compact()
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(piece in data for piece in pieces), path.name
