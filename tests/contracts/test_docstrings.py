"""Everything public says in a line what it is for."""

import ast
from pathlib import Path

import pytest

import delible

PACKAGE = Path(delible.__file__).parent
FACES = {"Memory", "AsyncMemory"}  # classes whose every public method is a promise to users


def undocumented(source: str) -> list[str]:
    """Public names of a module, and of the classes in FACES, that have no docstring."""
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if not isinstance(node, kinds) or node.name.startswith("_"):
            continue
        missing += [] if ast.get_docstring(node) else [node.name]
        if isinstance(node, ast.ClassDef) and node.name in FACES:
            methods = [part for part in node.body if isinstance(part, kinds) and not part.name.startswith("_")]
            missing += [f"{node.name}.{part.name}" for part in methods if not ast.get_docstring(part)]
    return missing


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_public_modules_functions_and_classes_have_a_docstring(file):
    assert undocumented(file.read_text("utf-8")) == []


def test_a_public_function_without_a_docstring_is_found():
    source = '"""M."""\ndef said():\n    "D."\ndef unsaid(): ...\ndef _own(): ...\n'
    source += 'class Memory:\n    "C."\n    def write(self): ...\n'
    assert undocumented(source) == ["unsaid", "Memory.write"]


def test_the_mark_of_a_typed_package_ships():
    assert (PACKAGE / "py.typed").is_file()
