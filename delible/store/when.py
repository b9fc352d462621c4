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

from delible.store import calendar
from delible.store.calendar import COUNT, DAY, HINTS, MONTHS, PARTS_OF_DAY, SHORT_MONTHS, WEEKDAYS, At, Days, either


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
    at = None if now is None else At(now, now.date(), record)
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
    return event, *calendar.beside(said["units"] or said["unit"], said["count"], said[side])


# What a text is searched for.

_Said = re.Match[str]
_Resolve = Callable[[_Said, At], list[Days]]


def _small(text: str) -> str:
    """The text in small letters, each at its place: of all letters only the Turkish İ grows when it is made small."""
    return text.replace("İ", "i").replace("’", "'").lower()


@cache
def _regex(source: str) -> re.Pattern[str]:
    """Compiled at first use: all of them together would take a good part of the import of the package."""
    return re.compile(source)


_WORD = re.compile(r"[a-z]+")
_WORD_OR_NUMBER = re.compile(r"[a-z]+|[0-9]+")
_LONGEST = 8  # words before the hint: "in about twenty-five or twenty-six years"
_DIGITS = re.compile(r"[0-9](?:[0-9]{3}|[-/.:][0-9]|0s|st\b|nd\b|rd\b|th\b|\s?[ap]\.?m\b)")


def _hints(small: str) -> bool:
    """Whether any form can match: most texts have no such word, and are done with here."""
    return not HINTS.isdisjoint(_WORD.findall(small)) or _DIGITS.search(small) is not None


# Pieces of the patterns. Every repetition is bounded: the time is linear in the text, whatever the text is.

_OF_YEAR = r"(?:(?:,\s?|\s)(?:of\s|in\s)?(?P<year>[0-9]{4}|'[0-9]{2})\b)"
_NO_YEAR = f"(?!{_OF_YEAR.replace('?P<year>', '?:')})"
_NOT_LONGER = r"(?!,?\s{0,3}[0-9]{5})"  # 7 May 12345 is no 7 May
_NTH = r"(?:st|nd|rd|th)?\b"
_AND = rf"and(?=\s[0-9]{{1,2}}{_NTH}(?:,\s[0-9]{{4}}\b|\s(?:of\s)?{either(*SHORT_MONTHS)}))"  # not: May 3 and 20 others
_DAYS_OF_MONTH = rf"(?P<day>[0-9]{{1,2}}){_NTH}(?:\s?(?:-|–|to|through|{_AND})\s?(?P<last>[0-9]{{1,2}}){_NTH})?"
_FULL_MONTH = (either(*MONTHS) + r"\b").replace("may", r"may(?!\s(?:be|have|not|also|well|go|come|get|take|need|want))")
_MONTH = rf"(?:{_FULL_MONTH}|{either(*SHORT_MONTHS, 'sept')}\b\.?)"
_SURE_MONTH = either(*(month for month in MONTHS if month not in {"march", "april", "may", "june", "august"}))
_WEEKDAY = either(*WEEKDAYS)
_SHORT_DAY = either(*calendar.SHORT_DAYS)
_DAY_NAME = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s(?:the\s)?)"
_SEASON = either(*calendar.SEASONS)
_FEAST = either(*calendar.FEASTS).replace("years", "year'?s").replace("valentines", "valentine'?s").replace(" ", r"\s")
_PREPOSITION = either(
    *("in", "during", "throughout", "since", "until", "till", "by", "of", "from", "for", "before", "after"),
    *("between", "around", "early", "mid", "late", r"to(?!\smarch)"),
)
_PERIOD = either("day", "night", "week(?:end)?", "month", "year", "decade", *WEEKDAYS)
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
    return re.compile(_FORM_START + either(*(f"(?P<f{number}>{pattern})" for number, pattern in enumerate(bare))))


