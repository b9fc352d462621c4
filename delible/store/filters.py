"""Filters: `where={"kind": "note", "meta.city": {"in": [..]}}` as SQL over `records r` and `texts t`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from difflib import get_close_matches
from typing import Any

from delible.core.errors import InvalidInput, UnknownField
from delible.core.texts import checked
from delible.core.times import micros, moment, now

_COLUMNS = {
    "kind": "r.kind",
    "channel": "r.channel",
    "reference": "r.reference",
    "author": "r.author",
    "key": "r.key",
    "trust": "r.trust",
    "happened": "r.happened",
    "written": "r.written",
}
NAMES = (*_COLUMNS, "expired", "meta.<path>")
_COMPARE = {"eq": "IS", "ne": "IS NOT", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OPERATORS = (*_COMPARE, "in", "nin")
_TIMES = ("happened", "written")
_plain = re.compile(r"[^\"\\\x00\ud800-\udfff]+")
MOST, MOST_VALUES = 100, 10_000  # names of a filter, values of a list; ours: SQLite's limits speak of its own affairs

Where = Mapping[str, Any]


def compile_where(where: Where | None, zone: tzinfo) -> tuple[str, list[Any]]:
    """The condition and its bindings; all given conditions must hold. Raises UnknownField, InvalidInput."""
    if where is None:
        return "1", []
    if not isinstance(where, Mapping):
        raise InvalidInput(f"where must be a dict of names and values, not {type(where).__name__}")
    if len(where) > MOST:
        raise InvalidInput(f"where has {len(where)} names, more than {MOST}")
    clauses: list[str] = []
    bindings: list[Any] = []
    for name, wanted in where.items():
        conditions = wanted if isinstance(wanted, Mapping) else {"eq": wanted}
        if not conditions:
            raise InvalidInput(f"where: {name!r:.60} has no condition")
        for operator, value in conditions.items():
            clause, bound = _condition(name, operator, value, zone)
            clauses.append(clause)
            bindings += bound
    if len(bindings) > 2 * MOST_VALUES:
        raise InvalidInput(f"where compares with {len(bindings)} values, more than {2 * MOST_VALUES}")
    return " AND ".join(clauses) or "1", bindings


def _condition(name: object, operator: object, value: Any, zone: tzinfo) -> tuple[str, list[Any]]:
    if not isinstance(name, str):
        raise UnknownField(f"where: names are strings, not {type(name).__name__}")
    if operator not in _OPERATORS:
        raise UnknownField(f"where: {name!r:.60} has an unknown comparison; use one of {', '.join(_OPERATORS)}")
    bound: list[Any] = []
    if name == "expired":
        if not isinstance(value, bool) or operator not in ("eq", "ne"):
            raise InvalidInput("where: 'expired' takes True or False")
        # An expiry of the space counts like one of the record.
        column, bound = (
            (
                "ifnull(min(ifnull(r.expires, 9e18), ifnull((SELECT expires FROM spaces s WHERE s.space = r.space),"
                " 9e18)) <= ?, 0)"
            ),
            [micros(now())],
        )
    elif name.startswith("meta."):
        keys = name[5:].split(".")
        if not all(_plain.fullmatch(key) for key in keys):
            raise InvalidInput("where: a path in meta has an empty name, a quote, a backslash or a lone surrogate")
        column, bound = "json_extract(t.meta, ?)", ["$" + "".join(f'."{key}"' for key in keys)]
    elif name in _COLUMNS:
        column = _COLUMNS[name]
    else:
        near = get_close_matches(name, NAMES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(NAMES)}"
        raise UnknownField(f"where: no field {name!r:.60}; {hint}")
    if operator in ("in", "nin"):
        if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
            raise InvalidInput(f"where: {operator!r} of {name!r:.60} takes a list")
        if len(value) > MOST_VALUES:
            raise InvalidInput(f"where: the list of {name!r:.60} has {len(value)} values, more than {MOST_VALUES}")
        values = [_value(name, one, zone) for one in value]
        inside = f"{column} IN ({','.join('?' * len(values))})"
        return (inside if operator == "in" else f"ifnull(NOT {inside}, 1)"), bound + values
    return f"{column} {_COMPARE[str(operator)]} ?", [*bound, _value(name, value, zone)]


def _value(name: str, value: Any, zone: tzinfo) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return micros(moment(value, zone, name)[0])
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    if not isinstance(value, str | int | float):
        raise InvalidInput(
            f"where: {name!r:.60} compares with text, a number, True, False or None, not {type(value).__name__}"
        )
    return checked(value, f"where: {name:.60}", empty=True) if isinstance(value, str) else value
