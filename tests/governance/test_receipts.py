"""A receipt confirms what was looked for and not found: a planted piece is found wherever it lies, and named."""

from concurrent.futures import ThreadPoolExecutor

import apsw
import numpy as np
import pytest

VIOLIN = "Ada keeps the violin of her grandmother in a cedar chest under the stairs."
PIECE = VIOLIN[10:50]
TEA = "Bob prefers smoked tea over coffee on rainy mornings in Dublin."


@pytest.fixture
def ada(memory):
    ada, _ = memory.write([VIOLIN, TEA])
    return ada


def check(receipt, name):
    (found,) = [check for check in receipt.checks if check.name == name]
    return found


def open_findings(memory):
    return {finding.code: finding.detail for finding in memory.verify(timeout=0.5) if not finding.ok}


# -- planted between erasing and looking, in a place where it stays --------------------------------------------------

PLACES = {
    "an orphan row": ("INSERT INTO texts(row, text, scope, meta, notes) VALUES (9999, ?, 'x1', '{}', '[]')", PIECE),
    "an overflow page": (
        "INSERT INTO texts(row, text, scope, meta, notes) VALUES (9999, ?, 'x1', '{}', '[]')",
        "a" * 20_011 + PIECE + "b" * 20_011,
    ),
    "the actor of an event": ("UPDATE events SET actor = ? WHERE seq = 1", PIECE),
    "the kinds of an event": ("UPDATE events SET kinds = ? WHERE seq = 1", PIECE),
    "the ids of an event": ("UPDATE events SET ids = ? WHERE seq = 1", PIECE.encode()),
    "the table of settings": ("INSERT INTO meta(name, value) VALUES ('note', ?)", PIECE.encode()),
    "a suppressed entry": ("INSERT INTO suppressed VALUES (x'01', x'02', ?, 0)", PIECE),
    "UTF-16": ("INSERT INTO meta(name, value) VALUES ('note', ?)", PIECE.encode("utf-16-le")),
}


@pytest.mark.parametrize("step", ["checkpoint", "look"])
@pytest.mark.parametrize("place", PLACES)
def test_a_piece_in_the_database_is_found_and_the_receipt_says_in_which_file(memory, ada, sql, at_step, place, step):
    at_step(step, lambda: sql(*PLACES[place]))
    receipt = memory.forget(ada.id, reason="asked to")
    assert not receipt.confirmed and receipt.phase == 1
    assert "found in store.db" in check(receipt, "bytes").detail and PIECE not in repr(receipt)
    assert memory.receipts() == [receipt] and [record.text for record in memory.list()] == [TEA]


@pytest.mark.parametrize("form", ["as stored", "as float32"])
def test_a_copy_of_the_old_vector_is_found(memory, ada, sql, at_step, form):
    value = sql("SELECT value FROM vectors ORDER BY vector LIMIT 1")[0][0]
    copy = value if form == "as stored" else np.frombuffer(value, "<f2").astype("<f4").tobytes()
    at_step("look", lambda: sql("INSERT INTO meta(name, value) VALUES ('copy', ?)", copy))
    receipt = memory.forget(ada.id, reason="asked to")
    assert not receipt.confirmed and "found in store.db" in check(receipt, "bytes").detail


def test_a_vector_that_was_left_in_its_table_is_found_as_a_row_and_as_bytes(memory, ada, sql, at_step):
    row, value = sql("SELECT row, value FROM vectors ORDER BY vector LIMIT 1")[0]
    plant = "INSERT INTO vectors(encoder, row, part, start, stop, value) VALUES (1, ?, 0, 0, 9, ?)"
    at_step("look", lambda: sql(plant, row, value))
    receipt = memory.forget(ada.id, reason="asked to")
    assert not check(receipt, "rows").passed and not check(receipt, "bytes").passed
    assert {"receipts", "vectors", "forgotten"} <= open_findings(memory).keys()


def test_sign_bits_that_were_left_are_found_as_a_row_as_bytes_and_as_the_nearest(memory, ada, sql, at_step):
    vector, bits = sql("SELECT vector, bits FROM bits ORDER BY vector LIMIT 1")[0]
    plant = "INSERT INTO bits(vector, encoder, row, part, bits) VALUES (?, 1, 77, 0, ?)"
    at_step("look", lambda: sql(plant, vector, bits))
    receipt = memory.forget(ada.id, reason="asked to")
    for name in ("rows", "neighbours", "bytes"):
        assert not check(receipt, name).passed, name


