"""Times said in words, and the days they stand for."""

import sys
from datetime import UTC, datetime, timedelta, timezone
from time import perf_counter

import pytest

from delible.store.when import anchored, asks_how_long, asks_how_many, asks_when, dated, mentions_time

NOW = datetime(2023, 6, 14, 12, tzinfo=UTC)  # a Wednesday

NAMED = [
    ("7 May 2023", "2023-05-07 2023-05-08"),
    ("May 7th, 2023", "2023-05-07 2023-05-08"),
    ("May 7,2023", "2023-05-07 2023-05-08"),
    ("the 7th of May, 2023", "2023-05-07 2023-05-08"),
    ("Sunday, 7 May 2023", "2023-05-07 2023-05-08"),
    ("1:56 pm on 7 May, 2023", "2023-05-07 2023-05-08"),
    ("3 Dec. 2022", "2022-12-03 2022-12-04"),
    ("2023-05-07", "2023-05-07 2023-05-08"),
    ("2023-05-07T09:30+01:00", "2023-05-07 2023-05-08"),
    ("2023/5/7", "2023-05-07 2023-05-08"),
    ("7.5.2023", "2023-05-07 2023-05-08"),
    ("13/05/2023", "2023-05-13 2023-05-14"),
    ("05/13/23", "2023-05-13 2023-05-14"),
    ("3-7 May 2023", "2023-05-03 2023-05-08"),
    ("May 3 to 7, 2023", "2023-05-03 2023-05-08"),
    ("between 19 and 24 October 2022", "2022-10-19 2022-10-25"),
    ("between October 19 and 24, 2022", "2022-10-19 2022-10-25"),
    ("May 7, 2023 and 20 others", "2023-05-07 2023-05-08"),
    ("in July, 2022", "2022-07-01 2022-08-01"),
    ("in July of 2022", "2022-07-01 2022-08-01"),
    ("at Christmas in 2022", "2022-12-24 2022-12-27"),
    ("during the summer of 2022", "2022-06-01 2022-09-01"),
    ("in the summer '22", "2022-06-01 2022-09-01"),
    ("May 2023", "2023-05-01 2023-06-01"),
    ("december of 2022", "2022-12-01 2023-01-01"),
    ("May '23", "2023-05-01 2023-06-01"),
    ("2023-05", "2023-05-01 2023-06-01"),
    ("in 2022", "2022-01-01 2023-01-01"),
    ("since 2019", "2019-01-01 2020-01-01"),
    ("from 2019 to 2021", "2019-01-01 2022-01-01"),
    ("the 1990s", "1990-01-01 2000-01-01"),
    ("the '90s", "1990-01-01 2000-01-01"),
    ("summer of 2022", "2022-06-01 2022-09-01"),
    ("the winter of 2022", "2022-12-01 2023-03-01"),
    ("Christmas 2022", "2022-12-24 2022-12-27"),
    ("New Year’s Eve 2022", "2022-12-31 2023-01-01"),
    ("Thanksgiving 2023", "2023-11-23 2023-11-24"),
    ("29 February 2024", "2024-02-29 2024-03-01"),
]
AROUND = [
    ("the week before 9 June 2023", "2023-06-02 2023-06-09"),
    ("two weeks before 9 June 2023", "2023-05-23 2023-05-30"),
    ("a few days after 1 May 2023", "2023-05-03 2023-05-09"),
    ("the day after December 31, 2022", "2023-01-01 2023-01-02"),
    ("the month before May 2023", "2023-04-01 2023-05-01"),
    ("the year before 2022", "2021-01-01 2022-01-01"),
    ("the Friday before 15 July 2023", "2023-07-14 2023-07-15"),
    ("the Sunday before October 25, 2022", "2022-10-23 2022-10-24"),
    ("the weekend before 4th October 2023", "2023-09-30 2023-10-02"),
    ("the weekend of 6 May 2023", "2023-05-06 2023-05-08"),
    ("the week of 10 May 2023", "2023-05-08 2023-05-15"),
    ("the evening of 10 May 2023", "2023-05-10 2023-05-11"),
    ("early August, 2022", "2022-08-01 2022-08-11"),
    ("late May 2023", "2023-05-22 2023-06-01"),
    ("mid-2022", "2022-05-03 2022-09-01"),
    ("the first half of September 2022", "2022-09-01 2022-09-16"),
    ("the first week of May 2023", "2023-05-01 2023-05-08"),
    ("the second week of November 2022", "2022-11-08 2022-11-15"),
    ("the first weekend of August 2023", "2023-08-05 2023-08-07"),
    ("the last Friday of May 2023", "2023-05-26 2023-05-27"),
    ("the last day of 2022", "2022-12-31 2023-01-01"),
    ("the first month of 2022", "2022-01-01 2022-02-01"),
]
RELATIVE = [
    ("yesterday", "2023-06-13 2023-06-14"),
    ("last night", "2023-06-13 2023-06-14"),
    ("the day before yesterday", "2023-06-12 2023-06-13"),
    ("tonight", "2023-06-14 2023-06-15"),
    ("this morning", "2023-06-14 2023-06-15"),
    ("tomorrow", "2023-06-15 2023-06-16"),
    ("the other day", "2023-06-07 2023-06-14"),
    ("last Friday", "2023-06-09 2023-06-10"),
    ("last Wednesday", "2023-06-07 2023-06-08"),
    ("last Tues", "2023-06-13 2023-06-14"),
    ("last Fri", "2023-06-09 2023-06-10"),
    ("this Friday", "2023-06-16 2023-06-17"),
    ("next Wednesday", "2023-06-21 2023-06-22"),
    ("the Friday before last", "2023-06-02 2023-06-03"),
    ("two Fridays ago", "2023-06-02 2023-06-03"),
    ("last week", "2023-06-05 2023-06-12"),
    ("this week", "2023-06-12 2023-06-19"),
    ("next week", "2023-06-19 2023-06-26"),
    ("the last week", "2023-06-07 2023-06-15"),
    ("the past two weeks", "2023-05-31 2023-06-15"),
    ("the week before last", "2023-05-29 2023-06-05"),
    ("last weekend", "2023-06-10 2023-06-12"),
    ("this past weekend", "2023-06-10 2023-06-12"),
    ("this weekend", "2023-06-17 2023-06-19"),
    ("next weekend", "2023-06-17 2023-06-19"),
    ("two weekends ago", "2023-06-03 2023-06-05"),
    ("last month", "2023-05-01 2023-06-01"),
    ("next month", "2023-07-01 2023-08-01"),
    ("the end of last month", "2023-05-22 2023-06-01"),
    ("last year", "2022-01-01 2023-01-01"),
    ("last May", "2023-05-01 2023-06-01"),
    ("next March", "2024-03-01 2024-04-01"),
    ("last summer", "2022-06-01 2022-09-01"),
    ("this summer", "2023-06-01 2023-09-01"),
    ("last Christmas", "2022-12-24 2022-12-27"),
    ("two days ago", "2023-06-12 2023-06-13"),
    ("twenty-five days ago", "2023-05-20 2023-05-21"),
    ("3 or 4 days ago", "2023-06-10 2023-06-12"),
    ("a few days ago", "2023-06-07 2023-06-13"),
    ("two weeks back", "2023-05-28 2023-06-04"),
    ("a month ago", "2023-04-30 2023-05-31"),
    ("14 hours ago", "2023-06-13 2023-06-14"),
    ("two days before yesterday", "2023-06-11 2023-06-12"),
    ("three days from now", "2023-06-17 2023-06-18"),
]


