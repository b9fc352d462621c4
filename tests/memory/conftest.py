"""Real folders and real processes; the `hash` encoder, which needs no model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import delible
from delible.core.settings import settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """No setting of the environment, nor one that another test has read, speaks in these tests."""
    for name in [name for name in os.environ if name.startswith("DELIBLE_")]:
        monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "agent.mem"


@pytest.fixture
def opened(folder):
    """Opens the folder with other options, or another folder; all is closed at the end."""
    handles = []

    def open_(path=folder, encoder="hash", **options):
        handles.append(delible.open(path, encoder=encoder, **options))
        return handles[-1]

    yield open_
    for handle in handles:
        handle.close()


@pytest.fixture
def memory(opened):
    return opened()


@pytest.fixture
def child(folder):
    """Runs Python in a process of its own, the folder in `sys.argv[1]`; what it printed."""

    def run(code, *arguments, code_expected=0, before=()):
        command = [*before, sys.executable, "-c", code, str(folder), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
        assert done.returncode == code_expected, done.stderr
        return done.stdout

    return run


@pytest.fixture
def start(folder):
    """Starts Python in a process that goes on beside the test, once it has said `ready`; its input ends it."""
    begun = []

    def begin(code, *arguments):
        command = [sys.executable, "-c", code, str(folder), *map(str, arguments)]
        begun.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        assert begun[-1].stdout.readline() == "ready\n"
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def mounted():
    """Runs Python inside a file system of its own, mounted for that process alone; skips where that is not allowed."""
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of its own (unshare -m)")

    def run(place, options, code, *arguments):
        place.mkdir(exist_ok=True)
        script = f'mount -t tmpfs -o {options} tmpfs "$1" && shift && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, "sh", str(place), sys.executable, "-c", code, str(place)]
        done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def whole():
    """Asserts that verify finds nothing wrong."""

    def check(memory):
        assert [finding for finding in memory.verify() if not finding.ok] == []

    return check
