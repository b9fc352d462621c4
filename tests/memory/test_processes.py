"""Several processes and threads in one folder at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import delible

ROOT = Path(__file__).resolve().parents[2]
THREADS, ROUNDS = 2, 12

WORKER = """
import json, sys, threading, delible
folder, name, threads, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
memory = delible.open(folder, encoder="hash", timeout=60)
said, failures = [], []
def work(thread):
    try:
        for i in range(rounds):
            (single,) = memory.write(f"single {name} {thread} {i}", meta={"batch": None})
            said.append([single.id, single.text])
            texts = [f"batch {name} {thread} {i} part {part}" for part in range(5)]
            batch = memory.write(texts, reference=f"{name} {thread} {i}")
            said.extend([record.id, record.text] for record in batch)
            revised = memory.revise(single.id, f"revised {name} {thread} {i}")
            said.append([revised.id, revised.text])
            hits = memory.recall(f"batch {name} part", k=200, where={"reference": {"ne": None}})
            counts = {}
            for hit in hits:
                counts[hit.record.source.reference] = counts.get(hit.record.source.reference, 0) + 1
            if len(hits) < 200 and set(counts.values()) != {5}:
                failures.append(f"a torn batch: {counts}")
            if not any(hit.record.id == revised.id for hit in memory.recall(revised.text, k=5)):
                failures.append("own writing not recalled")
    except BaseException as error:
        failures.append(f"{type(error).__name__}: {error}")
workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
memory.close()
print(json.dumps({"said": said, "failures": failures}))
"""


def begin(code, folder, *arguments):
    command = [sys.executable, "-c", code, str(folder), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def ended(processes):
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), [error for _, error in answers]
    return [out for out, _ in answers]


def test_processes_and_threads_lose_nothing_and_recall_whole_batches_only(folder, opened, whole):
    answers = [json.loads(out) for out in ended([begin(WORKER, folder, n, THREADS, ROUNDS) for n in range(4)])]
    assert [answer["failures"] for answer in answers] == [[]] * 4
    said = [tuple(pair) for answer in answers for pair in answer["said"]]
    assert len(said) == len({id for id, _ in said}) == 4 * THREADS * ROUNDS * 7
    memory = opened()
    assert all(memory.get(id).text == text for id, text in said)
    assert memory.stats()["records"] == 4 * THREADS * ROUNDS * 6
    assert memory.stats()["superseded"] == 4 * THREADS * ROUNDS
    times = [event.time for event in memory.ledger()]
    assert times == sorted(times) and [event.seq for event in memory.ledger()] == list(range(1, len(times) + 1))
    whole(memory)


FIRST = """
import sys, delible
with delible.open(sys.argv[1], encoder="hash", timeout=60) as memory:
    print(memory.write(f"by {sys.argv[2]}")[0].id, memory._store.key.hex())
"""


def test_eight_processes_that_open_a_new_folder_at_once_make_one_store(folder, opened, whole):
    said = [out.split() for out in ended([begin(FIRST, folder, n) for n in range(8)])]
    assert len({key for _, key in said}) == 1, "one folder, one key"
    memory = opened()
    assert {record.id for record in memory.list()} == {id for id, _ in said}
    assert list((folder / "tmp").iterdir()) == []
    whole(memory)


OTHER_ENCODER = FIRST.replace('encoder="hash"', 'encoder="hash:128" if sys.argv[2] == "1" else "hash"')


def test_of_two_that_begin_a_folder_with_different_encoders_one_is_refused(folder, opened):
    processes = [begin(OTHER_ENCODER, folder, n) for n in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == [0, 1] and "EncoderMismatch" in "".join(errors) and "delible encoder use" in "".join(errors)
    assert opened(encoder=None).stats()["records"] == 1


FORK = """
import os, sys, delible
memory = delible.open(sys.argv[1], encoder="hash", timeout=30)
memory.write("before the fork")
memory.recall("fork")
memory.ledger()
codes = []
for child in range(6):
    pid = os.fork()
    if pid == 0:
        try:
            assert memory.recall("fork")
            memory.write(f"by child {child}")
            assert memory.ledger()[-1].seq
            memory.close()
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
            os._exit(1)
        os._exit(0)
    memory.write(f"beside child {child}")
    codes.append(os.waitpid(pid, 0)[1])
memory.write("after the fork")
actors = {event.actor for event in memory.ledger() if event.verb == "write"}
assert codes == [0] * 6 and len(actors) == 7, (codes, actors)
memory.close()
"""


def test_a_handle_goes_on_in_a_forked_child_and_in_its_parent(child, opened, whole):
    child(FORK)
    memory = opened()
    texts = [record.text for record in memory.list(limit=None)]
    assert texts[0] == "before the fork" and texts[-1] == "after the fork"
    assert sorted(texts[1:-1]) == [f"{who} child {n}" for who in ("beside", "by") for n in range(6)]
    whole(memory)


KILLED = """
import os, sys, delible
memory = delible.open(sys.argv[1], encoder="hash")
memory.write("kept")
memory.recall("kept")
os.kill(os.getpid(), 9)
"""


def test_verify_names_the_process_that_did_not_close(child, folder, opened):
    child(KILLED.replace("os.kill", "memory.ledger(); os.kill"), code_expected=-9)
    (reads,) = [finding for finding in opened().verify() if finding.code == "reads"]
    assert reads.ok and "did not close" in reads.detail and "last read event" in reads.detail


def test_a_handle_sees_what_another_process_wrote_revised_and_forgot(memory, child):
    (record,) = memory.write("apple one")
    assert [hit.record.text for hit in memory.recall("apple")] == ["apple one"]
    child(f"""
import sys, delible
with delible.open(sys.argv[1]) as memory:
    memory.write("apple two")
    memory.revise({record.id!r}, "apple three")
""")
    assert {hit.record.text for hit in memory.recall("apple")} == {"apple two", "apple three"}
    child(f"""
import sys, delible
with delible.open(sys.argv[1]) as memory:
    assert memory.forget({record.id!r}, reason="asked").confirmed
""")
    assert [hit.record.text for hit in memory.recall("apple")] == ["apple two"]


def test_opening_and_closing_twice_in_one_process_drops_no_locks(memory, opened, child):
    """A second handle that closes must not let go of the first one's locks (POSIX locks belong to the process)."""
    for _ in range(5):
        opened().close()
        memory.write("kept")
        child("import sys, delible; delible.open(sys.argv[1]).write('by another')")
    assert memory.stats()["records"] == 10 and os.path.exists(memory.path / "store.db-wal")
    with delible.open(memory.path) as other:
        assert other.stats()["records"] == 10
