"""Filters as SQL: what they let through, and that no value or name is ever read as SQL."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

import delible
from delible import InvalidInput, UnknownField
from delible.store.filters import NAMES, compile_where


@pytest.fixture
def listed(tmp_path):
    with delible.open(tmp_path / "agent.mem", encoder="hash") as memory:
        memory.write(
            [
                {"text": "a", "kind": "note", "reference": "r1", "meta": {"n": 1, "ok": True, "tags": ["x"], "s": "5"}},
                {
                    "text": "b",
                    "kind": "fact",
                    "author": "Ada",
                    "meta": {"n": 2, "ok": False, "deep": {"x y": {"ü": 1}}},
                },
                {"text": "c", "channel": "document", "happened": "2026-05-01T10:00Z", "meta": {"n": 2.5}},
                {"text": "d", "key": "k'--", "happened": "1900-01-01T00:00Z", "meta": {"n": None}},
                {"text": "e", "expires": "2020-01-01T00:00Z"},
            ]
        )
        yield lambda **where: "".join(
            record.text
            for record in memory.list(where={name.replace("__", "."): value for name, value in where.items()})
        )


CASES = {
    "abcd": [{}, {"expired": False}, {"written": {"gt": "2020-01-01"}}, {"trust": {"lte": 0.9}}],
    "e": [{"expired": True}, {"expired": {"ne": False}}],
    "acd": [{"kind": "note"}, {"kind": {"ne": "fact"}}, {"kind": {"nin": ["fact"]}}, {"author": None}],
    "a": [{"reference": "r1"}, {"reference": {"ne": None}}, {"meta__n": 1}, {"meta__ok": True}, {"meta__s": "5"}],
    "b": [{"author": "Ada"}, {"meta__deep__x y__ü": 1}, {"meta__ok": False}, {"kind": {"in": ["fact", "x"]}}],
    "bc": [{"meta__n": {"gt": 1}}, {"meta__n": {"gte": 2, "lt": 3}}, {"meta__n": {"in": [2, 2.5]}}],
    "c": [{"channel": "document"}, {"trust": 0.4}, {"happened": {"gte": date(2026, 5, 1)}}, {"trust": {"lt": 0.5}}],
    "cd": [{"happened": {"ne": None}}, {"happened": {"lt": datetime(2026, 6, 1)}}],
    "d": [{"key": "k'--"}, {"happened": "1900-01-01T00:00:00+00:00"}, {"happened": {"lt": 0}}],
    "ab": [{"happened": None}],
    "": [{"kind": "x"}, {"kind": {"in": []}}, {"meta__n": {"gt": 10}}, {"kind": "note", "author": "Ada"}],
}


@pytest.mark.parametrize(
    ("expected", "where"), [(expected, where) for expected, all_ in CASES.items() for where in all_]
)
def test_a_filter_lets_through_what_it_says(listed, expected, where):
    assert listed(**where) == expected


@pytest.mark.parametrize(
    "evil",
    ["' OR 1=1 --", '" OR ""="', "); DROP TABLE records; --", "%", "_", "*", "?", "?1", ":a", "note'/*", "x'00'"],
)
def test_no_value_is_read_as_sql(listed, evil):
    for name in ("kind", "reference", "author", "key", "meta__s"):
        assert listed(**{name: evil}) == "" and listed(**{name: {"in": [evil]}}) == ""
    assert listed() == "abcd"


@pytest.mark.parametrize("name", ["a' OR 1=1 --", "a) IS NULL OR (1=1", "a[0]", "a[#-1]", "$", "*", "a->>b", "a b"])
def test_no_path_is_read_as_sql_or_as_more_than_a_name(listed, name):
    assert listed(**{f"meta__{name}": {"ne": None}}) == ""


@pytest.mark.parametrize("name", ["kinds", "Kind", "r.kind", "space", "text", "id", "hold", "meta", "metan", "", "row"])
def test_an_unknown_name_is_refused_with_the_nearest_or_all(name):
    with pytest.raises(UnknownField) as refused:
        compile_where({name: 1}, UTC)
    assert "did you mean" in str(refused.value) or all(known in str(refused.value) for known in NAMES)


def test_values_are_bound_and_never_part_of_the_statement():
    sql, bindings = compile_where({"kind": "canary", "meta.canary.b": {"in": ["canary", 2]}}, UTC)
    assert "canary" not in sql and bindings == ["canary", '$."canary"."b"', "canary", 2]


def test_times_are_read_in_the_zone_of_the_handle():
    _, (there,) = compile_where({"happened": {"gte": "2026-07-01T12:00"}}, ZoneInfo("Europe/Berlin"))
    _, (here,) = compile_where({"happened": {"gte": "2026-07-01T10:00Z"}}, UTC)
    assert there == here


def test_a_number_beyond_64_bits_compares_and_does_not_fail(listed):
    assert listed(meta__n={"lt": 10**30}) == "abc" and listed(meta__n={"gt": -(10**30)}) == "abc"


def test_what_compares_with_nothing_is_refused():
    for where in ({"kind": {}}, {"kind": {"in": "note"}}, {"kind": [1]}, {"kind": {"eq": {}}}, {"expired": "yes"}, []):
        with pytest.raises(InvalidInput):
            compile_where(where, UTC)