def _hits(small: str) -> Iterator[_Said]:
    """The forms in the text, tried only a few words before a word that hints at one: thrice as fast as a search."""
    form, after, tried = _any_form(), 0, 0
    words = list(_WORD_OR_NUMBER.finditer(small))
    for number, word in enumerate(words):
        if word[0] in HINTS or word[0][0] <= "9":
            for start in (earlier.start() for earlier in words[max(tried, number - _LONGEST) : number + 1]):
                if start >= after and (hit := form.match(small, start)):
                    after = hit.end()
                    yield hit
            tried = number + 1


def _named(small: str, at: At | None) -> Iterator[tuple[int, int, Days]]:
    """Where days are named and which; a date that does not exist is passed over."""
    after = 0
    for hit in _hits(small):
        pattern, resolve, relative = _FORMS[int((hit.lastgroup or "f0")[1:])]
        said = _regex(pattern).match(small, hit.start())
        if said is not None and (at is not None or not relative):
            begin, stop = said.span("core" if "core" in said.re.groupindex else 0)
            try:
                for days in resolve(said, at or calendar.NEVER):
                    yield _reworded(small, after, begin, stop, days)
            except (ValueError, OverflowError):
                pass
        after = hit.end()


def _range(begin: int, stop: int, days: Days, zone: tzinfo) -> Range | None:
    try:
        start, end = (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in days[:2])
    except (ValueError, OverflowError):
        return None
    return Range(start, end, begin, stop, days.exact) if start < end else None


# Forms that name a date by themselves.


@_form(r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})(?:(?!\w)|(?=t[0-9]{2}))(?![-/.][0-9])")
def _iso(said: _Said, at: At) -> list[Days]:
    day = date(int(said["year"]), int(said["month"]), int(said["day"]))
    return [Days(day, day + DAY)]


@_form(r"(?P<year>(?:19|20)[0-9]{2})-(?P<month>[0-9]{2})\b(?!-)")
def _iso_month(said: _Said, at: At) -> list[Days]:
    first = date(int(said["year"]), int(said["month"]), 1)
    return [Days(first, calendar.month_start(first.year, first.month + 1))]


@_form(r"[0-9]{1,2}(?:/[0-9]{1,2}/(?:[0-9]{4}|[0-9]{2})|-[0-9]{1,2}-[0-9]{4}|\.[0-9]{1,2}\.[0-9]{4})\b(?![-/.][0-9])")
def _numbers(said: _Said, at: At) -> list[Days]:
    """05/07/2023 is 7 May here and 5 July there; with points the day is first."""
    one, two, year = (int(number) for number in re.split("[-/.]", said[0]))
    year += 2000 if year < 50 else 1900 if year < 100 else 0
    readings = {(two, one)} if "." in said[0] else {(two, one), (one, two)}
    dates = [date(year, month, day) for month, day in sorted(readings) if 1 <= month <= 12]
    return [Days(day, day + DAY, len(dates) == 1) for day in dates]


@_form(
    rf"(?:every|each|most)\s(?:other\s|single\s|few\s)?{either(_PERIOD, *PARTS_OF_DAY, _SEASON, _FEAST, *MONTHS)}s?\b",
    r"(?:black|good)\sfriday\b",
)
def _habit(said: _Said, at: At) -> list[Days]:
    """A time to speak of, but no date; it stands here so that its weekday is not taken for one."""
    return []


@_form(
    rf"{_DAY_NAME}?{_DAYS_OF_MONTH}\s(?:of\s)?(?P<month>{_MONTH}){_OF_YEAR}?{_NOT_LONGER}",
    rf"{_DAY_NAME}?(?P<month>{_MONTH})\s(?:the\s)?{_DAYS_OF_MONTH}(?![:.][0-9]|,[0-9]{{3}}\b|\s?%){_OF_YEAR}?{_NOT_LONGER}",
)
def _day_month(said: _Said, at: At) -> list[Days]:
    month, day, last = calendar.month_number(said["month"]), int(said["day"]), int(said["last"] or said["day"])
    if last < day:
        raise ValueError
    return calendar.yearly(lambda year: (date(year, month, day), date(year, month, last) + DAY), said["year"], None, at)


