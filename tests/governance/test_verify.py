"""Verify finds what was changed behind its back, names it with one stable code, and says what to do."""

import pytest

from delible.core.errors import SpaceRefused
from delible.governance import verify

VIOLIN = "Ada keeps the violin of her grandmother in a cedar chest under the stairs."
TEA = "Bob prefers smoked tea over coffee on rainy mornings in Dublin."
CODES = ["receipts", "file", "texts", "vectors", "words", "marks", "lives", "trust", "ledger", "forgotten", "reads"]


@pytest.fixture
def ada(memory):
    ada, bob = memory.write([VIOLIN, TEA], author="Canary Serafini", meta={"canary": "tweet"}, reference="canary.txt")
    memory.write("Both like old things.", channel="model", parents=[ada.id, bob.id], key="canary-key")
    return ada


def broken(memory):
    return {finding.code: finding for finding in memory.verify() if not finding.ok}


def test_a_whole_memory_passes_with_one_finding_a_code_in_a_fixed_order(memory, ada):
    memory.revise(ada.id, "Ada sold the violin.")
    memory.recall("violin")
    memory.forget(memory.write("To be forgotten at once, please.")[0].id, reason="asked to")
    findings = memory.verify()
    assert [finding.code for finding in findings] == CODES
    assert all(finding.ok and finding.detail and not finding.advice for finding in findings)


def test_an_empty_memory_passes(memory):
    assert broken(memory) == {}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("texts", "UPDATE texts SET text = replace(text, 'violin', 'fiddle') WHERE row = 1"),
        ("texts", """UPDATE texts SET meta = '{"canary": "song"}' WHERE row = 1"""),
        ("texts", "UPDATE texts SET notes = '[\"trusted\"]' WHERE row = 1"),
        ("texts", "UPDATE texts SET checksum = x'0011223344556677' WHERE row = 2"),
        ("texts", "UPDATE records SET fingerprint = x'00' WHERE row = 2"),
        ("texts", "INSERT INTO texts(row, text, scope, meta, notes) VALUES (99, 'an orphan', 'x1', '{}', '[]')"),
        ("texts", "DELETE FROM texts WHERE row = 2"),
        ("vectors", "UPDATE vectors SET value = CAST(x'ff' || substr(value, 2) AS BLOB) WHERE row = 1"),
        ("vectors", "UPDATE vectors SET value = substr(value, 3) WHERE row = 1"),
        ("vectors", "UPDATE vectors SET checksum = checksum + 1 WHERE row = 1"),
        ("vectors", "UPDATE bits SET bits = CAST(x'ffffffffffffffff' || substr(bits, 9) AS BLOB) WHERE row = 1"),
        ("vectors", "DELETE FROM bits WHERE row = 1"),
        ("vectors", "DELETE FROM vectors WHERE row = 1"),
        ("vectors", "UPDATE vectors SET tokens = substr(tokens, 2) WHERE row = 1"),
        ("words", "INSERT INTO words(rowid, text, scope) VALUES (77, 'a stray entry', 'x1')"),
        ("words", "DELETE FROM words_docsize WHERE id = 1"),
        ("marks", "DELETE FROM turns WHERE row = 1"),
        ("marks", "UPDATE turns SET mark = substr(mark, 2) WHERE row = 1"),
        ("marks", "UPDATE turns SET mark = (SELECT mark FROM turns WHERE row = 2) WHERE row = 1"),
        ("marks", "INSERT INTO turns(row, mark) SELECT 99, mark FROM turns WHERE row = 1"),
        ("lives", "INSERT INTO lives(row, since) VALUES (1, 2)"),
        ("lives", "DELETE FROM lives WHERE row = 1"),
        ("lives", "UPDATE records SET key = 'canary-key' WHERE row = 2"),
        ("trust", "UPDATE records SET trust = 0.95 WHERE row = 1"),
        ("trust", "UPDATE records SET trust = 0.5, verdict_trust = 0.5 WHERE row = 1"),
        ("trust", "UPDATE records SET hold = 1 WHERE row = 1"),
        ("trust", "UPDATE records SET own_hold = 1 WHERE row = 3"),
        ("ledger", "UPDATE events SET actor = 'nobody' WHERE seq = 1"),
        ("ledger", "UPDATE events SET time = time + 1 WHERE seq = 2"),
        ("ledger", "UPDATE events SET counts = '{}' WHERE seq = 1"),
        ("ledger", "DELETE FROM events WHERE seq = 1"),
        ("ledger", "DELETE FROM events WHERE seq = 2"),
    ],
)
def test_a_change_on_disk_is_found_under_its_code_with_advice(memory, ada, sql, code, change):
    sql(change)
    found = broken(memory)
    assert code in found and found[code].detail and found[code].advice
    assert not any(word in repr(found) for word in ("violin", "fiddle", "Serafini", "tweet"))


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM turns WHERE row = 1",
        "UPDATE turns SET mark = substr(mark, 2) WHERE row = 1",
        "UPDATE turns SET mark = zeroblob(length(mark)) WHERE row = 1",
        "INSERT INTO turns(row, mark) SELECT 99, mark FROM turns WHERE row = 1",
    ],
)
def test_marks_that_are_missing_or_wrong_are_made_anew_by_the_command_that_is_advised(memory, ada, sql, change):
    question = "Where does Canary keep the violin?"
    before = [(hit.record.id, hit.score) for hit in memory.recall(question)]
    sql(change)
    found = broken(memory)
    assert found.keys() == {"marks"} and "delible compact" in found["marks"].advice
    memory.compact()
    assert broken(memory) == {}
    assert [(hit.record.id, hit.score) for hit in memory.recall(question)] == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE vectors SET value = CAST(x'ff' || substr(value, 2) AS BLOB) WHERE row = 1",
        "UPDATE vectors SET value = substr(value, 3) WHERE row = 1",
        "UPDATE bits SET bits = zeroblob(length(bits)) WHERE row = 1",
        "UPDATE vectors SET tokens = substr(tokens, 2) WHERE row = 1",
        "UPDATE vectors SET tokens = NULL",
        "DELETE FROM bits WHERE row = 1",
        "DELETE FROM vectors WHERE row = 1",
        "DELETE FROM bits; DELETE FROM vectors",
        "INSERT INTO bits(vector, encoder, row, part, bits) SELECT 99, encoder, 99, 0, bits FROM bits WHERE row = 1",
    ],
)
def test_vectors_that_are_missing_or_wrong_are_made_anew_with_the_encoder_that_the_folder_has(memory, ada, sql, change):

    def scores():
        return [(hit.record.id, round(hit.score, 5)) for hit in memory.recall("Where does Canary keep the violin?")]

    before = scores()
    sql(change)
    found = broken(memory)
    assert found.keys() <= {"vectors"} and all("delible encoder use" in one.advice for one in found.values())
    assert memory.reembed("hash") == (memory.ledger()[-1].counts["records"] if "99" not in change else 0)
    assert broken(memory) == {}
    assert len(before) == 3 and scores() == before
    assert memory.reembed("hash") == 0, "what is whole is left alone"