def days(text, now=NOW, record=False):
    return [f"{found.start:%Y-%m-%d} {found.end:%Y-%m-%d}" for found in dated(text, now, record=record)]


@pytest.mark.parametrize(("text", "expected"), NAMED + AROUND)
def test_a_date_stands_by_itself(text, expected):
    assert days(text, None) == days(f"We met {text}.") == days(text.upper()) == [expected]


@pytest.mark.parametrize(("text", "expected"), RELATIVE)
def test_a_relative_time_is_resolved_against_now_and_only_then(text, expected):
    assert days(f"We met {text}, all of us") == days(text, record=True) == [expected]
    assert days(text, None) == []


@pytest.mark.parametrize(
    ("text", "asked", "told"),
    [
        ("in May", "2023-05-01 2023-06-01", "2023-05-01 2023-06-01"),
        ("in August", "2022-08-01 2022-09-01", "2023-08-01 2023-09-01"),
        ("on 15 August", "2022-08-15 2022-08-16", "2023-08-15 2023-08-16"),
        ("on May 23rd", "2023-05-23 2023-05-24", "2023-05-23 2023-05-24"),
        ("late August", "2022-08-22 2022-09-01", "2023-08-22 2023-09-01"),
        ("in the fall", "2022-09-01 2022-12-01", "2023-09-01 2023-12-01"),
        ("at Halloween", "2022-10-31 2022-11-01", "2023-10-31 2023-11-01"),
        ("on Friday", "2023-06-09 2023-06-10", "2023-06-16 2023-06-17"),
        ("over the weekend", "2023-06-10 2023-06-12", "2023-06-10 2023-06-12"),
        ("on the 20th", "2023-05-20 2023-05-21", "2023-06-20 2023-06-21"),
        ("on the 31st", "2023-05-31 2023-06-01", "2023-05-31 2023-06-01"),
        ("on 29 February", "2020-02-29 2020-03-01", "2024-02-29 2024-03-01"),
    ],
)
def test_without_a_year_a_question_means_the_last_and_a_record_the_nearest(text, asked, told):
    assert days(text) == [asked] and days(text, record=True) == [told]
    assert not dated(text, NOW)[0].exact


