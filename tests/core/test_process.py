"""A process is named so that a later one with the same number is not taken for it."""

import subprocess
import sys

from delible.core.process import runs, this_process


def test_this_process_runs():
    assert runs(this_process())


def test_one_that_ended_does_not():
    code = "from delible.core.process import this_process; print(this_process())"
    named = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert named.startswith("process ") and not runs(named)


def test_the_same_number_with_another_start_does_not():
    word, number, start = this_process().split()
    assert not runs(f"{word} {number} {int(start) + 1 if start.isdigit() else 'x'}")


def test_what_names_no_process_does_not():
    assert not runs("Ada") and not runs("process x y")
