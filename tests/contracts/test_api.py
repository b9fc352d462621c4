"""The public API is what `delible.__all__` and docs/api.md list; a change of one without the other is found here.

docs/api.md lists, as bullets that begin with code: under the heading "## Names" every name of `delible.__all__`; under
"## Verbs" every verb of `Memory` with its arguments, as in: * `forget(ids=, where=, reason=, wait=True)`: what it does.
"""

import inspect
import re
from importlib.metadata import version
from pathlib import Path

import pytest

import delible

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def bullets(page: str, heading: str) -> list[str]:
    """The code with which each bullet below `## heading` begins."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return re.findall(r"^[*-] `([^`]+)`", section.group(1), re.MULTILINE) if section else []


def arguments(call: str) -> tuple[str, ...]:
    """Argument names of a documented call: those of `f(a, b=1, c=(x, y))` are a, b, c."""
    inside = call.partition("(")[2].rpartition(")")[0]
    while re.search(r"[(\[{][^()\[\]{}]*[)\]}]", inside):
        inside = re.sub(r"[(\[{][^()\[\]{}]*[)\]}]", "", inside)
    names = (part.partition("=")[0].partition(":")[0].strip(" *") for part in inside.split(","))
    return tuple(name for name in names if name and name != "/")


def verbs(kind: type) -> dict[str, tuple[str, ...]]:
    """Public methods of a class and their arguments, without self."""
    found = inspect.getmembers(kind, lambda member: inspect.isfunction(member) or inspect.ismethod(member))
    return {
        name: tuple(list(inspect.signature(verb).parameters)[1:]) for name, verb in found if not name.startswith("_")
    }


def documented_verbs() -> dict[str, tuple[str, ...]]:
    return {call.partition("(")[0]: arguments(call) for call in bullets(PAGE.read_text("utf-8"), "Verbs")}


def test_the_page_lists_the_names_that_delible_exports():
    assert sorted(bullets(PAGE.read_text("utf-8"), "Names")) == sorted(delible.__all__)


def test_the_page_lists_the_verbs_of_a_memory_with_their_arguments():
    assert documented_verbs() == verbs(delible.Memory)


def test_the_async_twin_has_the_same_verbs_with_the_same_arguments():
    assert verbs(delible.AsyncMemory) == verbs(delible.Memory)
    # Attaching only remembers an object; every verb that reads or writes the folder must not block the loop.
    blocking = {
        verb for verb in verbs(delible.Memory) if not inspect.iscoroutinefunction(getattr(delible.AsyncMemory, verb))
    }
    assert blocking <= {"attach"}


def test_every_exported_name_is_there_and_documented():
    for name in delible.__all__:
        thing = getattr(delible, name)
        assert not (inspect.isclass(thing) or inspect.isfunction(thing)) or inspect.getdoc(thing), name


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = delible.opne


def test_the_version_is_the_one_that_was_installed():
    assert delible.__version__ == version("delible")


def test_a_documented_call_is_read_as_its_argument_names():
    assert arguments("recall(question, k=8, *, happened=(a, b), where={}, now=)") == (
        "question",
        "k",
        "happened",
        "where",
        "now",
    )
    assert arguments("stats()") == ()