def test_on_a_sunday_last_week_is_the_one_that_ends():
    assert days("last week", NOW + timedelta(4)) == ["2023-06-12 2023-06-19"]


def test_two_years_ahead_are_a_duration_in_a_question():
    assert days("in two weeks", record=True) == ["2023-06-25 2023-07-02"]
    assert days("What did she build in two weeks?") == []


def test_an_ambiguous_date_has_both_readings():
    assert days("05/07/2023", None) == ["2023-05-07 2023-05-08", "2023-07-05 2023-07-06"]
    assert [found.exact for found in dated("05/07/2023 and 05/05/2023", None)] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("between August 11 and August 15, 2022", ["2022-08-11 2022-08-16"]),
        ("from November to February 2023", ["2022-11-01 2023-03-01"]),
        ("5 May - 9 May 2023", ["2023-05-05 2023-05-10"]),
        ("5 May and 9 May 2023", ["2023-05-05 2023-05-06", "2023-05-09 2023-05-10"]),
        ("from 29 February to 3 March 2023", ["2023-03-01 2023-03-04"]),
        ("from 9 May 2023 to 5 May 2023", ["2023-05-09 2023-05-10", "2023-05-05 2023-05-06"]),
    ],
)
def test_two_dates_that_bound_a_time_are_one_range(text, expected):
    assert days(text) == expected


def test_a_vague_time_is_not_exact():
    text = "yesterday, 7 May 2023, last week; a few days ago, late May 2023, the past year, two weeks ago"
    assert [found.exact for found in dated(text, NOW)] == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("We met on 7 May 2023, I think.", "7 May 2023"),
        ("İstanbul’da, İİ, in the week before 9 June 2023 it rained", "the week before 9 June 2023"),
        ("What did we do in May?", "May"),
        ("She left two days ago!", "two days ago"),
        ("between 3 May and 7 May 2023", "3 May and 7 May 2023"),
    ],
)
def test_a_range_knows_its_words(text, words):
    (found,) = dated(text, NOW)
    assert text[found.begin : found.stop] == words


def test_no_letter_but_one_changes_length_when_made_small():
    assert [chr(code) for code in range(sys.maxunicode + 1) if len(chr(code).lower()) > 1] == ["İ"]


def test_days_are_those_of_the_time_zone_of_now():
    (found,) = dated("yesterday", datetime(2023, 6, 14, 0, 30, tzinfo=timezone(timedelta(hours=2))))
    assert found.start == datetime(2023, 6, 12, 22, tzinfo=UTC) and found.start.tzinfo is UTC
    assert found.end - found.start == timedelta(1)


@pytest.mark.parametrize(
    "text",
    [
        *("31 February 2023", "February 30, 2023", "29 February 2023", "99 May 2023", "99/99/2023", "30/02/2023"),
        *("2023-13-01", "2023-00-10", "7 May 0000", "7 May 12345", "May 12345", "31 December 9999", "9999-12-31"),
        *("7-3 May 2023", "the fifth Monday of June 2022", "in 12345", "room 2077", "$2,022", "1.2.3", "24/7"),
        *("10.0.0.2023.1", "05/07/2023/4", "We may be late and march on", "May I?", "This may help", "Fall down"),
        *("every Friday", "Fridays", "Black Friday", "Have a great day", "what a week", "not a moment too soon"),
        *("many years ago", "three million years ago", "hundreds of years ago", "9999 years ago", "a long time ago"),
        *("the week before the wedding", "the Friday before the wedding", "the day after", "How many years ago?"),
        *("the ７ May", "yesteryear", "on the 4th floor", "on the 32nd", "todays", "", "   ", "\x00", "去年五月"),
    ],
)
def test_what_names_no_possible_date_gives_nothing(text):
    assert days(text) == days(text, record=True) == days(text, None) == []


@pytest.mark.parametrize("now", [datetime.min, datetime(1, 1, 9), datetime(9999, 12, 22), datetime.max])
@pytest.mark.parametrize("hours", [-14, 0, 14])
def test_at_both_ends_of_the_calendar_nothing_raises(now, hours):
    now = now.replace(tzinfo=timezone(timedelta(hours=hours)))
    for text, _ in NAMED + AROUND + RELATIVE + [("1 January 0001 to 31 December 9999", ""), ("in May", "")]:
        for found in dated(text, now) + dated(text, now, record=True):
            assert found.start < found.end


