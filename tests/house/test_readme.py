"""The README's Python runs as written and prints what the README says."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(found) >= 1
    return found[0]


def test_the_six_lines_print_what_the_readme_says(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", block("python")], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == block("text")


def test_the_first_screen_has_an_install_by_line_twelve():
    assert any("make run" in line or "pip install" in line for line in README.splitlines()[:12])
