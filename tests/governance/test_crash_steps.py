"""Killed at any step of a forget: the next process completes it, nothing else is lost, no byte is left."""

import json

import pytest

KILL = """
import os, signal, sys, delible
from delible.governance import erase
from delible.store import erasing, purging
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
memory = delible.open(sys.argv[1], encoder="hash")
step = sys.argv[2]
if "." in step:  # in the middle of the n-th call of a part: done, not yet committed
    part, count = step.split(".")
    whole, calls = getattr(erasing, part), []
    def stop(*arguments):
        done = whole(*arguments)
        calls.append(1)
        if len(calls) == int(count):
            die()
        return done
    setattr(erasing, part, stop)
else:
    erase.trace = lambda heard: die() if heard == step else None
memory.forget(where={"author": "Ada"}, reason="asked to")
"""

LOOK = """
import json, sys, delible
with delible.open(sys.argv[1], encoder="hash") as memory:
    receipts = [[r.confirmed, r.removed["rows"], [c.name for c in r.checks]] for r in memory.receipts()]
    found = [f.code for f in memory.verify() if not f.ok]
    texts = [r.text for r in memory.list(space="**", limit=None, held=None)]
    recalled = [h.record.source.author for h in memory.recall("the secret stone of Ada", k=50, space="**")]
    past = len(memory.list(space="**", limit=None, where={"author": "Ada"}, held=None))
    print(json.dumps([receipts, found, texts, recalled, past]))
"""

STEPS = ["carriers", "derived", "erase", "checkpoint", "look", "confirm"]


def fill(memory, many):
    memory.write([f"Bob's note {n} on the tides of Saint-Malo." for n in range(20)], author="Bob")
    memory.write([f"The secret of the {n * 7919 % 10007}th stone is in drawer {n}." for n in range(many)], author="Ada")
    memory.write([f"Bob's later note {n} on the tides." for n in range(20)], author="Bob")
    first = memory.list(where={"author": "Ada"}, limit=1)[0]
    memory.revise(first.id, "The secret of the first stone moved to Vladivostok.")
    memory.write("A thought on stones by nobody at all.", channel="model", parents=[first.id], space="thoughts")
    texts = [record.text for record in memory.list(where={"author": "Ada"}, limit=None)] + [first.text]
    return [*texts, "A thought on stones by nobody at all."]


def looked_at(child, found, of_text, secrets, stride=3):
    receipts, findings, texts, recalled, past = json.loads(child(LOOK))
    assert findings == []
    left = found({piece for secret in secrets for piece in of_text(secret, stride)})
    return receipts, texts, recalled, past, left


@pytest.mark.parametrize("step", [*STEPS, "erase.1", "confirm.1"])
def test_killed_after_the_seal_the_forget_is_completed_by_the_next_process(memory, child, found, of_text, step):
    secrets = fill(memory, 12)
    memory.close()
    child(KILL, step, killed=True)
    receipts, texts, recalled, past, left = looked_at(child, found, of_text, secrets)
    ((confirmed, rows, checks),) = receipts
    assert confirmed and rows == 14 and {"log", "rows", "words", "bytes"} <= set(checks)
    assert left == {} and past == 0 and set(recalled) <= {"Bob"}
    assert len(texts) == 40 and all(text.startswith("Bob's") for text in texts)


@pytest.mark.parametrize("step", ["close", "seal.1"])
def test_killed_before_the_seal_is_durable_nothing_has_happened_and_it_can_be_asked_again(
    memory, open_memory, child, found, of_text, step
):
    secrets = fill(memory, 12)
    memory.close()
    child(KILL, step, killed=True)
    receipts, texts, _, past, left = looked_at(child, found, of_text, secrets)
    assert receipts == [] and len(texts) == 53 and past == 12 and left
    again = open_memory()
    assert again.forget(where={"author": "Ada"}, reason="asked again").confirmed
    again.close()
    assert looked_at(child, found, of_text, secrets)[4] == {}


@pytest.mark.parametrize("step", ["erase.1", "erase.2", "erase.3", "checkpoint"])
def test_killed_amid_the_batches_of_250_records_all_are_completed(memory, child, found, of_text, step):
    secrets = fill(memory, 250)
    memory.close()
    child(KILL, step, killed=True)
    receipts, texts, recalled, past, left = looked_at(child, found, of_text, secrets)
    ((confirmed, rows, _),) = receipts
    assert confirmed and rows == 252 and left == {} and past == 0 and len(texts) == 40 and set(recalled) <= {"Bob"}


def test_killed_again_and_again_it_is_completed_in_the_end(memory, child, found, of_text):
    secrets = fill(memory, 12)
    memory.close()
    child(KILL, "erase", killed=True)
    reopens = KILL.replace("memory = ", "#").replace("memory.forget", "#") + 'delible.open(sys.argv[1], encoder="hash")'
    for step in ("derived", "erase.1", "checkpoint", "look", "confirm"):
        child(reopens, step, killed=True)
    receipts, texts, _, past, left = looked_at(child, found, of_text, secrets)
    assert receipts[0][0] and left == {} and past == 0 and len(texts) == 40


def test_killed_with_a_living_process_beside_verify_there_completes_it(memory, child, found, of_text):
    secrets = fill(memory, 12)
    child(KILL, "erase", killed=True)
    assert all(finding.ok for finding in memory.verify())
    assert memory.receipts()[0].confirmed
    assert looked_at(child, found, of_text, secrets)[4] == {}