@_form(rf"(?P<name>{_MONTH}|{_SEASON}|{_FEAST}){_OF_YEAR}(?![-/:.,]?[0-9])")
def _name_year(said: _Said, at: At) -> list[Days]:
    return [Days(*calendar.period(said["name"], calendar.year_of(said["year"])))]


@_form(
    rf"(?:{_PREPOSITION}[\s-]|(?={_SURE_MONTH}))(?P<core>(?P<name>{_FULL_MONTH}))(?!'s\b|\s[0-9]){_NO_YEAR}",
    rf"(?:{_PREPOSITION}|over)\sthe\s(?P<core>(?P<name>{_SEASON}))\b(?!\sof\b){_NO_YEAR}",
    rf"(?:{_PREPOSITION}|over|on|at)\s(?P<core>(?P<name>{_FEAST}))\b{_NO_YEAR}",
    relative=True,
)
def _name(said: _Said, at: At) -> list[Days]:
    """A month, season or feast without a year. May and March are words too: they need their preposition."""
    return calendar.yearly(lambda year: calendar.period(said["name"], year), None, None, at)


@_form(
    rf"(?:{_PREPOSITION}|year)[\s-](?:the\syear\s)?(?P<core>(?P<year>(?:1[89]|20)[0-9]{{2}})"
    r"(?:\s?(?:-|–|to|until|through|and)\s?(?P<last>(?:1[89]|20)[0-9]{2}))?)\b"
    r"(?![-/:.,]?[0-9]|\s?%|\s(?:people|words|pages|dollars|euros|miles|steps|times)\b)"
)
def _years(said: _Said, at: At) -> list[Days]:
    return [Days(date(int(said["year"]), 1, 1), date(int(said["last"] or said["year"]) + 1, 1, 1))]


@_form(r"the\s(?:early\s|late\s|mid[\s-])?'?(?P<core>(?P<decade>(?:1[89]|20)?[0-9]0)s)\b")
def _decade(said: _Said, at: At) -> list[Days]:
    first = int(said["decade"])
    first += 0 if first >= 100 else 2000 if first < 20 else 1900
    return [Days(date(first, 1, 1), date(first + 10, 1, 1), False)]


# Forms that are told from now.


@_form(
    r"(?:(?:the\s)?day\s(?:before\syesterday|after\stomorrow)|the\sother\s(?:day|night|morning|afternoon|evening)"
    r"|yesterday|today|tonight|tomorrow|last\snight|this\s(?:morning|afternoon|evening))\b",
    relative=True,
)
def _near_day(said: _Said, at: At) -> list[Days]:
    words = " ".join(said[0].removeprefix("the").split())
    if words.startswith("other"):
        return [Days(at.today - 7 * DAY, at.today, False)]
    first, last = calendar.NEAR_DAYS.get(words, (0, 1))  # today, tonight, this morning
    return [Days(at.today + first * DAY, at.today + last * DAY)]


@_form(
    rf"(?P<the>the\s)?(?P<which>last|this\spast|past|this\scoming|coming|upcoming|this(?!\smay\b)|next)\s"
    rf"(?P<name>week(?:end)?|month|year|decade|{_WEEKDAY}|{_SHORT_DAY}|{_SEASON}|{_FEAST}|{_FULL_MONTH})\b(?!\sof\b|-)",
    relative=True,
)
def _which(said: _Said, at: At) -> list[Days]:
    """ "Last week" is that of the calendar, "the last week" the seven days up to now."""
    name, which = next((day for day in WEEKDAYS if day.startswith(said["name"])), said["name"]), said["which"]
    rolls = name == "decade" or which == "past" or (which == "last" and said["the"])
    if rolls and name in {"week", "month", "year", "decade"}:
        return [Days(at.today - calendar.SIZE[name] * DAY, at.today + DAY, False)]
    return calendar.step(name, 0 if which == "this" else -1 if which in {"last", "past", "this past"} else 1, at)


