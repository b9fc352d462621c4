"""Which code a figure comes from: one hash over a module and every module of ours that it imports.

Comments, docstrings and layout do not count, so a result stays current while they change.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from pathlib import Path

import delible

PACKAGE = Path(delible.__file__).parent

_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_SILENT = {"kind", "type_comment", "ctx"}


def code_hash(module: str, root: Path | None = None) -> str:
    """SHA-256 over `module` and what it imports of its own package, in hex. `root`: the package's folder (ours)."""
    total = hashlib.sha256()
    for name, tree in sorted(_trees(module, PACKAGE if root is None else root).items()):
        total.update(f"{name}\n{canonical(tree)}\n".encode())
    return total.hexdigest()


def modules(module: str, root: Path | None = None) -> list[str]:
    """Sorted names of `module` and all modules of its package that it imports, however far away."""
    return sorted(_trees(module, PACKAGE if root is None else root))


def _trees(module: str, root: Path) -> dict[str, ast.Module]:
    trees: dict[str, ast.Module] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in trees or (file := _file(name, root)) is None:
            continue
        trees[name] = ast.parse(file.read_text("utf-8"))
        waiting += named(trees[name], root.name)
        waiting += [name.rpartition(".")[0]] if "." in name else []  # importing a.b runs a/__init__ too
    return trees


def named(tree: ast.Module, package: str) -> set[str]:
    """Names of the package's modules that a module may import, also within functions and by string.

    A lazy room maps its public names to modules by strings (`"delible.memory"`): they count as imports.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                names |= {module, *(f"{module}.{alias.name}" for alias in aliases)}
            case ast.Constant(value=str(text)) if (
                text.startswith(f"{package}.") and text.replace(".", "a").isidentifier()
            ):
                names.add(text)
    return {name for name in names if name == package or name.startswith(f"{package}.")}


def canonical(code: ast.Module) -> str:
    """The code alone, in a form that no comment, docstring, blank or Python version changes."""
    parts: list[str] = []
    _walk(code, parts.append)
    return "".join(parts)


def _walk(value: object, say: Callable[[str], None]) -> None:
    if isinstance(value, ast.AST):
        say(f"({type(value).__name__}")
        for field in value._fields:
            part = getattr(value, field, None)
            if field == "body" and isinstance(value, _DOCUMENTED):
                part = _undocumented(value.body)
            # Fields that newer Pythons added are empty in code that does not use them: left out, like every empty one.
            if part is None or part == [] or field in _SILENT:
                continue
            say(f" {field}=")
            _walk(part, say)
        say(")")
    elif isinstance(value, list):
        say("[")
        for part in value:
            _walk(part, say)
        say("]")
    else:
        say(f"{type(value).__name__}:{value!r}")


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body


def _file(name: str, root: Path) -> Path | None:
    first, *rest = name.split(".")
    if first != root.name:
        return None
    base = root.joinpath(*rest)
    return next((file for file in (base / "__init__.py", base.with_suffix(".py")) if file.is_file()), None)
