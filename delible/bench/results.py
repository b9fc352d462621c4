"""Result files: what a bench measured, on what machine, with which code; tables of the documentation come from them.

delible/bench/results/<name>.json     written by `record`, never by hand
<!-- results:store -->...             filled by `python -m delible.bench.render`
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from delible.bench.code import PACKAGE, code_hash

FOLDER = PACKAGE / "bench" / "results"
REPRODUCED = PACKAGE / "reproductions" / "results"
LIBRARIES = ("apsw", "numpy", "onnxruntime", "tokenizers", "safetensors", "pydantic", "typer", "rich")

State = Literal["current", "stale", "not measured"]
Figure = float | int | str | None


@dataclass(frozen=True)
class Target:
    """What was promised of a figure, and whether it holds; `measured` None (nothing measured) is a miss."""

    name: str
    figure: str
    relation: Literal["<=", ">=", "=="]
    bound: float
    measured: float | None
    unit: str = ""

    @property
    def held(self) -> bool:
        """Whether the figure keeps the bound."""
        if self.measured is None:
            return False
        match self.relation:
            case "<=":
                return self.measured <= self.bound
            case ">=":
                return self.measured >= self.bound
        return self.measured == self.bound

    @property
    def line(self) -> str:
        """One line for people."""
        shown = f"{shown_figure(self.measured)} {self.unit}".strip()
        said = "held" if self.held else "MISSED"
        return f"{said:6} {self.name:44} {shown:>12}  ({self.relation} {shown_figure(self.bound)})"


@dataclass(frozen=True)
class Table:
    """A table of the documentation."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Figure, ...], ...]


@dataclass(frozen=True)
class Result:
    """What one run of a bench measured."""

    name: str
    module: str
    figures: Mapping[str, Figure]
    n: Mapping[str, int]
    options: Mapping[str, Any]
    seconds: float
    targets: tuple[Target, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    time: str = ""
    commit: str | None = None
    code: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Whether every target is held."""
        return all(target.held for target in self.targets)


def record(result: Result, folder: Path | None = None) -> Path:
    """Write the result with time, environment, commit and the hash of its code; the path."""
    folder = FOLDER if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    content = asdict(result) | {
        "targets": [asdict(target) | {"held": target.held} for target in result.targets],
        "time": result.time or datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": result.commit or commit(),
        "code": result.code or code_hash(result.module),
        "environment": dict(result.environment) or environment(),
    }
    path = folder / f"{result.name}.json"
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    partial.replace(path)
    return path


def closed(result: Result, out: Path | None) -> int:
    """Print a result, record it, and give the exit code: 1 where a target is missed."""
    for table in result.tables:
        say("\n" + plain(table))
    say("")
    for line in (*result.notes, *(target.line for target in result.targets)):
        say(line)
    path = record(result, out)
    held = f"{sum(target.held for target in result.targets)} of {len(result.targets)} targets held; "
    say(f"\n{held if result.targets else ''}figures in {path.name}")
    return 0 if result.held else 1


def load(name: str, folder: Path | None = None) -> Result | None:
    """The recorded result of this name, or None."""
    path = (FOLDER if folder is None else folder) / f"{name}.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text("utf-8"))
    targets = [{key: value for key, value in target.items() if key != "held"} for target in content["targets"]]
    tables = [
        table | {"columns": tuple(table["columns"]), "rows": tuple(map(tuple, table["rows"]))}
        for table in content["tables"]
    ]
    return Result(
        **content
        | {
            "targets": tuple(Target(**target) for target in targets),
            "tables": tuple(Table(**table) for table in tables),
            "notes": tuple(content["notes"]),
        }
    )


def state(name: str, folder: Path | None = None) -> State:
    """`current` while the code that was measured is the code that is here."""
    result = load(name, folder)
    if result is None:
        return "not measured"
    return "current" if result.code == code_hash(result.module) else "stale"


def environment() -> dict[str, Any]:
    """The machine and the libraries that figures depend on; nothing that names a person or a folder."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "card": None,
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "sqlite": _sqlite(),
    }