@pytest.mark.parametrize(
    "text",
    [
        *(text for text, _ in NAMED + AROUND + RELATIVE),
        *("at 3 pm", "at 15:30", "for two years", "for years", "every Sunday", "each morning", "half an hour"),
        *("since 2019", "a while ago", "it took ages", "at noon", "daily", "on Fridays"),
    ],
)
def test_a_text_with_a_time_mentions_one(text):
    assert mentions_time(f"I ran {text} or so")


@pytest.mark.parametrize(
    "text",
    ["", "I like tea", "May I come in?", "maybe", "version 1.2", "room 12", "They march and fall", "a second helping"],
)
def test_a_text_without_a_time_mentions_none(text):
    assert not mentions_time(text)


@pytest.mark.parametrize(
    "question",
    [
        *(
            "When did Bob move?",
            "WHEN is it",
            "When’s the party?",
            "When Ann has sold her car?",
            "and Ann moved when?",
            "Since when do they know it?",
        ),
        *("What date was it?", "In which month did it rain?", "What exact day was that?", "what time is the flight"),
        *("How long ago was it?", "How many years ago did she leave?", "Do you remember when I met Ann?"),
    ],
)
def test_a_question_for_a_time(question):
    assert asks_when(question)


@pytest.mark.parametrize(
    "question",
    [
        *(
            "What did Bob say when he left?",
            "When Bob left, what did he say?",
            "When Bob left what did he say?",
            "Does Ann know when to stop?",
        ),
        *("How long did it take?", "How many cats has Ann?", "Whenever?", "What daydream?", ""),
    ],
)
def test_a_question_for_something_else_than_a_time(question):
    assert not asks_when(question)


def test_questions_for_a_duration_and_for_a_number():
    for question in ("How long did it take?", "For how long has she run?", "How many more weeks passed between them?"):
        assert asks_how_long(question)
    for question in (
        "How long ago was it?",
        "How many years ago was it?",
        "How many cats has Ann?",
        "When was it?",
        "",
    ):
        assert not asks_how_long(question)
    for question in ("How many cats has Ann?", "How often does he run?", "What is the number of chairs?", "How much?"):
        assert asks_how_many(question)
    for question in ("How long did it take?", "When was it?", "Which number?", ""):
        assert not asks_how_many(question)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What did Sam do the week before the wedding?", ("the wedding", -7, 0)),
        ("In the week before the Wedding, what did Sam do?", ("the Wedding", -7, 0)),
        ("the week after the wedding what did he do", ("the wedding", 1, 8)),
        ("Who came two weeks before the move?", ("the move", -17, -10)),
        ("Where did we eat a few days after we came to Rome?", ("we came to Rome", 2, 8)),
        ("Whom did she call the day after she met Bob?", ("she met Bob", 1, 2)),
        ("What rang on the night before the exam?", ("the exam", -1, 0)),
        ("Who fell the Friday before the exam?", ("the exam", -7, 0)),
        ("Who won on the day of the race?", ("the race", 0, 1)),
        ("Where was Bob on the weekend of the festival?", ("the festival", -2, 3)),
    ],
)
def test_a_time_told_by_an_event_gives_the_event_and_the_days(question, expected):
    assert anchored(question) == expected and dated(question, NOW) == []


@pytest.mark.parametrize(
    "question",
    [
        *("What did Sam do the week before 9 June 2023?", "Who left the year before 2022?", "the day before yesterday"),
        *("the week before last", "What happened the week before?", "How many days before the exam did she start?"),
        *("What did he do before the wedding?", "Which day of the week was it?", "on the day of the week", ""),
        *("What did she do the day after that?", "the week before ???"),
    ],
)
def test_a_time_told_by_a_date_or_by_nothing_has_no_anchor(question):
    assert anchored(question) is None


@pytest.mark.parametrize(
    "piece",
    [
        *("9", "1/", "12-", "5 ", "2023-", "1.", "20", "last ", "the week before ", "a few ", "one or two ", "in the "),
        *(
            "yesterday ",
            "between 5 may and 6 may ",
            "may ",
            "may 5 ",
            "5-",
            "the first week of ",
            "new year's ",
            "mid-",
        ),
        *(
            " ",
            "\n",
            "twenty-",
            "'",
            "early in the ",
            "days of the ",
            "how many ",
            "a day of ",
            "when ",
            "the day of a ",
        ),
    ],
)
def test_a_hundred_thousand_hostile_characters_take_little_time(piece):
    text = piece * (100_000 // len(piece))
    began = perf_counter()
    dated(text, NOW)
    for function in (mentions_time, asks_when, asks_how_long, asks_how_many, anchored):
        function(text)
    assert perf_counter() - began < 10  # quadratic, it would be minutes; the slowest takes under one second
