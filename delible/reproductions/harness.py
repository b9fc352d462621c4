"""Runs a reproduction over its seeds, with the method and without it, and judges what it expects of itself.

A reproduction is a file of this room, named like its card's slug, with
    EXPECT     what is expected, in the order of the numbered list in its docstring
    CONTROL    options of `measure` that switch the method off: if every expectation still holds, nothing was shown
    measure    (setup, **options) -> its figures, the same names for every seed
    ROWS       if any: {name of a row: {name of a column: figure}}, a table to show beside, means of the seeds
    REASONS    if any: {what is expected: why it is missed}, said only where it is

Scales: smoke (mechanics only, in seconds, without data sets, not judged), scaled (the sheet's section, on a laptop),
full (the paper's size). Recorded beside the code is only what is claimed: scaled or full, with the options as they
stand; everything else goes where --out says, or nowhere.
"""

from __future__ import annotations

import ast
import inspect
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any, Literal, get_args

from delible.bench.code import PACKAGE
from delible.bench.conversations import DATA
from delible.bench.results import REPRODUCED, Figure, Result, Table, Target, load, record
from delible.bench.results import state as freshness
from delible.core.cards import cards
from delible.core.errors import InvalidInput, UnknownField
from delible.core.expect import Expect

FOLDER = REPRODUCED
SEEDS = range(3)

Scale = Literal["smoke", "scaled", "full"]
State = Literal["holds", "does not hold", "not measured", "stale"]
Measured = list[dict[str, float]]  # of each seed


@dataclass(frozen=True)
class Setup:
    """What a reproduction is given: every random choice comes from `seed`."""

    seed: int = 0
    scale: Scale = "scaled"
    folder: Path = DATA  # of the data sets

    def data(self, name: str) -> Path:
        """The folder of the data sets, which holds this one. Raises InvalidInput."""
        if not (self.folder / name).is_dir():
            raise InvalidInput(
                f"the data folder has no {name!r:.40}: say with --data where it is; nothing was measured"
            )
        return self.folder


def reproduction(slug: str) -> ModuleType:
    """The module of a slug. Raises UnknownField."""
    name = slug.replace("-", "_")
    known = reproductions()
    if name not in known:
        raise UnknownField(f"nothing reproduces {slug!r:.40}; one of {', '.join(known)}. Nothing was measured")
    return import_module(f"{__package__}.{name}")


def reproductions() -> list[str]:
    """Names of the files that reproduce a card."""
    files = (PACKAGE / "reproductions").glob("*.py")
    return sorted(file.stem for file in files if "\nEXPECT" in file.read_text("utf-8"))


def reproduce(
    module: ModuleType,
    scale: Scale = "scaled",
    folder: Path | None = None,
    seeds: Sequence[int] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Measure with the method and without it, over the same seeds; what is expected is judged, except of a smoke."""
    if scale not in get_args(Scale):
        raise InvalidInput(f"no scale {scale!r:.40}; one of {', '.join(get_args(Scale))}. Nothing was measured")
    chosen = list(seeds if seeds is not None else SEEDS[:1] if scale == "smoke" else SEEDS)
    setup, given, started = Setup(0, scale, folder or DATA), dict(options or {}), time.monotonic()
    method: Measured = [module.measure(replace(setup, seed=seed), **given) for seed in chosen]
    control: Measured = [module.measure(replace(setup, seed=seed), **given | module.CONTROL) for seed in chosen]
    expected: Sequence[Expect] = module.EXPECT
    held, off = ([_target(expect, arm) for expect in expected] for arm in (method, control))
    missed = sum(not target.held for target in off)
    switched = Target("expectations that the control misses", "control misses", ">=", 1, missed)
    return Result(
        name=module.__name__.rpartition(".")[2],
        module=module.__name__,
        figures={name: fmean(each[name] for each in method) for name in method[0]} | {"control misses": missed},
        n={"seeds": len(chosen)},
        options={"scale": scale, "seeds": chosen, "set": given, "control": dict(module.CONTROL),
                 "expect": [asdict(expect) for expect in expected]},
        seconds=time.monotonic() - started,
        targets=() if scale == "smoke" else (*held, switched),
        tables=(_expectations(expected, held, off), *_rows(module, method), _each("seeds", "Each seed", chosen, method),
                _each("control", "Each seed, the method switched off", chosen, control)),
        notes=() if scale == "smoke" else tuple(_reasons(module, held)),
    )  # fmt: skip


def state(slug: str, folder: Path | None = None) -> State:
    """Whether the recorded result holds, by the code that is here now."""
    name = slug.replace("-", "_")
    result = load(name, folder or FOLDER)
    if result is None or not result.targets:
        return "not measured"
    if freshness(name, folder or FOLDER) == "stale":
        return "stale"
    return "holds" if result.held else "does not hold"


def states(folder: Path | None = None) -> dict[str, State]:
    """The state of every card."""
    return {slug: state(slug, folder) for slug in cards()}


def keep(result: Result, out: Path | None) -> Path | None:
    """Write a result to `out`; without it only a claim is written, to its place. The path, or None."""
    claim = bool(result.targets) and not result.options["set"]
    return record(result, out or FOLDER) if out or claim else None


def parse_options(module: ModuleType, pairs: Sequence[str]) -> dict[str, Any]:
    """`["penalty=0.1"]` as options of `measure`, each of its default's type. Raises InvalidInput."""
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(module.measure).parameters.items()
        if parameter.default is not parameter.empty
    }
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in known:
            raise UnknownField(f"--set takes NAME=VALUE, of {', '.join(known) or 'no name here'}; nothing was measured")
        kind = type(known[name])
        try:
            value = text if kind is str else ast.literal_eval(text.capitalize() if kind is bool else text)
        except (ValueError, SyntaxError):
            value = None
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise InvalidInput(f"--set {name}= takes a value of the type {kind.__name__}; nothing was measured")
        options[name] = value
    return options


