"""Evidence: a verbatim piece of the record, the sentence with most of what was asked."""

import time

import pytest

from delible.recall.evidence import LONGEST, SHORT, evidence
from delible.recall.question import question_terms, stems_of

FILLER = "The weather stayed grey for most of that week and nobody minded much. "
LETTER = (
    FILLER
    + "Margaux moved to Lyon in March. "
    + FILLER
    + "Her brother Paul keeps bees behind the old mill. "
    + FILLER * 3
)


def asked(text, question, passage=None):
    span = evidence(text, passage, stems_of(question_terms(question)))
    assert text[span.start : span.end] == span.text
    return span


def test_a_short_record_is_its_own_evidence():
    span = asked("Tea. Rye. The blue tin.", "rye")
    assert (span.start, span.end) == (0, 23)
    assert asked("", "rye").text == "" and asked("x", "").text == "x"


def test_the_sentence_that_names_what_was_asked_is_found():
    assert asked(LETTER, "Where did Margaux move?").text == "Margaux moved to Lyon in March."
    assert asked(LETTER, "Who keeps bees?").text == "Her brother Paul keeps bees behind the old mill."


def test_inflected_words_count():
    assert asked(LETTER, "keeping a bee").text.startswith("Her brother")


def test_a_rare_word_weighs_more_than_a_common_one():
    assert asked(LETTER, "weather week in Lyon").text == "Margaux moved to Lyon in March."


def test_the_best_passage_limits_where_it_is_looked_for():
    begin = LETTER.index("Her brother")
    assert asked(LETTER, "Margaux Paul", (begin, len(LETTER))).text.startswith("Her brother")


def test_words_outside_the_best_passage_are_found_where_it_has_none():
    text = FILLER * 30 + "The safe opens with 4711. " + FILLER * 5
    assert asked(text, "How does the safe open?", (0, 300)).text == "The safe opens with 4711."


def test_without_any_word_in_common_it_is_the_passages_first_sentence():
    begin = LETTER.index("Her brother")
    assert asked(LETTER, "zebra", (begin, len(LETTER))).text.startswith("Her brother")
    assert asked(LETTER, "").text == FILLER.strip()
    assert asked(LETTER, "?").text == FILLER.strip()


def test_of_equal_sentences_the_first_is_taken():
    span = asked("Tea is good here. " * 20, "tea")
    assert (span.start, span.end) == (0, 17)


def test_a_sentence_without_end_is_given_in_a_piece():
    text = "value " * 500 + "needle " + "value " * 500
    span = asked(text, "needle")
    assert "needle" in span.text and len(span.text) <= SHORT
    assert len(asked("x" * 5000, "needle").text) <= LONGEST


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("今天天气很好。" * 40 + "我在北京的医院工作。" + "今天天气很好。" * 40, "北京", "我在北京的医院工作。"),
        ("मौसम अच्छा है। " * 20 + "राम दिल्ली में रहता है। " + "मौसम अच्छा है। " * 20, "दिल्ली", "दिल्ली"),
        ("Fine. " * 50 + "The 😀 cat's name is Zoë. " + "Fine. " * 50, "Zoe", "The 😀 cat's name is Zoë."),
    ],
)
def test_other_scripts(text, question, expected):
    assert expected in asked(text, question, (0, len(text))).text


def test_a_record_of_ten_million_characters_takes_no_second():
    text = FILLER * 140_000 + "The safe opens with 4711. " + FILLER
    start = time.process_time()
    assert asked(text, "safe", (0, 800)).text == "The safe opens with 4711."
    assert time.process_time() - start < 3
