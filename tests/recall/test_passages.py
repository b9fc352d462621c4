"""Long text in passages, text in sentences."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delible.recall.encoders import HashEncoder
from delible.recall.passages import LIMIT, passages, sentences


class Letters(HashEncoder):
    """An encoder whose pieces are words of at most five letters, and which reads 32 of them at once."""

    window = 32

    def pieces(self, text):
        found, start = [], None
        for i, letter in enumerate([*text, " "]):
            if start is not None and (letter.isspace() or i - start == 5):
                found.append((start, i))
                start = None
            if start is None and not letter.isspace():
                start = i
        return found


STORY = " ".join(f"On day {i} the boat of Mira left for the island with {i} bags of rice." for i in range(200))


def parts(text, encoder, **options):
    return [text[cut.start : cut.stop] for cut in passages(text, encoder, **options)]


def test_a_text_that_fits_is_one_passage_whole():
    assert passages("  One line. ", Letters()) == [(0, 12)] and passages("  One line. ", Letters()).rest == 0


def test_passages_overlap_end_at_sentences_and_miss_nothing():
    cuts = passages(STORY, HashEncoder(), limit=1000)
    assert len(cuts) > 10 and cuts.rest == 0
    assert cuts[0].start == 0 and cuts[-1].stop == len(STORY)
    for before, after in pairwise(cuts):
        assert before.start < after.start < before.stop < after.stop  # they overlap
        assert STORY[before.stop - 1] == "." and STORY[after.start : after.start + 3] == "On "
    assert max(len(part.split()) for part in parts(STORY, HashEncoder())) <= 200


def test_without_sentences_passages_are_cut_between_words():
    text = "ab cde f " * 200
    cuts = passages(text, Letters())
    assert len(cuts) > 5
    for before, after in pairwise(cuts):
        assert text[before.stop].isspace() and text[after.start - 1].isspace() and after.start < before.stop


@pytest.mark.parametrize("text", ["北京大学" * 100, "x" * 3000], ids=["no spaces", "one enormous word"])
@pytest.mark.parametrize("encoder", [Letters(), HashEncoder()], ids=["pieces", "approximate"])
def test_text_without_spaces_is_covered(text, encoder):
    cuts = passages(text, encoder)
    assert cuts[0].start == 0 and cuts[-1].stop == len(text) and len(cuts) > 1
    assert all(after.start <= before.stop for before, after in pairwise(cuts))


def test_beyond_the_limit_the_rest_is_told():
    cuts = passages(STORY, Letters(), limit=3)
    assert len(cuts) == 3 and cuts.rest == len(STORY) - cuts[-1].stop > 0


def test_ten_million_characters_take_no_more_than_the_limit():
    text = (STORY + "\n") * (10_000_000 // len(STORY))
    begun = time.process_time()
    cuts = passages(text, HashEncoder())
    assert len(cuts) == LIMIT and cuts.rest > 9_000_000
    assert time.process_time() - begun < 2  # measured .02 s: only what is needed is tokenised


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab .!?\n\u3002é北", max_size=600), st.integers(1, 6))
def test_whatever_the_text_passages_cover_it(text, limit):
    cuts = passages(text, Letters(), limit=limit)
    assert 1 <= len(cuts) <= limit and cuts[0].start == 0
    assert cuts[-1].stop + cuts.rest == len(text)
    for before, after in pairwise(cuts):
        assert before.start < after.start
        assert not text[before.stop : after.start].strip()  # nothing falls between two passages
    if len(Letters().pieces(text)) > 30:
        assert all(len(Letters().pieces(text[cut.start : cut.stop])) <= 30 for cut in cuts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n ", []),
        ("No end", ["No end"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith saw Mr. J. R. Doe. He left.", ["Dr. Smith saw Mr. J. R. Doe.", "He left."]),
        ("It costs 3.50 euros, e.g. here. Yes.", ["It costs 3.50 euros, e.g. here.", "Yes."]),
        ("See No. 5 on Jan. 3. I said no. Then we ate.", ["See No. 5 on Jan. 3.", "I said no.", "Then we ate."]),
        ('She said "Stop!" Then it was still.', ['She said "Stop!"', "Then it was still."]),
        ("Well... Maybe. So did I. Bob too.", ["Well...", "Maybe.", "So did I.", "Bob too."]),
        ("first line\nsecond line\r\n\r\nthird", ["first line", "second line", "third"]),
        ("今天很好。明天呢？「走吧！」好", ["今天很好。", "明天呢？", "「走吧！」", "好"]),
        ("वह आया। वह गया।", ["वह आया।", "वह गया।"]),
        ("write to a.b@example.org. Thanks", ["write to a.b@example.org.", "Thanks"]),
    ],
)
def test_sentences(text, expected):
    assert [text[a:b] for a, b in sentences(text)] == expected


@given(st.text(max_size=300))
def test_sentences_lose_nothing_but_white_space(text):
    spans = sentences(text)
    assert all(a < b for a, b in spans) and all(x[1] <= y[0] for x, y in pairwise(spans))
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())
