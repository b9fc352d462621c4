"""Times said in words: the days that "7 May 2023", "last Friday" or "the week before 9 June" stand for, in English.

A grammar: each form is a pattern beside the function that works its days out, tried in the order of this file. It is
ours because, on 200 LoCoMo turns, a text with a time takes it 30 us (median), parsedatetime 230 and dateparser 1,400,
which give moments without a width and, in the case of dateparser, take "we" for Wednesday.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Range:
    """Whole days, half-open and in UTC, and the characters of the text that name them.

    `exact` is False where the words are vague ("a few days ago") or leave the year or one of two readings open.
    """

    start: datetime
    end: datetime
    begin: int
    stop: int
    exact: bool


def dated(text: str, now: datetime | None, *, record: bool = False) -> list[Range]:
    """The ranges that the text names, in its order; of an ambiguous 05/07/2023 both readings.

    What is relative is resolved only against an aware `now`, in its time zone. A date without a year is in a question
    the latest that is not after `now`; in a record, whose `now` is when it happened, the nearest.
    """
    small = _small(text)
    if not _hints(small):
        return []
    at = None if now is None else _At(now, now.date(), record)
    zone = UTC if now is None or now.tzinfo is None else now.tzinfo
    named = _joined(small, list(_named(small, at)))
    return [found for begin, stop, days in named if (found := _range(begin, stop, days, zone)) is not None]


def mentions_time(text: str) -> bool:
    """Whether a date, a time of day, a duration or a frequency stands in the text."""
    small = _small(text)
    return _hints(small) and (any(_hits(small)) or _regex(_TIME_WORDS).search(small) is not None)


def asks_when(question: str) -> bool:
    """Whether a time is asked for: when, what day, how long ago."""
    return bool(_regex(_WHEN).search(_small(question)))


def asks_how_long(question: str) -> bool:
    """Whether a duration is asked for: how long, how many weeks."""
    return bool(_regex(_HOW_LONG).search(_small(question)))


def asks_how_many(question: str) -> bool:
    """Whether a number is asked for: how many, how much, how often."""
    return bool(_regex(_HOW_MANY).search(_small(question)))


def anchored(question: str) -> tuple[str, int, int] | None:
    """An event that a time is told by, and the days from it, half-open: "the week before X" is (X, -7, 0).

    None where there is none, and where the event is itself a date, which `dated` understands.
    """
    small = _small(question)
    said = _regex(_ANCHOR).search(small) if _hints(small) else None
    if said is None:
        return None
    side = next(group for group in ("by", "from", "of") if said[group])
    # "before 2022" is a form that needs its preposition, "before 9 June" one that does not.
    if any(_any_form().match(small, said.start(group)) for group in (side, "event")):
        return None
    cut = _regex(_NEXT_CLAUSE).search(small, said.start("event"), said.end("event"))
    event = question[said.start("event") : cut.start() if cut else said.end("event")].strip()
    if not event or event.lower() in {"that", "this", "it", "then", "now", "last", "next"}:
        return None
    if side == "of":
        size = {"week": 7, "weekend": 3}.get(said["whole"], 1)
        return event, 1 - size, size
    return event, *_beside(said["units"] or said["unit"], said["count"], said[side])


# What a text is searched for.


class _At(NamedTuple):
    now: datetime
    today: date
    record: bool


class _Days(NamedTuple):
    start: date
    end: date
    exact: bool = True
    yearless: bool = False


_Said = re.Match[str]
_Resolve = Callable[[_Said, _At], list[_Days]]
_DAY = timedelta(days=1)
_NEVER = _At(datetime.min.replace(tzinfo=UTC), date.min, False)  # no `now`: only named years are resolved


def _small(text: str) -> str:
    """The text in small letters, each at its place: of all letters only the Turkish İ grows when it is made small."""
    return text.replace("İ", "i").replace("’", "'").lower()


@cache
def _regex(source: str) -> re.Pattern[str]:
    """Compiled at first use: all of them together would take a good part of the import of the package."""
    return re.compile(source)


def _any(*words: str) -> str:
    return "(?:" + "|".join(words) + ")"


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_SHORT_DAYS = ("mon", "tues", "tue", "wed", "thurs", "thu", "fri")  # sat and sun are words too
_SHORT = tuple(month[:3] for month in _MONTHS)
_SEASONS = {"spring": 3, "summer": 6, "fall": 9, "autumn": 9, "winter": 12}  # first month, northern
_FEASTS = {  # month, day, days; without apostrophes
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
_PARTS_OF_DAY = ("night", "morning", "afternoon", "evening")
_SIZE = dict.fromkeys(("day", *_PARTS_OF_DAY), 1) | {"week": 7, "weekend": 8, "month": 30, "year": 365, "decade": 3650}
_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", *(ten + "teen" for ten in ("thir", "four", "fif", "six", "seven", "eigh", "nine")))
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = {word: number for number, word in enumerate((*_ONES, *_TEENS), 1)}
_NUMBERS |= {word: 10 * number for number, word in enumerate(_TENS, 2)}
_VAGUE = {"few": (2, 7), "couple": (2, 3), "several": (3, 9), "some": (2, 7), "half": (0.5, 0.5)}

_WORD = re.compile(r"[a-z]+")
_WORD_OR_NUMBER = re.compile(r"[a-z]+|[0-9]+")
_LONGEST = 8  # words before the hint: "in about twenty-five or twenty-six years"
_DIGITS = re.compile(r"[0-9](?:[0-9]{3}|[-/.:][0-9]|0s|st\b|nd\b|rd\b|th\b|\s?[ap]\.?m\b)")
_HINTS = frozenset(
    [
        *("yesterday", "today", "tonight", "tomorrow", "ago", "clock", "noon", "midnight", "while", "ages", "time"),
        *("daily", "weekly", "monthly", "yearly", "annual", "annually", "nowadays", "sept"),
        *("minute", "minutes", "hour", "hours"),
        *(word + s for word in (*_SIZE, *_WEEKDAYS, *_SEASONS) for s in ("", "s")),
        *(*_MONTHS, *_SHORT, *_SHORT_DAYS),
        *("christmas", "halloween", "thanksgiving"),  # the others have a "day" or a "year" (_WORD ends at apostrophes)
    ]
)


def _hints(small: str) -> bool:
    """Whether any form can match: most texts have no such word, and are done with here."""
    return not _HINTS.isdisjoint(_WORD.findall(small)) or _DIGITS.search(small) is not None


# Pieces of the patterns. Every repetition is bounded: the time is linear in the text, whatever the text is.

_OF_YEAR = r"(?:(?:,\s?|\s)(?:of\s|in\s)?(?P<year>[0-9]{4}|'[0-9]{2})\b)"
_NO_YEAR = f"(?!{_OF_YEAR.replace('?P<year>', '?:')})"
_NOT_LONGER = r"(?!,?\s{0,3}[0-9]{5})"  # 7 May 12345 is no 7 May
_NTH = r"(?:st|nd|rd|th)?\b"
_AND = rf"and(?=\s[0-9]{{1,2}}{_NTH}(?:,\s[0-9]{{4}}\b|\s(?:of\s)?{_any(*_SHORT)}))"  # not: May 3 and 20 others
_DAYS_OF_MONTH = rf"(?P<day>[0-9]{{1,2}}){_NTH}(?:\s?(?:-|–|to|through|{_AND})\s?(?P<last>[0-9]{{1,2}}){_NTH})?"
_FULL_MONTH = (_any(*_MONTHS) + r"\b").replace("may", r"may(?!\s(?:be|have|not|also|well|go|come|get|take|need|want))")
_MONTH = rf"(?:{_FULL_MONTH}|{_any(*_SHORT, 'sept')}\b\.?)"
_SURE_MONTH = _any(*(month for month in _MONTHS if month not in {"march", "april", "may", "june", "august"}))
_WEEKDAY = _any(*_WEEKDAYS)
_SHORT_DAY = _any(*_SHORT_DAYS)
_DAY_NAME = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s(?:the\s)?)"
_SEASON = _any(*_SEASONS)
_FEAST = _any(*_FEASTS).replace("years", "year'?s").replace("valentines", "valentine'?s").replace(" ", r"\s")
_PREPOSITION = _any(
    *("in", "during", "throughout", "since", "until", "till", "by", "of", "from", "for", "before", "after"),
    *("between", "around", "early", "mid", "late", r"to(?!\smarch)"),
)
_NUMBER = rf"(?:[0-9]{{1,4}}(?:\.[0-9])?|{_any(*_TENS)}(?:[-\s]{_any(*_ONES)})?|{_any(*_ONES, *_TEENS)})\b"
_COUNT = (
    rf"(?:{_NUMBER}(?:\s?(?:-|–|to|or)\s?{_NUMBER})?|(?:a\s|the\s)?(?:few|couple(?:\sof)?)"
    r"|several|some|half\san?|an?\b)"
)
_PERIOD = _any("day", "night", "week(?:end)?", "month", "year", "decade", *_WEEKDAYS)
_FORM_START = r"(?<!\w)(?<![0-9][-/.,:])(?<![a-z]-)"  # not inside a word, a number or a hyphened word

_FORMS: list[tuple[str, _Resolve, bool]] = []  # pattern, days, whether they need `now`


def _form(*patterns: str, relative: bool = False) -> Callable[[_Resolve], _Resolve]:
    """The function works out the days of what these patterns match; a group `core` is what counts as the words."""

    def keep(resolve: _Resolve) -> _Resolve:
        _FORMS.extend((pattern, resolve, relative) for pattern in patterns)
        return resolve

    return keep


@cache
def _any_form() -> re.Pattern[str]:
    """All forms in one pattern; a group f0, f1 ... says which has matched."""
    bare = (re.sub(r"\(\?P<\w+>", "(?:", pattern) for pattern, _, _ in _FORMS)
    return re.compile(_FORM_START + _any(*(f"(?P<f{number}>{pattern})" for number, pattern in enumerate(bare))))


def _hits(small: str) -> Iterator[_Said]:
    """The forms in the text, tried only a few words before a word that hints at one: thrice as fast as a search."""
    form, after, tried = _any_form(), 0, 0
    words = list(_WORD_OR_NUMBER.finditer(small))
    for number, word in enumerate(words):
        if word[0] in _HINTS or word[0][0] <= "9":
            for start in (earlier.start() for earlier in words[max(tried, number - _LONGEST) : number + 1]):
                if start >= after and (hit := form.match(small, start)):
                    after = hit.end()
                    yield hit
            tried = number + 1


def _named(small: str, at: _At | None) -> Iterator[tuple[int, int, _Days]]:
    """Where days are named and which; a date that does not exist is passed over."""
    after = 0
    for hit in _hits(small):
        pattern, resolve, relative = _FORMS[int((hit.lastgroup or "f0")[1:])]
        said = _regex(pattern).match(small, hit.start())
        if said is not None and (at is not None or not relative):
            begin, stop = said.span("core" if "core" in said.re.groupindex else 0)
            try:
                for days in resolve(said, at or _NEVER):
                    yield _reworded(small, after, begin, stop, days)
            except (ValueError, OverflowError):
                pass
        after = hit.end()


def _range(begin: int, stop: int, days: _Days, zone: tzinfo) -> Range | None:
    try:
        start, end = (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in days[:2])
    except (ValueError, OverflowError):
        return None
    return Range(start, end, begin, stop, days.exact) if start < end else None


# Forms that name a date by themselves.


@_form(r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})(?:(?!\w)|(?=t[0-9]{2}))(?![-/.][0-9])")
def _iso(said: _Said, at: _At) -> list[_Days]:
    day = date(int(said["year"]), int(said["month"]), int(said["day"]))
    return [_Days(day, day + _DAY)]


@_form(r"(?P<year>(?:19|20)[0-9]{2})-(?P<month>[0-9]{2})\b(?!-)")
def _iso_month(said: _Said, at: _At) -> list[_Days]:
    first = date(int(said["year"]), int(said["month"]), 1)
    return [_Days(first, _first(first.year, first.month + 1))]


@_form(r"[0-9]{1,2}(?:/[0-9]{1,2}/(?:[0-9]{4}|[0-9]{2})|-[0-9]{1,2}-[0-9]{4}|\.[0-9]{1,2}\.[0-9]{4})\b(?![-/.][0-9])")
def _numbers(said: _Said, at: _At) -> list[_Days]:
    """05/07/2023 is 7 May here and 5 July there; with points the day is first."""
    one, two, year = (int(number) for number in re.split("[-/.]", said[0]))
    year += 2000 if year < 50 else 1900 if year < 100 else 0
    readings = {(two, one)} if "." in said[0] else {(two, one), (one, two)}
    dates = [date(year, month, day) for month, day in sorted(readings) if 1 <= month <= 12]
    return [_Days(day, day + _DAY, len(dates) == 1) for day in dates]


@_form(
    rf"(?:every|each|most)\s(?:other\s|single\s|few\s)?{_any(_PERIOD, *_PARTS_OF_DAY, _SEASON, _FEAST, *_MONTHS)}s?\b",
    r"(?:black|good)\sfriday\b",
)
def _habit(said: _Said, at: _At) -> list[_Days]:
    """A time to speak of, but no date; it stands here so that its weekday is not taken for one."""
    return []


@_form(
    rf"{_DAY_NAME}?{_DAYS_OF_MONTH}\s(?:of\s)?(?P<month>{_MONTH}){_OF_YEAR}?{_NOT_LONGER}",
    rf"{_DAY_NAME}?(?P<month>{_MONTH})\s(?:the\s)?{_DAYS_OF_MONTH}(?![:.][0-9]|,[0-9]{{3}}\b|\s?%){_OF_YEAR}?{_NOT_LONGER}",
)
def _day_month(said: _Said, at: _At) -> list[_Days]:
    month, day, last = _month_number(said["month"]), int(said["day"]), int(said["last"] or said["day"])
    if last < day:
        raise ValueError
    return _yearly(lambda year: (date(year, month, day), date(year, month, last) + _DAY), said["year"], None, at)


@_form(rf"(?P<name>{_MONTH}|{_SEASON}|{_FEAST}){_OF_YEAR}(?![-/:.,]?[0-9])")
def _name_year(said: _Said, at: _At) -> list[_Days]:
    return [_Days(*_period(said["name"], _year(said["year"])))]


@_form(
    rf"(?:{_PREPOSITION}[\s-]|(?={_SURE_MONTH}))(?P<core>(?P<name>{_FULL_MONTH}))(?!'s\b|\s[0-9]){_NO_YEAR}",
    rf"(?:{_PREPOSITION}|over)\sthe\s(?P<core>(?P<name>{_SEASON}))\b(?!\sof\b){_NO_YEAR}",
    rf"(?:{_PREPOSITION}|over|on|at)\s(?P<core>(?P<name>{_FEAST}))\b{_NO_YEAR}",
    relative=True,
)
def _name(said: _Said, at: _At) -> list[_Days]:
    """A month, season or feast without a year. May and March are words too: they need their preposition."""
    return _yearly(lambda year: _period(said["name"], year), None, None, at)


@_form(
    rf"(?:{_PREPOSITION}|year)[\s-](?:the\syear\s)?(?P<core>(?P<year>(?:1[89]|20)[0-9]{{2}})"
    r"(?:\s?(?:-|–|to|until|through|and)\s?(?P<last>(?:1[89]|20)[0-9]{2}))?)\b"
    r"(?![-/:.,]?[0-9]|\s?%|\s(?:people|words|pages|dollars|euros|miles|steps|times)\b)"
)
def _years(said: _Said, at: _At) -> list[_Days]:
    return [_Days(date(int(said["year"]), 1, 1), date(int(said["last"] or said["year"]) + 1, 1, 1))]


@_form(r"the\s(?:early\s|late\s|mid[\s-])?'?(?P<core>(?P<decade>(?:1[89]|20)?[0-9]0)s)\b")
def _decade(said: _Said, at: _At) -> list[_Days]:
    first = int(said["decade"])
    first += 0 if first >= 100 else 2000 if first < 20 else 1900
    return [_Days(date(first, 1, 1), date(first + 10, 1, 1), False)]


# Forms that are told from now.

_NEAR_DAYS = {
    "day before yesterday": (-2, -1),
    "yesterday": (-1, 0),
    "last night": (-1, 0),
    "tomorrow": (1, 2),
    "day after tomorrow": (2, 3),
}


@_form(
    r"(?:(?:the\s)?day\s(?:before\syesterday|after\stomorrow)|the\sother\s(?:day|night|morning|afternoon|evening)"
    r"|yesterday|today|tonight|tomorrow|last\snight|this\s(?:morning|afternoon|evening))\b",
    relative=True,
)
def _near_day(said: _Said, at: _At) -> list[_Days]:
    words = " ".join(said[0].removeprefix("the").split())
    if words.startswith("other"):
        return [_Days(at.today - 7 * _DAY, at.today, False)]
    first, last = _NEAR_DAYS.get(words, (0, 1))  # today, tonight, this morning
    return [_Days(at.today + first * _DAY, at.today + last * _DAY)]


@_form(
    rf"(?P<the>the\s)?(?P<which>last|this\spast|past|this\scoming|coming|upcoming|this(?!\smay\b)|next)\s"
    rf"(?P<name>week(?:end)?|month|year|decade|{_WEEKDAY}|{_SHORT_DAY}|{_SEASON}|{_FEAST}|{_FULL_MONTH})\b(?!\sof\b|-)",
    relative=True,
)
def _which(said: _Said, at: _At) -> list[_Days]:
    """ "Last week" is that of the calendar, "the last week" the seven days up to now."""
    name, which = next((day for day in _WEEKDAYS if day.startswith(said["name"])), said["name"]), said["which"]
    rolls = name == "decade" or which == "past" or (which == "last" and said["the"])
    if rolls and name in {"week", "month", "year", "decade"}:
        return [_Days(at.today - _SIZE[name] * _DAY, at.today + _DAY, False)]
    return _step(name, 0 if which == "this" else -1 if which in {"last", "past", "this past"} else 1, at)


@_form(
    rf"(?:the\s)?(?P<name>night|week(?:end)?|month|year|{_WEEKDAY})\s(?P<which>before\slast|after\snext)\b",
    relative=True,
)
def _second(said: _Said, at: _At) -> list[_Days]:
    return _step(said["name"], -2 if said["which"].startswith("before") else 2, at)


@_form(
    rf"(?:the\s)?(?P<which>last|past|next|coming)\s(?P<count>{_COUNT})\s(?P<unit>day|night|week|month|year|decade)s?\b"
    r"(?!\sof\b)",
    relative=True,
)
def _rolling(said: _Said, at: _At) -> list[_Days]:
    days = round(_count(said["count"])[1] * _SIZE[said["unit"]]) * _DAY
    past = said["which"] in {"last", "past"}
    return [_Days(at.today - days, at.today + _DAY, False) if past else _Days(at.today, at.today + _DAY + days, False)]


@_form(
    rf"(?:(?P<count>{_COUNT})\s(?P<big>(?:hundred|thousand|million|billion)s?\s(?:of\s)?)?|(?<!many\s)(?<!of\s))"
    rf"(?P<unit>minute|hour|{_PERIOD})(?P<plural>s?)(?P<half>\sand\sa\shalf)?\s(?:ago|back)\b",
    relative=True,
)
def _ago(said: _Said, at: _At) -> list[_Days]:
    count, unit = said["count"] or (said["plural"] and "several"), said["unit"]
    if said["big"] or not count:
        return []
    if unit in {"minute", "hour"}:
        first, last = ((at.now - timedelta(**{unit + "s": number})).date() for number in reversed(_count(count)))
        return [_Days(first, last + _DAY)]
    if unit in _WEEKDAYS or unit == "weekend":
        near, far = (_step(unit, -round(number), at)[0] for number in _count(count))
        return [_Days(far.start, near.end, near == far)]
    first_day, last_day = _beside(unit, count, "before", 0.5 if said["half"] else 0)
    exact = unit in {"day", "night"} and not any(vague in count for vague in _VAGUE)
    return [_Days(at.today + first_day * _DAY, at.today + last_day * _DAY, exact)]


@_form(
    rf"(?P<in>in)\s(?:about\s|around\s)?(?P<count>{_COUNT})\s(?P<unit>day|week|month|year)s?\b(?!\sago\b|\sback\b)",
    rf"(?P<count>{_COUNT})\s(?P<unit>day|week|month|year)s?\s(?P<in>)from\s(?:now|today)\b",
    relative=True,
)
def _ahead(said: _Said, at: _At) -> list[_Days]:
    """ "In a year", and in a question "in two years", is as often how long something took."""
    if said["in"] and (said["count"] in {"a", "an"} or not at.record):
        return []
    first, last = _beside(said["unit"], said["count"], "after")
    return [_Days(at.today + first * _DAY, at.today + last * _DAY, False)]


@_form(
    rf"(?:(?:the|at|over|on|for|during)\s(?:the\s)?(?P<weekend>weekend)|(?P<name>{_WEEKDAY}))\b"
    r"(?!\s(?:before|after|prior|following|of)\b)",
    relative=True,
)
def _open(said: _Said, at: _At) -> list[_Days]:
    """ "On Friday": the last one in a question, the nearer one in a record."""
    name = said["name"] or "weekend"
    start, end, *_ = _step(name, 0, at)[0]
    past = 7 * _DAY if start > at.today else 0 * _DAY
    nearer = at.record and start - at.today < at.today - (end - 8 * _DAY)
    return [_Days(start, end, False) if nearer else _Days(start - past, end - past, False)]


@_form(
    r"(?:on|by|since|until|till|from)\sthe\s(?P<core>(?P<day>[0-9]{1,2})(?:st|nd|rd|th))"
    r"(?=\s?(?:[.,;:!?)]|\Z)|\s(?:after|before|and|at|in|for|with|to|when|i|we|you|he|she|it|they|was|is)\b)",
    relative=True,
)
def _day_alone(said: _Said, at: _At) -> list[_Days]:
    """ "On the 15th", but not "on the 15th floor": of this month or one beside it."""
    all_days = []
    for month in range(at.today.month - 2, at.today.month + 3):  # the 31st is one in two
        first = _first(at.today.year, month)
        day = first + (int(said["day"]) - 1) * _DAY
        if (day.year, day.month) == (first.year, first.month):
            all_days.append((day, day + _DAY))
    return [_Days(*days, False) for days in _fitting(all_days, at)]


# What stands around a date and changes it.

_AROUND = (
    r"(?<!\w)(?:(?P<part>early|mid|late|(?:the\s)?(?:beginning|start|middle|end|(?:first|second|latter)\shalf)\sof)"
    r"[\s-](?:in\s)?(?:the\s)?"
    r"|(?:the\s)?(?P<nth>first|second|third|fourth|fifth|last|[1-5](?:st|nd|rd|th))\s"
    rf"(?P<piece>day|week(?:end)?|month|{_WEEKDAY})\s(?:of|in)\s(?:the\s)?"
    rf"|(?:(?P<count>{_COUNT})\s(?P<units>{_PERIOD})s?|(?:the\s)?(?P<unit>{_any(_PERIOD, *_PARTS_OF_DAY)}))\s"
    r"(?P<side>before|after|prior\sto|following|of)\s(?:the\s)?)\Z"
)
_NTHS = ("first", "second", "third", "fourth", "fifth")


def _reworded(small: str, after: int, begin: int, stop: int, days: _Days) -> tuple[int, int, _Days]:
    """The date with the words before it: "late May", "the first week of May", "the week before 9 June"."""
    said = _regex(_AROUND).search(small, max(after, begin - 48), begin)
    if said is None:
        return begin, stop, days
    if said["part"]:
        changed = _part(said["part"], days)
    elif said["nth"]:
        changed = _nth(said["nth"], said["piece"], days)
    else:
        changed = _moved(said, days)
    return (begin, stop, days) if changed is None else (said.start(), stop, changed)


def _part(part: str, days: _Days) -> _Days | None:
    length = (days.end - days.start).days
    if length < 4:
        return None
    pieces = 2 if "half" in part else 3
    number = 0 if re.search("early|beginning|start|first", part) else 1 if "mid" in part else pieces - 1
    start, end = (days.start + round(length * at / pieces) * _DAY for at in (number, number + 1))
    return _Days(start, end, False)


def _nth(nth: str, piece: str, days: _Days) -> _Days | None:
    """The second week, the last Friday of these days. Raises ValueError where they have none."""
    number = -1 if nth == "last" else int(nth[0]) - 1 if nth[0].isdigit() else _NTHS.index(nth)
    if piece == "month":
        edge = days.start if number >= 0 else days.end
        first = _first(edge.year, edge.month + number)
        found = _Days(first, _first(first.year, first.month + 1))
    elif piece in {"day", "week"}:
        size = _SIZE[piece] * _DAY
        start = days.end - size if number < 0 else days.start + number * size
        found = _Days(start, min(start + size, days.end))
    else:
        day, length = (5, 2) if piece == "weekend" else (_WEEKDAYS.index(piece), 1)
        start = _latest(days.end - _DAY, day) if number < 0 else _earliest(days.start, day) + number * 7 * _DAY
        found = _Days(start, start + length * _DAY)
    if not days.start <= found.start < days.end:
        raise ValueError
    return found._replace(exact=days.exact, yearless=days.yearless)


def _moved(said: _Said, days: _Days) -> _Days | None:
    """Days before, after or around these."""
    unit, count, side = said["units"] or said["unit"], said["count"], said["side"]
    if side == "of":
        return None if count else _containing(unit, days)
    before = side.startswith(("before", "prior"))
    if unit in _WEEKDAYS or unit == "weekend":
        day, length = (5, 2) if unit == "weekend" else (_WEEKDAYS.index(unit), 1)
        more = 7 * (round(_count(count)[0]) - 1 if count else 0) * _DAY
        start = _latest(days.start - length * _DAY, day) - more if before else _earliest(days.end, day) + more
        return _Days(start, start + length * _DAY, days.exact)
    first, last = _beside(unit, count, side)
    event = days.start if before else days.end - _DAY
    return _Days(event + first * _DAY, event + last * _DAY, days.exact and not count)


def _containing(unit: str, days: _Days) -> _Days | None:
    """The week or weekend around a day, the Friday of a week."""
    week = days.start - days.start.weekday() * _DAY
    single = days.end - days.start == _DAY
    if unit == "week" and single:
        return _Days(week, week + 7 * _DAY, days.exact)
    if unit == "weekend" and single:
        return _Days(week + 5 * _DAY, week + 7 * _DAY, days.exact)
    if unit in _WEEKDAYS and days.end - days.start == 7 * _DAY:
        day = _earliest(days.start, _WEEKDAYS.index(unit))
        return _Days(day, day + _DAY, days.exact)
    return days if unit in _SIZE and _SIZE[unit] <= 1 else None


_BETWEEN = r"\s?(?:-|–|to|until|till|through|(?P<and>and))\s(?:the\s)?\Z"


def _joined(small: str, named: list[tuple[int, int, _Days]]) -> list[tuple[int, int, _Days]]:
    """ "Between 11 August and 15 August 2023" is one range, and its year that of both."""
    kept: list[tuple[int, int, _Days]] = []
    for begin, stop, days in named:
        if kept and 0 < begin - kept[-1][1] < 12:
            first, until, earlier = kept[-1]
            join = _regex(_BETWEEN).match(small, until, begin)
            start = earlier.start
            if earlier.yearless and not days.yearless:
                later = (start.month, start.day) > (days.start.month, days.start.day)
                # Not `replace`: 29 February may not exist in that year.
                start = _first(max(1, days.start.year - later), start.month) + (start.day - 1) * _DAY
            if join and start < days.end and (not join["and"] or small.endswith("between ", 0, first)):
                kept[-1] = (first, stop, _Days(start, days.end, days.exact))
                continue
        kept.append((begin, stop, days))
    return kept


# The calendar.


def _first(year: int, month: int) -> date:
    """The first of a month; 13 is the next January, 0 the last December."""
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def _latest(day: date, weekday: int) -> date:
    return day - (day.weekday() - weekday) % 7 * _DAY


def _earliest(day: date, weekday: int) -> date:
    return day + (weekday - day.weekday()) % 7 * _DAY


def _month_number(name: str) -> int:
    return _SHORT.index(name[:3]) + 1


def _year(digits: str) -> int:
    if not digits.startswith("'"):
        return int(digits)
    short = int(digits[1:])
    return short + (2000 if short < 50 else 1900)


def _period(name: str, year: int) -> tuple[date, date]:
    """The days of a month, a season or a feast that begins in this year."""
    if name in _SEASONS:
        return _first(year, _SEASONS[name]), _first(year, _SEASONS[name] + 3)
    feast = " ".join(name.replace("'", "").split())
    if feast not in _FEASTS:
        return _first(year, _month_number(name)), _first(year, _month_number(name) + 1)
    month, day, length = _FEASTS[feast]
    start = date(year, month, day)
    if feast == "thanksgiving":
        start = _earliest(start, _WEEKDAYS.index("thursday"))
    return start, start + length * _DAY


def _yearly(period: Callable[[int], tuple[date, date]], year: str | None, which: int | None, at: _At) -> list[_Days]:
    """What comes once a year: of the year that is named, else the last, this or the next, else by what `now` is."""
    if year:
        return [_Days(*period(_year(year)))]
    if at is _NEVER:
        return []
    today, all_days = at.today, []
    for each in range(today.year - 4, today.year + 5):  # 29 February is one in four
        try:
            all_days.append(period(each))
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
    return [_Days(*days, exact=which is not None, yearless=which is None) for days in chosen]


def _fitting(all_days: list[tuple[date, date]], at: _At) -> list[tuple[date, date]]:
    """Of days in order the one that is meant: in a question the last that has begun, in a record the nearest."""
    if at.record:
        return sorted(all_days, key=lambda days: max(days[0] - at.today, at.today - (days[1] - _DAY), 0 * _DAY))[:1]
    return [days for days in all_days if days[0] <= at.today][-1:]


def _step(name: str, step: int, at: _At) -> list[_Days]:
    """The week, weekend, month, year, weekday, season or feast so many steps from now; 0 is this one."""
    today = at.today
    week = today - today.weekday() * _DAY
    if name == "night":
        return [_Days(today + step * _DAY, today + (step + 1) * _DAY)]
    if name == "week":
        # On a Sunday the week that most speakers call the last is that which ends.
        start = today - 6 * _DAY if step == -1 and today.weekday() == 6 else week + 7 * step * _DAY
        return [_Days(start, start + 7 * _DAY)]
    if name == "weekend":
        start = week + (5 + 7 * step - (7 if step > 0 and today.weekday() < 5 else 0)) * _DAY
        return [_Days(start, start + 2 * _DAY, step <= 0)]
    if name == "month":
        return [_Days(_first(today.year, today.month + step), _first(today.year, today.month + step + 1))]
    if name == "year":
        return [_Days(date(today.year + step, 1, 1), date(today.year + step + 1, 1, 1))]
    if name in _WEEKDAYS:
        day, more = _WEEKDAYS.index(name), 7 * max(abs(step) - 1, 0) * _DAY
        start = _latest(today - _DAY, day) - more if step < 0 else _earliest(today + (step > 0) * _DAY, day) + more
        return [_Days(start, start + _DAY, step < 0)]
    return _yearly(lambda year: _period(name, year), None, step, at)


def _count(words: str) -> tuple[float, float]:
    """The least and the most that "two", "3 or 4", "twenty-five" or "a few" is."""
    for vague, numbers in _VAGUE.items():
        if vague in words:
            return numbers
    found = [_value(number) for number in re.findall(_NUMBER, words)] or [1.0]
    return min(found), max(found)


def _value(number: str) -> float:
    return float(number) if number[0].isdigit() else sum(_NUMBERS[word] for word in re.split(r"[-\s]", number))


def _beside(unit: str, count: str | None, side: str, more: float = 0) -> tuple[int, int]:
    """Days from an event, half-open: "the week before" it is (-7, 0), "two weeks before" it three days around -14."""
    size, before = _SIZE.get(unit, 7), side.startswith(("before", "prior"))
    if count is None:
        return (-size, 0) if before else (1, size + 1)
    least, most = (number + more for number in _count(count))
    slack = int(size * min(1.0, least)) // 2
    near, far = round(least * size) - slack, round(most * size) + slack
    return (-far, 1 - near) if before else (near, far + 1)


# What is asked, and what speaks of time without naming a date.

_ANCHOR = (
    rf"(?<!\w)(?:(?P<count>{_COUNT})\s(?P<units>{_PERIOD})s?\s(?P<by>before|after|prior\sto|following)"
    rf"|(?P<unit>{_any(_PERIOD, *_PARTS_OF_DAY)})\s(?P<from>before|after|prior\sto|following)"
    rf"|the\s(?P<whole>{_any('day', 'week(?:end)?', *_PARTS_OF_DAY)})\s(?P<of>of)(?!\sthe\s(?:week|month|year)\b))"
    r"\s(?P<event>[^?!.,;:\n]{1,120})"
)
_NEXT_CLAUSE = r"\s(?:what|who|whom|where|which|how|why|when)\b"
_WHEN = (
    r"\A\s*when\b(?![^?]{0,300}(?:,|\b(?:what|who|whom|where|which|how|why)\b))"
    r"|\bwhen(?:'s\b|\s*\?|\s(?:exactly\s)?(?:did|do|does|was|were|is|are|am|will|would|has|have|had|can|could|should)\b)"
    r"|\b(?:since|until|till|by|remember|know|recall|sure|forgot|(?:tell|remind)\s(?:me|us))"
    r"\s(?:exactly\s)?when\b(?!\sto\b)"
    r"|\b(?:what|which)\s(?:exact\s|specific\s|particular\s)?"
    r"(?:dates?|days?|months?|years?|weeks?|weekend|weekday|time|hour|season|decade|century)\b"
    r"|\bhow\s(?:long|(?:many|few)\s\w{1,20})\sago\b|\bhow\srecently\b|\bthe\s(?:exact\s)?date\s(?:of|when|that|on)\b"
)
_HOW_LONG = (
    r"\bhow\s(?:long\b(?!\sago)|much\s(?:longer|time)|many\s(?:more\s)?(?:minutes|hours|days|nights|weeks|months|years)\b"
    r"(?!\sago))|\b(?:length\sof\stime|duration)\b"
)
_HOW_MANY = r"\bhow\s(?:many|much|often)\b|\b(?:what|the)\s(?:total\s)?number\sof\b"
_TIME_WORDS = (
    rf"(?<!\w)(?:(?:{_COUNT}|many|for|in|all|whole|entire|every|each|past|these)\s"
    rf"(?:minute|hour|day|night|week(?:end)?|month|year|decade|season|{_SEASON})s?\b"
    r"|ago\b|ages\b|(?:a|long|short)\swhile\b|long\stime\b|o'clock|noon\b|midnight\b|nowadays\b"
    rf"|daily\b|weekly\b|monthly\b|yearly\b|annual|{_WEEKDAY}s\b"
    r"|[0-9]{1,2}(?::[0-9]{2}\b|\s?[ap]\.?m\b)|(?:1[89]|20)[0-9]{2}\b)"
)
