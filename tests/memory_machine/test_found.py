"""What the machine found, each in its smallest form."""

import pytest

import delible


@pytest.fixture
def memory(tmp_path):
    with delible.open(tmp_path / "memory", encoder="hash") as opened:
        yield opened


class Broken:
    """A carrier that cannot erase: the forget stays sealed."""

    name, needs_content = "broken", False

    def erase(self, records):
        raise OSError


def test_an_older_export_does_not_set_back_the_ledger_of_its_own_folder_without_records(memory, tmp_path):
    memory.expire("team", "2100-01-01")
    memory.export(tmp_path / "older.zip")
    memory.expire("team", None)
    before = memory.ledger()
    memory.load(tmp_path / "older.zip")
    assert memory.ledger()[: len(before)] == before
    assert all(finding.ok for finding in memory.verify())


def test_an_empty_folder_that_takes_in_a_shorter_ledger_misses_no_event(memory, tmp_path):
    memory.write("Ivo keeps the violin.")
    memory.export(tmp_path / "all.zip", key_file=tmp_path / "key")
    with delible.open(tmp_path / "fresh", encoder="hash") as fresh:
        for _ in range(9):
            fresh.expire("team", None)
        fresh.load(tmp_path / "all.zip", key_file=tmp_path / "key")
        assert all(finding.ok for finding in fresh.verify())


def test_a_repetition_does_not_name_a_record_that_is_sealed(memory):
    first, second = (memory.write("Ivo keeps the violin in room two.")[0] for _ in range(2))
    memory.attach(Broken())
    assert not memory.forget(first.id, reason="asked to").confirmed
    assert second.duplicate_of == first.id and memory.get(second.id).duplicate_of is None


def test_a_forget_after_compacting_still_finds_its_words(memory):
    record = memory.write("Ivo keeps the violin in room two.")[0]
    memory.compact()
    assert memory.forget(record.id, reason="asked to").confirmed
