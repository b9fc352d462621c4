"""One request reaches everything that is attached; a carrier that fails leaves the seal and an open receipt."""

import pytest

from delible.core.errors import InvalidInput
from delible.core.receipts import Check

VIOLIN = "Ada keeps the violin of her grandmother in a cedar chest under the stairs."
TEA = "Bob prefers smoked tea over coffee on rainy mornings in Dublin."


@pytest.fixture
def ada(memory):
    ada, _ = memory.write([VIOLIN, TEA])
    return ada


def names(receipt):
    return [check.name for check in receipt.checks]


def receipts_finding(memory):
    return next(finding for finding in memory.verify() if finding.code == "receipts")


def test_a_carrier_gets_every_record_of_the_closure_with_its_text_and_its_check_stands_in_the_receipt(
    memory, ada, notebook
):
    thought = memory.write("Ada values old things.", channel="model", parents=[ada.id], space="thoughts")[0]
    model = notebook("model", needs_content=True)
    memory.attach(model)
    receipt = memory.forget(ada.id, reason="asked to", reach="everything")
    assert model.heard == [[ada.id, thought.id]] and model.texts == [VIOLIN, thought.text]
    assert receipt.confirmed and names(receipt)[0] == "carrier model: pages" and receipt.reach == "everything"


def test_a_carrier_that_needs_the_content_is_asked_only_when_everything_is_to_be_reached(memory, ada, notebook):
    model, index = notebook("model", needs_content=True), notebook("index")
    memory.attach(model)
    memory.attach(index)
    receipt = memory.forget(ada.id, reason="asked to")
    assert receipt.confirmed and model.heard == [] and index.heard == [[ada.id]]
    assert names(receipt)[0] == "carrier index: pages"


def test_those_that_need_the_content_come_first(memory, ada, notebook, monkeypatch):
    order = []
    for name, needs in (("index", False), ("weights", True)):
        carrier = notebook(name, needs_content=needs)
        carrier.erase = lambda records, name=name: order.append(name) or [Check("gone", True)]
        memory.attach(carrier)
    memory.forget(ada.id, reason="asked to", reach="everything")
    assert order == ["weights", "index"]


def test_a_carrier_that_fails_once_leaves_the_seal_and_verify_completes_here(memory, ada, notebook, found, of_text):
    model = notebook("model", needs_content=True, failures=1)
    memory.attach(model)
    receipt = memory.forget(ada.id, reason="asked to", reach="everything")
    assert not receipt.confirmed and receipt.phase == 0
    (failed,) = receipt.checks
    assert failed.name == "carrier model: erase" and "RuntimeError" in failed.detail and "violin" not in repr(receipt)
    assert [hit.record.text for hit in memory.recall("violin")] == [TEA] and found(of_text(VIOLIN))
    assert memory.receipts() == [receipt]
    assert receipts_finding(memory).ok
    assert model.heard == [[ada.id]] * 2 and memory.receipts()[0].confirmed and found(of_text(VIOLIN)) == {}
    assert names(memory.receipts()[0])[0] == "carrier model: pages"


OTHER = """
import sys, delible
with delible.open(sys.argv[1], encoder="hash") as memory:
    finding = memory.verify()[0]
    print(finding.code, finding.ok, "model" in finding.detail, memory.receipts()[0].phase)
"""


