"""The words of a question that are looked up."""

import pytest

from delible.recall.question import Terms, question_terms, stems_of


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Where does Bob's dog sleep?", ("Bob", "dog", "sleep")),
        ("What did I say about the cellar key?", ("say", "cellar", "key")),
        ("Why don't they like O'Brien’s tea?", ("like", "O", "Brien", "tea")),
        ("tea Tea TEA rye tea", ("tea", "rye")),
        ("Zürich or हिन्दी में", ("Zürich", "हिन्दी", "में")),
        ("NEAR(a b) AND text:x*", ("NEAR", "b", "text", "x")),
        ("e-mail foo_bar 3.14", ("e", "mail", "foo", "bar", "3", "14")),
        ("", ()),
        ("?! 😀 \u200b", ()),
    ],
)
def test_words_are_kept_in_order_once_and_without_stop_words(question, words):
    assert question_terms(question) == Terms(words, ())


def test_a_question_of_stop_words_alone_keeps_them():
    assert question_terms("Who was he?").words == ("Who", "was", "he")
    assert question_terms("To be or not to be").words == ("To", "be", "or", "not")


@pytest.mark.parametrize(
    ("question", "words", "grams"),
    [
        ("北京在哪里", (), ("北京", "京在", "在哪", "哪里", "北", "京", "在", "哪", "里")),
        ("猫", (), ("猫",)),
        ("who is 李明 in Google工作组?", ("Google",), ("李明", "李", "明", "工作", "作组", "工", "作", "组")),
        ("กิน", (), ("กิ", "ิน")),
    ],
)
def test_a_script_without_spaces_gives_pairs_and_han_characters_alone_too(question, words, grams):
    assert question_terms(question) == Terms(words, grams)


def test_a_question_of_ten_thousand_words_is_cut():
    assert len(question_terms(" ".join(f"word{n}" for n in range(10_000))).words) == 10_000


def test_the_stems_are_those_that_evidence_is_cut_into():
    assert stems_of(question_terms("Who was running to 北京?")) == {"run", "北京", "北", "京"}
