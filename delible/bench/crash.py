"""`delible bench crash`: kill -9 of writers in every phase, beside a reader; an oracle outside saw what was promised.

A cycle: four writers and a reader work on one folder; one of the writers is killed, or all of them, when a writer
enters the phase whose turn it is, at once or a moment later; sometimes the log gets a torn tail, as a power cut leaves
it. Then a fresh process opens the folder, and what is there is held against what the writers had said: every
acknowledged write is there, exactly; what was forgotten is recalled by nothing; no piece of its text or vectors is in
any file; `verify` passes.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from random import Random
from typing import Any, Literal

from delible.bench.code import code_hash
from delible.bench.journal import Journal
from delible.bench.leftovers import Pieces, left_in
from delible.bench.oracle import Oracle
from delible.bench.results import Figure, Result, Table, judged, plain, record, say
from delible.bench.torn import tear
from delible.bench.writers import DELAYS, ENCODERS, PHASES, STEPS, Crew, Plan, check, prepare
from delible.core.settings import settings
from delible.recall.encoders import open_encoder

WRITERS = 4
LIFE = 10  # cycles that one folder lives
WARM = 0.5  # seconds at most that all work in peace
PATIENCE = 2.5  # seconds that the phase is waited for; then the kill comes in whatever phase it is
AFTERLIFE = 0.25  # seconds that the others go on when one was killed
STOPPING = 60.0  # seconds until one that was told to stop counts as stuck
TORN = 0.35  # share of the cycles whose log gets a torn tail, where all were killed
SHARE = 20 / 500  # kills that each phase must see, a cycle

FAULTS = {
    "lost": "acknowledged writes that are not there",
    "changed": "records whose text is another",
    "halves": "batches and forgets of which only a part happened",
    "returned": "forgotten records that something still gives back",
    "pieces": "pieces of forgotten texts or vectors in a file",
    "died": "writers or readers that ended by themselves",
    "unverified": "findings of verify that are not right",
    "unconfirmed": "receipts that stay open",
}


@dataclass
class Tally:
    """What was counted so far."""

    cycles: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    torn: int = 0
    written: int = 0
    forgotten: int = 0
    looked_for: int = 0
    failed: list[str] = field(default_factory=list)


def run(
    cycles: int = 500,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    first: int = 0,
    work: Path | None = None,
) -> int:
    """Run the cycles, print, write `out`/crash.json; 1 when something did not hold.

    The same seed kills in the same phases. `first`: number of the first cycle, to repeat one that failed. `work`: where
    the folders lie (default: the user's cache); one that failed stays there.
    """
    mark = f"{cycles} {seed} {first} {code_hash(__name__)}"
    journal = Journal((work or settings().cache / "bench") / f"crash-{seed}", mark, resume)
    tally = _tally(journal.phases.get("tally"))
    for start in range(first + tally.cycles, first + cycles, LIFE):
        began = time.perf_counter()
        _life(range(start, min(start + LIFE, first + cycles)), seed, journal.folder, tally)
        journal.seconds += time.perf_counter() - began
        journal.keep("tally", vars(tally) | {"hits": dict(tally.hits), "faults": dict(tally.faults)})
        least = min(PHASES, key=lambda phase: tally.hits[phase])
        say(
            f"{tally.cycles} of {cycles} cycles, {journal.seconds:,.0f} s; "
            f"written {tally.written:,}, forgotten {tally.forgotten:,}; kills {tally.hits.total():,}, "
            f"fewest in {least} ({tally.hits[least]}); faults {tally.faults.total()}"
        )
    result = _result(tally, cycles, seed, journal.seconds)
    for table in result.tables:
        say("\n" + plain(table))
    for line in tally.failed:
        say(line)
    path = record(result, out)
    say(f"\n{'all held' if result.held else 'something did not hold'}; figures in {path.name}")
    return 0 if result.held else 1


def _life(cycles: range, seed: int, work: Path, tally: Tally) -> None:
    """One folder, from its first cycle to its last or to its first fault."""
    folder = work / "memory"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(work / "exports", ignore_errors=True)
    (work / "exports").mkdir(parents=True)
    oracle = Oracle()
    for number in cycles:
        faults = _cycle(number, seed, folder, oracle, tally)
        tally.cycles += 1
        if not faults:
            continue
        kept = work / f"failed-{number}"
        shutil.rmtree(kept, ignore_errors=True)
        if folder.is_dir():
            shutil.copytree(folder, kept)
        what = "; ".join(f"{name}: {', '.join(details[:3])}" for name, details in faults.items())
        again = f"run({number - cycles.start + 1}, seed={seed}, first={cycles.start})"
        tally.failed.append(
            f"cycle {number}: {what}. The folder is kept as {kept.name}; to repeat: "
            f"python -c 'from delible.bench.crash import run; {again}'"
        )
        say(tally.failed[-1], sys.stderr)
        tally.faults.update({name: len(details) for name, details in faults.items()})
        # What is wrong now would be wrong in each later cycle: the next ones begin with a fresh folder.
        shutil.rmtree(folder, ignore_errors=True)
        oracle = Oracle()


def plan_of(number: int, seed: int) -> Plan:
    """What is killed in this cycle, and when: a matter of seed and number alone."""
    random = Random(f"{seed} {number}")
    phase = PHASES[number % len(PHASES)]
    # Steps of a forget are mostly hit at their very beginning: some last 50 microseconds only.
    at_once = phase in STEPS and random.random() < 0.8
    delay = 0.0 if at_once else random.expovariate(1 / DELAYS.get(phase, 0.001))
    scope: Literal["one", "all"] = "all" if random.random() < 0.6 else "one"
    nth = 1 if phase in {"re-embed", "compact", "export"} else random.randrange(1, 3)
    torn, entropy = random.random() < TORN, random.randrange(1 << 30)
    return Plan(number, seed, phase, random.uniform(0, WARM), nth, delay, scope, torn, entropy)


def _cycle(number: int, seed: int, folder: Path, oracle: Oracle, tally: Tally) -> dict[str, list[str]]:
    plan = plan_of(number, seed)
    random = Random(plan.entropy)
    oracle.begin()
    if not folder.is_dir():
        for message in prepare(folder, WRITERS, seed, number):
            oracle.hear(message)
    crew = Crew(folder, plan, [oracle.owned(writer) for writer in range(WRITERS)], oracle.gone())
    try:
        _work(crew, plan, oracle)
    finally:
        crew.end()
    killed = crew.killed()
    tally.hits.update(phase for phase in killed.values() if phase)
    if plan.torn and len(killed) == WRITERS:
        tally.torn += tear(folder / "store.db-wal", random)
    faults = {"died": crew.died()}
    for name, details in oracle.judge(check(folder, oracle.questions(random))).items():
        faults.setdefault(name, []).extend(details)
    encoders = [open_encoder(name) for name in ENCODERS]
    pieces = [
        Pieces(*(oracle.contents(encoders, kind, gone) for gone in (True, False))) for kind in ("text", "<f2", "<f4")
    ]
    tally.looked_for += sum(map(len, pieces))
    faults["pieces"] = [f"{name} ({places})" for kind in pieces for name, places in left_in(folder, kind).items()]
    written, forgotten = oracle.counted()
    tally.written += written
    tally.forgotten += forgotten
    return {name: details for name, details in faults.items() if details}


def _work(crew: Crew, plan: Plan, oracle: Oracle) -> None:
    """Let them work until the kill, and those that it spared a little longer."""
    deadline = time.monotonic() + PATIENCE
    while crew.trigger < 0 and crew.writing() == WRITERS and time.monotonic() < deadline:
        _listen(crew, oracle, 0.02)
    if crew.trigger < 0:
        # The phase did not come: a kill wherever they are is worth having too.
        crew.kill(range(WRITERS) if plan.scope == "all" else [plan.entropy % WRITERS])
    until = time.monotonic() + plan.delay + (AFTERLIFE if plan.scope == "one" else 0.0)
    while time.monotonic() < until or (plan.scope == "all" and crew.writing() and time.monotonic() < until + 5):
        _listen(crew, oracle, 0.01)
    crew.stop()
    until = time.monotonic() + STOPPING
    while crew.running() and time.monotonic() < until:
        _listen(crew, oracle, 0.02)
    _listen(crew, oracle, 0)


def _listen(crew: Crew, oracle: Oracle, seconds: float) -> None:
    """Take in what the writers say; what a killed one had said before is still in its pipe."""
    while ready := wait(crew.pipes(), seconds):
        for pipe in ready:
            message: Any = crew.take(pipe)
            if message is not None:
                crew.tell_reader(oracle.hear(message))
        seconds = 0


def _tally(stored: dict[str, Any] | None) -> Tally:
    if stored is None:
        return Tally()
    return Tally(**stored | {"hits": Counter(stored["hits"]), "faults": Counter(stored["faults"])})


def _result(tally: Tally, cycles: int, seed: int, seconds: float) -> Result:
    figures: dict[str, Figure] = {name: tally.faults[name] for name in FAULTS}
    figures |= {f"kills_{phase}": tally.hits[phase] for phase in PHASES}
    figures |= {
        "cycles": tally.cycles,
        "kills": tally.hits.total(),
        "kills_fewest": min(tally.hits[phase] for phase in PHASES),
        "torn": tally.torn,
        "written": tally.written,
        "forgotten": tally.forgotten,
        "looked_for": tally.looked_for,
    }
    targets = judged([(text, name, "==", 0, "") for name, text in FAULTS.items()], figures)
    targets += judged([("kills in the phase with the fewest", "kills_fewest", ">=", int(cycles * SHARE), "")], figures)
    return Result(
        name="crash",
        module=__name__,
        figures=figures,
        n={"cycles": tally.cycles, "writers": WRITERS},
        options={"cycles": cycles, "seed": seed},
        seconds=round(seconds, 1),
        targets=tuple(targets),
        tables=(
            Table(
                "kills",
                f"{tally.cycles} cycles, {WRITERS} writers",
                ("phase", "kills"),
                tuple((p, tally.hits[p]) for p in PHASES),
            ),
            Table(
                "faults", "What did not hold", ("fault", "found"), tuple((t.name, figures[t.figure]) for t in targets)
            ),
        ),
        notes=tuple(tally.failed),
    )