@_form(
    rf"(?:the\s)?(?P<name>night|week(?:end)?|month|year|{_WEEKDAY})\s(?P<which>before\slast|after\snext)\b",
    relative=True,
)
def _second(said: _Said, at: At) -> list[Days]:
    return calendar.step(said["name"], -2 if said["which"].startswith("before") else 2, at)


@_form(
    rf"(?:the\s)?(?P<which>last|past|next|coming)\s(?P<count>{COUNT})\s(?P<unit>day|night|week|month|year|decade)s?\b"
    r"(?!\sof\b)",
    relative=True,
)
def _rolling(said: _Said, at: At) -> list[Days]:
    days = round(calendar.counted(said["count"])[1] * calendar.SIZE[said["unit"]]) * DAY
    past = said["which"] in {"last", "past"}
    return [Days(at.today - days, at.today + DAY, False) if past else Days(at.today, at.today + DAY + days, False)]


@_form(
    rf"(?:(?P<count>{COUNT})\s(?P<big>(?:hundred|thousand|million|billion)s?\s(?:of\s)?)?|(?<!many\s)(?<!of\s))"
    rf"(?P<unit>minute|hour|{_PERIOD})(?P<plural>s?)(?P<half>\sand\sa\shalf)?\s(?:ago|back)\b",
    relative=True,
)
def _ago(said: _Said, at: At) -> list[Days]:
    count, unit = said["count"] or (said["plural"] and "several"), said["unit"]
    if said["big"] or not count:
        return []
    if unit in {"minute", "hour"}:
        first, last = ((at.now - timedelta(**{unit + "s": number})).date() for number in calendar.counted(count)[::-1])
        return [Days(first, last + DAY)]
    if unit in WEEKDAYS or unit == "weekend":
        near, far = (calendar.step(unit, -round(number), at)[0] for number in calendar.counted(count))
        return [Days(far.start, near.end, near == far)]
    first_day, last_day = calendar.beside(unit, count, "before", 0.5 if said["half"] else 0)
    exact = unit in {"day", "night"} and not any(vague in count for vague in calendar.VAGUE)
    return [Days(at.today + first_day * DAY, at.today + last_day * DAY, exact)]


@_form(
    rf"(?P<in>in)\s(?:about\s|around\s)?(?P<count>{COUNT})\s(?P<unit>day|week|month|year)s?\b(?!\sago\b|\sback\b)",
    rf"(?P<count>{COUNT})\s(?P<unit>day|week|month|year)s?\s(?P<in>)from\s(?:now|today)\b",
    relative=True,
)
def _ahead(said: _Said, at: At) -> list[Days]:
    """ "In a year", and in a question "in two years", is as often how long something took."""
    if said["in"] and (said["count"] in {"a", "an"} or not at.record):
        return []
    first, last = calendar.beside(said["unit"], said["count"], "after")
    return [Days(at.today + first * DAY, at.today + last * DAY, False)]


@_form(
    rf"(?:(?:the|at|over|on|for|during)\s(?:the\s)?(?P<weekend>weekend)|(?P<name>{_WEEKDAY}))\b"
    r"(?!\s(?:before|after|prior|following|of)\b)",
    relative=True,
)
def _open(said: _Said, at: At) -> list[Days]:
    """ "On Friday": the last one in a question, the nearer one in a record."""
    name = said["name"] or "weekend"
    start, end, *_ = calendar.step(name, 0, at)[0]
    past = 7 * DAY if start > at.today else 0 * DAY
    nearer = at.record and start - at.today < at.today - (end - 8 * DAY)
    return [Days(start, end, False) if nearer else Days(start - past, end - past, False)]


@_form(
    r"(?:on|by|since|until|till|from)\sthe\s(?P<core>(?P<day>[0-9]{1,2})(?:st|nd|rd|th))"
    r"(?=\s?(?:[.,;:!?)]|\Z)|\s(?:after|before|and|at|in|for|with|to|when|i|we|you|he|she|it|they|was|is)\b)",
    relative=True,
)
def _day_alone(said: _Said, at: At) -> list[Days]:
    """ "On the 15th", but not "on the 15th floor": of this month or one beside it."""
    return calendar.day_of_month(int(said["day"]), at)


