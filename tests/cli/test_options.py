from datetime import UTC, datetime, timedelta

import pytest

from delible.cli.options import parse_expiry, parse_meta, parse_range, parse_where
from delible.core.errors import InvalidInput


def test_conditions_become_a_filter():
    assert parse_where(["kind=note", "trust>=0.5", "meta.floor=3", "meta.city=Rome", "author!=Ann"]) == {
        "kind": "note",
        "trust": {"gte": 0.5},
        "meta.floor": 3,
        "meta.city": "Rome",
        "author": {"ne": "Ann"},
    }


def test_two_conditions_on_one_field_hold_together():
    assert parse_where(["happened>=2026-01-01", "happened<2026-02-01"]) == {
        "happened": {"gte": "2026-01-01", "lt": "2026-02-01"}
    }


def test_a_kind_that_looks_like_a_number_stays_text():
    assert parse_where(["kind=7"]) == {"kind": "7"}


def test_a_value_may_hold_what_compares():
    assert parse_where(["reference=https://a.example/?q=1>2"]) == {"reference": "https://a.example/?q=1>2"}


@pytest.mark.parametrize("conditions", [["kind"], [""], ["=note"], ["kind=a", "kind=b"]])
def test_a_condition_that_says_nothing_is_refused(conditions):
    with pytest.raises(InvalidInput):
        parse_where(conditions)


def test_no_condition_is_no_filter():
    assert parse_where(None) is None


def test_a_range_of_days_holds_all_of_its_last_day():
    begin, until = parse_range("2026-03-01..2026-03-31", UTC)
    assert begin == datetime(2026, 3, 1, tzinfo=UTC)
    assert until == datetime(2026, 4, 1, tzinfo=UTC) - timedelta(microseconds=1)


def test_either_end_of_a_range_may_be_left_out():
    assert parse_range("2026-03-01..", UTC) == (datetime(2026, 3, 1, tzinfo=UTC), None)
    assert parse_range("..2026-03-01T10:00", UTC) == (None, datetime(2026, 3, 1, 10, tzinfo=UTC))


def test_one_day_is_a_range():
    begin, until = parse_range("2026-03-01", UTC)
    assert begin.day == until.day == 1


@pytest.mark.parametrize("text", ["..", "", "yesterday..today"])
def test_a_range_without_a_time_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_range(text, UTC)


def test_an_expiry_is_a_time_or_a_span():
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert parse_expiry("90d", UTC, now) == now + timedelta(days=90)
    assert parse_expiry("2027-01-01", UTC, now) == datetime(2027, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidInput):
        parse_expiry("999999w", UTC, datetime(9999, 1, 1, tzinfo=UTC))


def test_meta_reads_numbers_and_truth_values():
    assert parse_meta(["city=Rome", "floor=3", "open=true", "note=a=b", "empty="]) == {
        "city": "Rome",
        "floor": 3,
        "open": True,
        "note": "a=b",
        "empty": "",
    }
    with pytest.raises(InvalidInput):
        parse_meta(["city"])
