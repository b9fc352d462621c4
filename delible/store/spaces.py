"""Spaces: paths such as `user/alice`; nothing crosses them unless asked to.

A scope is a space alone (`user/alice`) or with all below it (`user/alice/**`; `**` is everything). Every row's words
carry its
scope: `x7` for space 7 itself and `u7` for it and each space above, so that a search is limited inside the index.
"""

from __future__ import annotations

from typing import NamedTuple

import apsw

from delible.core.errors import InvalidInput, SpaceRefused
from delible.core.texts import checked

MAIN = "main"
LONGEST = 1000  # characters of a path; ours


class Scope(NamedTuple):
    """A space, or with `below` the space and all under it; the empty path with `below` is everything."""

    path: str
    below: bool = False

    def __str__(self) -> str:
        return (f"{self.path}/**" if self.path else "**") if self.below else self.path

    def holds(self, path: str) -> bool:
        """Whether a space of this path lies in the scope."""
        return path == self.path or (self.below and (not self.path or path.startswith(self.path + "/")))

    def covers(self, other: Scope) -> bool:
        """Whether all of the other scope lies in this one."""
        return self.holds(other.path) and (self.below or not other.below) if other.path else self == other


EVERYTHING = Scope("", True)


def escaped(segment: str) -> str:
    """A label as a path segment: `/`, `%` and a literal `**` are written so that they mean nothing."""
    return segment.replace("%", "%25").replace("/", "%2F").replace("*", "%2A")


def above(path: str) -> list[str]:
    """A path and every path above it."""
    segments = path.split("/")
    return ["/".join(segments[:end]) for end in range(len(segments), 0, -1)]


def parse_scope(text: str) -> Scope:
    """`a/b` or `a/b/**` or `**`. Raises InvalidInput."""
    checked(text, "space")
    if text == "**":
        return EVERYTHING
    path, below = (text[:-3], True) if text.endswith("/**") else (text, False)
    if len(path) > LONGEST:
        raise InvalidInput(f"space has {len(path)} characters, more than {LONGEST}; nothing was done")
    if any(not segment.strip() or segment == "**" for segment in path.split("/")):
        raise InvalidInput(
            "space has an empty segment or `**` in the middle; use names such as user/alice or user/alice/**"
        )
    return Scope(path, below)


def narrowed(handle: Scope | None, asked: str | None) -> Scope:
    """The scope that a call means, within what its handle may see. Raises SpaceRefused."""
    if asked is None:
        return handle or Scope(MAIN)
    scope = parse_scope(asked)
    if handle is not None and not handle.covers(scope):
        raise SpaceRefused(
            f"this handle was opened for {str(handle)!r} and sees no other space; open one for {asked!r:.80}"
        )
    return scope


def numbers(connection: apsw.Connection, scope: Scope) -> tuple[int, ...]:
    """The numbers of the spaces in a scope; empty where there are none."""
    if not scope.below:
        rows = connection.execute("SELECT space FROM spaces WHERE path = ?", (scope.path,))
    elif not scope.path:
        rows = connection.execute("SELECT space FROM spaces")
    else:  # `0` follows `/`: the range is exactly what lies below
        rows = connection.execute(
            "SELECT space FROM spaces WHERE path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0')", (scope.path,)
        )
    return tuple(number for (number,) in rows)


def word_scope(connection: apsw.Connection, scope: Scope) -> str | None:
    """The term that limits a search of words to a scope; "" is no limit, None: nothing lies there."""
    if scope == EVERYTHING:
        return ""
    number = connection.execute("SELECT space FROM spaces WHERE path = ?", (scope.path,)).get
    return None if number is None else f"{'u' if scope.below else 'x'}{number}"


def make(connection: apsw.Connection, path: str) -> tuple[int, str]:
    """The number of a space and the scope words of its rows; it and the spaces above are made where missing."""
    found: list[int] = []
    segments = path.split("/")
    for end in range(1, len(segments) + 1):
        above = "/".join(segments[:end])
        number = connection.execute("SELECT space FROM spaces WHERE path = ?", (above,)).get
        if number is None:
            connection.execute("INSERT INTO spaces(path) VALUES (?)", (above,))
            number = connection.last_insert_rowid()
        found.append(number)
    return found[-1], " ".join([f"x{found[-1]}", *(f"u{number}" for number in reversed(found))])