def test_another_process_without_the_carrier_does_not_complete_and_one_that_has_it_does(
    memory, ada, notebook, child, open_memory
):
    memory.attach(notebook("model", failures=1))
    memory.forget(ada.id, reason="asked to")
    assert child(OTHER) == "receipts False True 0\n"
    memory.close()
    assert child(OTHER) == "receipts False True 0\n"
    again = open_memory()
    assert again.receipts()[0].phase == 0 and "not attached" in again.receipts()[0].checks[0].detail
    model = notebook("model")
    again.attach(model)
    assert receipts_finding(again).ok
    assert again.receipts()[0].confirmed and model.heard == [[ada.id]] and model.texts == [VIOLIN]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((), "no check"),
        (None, "no check"),
        ((Check("weights", False, "still recites it"),), "still recites it"),
        ((Check("index", True), Check("weights", False, "still recites it")), "still recites it"),
        ("done", "no check"),
    ],
)
def test_a_carrier_that_confirms_nothing_leaves_the_receipt_open(memory, ada, notebook, answers, said):
    model = notebook("model", answers=answers)
    memory.attach(model)
    receipt = memory.forget(ada.id, reason="asked to")
    assert not receipt.confirmed and receipt.phase == 0
    assert any(said in check.detail and check.name.startswith("carrier model") for check in receipt.checks)
    assert "model" in repr(receipt) and not receipts_finding(memory).ok
    model.answers = (Check("weights", True, "recites nothing"),)
    assert receipts_finding(memory).ok and memory.receipts()[0].confirmed


def test_when_one_of_two_carriers_fails_both_erase_again(memory, ada, notebook):
    first, second = notebook("a"), notebook("b", failures=1)
    memory.attach(first)
    memory.attach(second)
    assert memory.forget(ada.id, reason="asked to").phase == 0
    assert receipts_finding(memory).ok
    assert first.heard == second.heard == [[ada.id]] * 2
    assert names(memory.receipts()[0])[:2] == ["carrier a: pages", "carrier b: pages"]


def test_what_a_carrier_quotes_of_a_record_is_left_out_of_the_receipt(memory, ada, notebook):
    memory.attach(notebook("model", answers=(Check("weights", True, f"no longer says {VIOLIN}"),)))
    receipt = memory.forget(ada.id, reason="asked to")
    assert receipt.confirmed and VIOLIN[:12] not in repr(receipt)
    assert "quotes a record" in {check.name: check.detail for check in receipt.checks}["carrier model: weights"]


def test_a_receipt_from_a_process_that_had_no_carrier_reaches_the_one_attached_where_it_is_completed(
    memory, ada, notebook, child, open_memory
):
    memory.close()
    child(CRASHES, "carriers", ada.id, killed=True)
    again = open_memory()  # nothing to wait for: completed on opening
    assert again.receipts()[0].confirmed


CRASHES = """
import os, signal, sys, delible
from delible.core.receipts import Check
from delible.governance import erase
class Model:
    name, needs_content = "model", True
    def erase(self, records):
        return [Check("weights", True, "recites nothing")]
memory = delible.open(sys.argv[1], encoder="hash")
if "model" in sys.argv:
    memory.attach(Model())
erase.trace = lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == sys.argv[2] else None
memory.forget(sys.argv[3], reason="asked to", reach="everything")
"""


@pytest.mark.parametrize("step", ["derived", "erase", "checkpoint", "confirm"])
def test_what_a_carrier_confirmed_before_a_crash_stands_in_the_completed_receipt(memory, ada, child, open_memory, step):
    memory.close()
    child(CRASHES, step, ada.id, "model", killed=True)
    receipt = open_memory().receipts()[0]
    assert receipt.confirmed and names(receipt)[0] == "carrier model: weights"


def test_a_crash_before_the_carriers_waits_for_a_process_that_has_them(memory, ada, child, open_memory, notebook):
    memory.close()
    child(CRASHES, "carriers", ada.id, "model", killed=True)
    again = open_memory()
    assert again.receipts()[0].phase == 0 and again.recall("violin")[0].record.text == TEA
    model = notebook("model", needs_content=True)
    again.attach(model)
    assert receipts_finding(again).ok and model.texts == [VIOLIN] and again.receipts()[0].confirmed


def test_what_is_no_carrier_or_has_a_name_that_is_taken_is_refused(memory, notebook):
    with pytest.raises(InvalidInput):
        memory.attach(object())
    memory.attach(notebook("model"))
    with pytest.raises(InvalidInput):
        memory.attach(notebook("model"))
