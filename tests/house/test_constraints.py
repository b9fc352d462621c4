"""What is pinned is what pyproject asks for, and what is installed here is what is pinned."""

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = [line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()]
    return {canonical(name): pinned for name, _, pinned in (line.partition("==") for line in lines if line)}


def version_of(name: str) -> str | None:
    """The installed version without its local part (torch's builds add one, +cpu), or None."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None


def test_every_line_pins_one_exact_version():
    assert all(re.fullmatch(r"\d[\w.]*", pinned) for pinned in pins().values())
    assert pins()["torch"] == "2.13.0"


def test_everything_that_comes_along_is_pinned():
    extras = {"delible": ["", *PROJECT["optional-dependencies"]]}
    seen, waiting = set(), ["delible", "torch"]
    while waiting:
        name = canonical(waiting.pop())
        lines = (requires(name) or ()) if name not in seen and version_of(name) else ()
        for line in lines:
            needed = Requirement(line)
            wanted = any(
                needed.marker is None or needed.marker.evaluate({"extra": extra}) for extra in extras.get(name, [""])
            )
            if wanted and version_of(needed.name):
                waiting.append(needed.name)
        seen.add(name)
    assert seen - {"delible"} <= set(pins())


def test_every_direct_dependency_is_pinned_within_its_range():
    extras = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    needed = [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]
    for requirement in needed:
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(pins()[canonical(requirement.name)]), requirement.name


def test_every_dependency_has_a_lower_bound_and_those_of_the_core_an_upper_one():
    for line in PROJECT["dependencies"]:
        operators = {part.operator for part in Requirement(line).specifier}
        assert ">=" in operators and ("<" in operators or Requirement(line).marker)


def test_the_encoders_package_stands_in_no_list_since_it_requires_torch():
    assert "minilm" not in (ROOT / "constraints.txt").read_text("utf-8").lower()
    assert "minilm" not in str(PROJECT["dependencies"]).lower() + str(PROJECT["optional-dependencies"]).lower()


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the pins are for Python 3.11")
def test_what_is_installed_is_what_is_pinned():
    assert {name: found for name, pinned in pins().items() if (found := version_of(name)) not in (None, pinned)} == {}
