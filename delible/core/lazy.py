"""Rooms export lazily (PEP 562): importing a room imports none of its parts."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def exports(room: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a room: names maps each public name to the module that holds it."""

    def load(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(names[name]), name)

    def listing() -> list[str]:
        return sorted(names)

    return load, listing, sorted(names)


def found(room: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a room that keeps no list: its files, and each public name that one file defines.

    A name that several files define (every guard has a `screen`) is reached through its file only.
    """

    def load(name: str) -> Any:
        # Python asks for `__path__` and the like all the time: no file is read for those.
        if name.startswith("_"):
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        # `from room import file` asks here first: found without reading the files (they took 110 ms of a command).
        if find_spec(f"{room}.{name}") is not None:
            return import_module(f"{room}.{name}")
        files = _definitions(room)
        holders = [file for file, names in files.items() if name in names]
        if len(holders) != 1:
            several = f"; {', '.join(holders)} have one each: import it from there" if holders else ""
            raise AttributeError(f"module {room!r} has no attribute {name!r}{several}")
        return getattr(import_module(f"{room}.{holders[0]}"), name)

    def listing() -> list[str]:
        files = _definitions(room)
        names = [name for defined in files.values() for name in defined]
        return sorted({*files, *(name for name in names if names.count(name) == 1)})

    return load, listing


@cache
def _definitions(room: str) -> dict[str, frozenset[str]]:
    """The public files of a room and what each defines at its top level, read without importing any."""
    from importlib.resources import files  # here, since most programs never look a name up in a room

    rooms: dict[str, frozenset[str]] = {}
    for entry in sorted(files(room).iterdir(), key=lambda entry: entry.name):
        if entry.name.startswith("_"):
            continue
        if entry.name.endswith(".py"):
            rooms[entry.name.removesuffix(".py")] = frozenset(_public(ast.parse(entry.read_text("utf-8"))))
        elif entry.is_dir() and entry.joinpath("__init__.py").is_file():
            rooms[entry.name] = frozenset()
    return rooms


def _public(module: ast.Module) -> Iterator[str]:
    for statement in module.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case _:
                names = []
        yield from (name for name in names if not name.startswith("_"))
