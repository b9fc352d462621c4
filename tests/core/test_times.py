"""Times are aware outside and whole microseconds inside, for every year from 1 to 9999."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from delible.core import times
from delible.core.errors import InvalidInput


@given(some.datetimes(timezones=some.just(UTC)))
def test_every_time_comes_back_exactly(when):
    assert times.from_micros(times.micros(when)) == when


def test_a_naive_time_is_read_in_the_zone_and_said():
    when, naive = times.moment("2026-07-01T12:00", times.zone("Europe/Berlin"))
    assert naive and when == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_an_offset_is_kept_in_mind():
    when, naive = times.moment("2026-07-01T12:00+05:30", times.zone("Europe/Berlin"))
    assert not naive and when == datetime(2026, 7, 1, 6, 30, tzinfo=UTC)


def test_a_day_begins_at_midnight_and_a_number_is_seconds():
    assert times.moment(date(2026, 1, 2))[0] == datetime(2026, 1, 2, tzinfo=UTC)
    assert times.moment(86_400)[0] == datetime(1970, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong", ["10000-01-01", "0000-01-01", "yesterday", "", True, 10**30, float("nan"), "2026-02-30", [], b"x"]
)
def test_what_is_no_time_is_refused_in_one_line(wrong):
    with pytest.raises(InvalidInput) as caught:
        times.moment(wrong)
    assert len(str(caught.value).splitlines()) == 1


def test_the_ends_of_time_do_not_overflow():
    with pytest.raises(InvalidInput):
        times.moment(datetime.max, times.zone("America/New_York"))
    assert times.moment(datetime.max.replace(tzinfo=UTC))[0] - timedelta(0)


def test_an_unknown_zone_is_refused():
    with pytest.raises(InvalidInput, match="no time zone"):
        times.zone("Mars/Olympus")