def test_vectors_without_tokens_are_told_with_what_makes_them(memory, ada, sql):
    sql("UPDATE vectors SET tokens = NULL WHERE row < 3")
    (finding,) = (one for one in memory.verify() if one.code == "vectors")
    assert finding.ok and "; 2 records have no tokens yet" in finding.detail and "encoder use" in finding.detail
    assert memory.encoder()["records_without_tokens"] == 2
    assert memory.reembed("hash") == 2 and "records_without_tokens" not in memory.encoder()


def test_of_a_large_memory_some_marks_are_looked_at_and_all_are_counted(memory, ada, sql, monkeypatch):
    monkeypatch.setattr(verify, "MARKS", 1)
    (finding,) = (one for one in memory.verify() if one.code == "marks")
    assert finding.ok and finding.detail == "3 records have their mark; 1 were made again and are the same"


def test_two_events_that_were_swapped_are_found(memory, ada, sql):
    memory.hold(ada.id, reason="doubtful")
    memory.release(ada.id, reason="settled")
    assert broken(memory) == {}
    sql("UPDATE events SET seq = -1 WHERE seq = 2")
    sql("UPDATE events SET seq = 2 WHERE seq = 3")
    sql("UPDATE events SET seq = 3 WHERE seq = -1")
    assert broken(memory).keys() == {"ledger"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE receipts SET body = json_set(body, '$.reason', 'nobody asked')",
        "UPDATE receipts SET body = json_set(body, '$.removed.rows', 0)",
        "DELETE FROM receipts",
    ],
)
def test_a_receipt_that_was_changed_or_removed_is_found(memory, ada, sql, change):
    memory.forget(ada.id, reason="asked to")
    sql(change)
    assert broken(memory).keys() == {"receipts"}