def commit() -> str | None:
    """The commit of the checkout, with "+" where the package differs from it; None outside a checkout."""
    try:
        head = _git("rev-parse", "HEAD").strip()
        return head + ("+" if _git("status", "--porcelain", "--", str(PACKAGE)).strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return None


_MARKS = re.compile(
    r"(?P<open><!-- results:(?P<name>[\w-]+)(?P<part>[/#][\w.-]+)? -->)(?P<old>.*?)(?P<close><!-- /results -->)",
    re.DOTALL,
)


def render(check: bool = False, root: Path | None = None, folder: Path | None = None) -> list[Path]:
    """Fill the marks of README.md and docs/*.md from the results; the files that changed (check: that would change).

    <!-- results:store --> all tables, <!-- results:store/large --> one, <!-- results:store#figure --> a figure in a
    line; each ends with <!-- /results -->.
    """
    root = PACKAGE.parent if root is None else root
    changed = []
    for file in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
        if not file.is_file():
            continue
        old = file.read_text("utf-8")
        new = _MARKS.sub(
            lambda mark: mark["open"] + _filling(mark["name"], mark["part"] or "", folder) + mark["close"], old
        )
        if new != old:
            changed.append(file)
            if not check:
                file.write_text(new, "utf-8")
    return changed


def markdown(table: Table) -> str:
    """The table in Markdown."""
    lines = [table.columns, tuple("---" if i == 0 else "---:" for i in range(len(table.columns))), *table.rows]
    return "\n".join("| " + " | ".join(shown_figure(cell) for cell in line) + " |" for line in lines)


def shown_figure(value: Figure) -> str:
    """A figure for people: three digits that count, thousands separated."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f}"


def plain(table: Table) -> str:
    """The table for a terminal."""
    lines = [table.columns, *(tuple(shown_figure(cell) for cell in row) for row in table.rows)]
    wide = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
    shown = [
        "  ".join(cell.rjust(wide[i]) if i else cell.ljust(wide[0]) for i, cell in enumerate(line)) for line in lines
    ]
    return "\n".join([table.title, *(line.rstrip() for line in shown)])


def _filling(name: str, part: str, folder: Path | None) -> str:
    result = load(name, folder) or load(name, REPRODUCED)
    if part.startswith("#"):
        if result is None:
            return "not measured"
        if part[1:] not in result.figures:
            raise KeyError(f"no figure {part[1:]!r} in the result {name!r}")
        return shown_figure(result.figures[part[1:]])
    if result is None:
        return f"\nNot measured yet: `{_command(name)}`.\n"
    tables = [table for table in result.tables if part in ("", f"/{table.key}")]
    if not tables:
        raise KeyError(f"no table {part[1:]!r} in the result {name!r}")
    return (
        "\n" + "\n\n".join(f"**{table.title}**\n\n{markdown(table)}" for table in tables) + f"\n\n{_caption(result)}\n"
    )


def _command(name: str) -> str:
    """What measures a result."""
    if (REPRODUCED / f"{name}.json").exists():
        return f"delible reproduce {name} --scale scaled"
    bench, _, of = name.partition("-")
    return f"delible bench {bench}" + (f" --{'set' if bench == 'prompts' else 'encoder'} {of}" if of else "")


def _caption(result: Result) -> str:
    machine = result.environment
    where = f"{machine.get('cpu')}, {machine.get('cores')} cores, Python {machine.get('python')}"
    made = f"commit {result.commit[:10]}" if result.commit else "no commit"
    return f"Measured by `{_command(result.name)}` on {result.time[:10]} ({made}; {where})."


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=PACKAGE.parent,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _sqlite() -> str | None:
    try:
        import apsw
    except ImportError:
        return None
    return str(apsw.sqlite_lib_version())


def say(line: str, file: Any = None) -> None:
    """One line for the person who waits."""
    (file or sys.stdout).write(line + "\n")
    (file or sys.stdout).flush()


def judged(
    bounds: Sequence[tuple[str, str, Literal["<=", ">=", "=="], float, str]], figures: Mapping[str, Figure]
) -> list[Target]:
    """Targets (name, figure, relation, bound, unit) held against what was measured."""
    return [
        Target(
            name,
            figure,
            relation,
            bound,
            value if isinstance(value := figures.get(figure), int | float) else None,
            unit,
        )
        for name, figure, relation, bound, unit in bounds
    ]
