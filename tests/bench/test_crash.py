"""The crash bench kills in every phase, and its oracle sees each kind of fault."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from delible.bench.crash import FAULTS, plan_of
from delible.bench.oracle import Oracle, Seen, family
from delible.bench.results import load
from delible.bench.writers import PHASES

CODE = "import sys; from pathlib import Path; from delible.bench.crash import run; p = Path(sys.argv[1]);"


@pytest.mark.slow
@pytest.mark.xdist_group("bench")
def test_nothing_is_lost_and_nothing_comes_back_over_a_kill_in_each_phase(tmp_path):
    # In a process of its own: this one has threads, and forking them is not what is tested.
    call = f"sys.exit(run({len(PHASES)}, seed=5, out=p / 'out', work=p / 'work'))"
    done = subprocess.run([sys.executable, "-c", CODE + call, tmp_path], capture_output=True, text=True, check=False)
    result = load("crash", tmp_path / "out")
    assert result is not None, done.stderr
    assert {name: result.figures[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0), done.stdout + done.stderr
    assert done.returncode == 0
    assert result.figures["cycles"] == len(PHASES) and result.figures["kills"] >= 10
    assert result.figures["written"] > 50 and result.figures["looked_for"] > 100


def test_the_same_seed_plans_the_same_kills_and_each_phase_has_its_turn():
    plans = [plan_of(number, seed=3) for number in range(500)]
    assert plans == [plan_of(number, seed=3) for number in range(500)]
    assert [plan.phase for plan in plans] == [plan_of(number, seed=4).phase for number in range(500)]
    assert [plan.delay for plan in plans] != [plan_of(number, seed=4).delay for number in range(500)]
    assert min(Counter(plan.phase for plan in plans).values()) >= 30
    assert {plan.scope for plan in plans} == {"one", "all"} and any(plan.delay for plan in plans)


def heard(*messages):
    """An oracle that was told these: (operation, acknowledged ids or None, what else was said)."""
    oracle = Oracle()
    for op, ids, what in messages:
        oracle.hear({"say": "intent", "by": 0, "op": op, **what})
        if ids is not None:
            oracle.hear({"say": "done", "by": 0, "ids": ids})
    return oracle


def seen(**listed):
    return Seen(listed={id: (text, False) for id, text in listed.items()})


BOTH = seen(a="first", b="second")
WROTE = ("batch", ["a", "b"], {"texts": ["first", "second"]})
REVISED = ("revise", ["c"], {"texts": ["third"], "revises": "a"})
FORGOT = ("forget", [], {"ids": ["a"]})


@pytest.mark.parametrize(
    ("messages", "found", "fault"),
    [
        ([WROTE], seen(a="first", b="second"), {}),
        ([WROTE], seen(a="first"), {"lost"}),
        ([WROTE], seen(a="first", b="other"), {"changed"}),
        ([WROTE], seen(a="first", b="second", c="nobody wrote this"), {"returned"}),
        ([WROTE, FORGOT], seen(b="second"), {}),
        ([WROTE, FORGOT], seen(a="first", b="second"), {"returned"}),
        ([WROTE, FORGOT], Seen(listed={"b": ("second", False)}, got=["a by as_of"]), {"returned"}),
        ([WROTE], Seen(listed={"a": ("first", False), "b": ("second", True)}), {"changed"}),
        ([WROTE], Seen(error="CorruptStore"), {"unverified"}),
        ([WROTE], replace(BOTH, findings=["chain"]), {"unverified"}),
        ([WROTE], replace(BOTH, open_receipts=["r"]), {"unconfirmed"}),
        ([REVISED], seen(a="first", b="second", c="third"), {"changed"}),
    ],
)
def test_each_kind_of_fault_is_seen(messages, found, fault):
    messages = messages if messages[0] is WROTE else [WROTE, *messages]
    assert set(heard(*messages).judge(found)) == set(fault)


@pytest.mark.parametrize(
    ("under_way", "found", "fault"),
    [
        (("batch", None, {"texts": ["x", "y"]}), seen(a="first", b="second"), {}),
        (("batch", None, {"texts": ["x", "y"]}), seen(a="first", b="second", x="x", y="y"), {}),
        (("batch", None, {"texts": ["x", "y"]}), seen(a="first", b="second", x="x"), {"halves", "returned"}),
        (("forget", None, {"ids": ["a", "b"]}), seen(a="first", b="second"), {}),
        (("forget", None, {"ids": ["a", "b"]}), seen(), {}),
        (("forget", None, {"ids": ["a", "b"]}), seen(b="second"), {"halves", "lost"}),
        (("revise", None, {"texts": ["c"], "revises": "a"}), seen(a="first", b="second"), {}),
        (("revise", None, {"texts": ["c"], "revises": "a"}), seen(c="c", b="second"), {}),
        (("revise", None, {"texts": ["c"], "revises": "a"}), seen(b="second"), {"lost"}),
    ],
)
def test_what_was_under_way_happened_as_a_whole_or_not_at_all(under_way, found, fault):
    assert set(heard(WROTE, under_way).judge(found)) == set(fault)


def test_what_was_under_way_and_is_gone_stays_gone():
    oracle = heard(WROTE, ("forget", None, {"ids": ["a"]}))
    assert oracle.judge(seen(b="second")) == {}
    oracle.begin()
    assert set(oracle.judge(seen(a="first", b="second"))) == {"returned"}


def test_a_family_is_revisions_both_ways_and_all_that_was_derived():
    oracle = heard(
        ("write", ["a"], {"texts": ["a"]}),
        ("write", ["other"], {"texts": ["other"]}),
        ("derive", ["d"], {"texts": ["d"], "parents": ["a", "other"]}),
        ("revise", ["a2"], {"texts": ["a2"], "revises": "a"}),
        ("derive", ["e"], {"texts": ["e"], "parents": ["d"]}),
    )
    assert family(["a2"], oracle.known) == {"a", "a2", "d", "e"}
    assert family(["e"], oracle.known) == {"e"}