def test_a_forgotten_row_that_came_back_is_found(memory, ada, sql):
    memory.forget(ada.id, reason="asked to")
    sql("INSERT INTO lives(row, since) VALUES (1, 1)")
    assert "forgotten" in broken(memory)


def test_a_page_that_was_overwritten_is_found_or_refused(memory, ada, open_memory, folder):
    memory.write([f"Filler {n} on the trams of Lisbon." for n in range(300)])
    memory.close()
    with open(folder / "store.db", "r+b") as file:  # nobody has it open now
        file.seek(8192 * 20)
        file.write(b"\xa5" * 8192)
    again = open_memory()
    assert broken(again)


# -- the ledger ------------------------------------------------------------------------------------------------------


def test_the_ledger_holds_ids_kinds_and_counts_and_no_text_of_any_field(memory, ada, sql):
    memory.recall("canary question about the violin")
    memory.hold(ada.id, reason="canary reason")
    memory.release(ada.id, reason="canary release")
    memory.revise(ada.id, "Canary revision.", reason="canary revision reason")
    memory.forget(ada.id, reason="canary forget")
    assert broken(memory) == {}
    dump = repr(sql("SELECT * FROM events")).lower()
    assert "canary" not in dump and "violin" not in dump and "serafini" not in dump
    first = memory.ledger()[0]
    assert (first.verb, first.kinds, first.counts) == ("write", {"note": 2}, {"records": 2}) and ada.id in first.ids
    assert memory.ledger(after=1, limit=1)[0].seq == 2


def test_recalls_enter_the_ledger_in_groups_with_the_ids_of_their_hits(memory, ada):
    for _ in range(20):
        memory.recall("violin", k=1)
    groups = [event for event in memory.ledger() if event.verb == "recall"]
    assert 1 <= len(groups) < 20 and sum(event.counts["reads"] for event in groups) == 20
    assert all(ada.id in event.ids for event in groups)


def test_a_handle_for_one_space_may_neither_read_the_ledger_nor_verify(open_memory):
    handle = open_memory(space="user/ada")
    for call in (handle.ledger, handle.verify):
        with pytest.raises(SpaceRefused):
            call()


KILLED_READER = """
import os, signal, sys, delible
memory = delible.open(sys.argv[1], encoder="hash")
memory.recall("violin")
memory.ledger()  # the read is written down
print(os.getpid(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def reads(memory):
    return next(finding for finding in memory.verify() if finding.code == "reads")


def test_a_reader_that_was_killed_is_named_with_its_last_read_and_one_that_closed_is_not(memory, ada, child):
    child("import sys, delible\nwith delible.open(sys.argv[1], encoder='hash') as m: m.recall('violin')")
    assert "closed" in reads(memory).detail
    process = child(KILLED_READER, killed=True).strip()
    finding = reads(memory)
    assert finding.ok and f"process {process} " in finding.detail and "may be missing" in finding.detail


# -- a folder that cannot be written ---------------------------------------------------------------------------------

READ_ONLY = """
import os, sys, tempfile, delible
if os.getuid() == 0:  # root can write anywhere, and who is nobody may not even import: so all is imported first
    with tempfile.TemporaryDirectory() as other, delible.open(other + "/m", encoder="hash") as memory:
        memory.write("Some violin."); memory.recall("violin"); memory.verify()
    delible.ReadOnlyStore
    os.setgid(65534); os.setuid(65534)
memory = delible.open(sys.argv[1], encoder="hash")
hits = memory.recall("violin")
print([note for note in hits.notes if "read-only" in note and "ledger" in note] != [], len(hits))
print([finding.code for finding in memory.verify() if not finding.ok])
try:
    memory.forget(hits[0].record.id, reason="asked to")
except delible.ReadOnlyStore:
    print("refused")
"""


def test_a_read_only_folder_answers_says_that_reads_are_not_logged_and_refuses_to_forget(memory, ada, folder, child):
    memory.close()
    ways = [folder, *folder.rglob("*")]
    above = [parent for parent in folder.parents if parent.name.startswith(("pytest-", "popen-", "test_"))]
    for path in above:
        path.chmod(0o755)
    for path in ways:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert child(READ_ONLY) == "True 3\n[]\nrefused\n"
    finally:
        for path in ways:
            path.chmod(0o755 if path.is_dir() else 0o600)