@pytest.mark.parametrize("row", [1, 4242])
def test_an_entry_that_was_left_in_the_index_of_words_is_found_by_its_terms(memory, ada, sql, at_step, row):
    at_step("look", lambda: sql("INSERT INTO words(rowid, text, scope) VALUES (?, ?, 'x1')", row, VIOLIN))
    receipt = memory.forget(ada.id, reason="asked to")
    assert not receipt.confirmed and not check(receipt, "words").passed
    assert "words" in check(receipt, "words").detail
    assert "words" in open_findings(memory)


def test_a_life_or_a_lineage_that_was_left_is_found(memory, ada, sql, at_step):
    at_step("look", lambda: sql("INSERT INTO lives(row, since) VALUES (1, 1)"))
    receipt = memory.forget(ada.id, reason="asked to")
    assert not receipt.confirmed and not check(receipt, "rows").passed
    sql("DELETE FROM lives WHERE row = 1")
    assert open_findings(memory) == {} and memory.receipts()[0].confirmed


# -- what a rewriting mends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 40_000])
def test_a_piece_in_dead_bytes_is_found_the_file_rewritten_and_the_receipt_confirmed(
    memory, ada, sql, at_step, found, of_text, size
):
    before = []

    def plant():
        sql("INSERT INTO meta(name, value) VALUES ('note', ?)", PIECE.encode() + b"z" * size)
        sql("PRAGMA wal_checkpoint(TRUNCATE)")
        sql("DELETE FROM meta WHERE name = 'note'")  # this connection overwrites nothing
        sql("PRAGMA wal_checkpoint(TRUNCATE)")
        before.append(found(of_text(PIECE)))

    at_step("look", plant)
    receipt = memory.forget(ada.id, reason="asked to")
    assert before[0].keys() == {"store.db"}
    assert receipt.confirmed and found(of_text(PIECE)) == {}
    assert [record.text for record in memory.list()] == [TEA] and open_findings(memory) == {}


def test_once_the_planted_row_is_deleted_verify_confirms(memory, ada, sql, at_step, found, of_text):
    at_step("look", lambda: sql(*PLACES["an orphan row"]))
    assert not memory.forget(ada.id, reason="asked to").confirmed
    assert "store.db" in open_findings(memory)["receipts"]
    sql("DELETE FROM texts WHERE row = 9999")
    assert open_findings(memory) == {}
    assert memory.receipts()[0].confirmed and found(of_text(VIOLIN)) == {}


@pytest.mark.parametrize("step", ["close", "checkpoint", "look"])
def test_a_temporary_file_is_overwritten_and_removed_whenever_it_appears(memory, folder, ada, at_step, step):
    left = folder / "tmp" / "sorted-7.bin"
    outside = folder.parent / "still-open.bin"
    at_step(step, lambda: (left.write_bytes(b"x" * 5000 + VIOLIN.encode()), outside.hardlink_to(left)))
    assert memory.forget(ada.id, reason="asked to").confirmed
    assert not left.exists() and set(outside.read_bytes()) == {0}


