"""A result says whether it is current: it is while the code that was measured is the code that is here."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from delible.bench import results
from delible.bench.code import canonical, code_hash, modules
from delible.bench.results import Result, Table, judged, load, record, render, state

BENCH = "package.bench"
FILES = {
    "__init__.py": '"""A package."""\nLAZY = {"open": "package.front"}\n',
    "bench.py": (
        '"""A bench."""\nfrom package import front\n\n'
        'def run():\n    """Run."""\n    return front.find(1)  # a comment\n'
    ),
    "front.py": "def find(k):\n    from package.depth import depth\n    return depth + k\n",
    "depth.py": "depth = 3\n",
    "other.py": "never = True\n",
}


@pytest.fixture
def package(tmp_path):
    """A small package of which `bench` imports all but `other`."""
    root = tmp_path / "package"
    root.mkdir()
    for name, text in FILES.items():
        (root / name).write_text(text, "utf-8")
    return root


@pytest.fixture
def result():
    table = Table("times", "Times", ("measure", "ms"), (("write", 1234.5), ("recall", None)))
    figures, module = {"write_ms": 3.456}, "delible.bench.sentences"
    return Result("store", module, figures, {"writes": 5}, {"scale": "smoke"}, 1.0, (), (table,))


def test_code_is_a_module_and_all_it_imports_also_late_and_by_name(package):
    assert modules(BENCH, package) == ["package", "package.bench", "package.depth", "package.front"]


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("bench.py", "  # a comment", "  # another comment", True),
        ("bench.py", '"""Run."""', '"""Run it."""', True),
        ("front.py", "depth + k", "depth  +  k", True),
        ("other.py", "True", "False", True),
        ("bench.py", "find(1)", "find(2)", False),
        ("depth.py", "3", "4", False),
        ("__init__.py", '"open"', '"shut"', False),
    ],
)
def test_the_hash_changes_with_code_and_with_nothing_else(package, file, old, new, same):
    before = code_hash(BENCH, package)
    text = (package / file).read_text("utf-8")
    assert old in text
    (package / file).write_text(text.replace(old, new), "utf-8")
    assert (code_hash(BENCH, package) == before) is same


def test_a_string_that_is_no_docstring_is_code():
    def form(source):
        return canonical(ast.parse(source))

    assert form("x = 'a'") != form("x = 'b'")
    assert form("def f():\n    'a'\n    return 'b'") == form("def f():\n    'c'\n    return 'b'")


def test_a_result_is_not_measured_then_current_then_stale(tmp_path, result):
    assert state("store", tmp_path) == "not measured"
    record(result, tmp_path)
    assert state("store", tmp_path) == "current"
    record(replace(result, code="of yesterday"), tmp_path)
    assert state("store", tmp_path) == "stale"


def test_a_result_comes_back_as_it_was_written_with_its_machine(tmp_path, result):
    path = record(result, tmp_path)
    back = load("store", tmp_path)
    assert (back.figures, back.n, back.tables) == (result.figures, result.n, result.tables)
    assert back.environment["python"] and back.environment["cores"] >= 1 and "apsw" in back.environment["libraries"]
    assert back.time and len(back.code) == 64
    assert str(Path.home()) not in path.read_text("utf-8") and str(tmp_path) not in path.read_text("utf-8")


def test_targets_are_judged_and_what_was_not_measured_is_missed(tmp_path, result):
    bounds = [
        ("fast", "a", "<=", 5, "ms"),
        ("many", "b", ">=", 5, ""),
        ("none", "c", "==", 0, ""),
        ("gone", "d", "<=", 1, ""),
    ]
    targets = judged(bounds, {"a": 5.0, "b": 4, "c": 0})
    assert [target.held for target in targets] == [True, False, True, False]
    path = record(replace(result, targets=tuple(targets)), tmp_path)
    assert [target["held"] for target in json.loads(path.read_text("utf-8"))["targets"]] == [True, False, True, False]
    assert load("store", tmp_path).targets == tuple(targets) and not load("store", tmp_path).held


README = (
    "# Title\n\n<!-- results:store/times -->old<!-- /results -->\n\n"
    "A write takes <!-- results:store#write_ms -->?<!-- /results --> ms.\n<!-- results:crash --><!-- /results -->\n"
)


def test_tables_and_figures_of_the_readme_are_filled_from_the_results(tmp_path, result):
    readme = tmp_path / "README.md"
    readme.write_text(README, "utf-8")
    record(result, tmp_path / "results")
    assert render(check=True, root=tmp_path, folder=tmp_path / "results") == [readme]
    assert readme.read_text("utf-8") == README
    render(root=tmp_path, folder=tmp_path / "results")
    text = readme.read_text("utf-8")
    assert "| write | 1,234 |" in text and "| recall | - |" in text and "old" not in text
    assert "takes <!-- results:store#write_ms -->3.46<!-- /results --> ms" in text
    assert "Not measured yet: `delible bench crash`" in text
    assert render(check=True, root=tmp_path, folder=tmp_path / "results") == []


def test_a_mark_that_names_no_table_is_an_error(tmp_path, result):
    (tmp_path / "README.md").write_text("<!-- results:store/nothing --><!-- /results -->", "utf-8")
    record(result, tmp_path / "results")
    with pytest.raises(KeyError, match="nothing"):
        render(root=tmp_path, folder=tmp_path / "results")


def test_the_documentation_shows_what_was_recorded():
    assert render(check=True) == [], "fill the tables: python -m delible.bench.render"


SHOWN = [
    (0.1234, "0.123"),
    (1.234, "1.23"),
    (12.34, "12.3"),
    (1234567.8, "1,234,568"),
    (3, "3"),
    (None, "-"),
    ("x", "x"),
]


@pytest.mark.parametrize(("value", "shown"), SHOWN)
def test_figures_are_shown_short(value, shown):
    assert results.shown_figure(value) == shown
