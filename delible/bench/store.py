"""`delible bench store`: times of write, recall and forget at 10,000 and 100,000 records.

Two tables. All systems with the same given vectors: how fast the stores are, no encoder in the way, and what their
files still hold of a text after it was deleted. Ours alone with its encoder, held against the targets. Each system runs
in a process of its own (`peers/worker.py`); single writes are paired with a bare durable SQLite transaction.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from delible.bench import leftovers
from delible.bench.code import PACKAGE, code_hash
from delible.bench.environments import PINS, NotInstalled, python_of, variables
from delible.bench.journal import Journal
from delible.bench.measured import WORKER, Failed, Measured, Stopped
from delible.bench.results import Figure, Result, Table, Target, closed, judged, say
from delible.bench.sentences import given_vectors, sentences
from delible.core.errors import InvalidInput
from delible.core.settings import settings

OURS = "delible.bench.peers.ours"  # the code hash follows the name
PEER_CODE = (
    "delible.bench.peers.worker",
    "delible.bench.peers.mem0",
    "delible.bench.peers.langgraph",
    "delible.bench.peers.chroma",
)
NAMES = {"ours": "Delible", "mem0": "mem0", "langgraph": "LangGraph SQLite store", "chroma": "Chroma"}
ENCODER = "minilm"
ABSENT = ("numba", "onnx", "sklearn", "torch")  # packages that a fresh `delible recall` must not import
ALLOWED_SECONDS = 600.0  # of a peer for a size


@dataclass(frozen=True)
class Scale:
    """How much is written and asked."""

    small: int
    large: int
    spaces: int
    writes: int  # single ones
    questions: int
    moments: int  # of as_of
    single: int  # forgets of one record
    many: int  # records in one forget
    starts: int  # fresh processes


SCALES = {
    "smoke": Scale(small=300, large=600, spaces=6, writes=20, questions=20, moments=5, single=2, many=20, starts=1),
    "scaled": Scale(
        small=2000, large=10_000, spaces=100, writes=100, questions=100, moments=10, single=3, many=200, starts=3
    ),
    "full": Scale(
        small=10_000, large=100_000, spaces=1000, writes=300, questions=300, moments=30, single=5, many=1000, starts=10
    ),
}

# Name, figure, relation, bound, unit. The bounds are those of the issues that asked for them.
Bound = tuple[str, str, Literal["<=", ">=", "=="], float, str]
TARGETS: tuple[Bound, ...] = (
    ("write p50 at 10k", "write_small_p50_ms", "<=", 5, "ms"),
    ("write p95 at 10k", "write_small_p95_ms", "<=", 10, "ms"),
    ("write p50 at 100k", "write_large_p50_ms", "<=", 10, "ms"),
    ("batch, records a second", "batch_per_s", ">=", 250, "/s"),
    ("recall p50 at 10k", "recall_small_p50_ms", "<=", 12, "ms"),
    ("recall p50 at 100k", "recall_large_p50_ms", "<=", 20, "ms"),
    ("recall p95 at 100k", "recall_large_p95_ms", "<=", 40, "ms"),
    ("recall p50 in a space of 100", "recall_space_p50_ms", "<=", 12, "ms"),
    ("as_of p95 at 100k", "as_of_p95_ms", "<=", 300, "ms"),
    ("memory at its highest at 100k", "peak_mb", "<=", 450, "MB"),
    ("forget one of 100k, slowest", "forget_one_s", "<=", 2, "s"),
    ("forget 1,000 of 100k", "forget_many_s", "<=", 15, "s"),
    ("forgets not confirmed", "forget_unconfirmed", "==", 0, ""),
    ("pieces left of what was forgotten", "left_pieces", "==", 0, ""),
    ("fresh process: delible --help", "start_help_s", "<=", 0.3, "s"),
    ("fresh process: delible recall at 10k", "start_recall_s", "<=", 0.8, "s"),
    ("packages that must not be imported", "imported_absent", "==", 0, ""),
)


def run(
    data: Path | None,
    out: Path | None,
    scale: str = "full",
    peers: bool = False,
    resume: bool = False,
    work: Path | None = None,
) -> int:
    """Measure, print, write `out`/store.json; 1 when a target is missed.

    `data` is not needed (the texts are made by rule): it stands here since every bench takes it. `work`: where the
    stores are built (default: the user's cache). Raises InvalidInput for a scale that does not exist.
    """
    if scale not in SCALES:
        raise InvalidInput(f"no scale {scale!r:.40}; one of {', '.join(SCALES)}")
    bench = _Bench(SCALES[scale], scale, work or settings().cache / "bench", resume)
    bench.lay_corpus()
    bench.encoded()
    bench.given(("ours", *PINS) if peers else ("ours",))
    result = bench.result(peers)
    return closed(result, out)


class _Bench:
    def __init__(self, size: Scale, scale: str, work: Path, resume: bool):
        self.size, self.scale, self.work = size, scale, work
        mark = f"{scale} {code_hash(__name__)}"
        self.journal = Journal(work / f"store-{scale}", mark, resume)
        self.folder = self.journal.folder
        self.corpus = self.folder / "corpus"
        if resume and self.journal.phases:
            say(f"going on after {', '.join(self.journal.phases)}")

    # Rows after the large size are for single writes: no store has them before.
    def fresh_rows(self, turn: int) -> list[int]:
        first = self.size.large + turn * self.size.writes
        return list(range(first, first + self.size.writes))

    def asked_rows(self, stop: int) -> list[int]:
        chosen = np.random.default_rng(1).choice(stop, min(self.size.questions, stop), replace=False)
        return [int(row) for row in chosen]

    def lay_corpus(self) -> None:
        """Texts, questions and given vectors, in files that every worker reads."""
        stamp = self.corpus / "whole"
        if stamp.is_file():
            return
        self.corpus.mkdir(parents=True, exist_ok=True)
        count = self.size.large + 4 * self.size.writes
        lines = "".join(json.dumps(tuple(sentence)) + "\n" for sentence in sentences(0, count))
        (self.corpus / "texts.jsonl").write_text(lines, "utf-8")
        texts, questions = given_vectors(0, count)
        np.save(self.corpus / "texts.npy", texts)
        np.save(self.corpus / "questions.npy", questions)
        stamp.touch()

    def texts(self) -> list[str]:
        return [json.loads(line)[0] for line in (self.corpus / "texts.jsonl").read_text("utf-8").splitlines()]

    # -- ours alone, with its encoder

    def encoded(self) -> None:
        """Fill, write, recall, forget with real encoding."""
        size, phase = self.size, self.journal.phase
        self.show("fill_small", phase("fill_small", lambda: self.fill("small", 0, size.small)))
        self.show("start", phase("start", self.starts))
        self.show("small", phase("small", lambda: self.measure("small", size.small, turn=0)))
        self.show("fill_large", phase("fill_large", lambda: self.fill("large", size.small, size.large)))
        self.show("large", phase("large", lambda: self.measure("large", size.large, turn=1)))
        self.show("forget", phase("forget", self.forget))
        self.show("fill_spaces", phase("fill_spaces", lambda: self.fill("spaces", 0, size.large, size.spaces)))
        self.show("spaces", phase("spaces", lambda: self.measure("spaces", size.large, turn=2, spaces=size.spaces)))

    def fill(self, store: str, start: int, stop: int, spaces: int = 1) -> dict[str, Any]:
        folder = self.folder / store
        _remove(folder)
        if store == "large":
            # The large store goes on from a copy of the small one, taken before anything was written to it singly.
            for name in ("", ".ids.json"):
                _copy(Path(f"{self.folder / 'seed'}{name}"), Path(f"{folder}{name}"))
        times = []
        with self.ours(f"{store}: filling", stop - start) as worker:
            worker.ask("open", **self.place(folder), encoder=ENCODER, remember=str(self.corpus / "encoded.npy"))
            middle = start + (stop - start) * 9 // 10 if spaces == 1 else stop  # as_of asks for times from there on
            spent = 0.0
            for first, last in ((start, middle), (middle, stop)):
                if first < last:
                    spent += worker.ask("fill", start=first, stop=last, spaces=spaces)["seconds"]
                    times.append(datetime.now(UTC).isoformat())
            worker.ask("close")
        if store == "small":
            _remove(self.folder / "seed")
            for name in ("", ".ids.json"):
                _copy(Path(f"{folder}{name}"), Path(f"{self.folder / 'seed'}{name}"))
        return {"per_s": (stop - start) / spent, "times": times}

    def measure(self, store: str, stop: int, turn: int, spaces: int = 1) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        rows = self.asked_rows(stop)
        with self.ours(f"{store}: measuring") as worker:
            worker.ask("open", **self.place(self.folder / store), encoder=ENCODER)
            asked = worker.ask("recall", rows=rows, spaces=spaces)
            figures |= _times("recall", asked["seconds"]) | {"found": asked["found"]}
            paired = str(self.folder / "bare.db")
            figures |= _writes(worker.ask("write", rows=self.fresh_rows(turn), spaces=spaces, paired=paired))
            if store == "large":
                first, last = (datetime.fromisoformat(time_) for time_ in self.journal.phases["fill_large"]["times"])
                steps = [first + (last - first) * i / self.size.moments for i in range(self.size.moments)]
                back = [
                    worker.ask("recall", rows=[row], as_of=step.isoformat())
                    for row, step in zip(rows, steps, strict=False)
                ]
                figures |= _times("as_of", [answer["seconds"][0] for answer in back])
            figures |= worker.ask("memory")
            worker.ask("close")
        return figures | {"disk_mb": _megabytes(self.folder / store)}

    def forget(self) -> dict[str, Any]:
        """Forget one by one, then many at once, then look at every byte from outside."""
        size, folder = self.size, self.folder / "forgetting"
        _remove(folder)  # a copy, so that a run that was cut off here begins anew
        for name in ("", ".ids.json"):
            _copy(Path(f"{self.folder / 'large'}{name}"), Path(f"{folder}{name}"))
        chosen = np.random.default_rng(2).choice(size.large, size.single + size.many, replace=False)
        rows = [int(row) for row in chosen]
        with self.ours("large: forgetting") as worker:
            worker.ask("open", **self.place(folder), encoder=ENCODER)
            one = worker.ask("forget", rows=rows[: size.single])
            many = worker.ask("forget", rows=rows[size.single :], together=True)
            memory = worker.ask("memory")
            worker.ask("close")
        return {
            "forget_one": one["seconds"],
            "forget_many": many["seconds"],
            "unconfirmed": size.single + 1 - one["confirmed"] - many["confirmed"],
            "forget_peak_mb": memory["peak_mb"],
            **self.left(folder, rows),
        }

    def left(self, folder: Path, rows: Sequence[int]) -> dict[str, Any]:
        """What files hold of the rows: whole texts, and 16-byte pieces of texts and vectors that no other row has."""
        texts, gone = self.texts(), set(rows)
        forgotten = [texts[row].encode() for row in rows]
        others = (text.encode() for row, text in enumerate(texts) if row not in gone)
        vectors = np.load(self.corpus / "encoded.npy", mmap_mode="r")
        halves = [vectors[row].astype("<f2").tobytes() for row in rows]
        living = (
            vectors[row].astype("<f2").tobytes() for row in range(len(texts)) if row not in gone and vectors[row].any()
        )
        pieces = [
            leftovers.Pieces(forgotten, others),
            leftovers.Pieces(halves, living),
            leftovers.Pieces([vectors[row].tobytes() for row in rows]),
        ]
        found = [leftovers.left_in(folder, kind) for kind in pieces]
        return {
            "looked_for": sum(map(len, pieces)),
            "left_pieces": sum(sum(places.values()) for places in found),
            "left_texts": sum(leftovers.whole_in(folder, forgotten[:100]).values()),
        }

    def starts(self) -> dict[str, Any]:
        """Times of fresh processes, and which packages one has imported."""
        asked = ["recall", "--path", str(self.folder / "small"), "--space", "person0", next(sentences(0, 1)).question]
        helped = [self._start(["--help"])[0] for _ in range(self.size.starts)]
        recalled = [self._start(asked)[0] for _ in range(self.size.starts)]
        code = (
            "import sys; from delible.cli import main\n"
            "try: main()\n"
            "finally: sys.stderr.write('\\nmodules ' + ' '.join(sys.modules))"
        )
        _, errors = self._start(asked, [sys.executable, "-c", code])
        loaded = set(errors.rpartition("\nmodules ")[2].split())
        if "delible.memory" not in loaded:
            raise Failed("the modules of a fresh process could not be listed")
        return {
            "help": median(helped),
            "recall": median(recalled),
            "absent": sorted(set(ABSENT) & loaded),
            "seen": len(loaded),
        }

    def _start(self, arguments: list[str], command: list[str] | None = None) -> tuple[float, str]:
        script = Path(sys.executable).with_name("delible")
        started = [str(script)] if script.is_file() else [sys.executable, "-c", "from delible.cli import main; main()"]
        before = time.perf_counter()
        done = subprocess.run(
            [*(command or started), *arguments], env=_environment(), capture_output=True, text=True, check=False
        )
        spent = time.perf_counter() - before
        if done.returncode:
            raise Failed(f"delible {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return spent, done.stderr

    # -- all systems, with given vectors

    def given(self, systems: Sequence[str]) -> None:
        """Each system at each size. One that takes too long is stopped; its row says where."""
        size = self.size
        for layout, stop, spaces in (
            ("small", size.small, 1),
            ("large", size.large, 1),
            ("spaces", size.large, size.spaces),
        ):
            for system in systems:
                name = f"given_{layout}_{system}"
                whole = self.journal.phases.get(f"given_large_{system}", {})
                if layout == "spaces" and "stopped" in whole:
                    self.journal.keep(name, {"stopped": "not tried: stopped in one space"})
                measured = self.journal.phase(name, lambda: self.given_one(system, layout, stop, spaces))  # noqa: B023
                self.show(name, measured)

    def given_one(self, system: str, layout: str, stop: int, spaces: int) -> dict[str, Any]:
        folder = self.folder / f"given-{layout}-{system}"
        _remove(folder)
        try:
            worker = self.worker(system, f"given {layout}", stop)
            figures: dict[str, Any] = {}
            with worker:
                figures["versions"] = worker.ask("open", **self.place(folder), encoder="given")["versions"]
                figures["per_s"] = stop / worker.ask("fill", start=0, stop=stop, spaces=spaces)["seconds"]
                asked = worker.ask("recall", rows=self.asked_rows(stop), spaces=spaces)
                figures |= _times("recall", asked["seconds"]) | {"found": asked["found"]}
                paired = str(self.folder / "bare.db")
                figures |= _writes(worker.ask("write", rows=self.fresh_rows(3), spaces=spaces, paired=paired))
                rows = self.asked_rows(stop)[: self.size.single]
                figures |= _times("forget", worker.ask("forget", rows=rows)["seconds"]) | worker.ask("memory")
                figures["refused_connections"] = worker.ask("close")["refused_connections"]
            texts = self.texts()
            holding = leftovers.whole_in(folder, [texts[row].encode() for row in rows])
            figures |= {
                "left_texts": max(holding.values(), default=0),
                "deleted": len(rows),
                "disk_mb": _megabytes(folder),
            }
        except Stopped as stopped:
            figures["stopped"] = f"{stopped.where} of {stop:,}" if " at " in stopped.where else stopped.where
        except NotInstalled as error:
            return {"stopped": f"not installed: {error}"}
        except Failed as error:
            if system == "ours":
                raise
            figures["stopped"] = str(error)
        finally:
            _remove(folder)
        return figures

    # -- workers

    def place(self, folder: Path) -> dict[str, str]:
        return {"folder": str(folder), "corpus": str(self.corpus)}

    def ours(self, what: str, total: int = 0) -> Measured:
        return self.worker("ours", what, total)

    def worker(self, system: str, what: str, total: int) -> Measured:
        progress = _progress(f"{NAMES[system]}, {what}", total)
        log = self.folder / f"{system}.log"
        if system == "ours":
            return Measured([sys.executable, str(WORKER), system], _environment(), None, progress, log)
        python = python_of(system, self.work / "peers")
        return Measured(
            [str(python), str(WORKER), system], variables(self.folder / "home"), ALLOWED_SECONDS, progress, log
        )

    # -- what came out

    def show(self, name: str, figures: dict[str, Any]) -> None:
        said = [f"{key} {value:,.2f}" for key, value in figures.items() if isinstance(value, int | float)]
        said += [figures["stopped"]] if "stopped" in figures else []
        say(f"{name}: {', '.join(said)}", sys.stderr)

    def figures(self) -> dict[str, Figure]:
        """The figures that targets are held against, by their names in TARGETS, and a few beside them."""
        phases, figures = self.journal.phases, {}
        for store in ("small", "large", "spaces"):
            found = phases[store]
            name = "space" if store == "spaces" else store
            for key in ("recall_p50_ms", "recall_p95_ms", "write_p50_ms", "write_p95_ms", "write_ratio"):
                verb, _, rest = key.partition("_")
                figures[f"{verb}_{name}_{rest}"] = found[key]
            figures |= {f"found_{name}": found["found"], f"disk_{name}_mb": found["disk_mb"]}
        large, forget, start = phases["large"], phases["forget"], phases["start"]
        return figures | {
            "bare_write_p50_ms": phases["small"]["bare_p50_ms"],
            "batch_per_s": min(phases["fill_small"]["per_s"], phases["fill_large"]["per_s"]),
            "as_of_p50_ms": large["as_of_p50_ms"],
            "as_of_p95_ms": large["as_of_p95_ms"],
            "rss_mb": large["rss_mb"],
            "peak_mb": large["peak_mb"],
            "forget_one_s": max(forget["forget_one"]),
            "forget_one_p50_s": median(forget["forget_one"]),
            "forget_many_s": max(forget["forget_many"]),
            "forget_unconfirmed": forget["unconfirmed"],
            "forget_peak_mb": forget["forget_peak_mb"],
            "left_pieces": forget["left_pieces"] + forget["left_texts"],
            "looked_for_pieces": forget["looked_for"],
            "start_help_s": start["help"],
            "start_recall_s": start["recall"],
            "imported_absent": len(start["absent"]),
        }

    def result(self, peers: bool) -> Result:
        figures = self.figures()
        targets = judged(TARGETS, figures)
        size = self.size
        notes = [
            f"scale {self.scale}: 10k means {size.small:,} records, 100k {size.large:,}; 1 or {size.spaces:,} spaces",
            "texts are made by rule, about 28 words each; percentiles are over single calls of one process",
            "ours searches words and vectors and names its evidence, the others search vectors alone",
            "a deleted text is looked for in the system's files after the system was closed, by plain search",
        ]
        return Result(
            name="store",
            module=__name__,
            figures=figures,
            n={"writes": size.writes, "questions": size.questions, "as_of": size.moments, "forgets": size.single + 1},
            options={"scale": self.scale, "peers": peers, "encoder": ENCODER} | asdict(size),
            seconds=round(self.journal.seconds, 1),
            targets=tuple(targets),
            tables=(self.target_table(targets), *self.given_tables()),
            notes=tuple(notes),
        )

    def target_table(self, targets: Sequence[Target]) -> Table:
        rows = [
            (
                target.name,
                _unit(target.measured, target.unit),
                f"{target.relation} {target.bound:g}",
                "held" if target.held else "missed",
            )
            for target in targets
        ]
        return Table("targets", "Ours, with encoding", ("measure", "measured", "target", ""), tuple(rows))

    def given_tables(self) -> list[Table]:
        size = self.size
        layouts = {
            "small": f"{size.small:,} records in one space",
            "large": f"{size.large:,} records in one space",
            "spaces": f"{size.large:,} records in {size.spaces:,} spaces",
        }
        columns = (
            "system",
            "batch /s",
            "write p50 ms",
            "p95",
            "x bare",
            "recall p50 ms",
            "p95",
            "forget ms",
            "texts left",
            "disk MB",
            "memory MB",
        )
        tables = []
        for layout, title in layouts.items():
            rows = [
                (self.given_name(layout, system), *self.given_row(layout, system))
                for system in NAMES
                if f"given_{layout}_{system}" in self.journal.phases
            ]
            tables.append(Table(layout, f"{title}, given vectors (times ours in brackets)", columns, tuple(rows)))
        return tables

    def given_name(self, layout: str, system: str) -> str:
        stopped = self.journal.phases[f"given_{layout}_{system}"].get("stopped")
        return f"{NAMES[system]} ({stopped})" if stopped else NAMES[system]

    def given_row(self, layout: str, system: str) -> tuple[Figure, ...]:
        found = self.journal.phases[f"given_{layout}_{system}"]
        ours = self.journal.phases[f"given_{layout}_ours"]

        def beside(key: str) -> Figure:
            if key not in found:
                return None
            ratio = "" if system == "ours" or not ours.get(key) else f" ({found[key] / ours[key]:.2g}x)"
            return f"{_digits(found[key])}{ratio}"

        return (
            *(beside(key) for key in ("per_s", "write_p50_ms", "write_p95_ms")),
            _digits(found.get("write_ratio")),
            *(beside(key) for key in ("recall_p50_ms", "recall_p95_ms", "forget_p50_ms")),
            f"{found['left_texts']} of {found['deleted']}" if "deleted" in found else None,
            *(_digits(found.get(key)) for key in ("disk_mb", "peak_mb")),
        )


def _environment() -> dict[str, str]:
    # So that a checkout that is not installed measures itself.
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


def _times(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds."""
    low, high = np.percentile(np.array(seconds) * 1000, [50, 95]) if seconds else (float("nan"), float("nan"))
    return {f"{name}_p50_ms": float(low), f"{name}_p95_ms": float(high)}


def _writes(answer: dict[str, Any]) -> dict[str, float]:
    figures = _times("write", answer["seconds"]) | _times("bare", answer["bare"])
    return figures | {"write_ratio": figures["write_p50_ms"] / figures["bare_p50_ms"]}


def _progress(what: str, total: int) -> Callable[[int], None]:
    last = [0.0]

    def show(done: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - last[0] > 1:
            last[0] = time.monotonic()
            sys.stderr.write(f"\r{what}: {done:,} of {total:,}\r")
            sys.stderr.flush()

    return show


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(folder.name + ".ids.json").unlink(missing_ok=True)


def _digits(value: float | None) -> Figure:
    if value is None:
        return None
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _unit(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{_digits(value)} {unit}".strip()