def parse_seeds(text: str | None) -> list[int] | None:
    """`0-2` or `0,3,7` as seeds. Raises InvalidInput."""
    if text is None:
        return None
    if found := re.fullmatch(r"(\d{1,6})-(\d{1,6})", text):
        seeds = list(range(int(found[1]), int(found[2]) + 1))
    else:
        seeds = [int(part) for part in text.split(",")] if re.fullmatch(r"\d{1,6}(,\d{1,6})*", text) else []
    if not seeds or len(set(seeds)) < len(seeds):
        raise InvalidInput("--seeds takes 0-2 or 0,3,7, each once; nothing was measured")
    return seeds


def _target(expect: Expect, arm: Measured) -> Target:
    values = [each[expect.name] for each in arm]
    over = {"mean": "", "every": ", every seed", "sure": ", less two standard errors"}[expect.over]
    return Target(f"{expect.name}{over}", expect.name, expect.relation, expect.bound, expect.judged(values))


def _expectations(expected: Sequence[Expect], held: Sequence[Target], off: Sequence[Target]) -> Table:
    rows: list[tuple[Figure, ...]] = []
    for number, (expect, ours, control) in enumerate(zip(expected, held, off, strict=True), 1):
        bound, said = f"{expect.relation} {expect.bound:g}", "yes" if ours.held else "no"
        rows.append((f"{number}. {ours.name}", bound, _shown(ours.measured), said, _shown(control.measured)))
    columns = ("", "bound", "measured", "holds", "control")
    return Table("expectations", "What is expected", columns, tuple(rows))


def _rows(module: ModuleType, method: Measured) -> list[Table]:
    rows: Mapping[str, Mapping[str, str]] = getattr(module, "ROWS", {})
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    lines: list[tuple[Figure, ...]] = []
    for label, cells in rows.items():
        figures = [cells.get(column) for column in columns]
        lines.append((label, *("-" if of is None else _shown(fmean(each[of] for each in method)) for of in figures)))
    return [Table("rows", "Beside it", ("", *columns), tuple(lines))] if rows else []


def _each(key: str, title: str, seeds: Sequence[int], arm: Measured) -> Table:
    """Every figure of every seed."""
    rows: tuple[tuple[Figure, ...], ...] = tuple((name, *(each[name] for each in arm)) for name in arm[0])
    return Table(key, title, ("figure", *(f"seed {seed}" for seed in seeds)), rows)


def _reasons(module: ModuleType, held: Sequence[Target]) -> list[str]:
    """Of each expectation that is missed, why."""
    known: Mapping[str, str] = getattr(module, "REASONS", {})
    return [f"{of.name}: {known.get(of.figure, 'not explained yet')}" for of in held if not of.held]


def _shown(value: float | None) -> str:
    """Three places: differences of rankings are small."""
    return "-" if value is None else f"{value:.3f}"
