"""The calendar in words: weekdays, months, seasons, feasts and numbers, and the days that they stand for, in English.

Days are half-open and in no time zone; what is relative is told from an `At`. Which words a text holds, `when` finds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple


class At(NamedTuple):
    """What relative words are told from, and whether they stand in a record (else in a question)."""

    now: datetime
    today: date
    record: bool


class Days(NamedTuple):
    """Days, half-open; whether the words were exact, and whether their year was left open."""

    start: date
    end: date
    exact: bool = True
    yearless: bool = False


DAY = timedelta(days=1)
NEVER = At(datetime.min.replace(tzinfo=UTC), date.min, False)  # no `now`: only named years are resolved

# The words.

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
SHORT_DAYS = ("mon", "tues", "tue", "wed", "thurs", "thu", "fri")  # sat and sun are words too
SHORT_MONTHS = tuple(month[:3] for month in MONTHS)
SEASONS = {"spring": 3, "summer": 6, "fall": 9, "autumn": 9, "winter": 12}  # first month, northern
FEASTS = {  # month, day, days; without apostrophes
    "christmas eve": (12, 24, 1),
    "christmas day": (12, 25, 1),
    "christmas": (12, 24, 3),
    "new years eve": (12, 31, 1),
    "new years day": (1, 1, 1),
    "new years": (12, 31, 2),
    "halloween": (10, 31, 1),
    "valentines day": (2, 14, 1),
    "thanksgiving": (11, 22, 1),  # the fourth Thursday: 22 to 28
}
PARTS_OF_DAY = ("night", "morning", "afternoon", "evening")
SIZE = dict.fromkeys(("day", *PARTS_OF_DAY), 1) | {"week": 7, "weekend": 8, "month": 30, "year": 365, "decade": 3650}
_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", *(ten + "teen" for ten in ("thir", "four", "fif", "six", "seven", "eigh", "nine")))
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = {word: number for number, word in enumerate((*_ONES, *_TEENS), 1)}
_NUMBERS |= {word: 10 * number for number, word in enumerate(_TENS, 2)}
VAGUE = {"few": (2, 7), "couple": (2, 3), "several": (3, 9), "some": (2, 7), "half": (0.5, 0.5)}
_NTHS = ("first", "second", "third", "fourth", "fifth")
NEAR_DAYS = {  # days from today, half-open
    "day before yesterday": (-2, -1),
    "yesterday": (-1, 0),
    "last night": (-1, 0),
    "tomorrow": (1, 2),
    "day after tomorrow": (2, 3),
}
HINTS = frozenset(  # words of which whatever `when` finds has one, unless it has a number
    [
        *("yesterday", "today", "tonight", "tomorrow", "ago", "clock", "noon", "midnight", "while", "ages", "time"),
        *("daily", "weekly", "monthly", "yearly", "annual", "annually", "nowadays", "sept"),
        *("minute", "minutes", "hour", "hours"),
        *(word + s for word in (*SIZE, *WEEKDAYS, *SEASONS) for s in ("", "s")),
        *(*MONTHS, *SHORT_MONTHS, *SHORT_DAYS),
        *("christmas", "halloween", "thanksgiving"),  # the others have a "day" or a "year" (words end at apostrophes)
    ]
)


def either(*words: str) -> str:
    """A pattern that matches any of the patterns."""
    return "(?:" + "|".join(words) + ")"


_NUMBER = rf"(?:[0-9]{{1,4}}(?:\.[0-9])?|{either(*_TENS)}(?:[-\s]{either(*_ONES)})?|{either(*_ONES, *_TEENS)})\b"
COUNT = (
    rf"(?:{_NUMBER}(?:\s?(?:-|–|to|or)\s?{_NUMBER})?|(?:a\s|the\s)?(?:few|couple(?:\sof)?)"
    r"|several|some|half\san?|an?\b)"
)


def counted(words: str) -> tuple[float, float]:
    """The least and the most that "two", "3 or 4", "twenty-five" or "a few" is."""
    for vague, numbers in VAGUE.items():
        if vague in words:
            return numbers
    found = [_value(number) for number in re.findall(_NUMBER, words)] or [1.0]
    return min(found), max(found)


def _value(number: str) -> float:
    return float(number) if number[0].isdigit() else sum(_NUMBERS[word] for word in re.split(r"[-\s]", number))


# From words to days.


def month_start(year: int, month: int) -> date:
    """The first of a month; 13 is the next January, 0 the last December."""
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def _latest(day: date, weekday: int) -> date:
    """The last such weekday (0 is Monday) up to this day."""
    return day - (day.weekday() - weekday) % 7 * DAY


def _earliest(day: date, weekday: int) -> date:
    """The first such weekday (0 is Monday) from this day on."""
    return day + (weekday - day.weekday()) % 7 * DAY


def month_number(name: str) -> int:
    """1 to 12, of "may", "sept." or "december"."""
    return SHORT_MONTHS.index(name[:3]) + 1


def year_of(digits: str) -> int:
    """2023 of "2023" and of "'23"."""
    if not digits.startswith("'"):
        return int(digits)
    short = int(digits[1:])
    return short + (2000 if short < 50 else 1900)


def period(name: str, year: int) -> tuple[date, date]:
    """The days of a month, a season or a feast that begins in this year."""
    if name in SEASONS:
        return month_start(year, SEASONS[name]), month_start(year, SEASONS[name] + 3)
    feast = " ".join(name.replace("'", "").split())
    if feast not in FEASTS:
        return month_start(year, month_number(name)), month_start(year, month_number(name) + 1)
    month, day, length = FEASTS[feast]
    start = date(year, month, day)
    if feast == "thanksgiving":
        start = _earliest(start, WEEKDAYS.index("thursday"))
    return start, start + length * DAY


def yearly(days_of: Callable[[int], tuple[date, date]], year: str | None, which: int | None, at: At) -> list[Days]:
    """What comes once a year: of the year that is named, else the last, this or the next, else by what `now` is."""
    if year:
        return [Days(*days_of(year_of(year)))]
    if at is NEVER:
        return []
    today, all_days = at.today, []
    for each in range(today.year - 4, today.year + 5):  # 29 February is one in four
        try:
            all_days.append(days_of(each))
        except (ValueError, OverflowError):
            continue
    if which == -1:
        chosen = [days for days in all_days if days[1] <= today][-1:]
    elif which == 1:
        chosen = [days for days in all_days if days[0] > today][:1]
    elif which == 0:
        chosen = [days for days in all_days if days[0] <= today < days[1]]
        chosen = chosen or [days for days in all_days if days[0].year == today.year]
    else:
        chosen = _fitting(all_days, at)
    return [Days(*days, exact=which is not None, yearless=which is None) for days in chosen]


def _fitting(all_days: list[tuple[date, date]], at: At) -> list[tuple[date, date]]:
    """Of days in order the one that is meant: in a question the last that has begun, in a record the nearest."""
    if at.record:
        return sorted(all_days, key=lambda days: max(days[0] - at.today, at.today - (days[1] - DAY), 0 * DAY))[:1]
    return [days for days in all_days if days[0] <= at.today][-1:]


def step(name: str, steps: int, at: At) -> list[Days]:
    """The week, weekend, month, year, weekday, season or feast so many steps from now; 0 is this one."""
    today = at.today
    week = today - today.weekday() * DAY
    if name == "night":
        return [Days(today + steps * DAY, today + (steps + 1) * DAY)]
    if name == "week":
        # On a Sunday the week that most speakers call the last is that which ends.
        start = today - 6 * DAY if steps == -1 and today.weekday() == 6 else week + 7 * steps * DAY
        return [Days(start, start + 7 * DAY)]
    if name == "weekend":
        start = week + (5 + 7 * steps - (7 if steps > 0 and today.weekday() < 5 else 0)) * DAY
        return [Days(start, start + 2 * DAY, steps <= 0)]
    if name == "month":
        return [Days(month_start(today.year, today.month + steps), month_start(today.year, today.month + steps + 1))]
    if name == "year":
        return [Days(date(today.year + steps, 1, 1), date(today.year + steps + 1, 1, 1))]
    if name in WEEKDAYS:
        day, more = WEEKDAYS.index(name), 7 * max(abs(steps) - 1, 0) * DAY
        start = _latest(today - DAY, day) - more if steps < 0 else _earliest(today + (steps > 0) * DAY, day) + more
        return [Days(start, start + DAY, steps < 0)]
    return yearly(lambda year: period(name, year), None, steps, at)


def day_of_month(number: int, at: At) -> list[Days]:
    """The 15th, say, of the month that is meant: this one or one beside it."""
    all_days = []
    for month in range(at.today.month - 2, at.today.month + 3):  # the 31st is one in two
        first = month_start(at.today.year, month)
        day = first + (number - 1) * DAY
        if (day.year, day.month) == (first.year, first.month):
            all_days.append((day, day + DAY))
    return [Days(*days, False) for days in _fitting(all_days, at)]


# Days beside and within other days.


def beside(unit: str, count: str | None, side: str, more: float = 0) -> tuple[int, int]:
    """Days from an event, half-open: "the week before" it is (-7, 0), "two weeks before" it three days around -14."""
    size, before = SIZE.get(unit, 7), side.startswith(("before", "prior"))
    if count is None:
        return (-size, 0) if before else (1, size + 1)
    least, most = (number + more for number in counted(count))
    slack = int(size * min(1.0, least)) // 2
    near, far = round(least * size) - slack, round(most * size) + slack
    return (-far, 1 - near) if before else (near, far + 1)


def part_of(part: str, days: Days) -> Days | None:
    """The "early", "mid" or "late" third of these days, or a half of them; None where they are fewer than four."""
    length = (days.end - days.start).days
    if length < 4:
        return None
    pieces = 2 if "half" in part else 3
    number = 0 if re.search("early|beginning|start|first", part) else 1 if "mid" in part else pieces - 1
    start, end = (days.start + round(length * at / pieces) * DAY for at in (number, number + 1))
    return Days(start, end, False)


def nth_of(nth: str, piece: str, days: Days) -> Days | None:
    """The second week, the last Friday of these days. Raises ValueError where they have none."""
    number = -1 if nth == "last" else int(nth[0]) - 1 if nth[0].isdigit() else _NTHS.index(nth)
    if piece == "month":
        edge = days.start if number >= 0 else days.end
        first = month_start(edge.year, edge.month + number)
        found = Days(first, month_start(first.year, first.month + 1))
    elif piece in {"day", "week"}:
        size = SIZE[piece] * DAY
        start = days.end - size if number < 0 else days.start + number * size
        found = Days(start, min(start + size, days.end))
    else:
        day, length = (5, 2) if piece == "weekend" else (WEEKDAYS.index(piece), 1)
        start = _latest(days.end - DAY, day) if number < 0 else _earliest(days.start, day) + number * 7 * DAY
        found = Days(start, start + length * DAY)
    if not days.start <= found.start < days.end:
        raise ValueError
    return found._replace(exact=days.exact, yearless=days.yearless)


def moved(unit: str, count: str | None, side: str, days: Days) -> Days | None:
    """Days before, after or around these."""
    if side == "of":
        return None if count else _containing(unit, days)
    before = side.startswith(("before", "prior"))
    if unit in WEEKDAYS or unit == "weekend":
        day, length = (5, 2) if unit == "weekend" else (WEEKDAYS.index(unit), 1)
        more = 7 * (round(counted(count)[0]) - 1 if count else 0) * DAY
        start = _latest(days.start - length * DAY, day) - more if before else _earliest(days.end, day) + more
        return Days(start, start + length * DAY, days.exact)
    first, last = beside(unit, count, side)
    event = days.start if before else days.end - DAY
    return Days(event + first * DAY, event + last * DAY, days.exact and not count)


def _containing(unit: str, days: Days) -> Days | None:
    """The week or weekend around a day, the Friday of a week."""
    week = days.start - days.start.weekday() * DAY
    single = days.end - days.start == DAY
    if unit == "week" and single:
        return Days(week, week + 7 * DAY, days.exact)
    if unit == "weekend" and single:
        return Days(week + 5 * DAY, week + 7 * DAY, days.exact)
    if unit in WEEKDAYS and days.end - days.start == 7 * DAY:
        day = _earliest(days.start, WEEKDAYS.index(unit))
        return Days(day, day + DAY, days.exact)
    return days if unit in SIZE and SIZE[unit] <= 1 else None