# What stands around a date and changes it.

_AROUND = (
    r"(?<!\w)(?:(?P<part>early|mid|late|(?:the\s)?(?:beginning|start|middle|end|(?:first|second|latter)\shalf)\sof)"
    r"[\s-](?:in\s)?(?:the\s)?"
    r"|(?:the\s)?(?P<nth>first|second|third|fourth|fifth|last|[1-5](?:st|nd|rd|th))\s"
    rf"(?P<piece>day|week(?:end)?|month|{_WEEKDAY})\s(?:of|in)\s(?:the\s)?"
    rf"|(?:(?P<count>{COUNT})\s(?P<units>{_PERIOD})s?|(?:the\s)?(?P<unit>{either(_PERIOD, *PARTS_OF_DAY)}))\s"
    r"(?P<side>before|after|prior\sto|following|of)\s(?:the\s)?)\Z"
)


def _reworded(small: str, after: int, begin: int, stop: int, days: Days) -> tuple[int, int, Days]:
    """The date with the words before it: "late May", "the first week of May", "the week before 9 June"."""
    said = _regex(_AROUND).search(small, max(after, begin - 48), begin)
    if said is None:
        return begin, stop, days
    if said["part"]:
        changed = calendar.part_of(said["part"], days)
    elif said["nth"]:
        changed = calendar.nth_of(said["nth"], said["piece"], days)
    else:
        changed = calendar.moved(said["units"] or said["unit"], said["count"], said["side"], days)
    return (begin, stop, days) if changed is None else (said.start(), stop, changed)


_BETWEEN = r"\s?(?:-|–|to|until|till|through|(?P<and>and))\s(?:the\s)?\Z"


def _joined(small: str, named: list[tuple[int, int, Days]]) -> list[tuple[int, int, Days]]:
    """ "Between 11 August and 15 August 2023" is one range, and its year that of both."""
    kept: list[tuple[int, int, Days]] = []
    for begin, stop, days in named:
        if kept and 0 < begin - kept[-1][1] < 12:
            first, until, earlier = kept[-1]
            join = _regex(_BETWEEN).match(small, until, begin)
            start = earlier.start
            if earlier.yearless and not days.yearless:
                later = (start.month, start.day) > (days.start.month, days.start.day)
                # Not `replace`: 29 February may not exist in that year.
                start = calendar.month_start(max(1, days.start.year - later), start.month) + (start.day - 1) * DAY
            if join and start < days.end and (not join["and"] or small.endswith("between ", 0, first)):
                kept[-1] = (first, stop, Days(start, days.end, days.exact))
                continue
        kept.append((begin, stop, days))
    return kept


# What is asked, and what speaks of time without naming a date.

_ANCHOR = (
    rf"(?<!\w)(?:(?P<count>{COUNT})\s(?P<units>{_PERIOD})s?\s(?P<by>before|after|prior\sto|following)"
    rf"|(?P<unit>{either(_PERIOD, *PARTS_OF_DAY)})\s(?P<from>before|after|prior\sto|following)"
    rf"|the\s(?P<whole>{either('day', 'week(?:end)?', *PARTS_OF_DAY)})\s(?P<of>of)(?!\sthe\s(?:week|month|year)\b))"
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
    rf"(?<!\w)(?:(?:{COUNT}|many|for|in|all|whole|entire|every|each|past|these)\s"
    rf"(?:minute|hour|day|night|week(?:end)?|month|year|decade|season|{_SEASON})s?\b"
    r"|ago\b|ages\b|(?:a|long|short)\swhile\b|long\stime\b|o'clock|noon\b|midnight\b|nowadays\b"
    rf"|daily\b|weekly\b|monthly\b|yearly\b|annual|{_WEEKDAY}s\b"
    r"|[0-9]{1,2}(?::[0-9]{2}\b|\s?[ap]\.?m\b)|(?:1[89]|20)[0-9]{2}\b)"
)