def test_what_a_crash_left_in_the_temporary_folder_goes_on_opening(memory, open_memory, folder, ada):
    memory.close()
    (folder / "tmp" / "vacuum-1").write_text(VIOLIN)
    open_memory()
    assert list((folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["copy.txt", "lists-old/part-0.bin", "store.db-journal"])
def test_a_file_that_is_not_ours_is_named_left_alone_and_once_it_is_gone_verify_confirms(
    memory, folder, ada, at_step, name
):
    stranger = folder / name
    content = "a letter: " + VIOLIN

    def plant():
        stranger.parent.mkdir(exist_ok=True)
        stranger.write_text(content)

    at_step("look", plant)
    receipt = memory.forget(ada.id, reason="asked to")
    assert not receipt.confirmed and f"found in {name}" in check(receipt, "bytes").detail
    assert stranger.read_text() == content and name in open_findings(memory)["receipts"]
    stranger.unlink()
    assert open_findings(memory) == {} and memory.receipts()[0].confirmed


# -- who keeps the log open ------------------------------------------------------------------------------------------

PINS = """
import sys, apsw
connection = apsw.Connection(sys.argv[1] + "/store.db")
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM texts").fetchall()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_process_with_an_old_snapshot_is_named_and_once_it_ends_verify_confirms(memory, ada, start, found, of_text):
    reader = start(PINS)
    receipt = memory.forget(ada.id, reason="asked to", timeout=0.3)
    assert not receipt.confirmed and receipt.phase == 1 and memory.recall("violin")[0].record.text == TEA
    assert f"process {reader.pid} keeps" in check(receipt, "log").detail and "verify" in check(receipt, "log").detail
    assert not check(receipt, "bytes").passed and found(of_text(VIOLIN))
    assert f"process {reader.pid}" in open_findings(memory)["receipts"]
    reader.communicate()
    assert open_findings(memory) == {}
    assert memory.receipts()[0].confirmed and found(of_text(VIOLIN)) == {}


def test_a_reader_that_ends_within_the_limit_is_waited_for(memory, ada, start, at_step, found, of_text):
    reader = start(PINS)
    at_step("checkpoint", reader.stdin.close)
    assert memory.forget(ada.id, reason="asked to", timeout=20).confirmed
    assert found(of_text(VIOLIN)) == {}


def test_a_snapshot_kept_open_in_this_process_is_said_to_be_so(memory, folder, ada):
    own = apsw.Connection(str(folder / "store.db"))
    own.execute("BEGIN")
    own.execute("SELECT count(*) FROM texts").fetchall()
    receipt = memory.forget(ada.id, reason="asked to", timeout=0.3)
    own.close()
    assert not receipt.confirmed and "this process" in check(receipt, "log").detail
    assert open_findings(memory) == {} and memory.receipts()[0].confirmed


READS = """
import sys, threading, delible
memory = delible.open(sys.argv[1], encoder="hash")
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print("ready", flush=True)
while not ended.is_set():
    memory.recall("violin of the grandmother")
    memory.list()
"""


def test_a_process_that_recalls_all_the_time_stops_no_forget(memory, ada, start, found, of_text):
    start(READS)
    assert memory.forget(ada.id, reason="asked to", timeout=20).confirmed
    assert found(of_text(VIOLIN)) == {}


# -- what the receipt says -------------------------------------------------------------------------------------------


def test_every_check_that_was_run_is_in_the_receipt_in_order_with_what_it_saw(memory, ada):
    receipt = memory.forget(ada.id, reason="asked to")
    assert [check.name for check in receipt.checks] == ["log", "rows", "words", "neighbours", "bytes"]
    assert all(check.detail for check in receipt.checks)
    assert "of 1 records" in check(receipt, "rows").detail and "1 old vectors" in check(receipt, "neighbours").detail


def test_the_digests_of_what_was_looked_for_are_dropped_once_confirmed(memory, ada, sql, at_step):
    at_step("look", lambda: sql(*PLACES["an orphan row"]))
    memory.forget(ada.id, reason="asked to")
    assert sql("SELECT phase, needles IS NULL FROM erasures") == [(1, 0)]
    sql("DELETE FROM texts WHERE row = 9999")
    memory.verify()
    assert sql("SELECT phase, needles IS NULL FROM erasures") == [(2, 1)]


def test_a_receipt_stands_in_the_chain_of_the_ledger(memory, ada):
    receipt = memory.forget(ada.id, reason="asked to")
    verbs = [event.verb for event in memory.ledger()]
    assert verbs == ["write", "seal", "erase", "forget"]
    assert memory.ledger()[1].ids == (ada.id,) and memory.ledger()[3].counts["rows"] == 1
    assert memory.receipts() == [receipt]


def test_an_unconfirmed_receipt_is_in_the_ledger_as_such(memory, ada, sql, at_step):
    at_step("look", lambda: sql(*PLACES["an orphan row"]))
    memory.forget(ada.id, reason="asked to")
    assert [event.verb for event in memory.ledger()][-1] == "unconfirmed"


# -- two at work -----------------------------------------------------------------------------------------------------

VERIFIES = """
import sys, delible
with delible.open(sys.argv[1], encoder="hash") as memory:
    print(memory.verify()[0].ok, memory.receipts()[0].confirmed)
"""


@pytest.mark.parametrize("step", ["carriers", "derived", "erase", "checkpoint", "look", "confirm"])
def test_another_process_that_completes_the_same_receipt_meanwhile_does_no_harm(memory, ada, child, at_step, step):
    said = []
    at_step(step, lambda: said.append(child(VERIFIES)))
    receipt = memory.forget(ada.id, reason="asked to")
    assert said == ["True True\n"] and receipt.confirmed
    assert {check.name for check in receipt.checks} >= {"log", "rows", "words", "bytes"}
    assert memory.receipts() == [receipt]
    assert [event.verb for event in memory.ledger()].count("forget") == 1 and open_findings(memory) == {}


def test_threads_that_forget_beside_writing_ones_all_get_their_confirmed_receipt(memory, found, of_text):
    secrets = [f"Secret number {n} lies under the {n * 7919 % 1009}th stone of the quay." for n in range(6)]
    ids = [record.id for record in memory.write(secrets)]
    with ThreadPoolExecutor(4) as pool:
        forgets = [pool.submit(memory.forget, id, reason="asked to") for id in ids]
        writes = [pool.submit(memory.write, f"A note {n} beside it all.") for n in range(12)]
        assert all(job.result().confirmed for job in forgets) and all(job.result() for job in writes)
    assert len(memory.list()) == 12 and found({p for text in secrets for p in of_text(text)[:-60]}) == {}
