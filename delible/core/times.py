"""Times: timezone-aware outside, microseconds since 1970 in UTC inside."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from delible.core.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


def zone(name: str) -> tzinfo:
    """The time zone of this IANA name. Raises InvalidInput."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"no time zone {name!r:.60}; use a name such as 'UTC' or 'Europe/Berlin'") from error


def moment(
    value: datetime | date | str | int | float, naive: tzinfo = UTC, what: str = "time"
) -> tuple[datetime, bool]:
    """The time in UTC, and whether it was naive and so read in the zone `naive`. Numbers are seconds since 1970.

    Raises InvalidInput for what is no time or lies outside the years 1 to 9999.
    """
    try:
        if isinstance(value, bool):
            raise ValueError
        if isinstance(value, int | float):
            return EPOCH + timedelta(seconds=value), False
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        elif not isinstance(value, datetime) and isinstance(value, date):
            value = datetime.combine(value, time.min)
        if not isinstance(value, datetime):
            raise ValueError
        was_naive = value.tzinfo is None
        return (value.replace(tzinfo=naive) if was_naive else value).astimezone(UTC), was_naive
    except (ValueError, OverflowError, TypeError) as error:
        raise InvalidInput(
            f"{what} is no time of the years 1 to 9999: {str(value)[:40]!r}; use ISO 8601, as 2026-11-24T09:30+01:00"
        ) from error


def micros(value: datetime) -> int:
    """Microseconds since 1970; exact, also before 1970."""
    return (value - EPOCH) // _MICRO


def from_micros(value: int) -> datetime:
    """The aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=value)


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)
