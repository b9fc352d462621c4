"""Words: what is indexed, what a question's terms find, and a BM25 that counts over the view alone."""

import math

import apsw
import numpy as np
import pytest

from delible.recall.question import question_terms
from delible.store import schema, words
from delible.store.words import bm25, count_tokens, gram_text, index_row, stems, terms_of, tokenize, unindex_row


@pytest.fixture
def connection():
    connection = apsw.Connection(":memory:")
    schema.set_up(connection, 1)
    connection.execute(schema.DDL)
    yield connection
    connection.close()


class Shelf:
    """Texts in spaces, as the store indexes them."""

    def __init__(self, connection):
        words.open_vocabulary(connection)
        self.connection = connection
        self.lengths = {}

    def put(self, *texts, space=1):
        for text in texts:
            row = len(self.lengths) + 1
            self.lengths[row] = (count_tokens(self.connection, text), space)
            scope = f"x{space} u{space}"
            self.connection.execute(
                "INSERT INTO texts(row, text, scope, meta, notes) VALUES (?,?,?,'{}','[]')", (row, text, scope)
            )
            index_row(self.connection, row, text, scope)
        return row

    def corpus(self, space=1, wide=False, hidden=()):
        rows = np.array([row for row, (_, of) in self.lengths.items() if of == space], np.int64)
        lengths = np.array([self.lengths[row][0] for row in rows], np.int32)
        visible = ~np.isin(rows, hidden)
        return words.Corpus(
            rows, lengths, visible, int(visible.sum()), float(lengths[visible].mean()), f"x{space}", wide
        )

    def ask(self, question, space=1, **options):
        corpus = self.corpus(space, **options)
        terms, grams = question_terms(question)
        found = words.telling(corpus, words.postings(self.connection, corpus, [(term,) for term in terms], grams))
        scores = bm25(corpus, found)
        order = np.argsort(-scores, kind="stable")
        return {int(corpus.rows[at]): float(scores[at]) for at in order if scores[at]}


@pytest.fixture
def shelf(connection):
    return Shelf(connection)


def both(shelf, question, **options):
    """A search answers alike by the limited lookup and by the one over everything."""
    narrow, wide = shelf.ask(question, **options), shelf.ask(question, wide=True, **options)
    assert list(narrow) == list(wide) and np.allclose(list(narrow.values()), list(wide.values()))
    return narrow


def test_the_score_is_bm25_over_the_view(shelf):
    shelf.put("the cat sat on the mat", "a dog and a dog", "the dog saw the cat", "no animal here", "nor here")
    found = both(shelf, "dog")
    lengths = [6, 5, 5, 3, 2]
    rarity, mean = math.log(1 + (5 - 2 + 0.5) / (2 + 0.5)), sum(lengths) / 5

    def score(times, length):
        return rarity * times * 1.9 / (times + 0.9 * (1 - 0.15 + 0.15 * length / mean))

    assert found == pytest.approx({2: score(2, 5), 3: score(1, 5)}, rel=1e-6)


def test_an_inflected_word_is_found_by_its_stem(shelf):
    shelf.put("She was running in Bern", "He swims")
    assert list(both(shelf, "Who runs?")) == [1]


def test_a_rare_word_weighs_more_than_a_common_one(shelf):
    shelf.put(
        "alice likes tea", "alice likes rye", "alice moved", "bob likes tea", "carla sings", "dan reads", "eve walks"
    )
    assert next(iter(both(shelf, "alice rye"))) == 2


def test_another_space_moves_no_score(shelf):
    shelf.put("alice likes tea", "bob likes rye", "carla sings")
    before = both(shelf, "tea rye")
    shelf.put(*["tea tea tea and rye, and much more of it"] * 50, space=2)
    assert both(shelf, "tea rye") == before


def test_a_hidden_row_is_neither_found_nor_counted(shelf):
    shelf.put("alice likes tea", "bob likes tea", "carla sings", "dan reads")
    assert list(both(shelf, "tea", hidden=[2])) == [1]
    assert both(shelf, "tea", hidden=[2])[1] > both(shelf, "tea")[1]


def test_a_word_of_the_text_that_looks_like_a_scope_is_a_word(shelf):
    shelf.put("the x1 u1 fighter", "something else")
    assert list(both(shelf, "x1")) == [1]


@pytest.mark.parametrize(
    "question",
    [
        "NEAR(tea, rye)",
        "tea AND",
        '"tea',
        "text:tea",
        "-tea",
        "tea*",
        "^tea",
        "(tea",
        "tea OR NOT",
        "tea'; DROP TABLE texts;--",
        "{text}: tea",
        "a+tea",
    ],
)
def test_query_syntax_in_a_question_is_text(shelf, question):
    shelf.put("alice likes tea", "bob sings", "carla walks")
    assert 1 in both(shelf, question)


@pytest.mark.parametrize("question", ["", "   ", "?!", '"', "😀", "***", "\u200b"])
def test_a_question_without_words_finds_nothing(shelf, question):
    shelf.put("alice likes tea 😀")
    assert both(shelf, question) == {}


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("我在北京的医院工作，我是医者。", "北京"),
        ("我在北京的医院工作，我是医者。", "医者"),
        ("猫が好きです", "猫"),
        ("東京タワーへ行った", "タワー"),
        ("서울에서 만나요", "서울"),
        ("ฉันกินข้าวที่บ้าน", "กินข้าว"),
        ("ຂ້ອຍຢູ່ວຽງຈັນ", "ວຽງຈັນ"),
        ("ខ្ញុំរស់នៅភ្នំពេញ", "ភ្នំពេញ"),
        ("ကျွန်တော်ရန်ကုန်မှာနေတယ်", "ရန်ကုန်"),
        ("我在Google工作", "google"),
        ("我买了iPhone手机", "iphone"),
        ("我在Zürich工作", "Zürich"),
        ("मैं दिल्ली में रहता हूँ", "दिल्ली"),
        ("Ich wohne in Zürich", "zurich"),
        ("он живёт в Москве", "Москве"),
        ("\u05d0\u05e0\u05d9 \u05d2\u05e8 \u05d1\u05d7\u05d9\u05e4\u05d4", "\u05d1\u05d7\u05d9\u05e4\u05d4"),
        ("Don't forget the O'Brien file", "O'Brien"),
    ],
)
def test_words_of_any_script_are_found(shelf, text, question):
    shelf.put("something else entirely", text, "another thing")
    assert list(both(shelf, question)) == [2]


def test_hindi_is_not_cut_into_single_consonants(connection):
    assert stems(connection, "हिन्दी में") == ["हिन्दी", "में"]


def test_rows_of_scripts_with_spaces_take_no_place_among_the_grams(shelf):
    shelf.put("plain English", "हिन्दी में", "Zürich")
    assert shelf.connection.execute("SELECT count(*) FROM grams_docsize").get == 0
    assert gram_text("plain") == "" == gram_text("हिन्दी")


def test_grams_are_characters_and_pairs_and_what_has_grown_onto_them():
    assert gram_text("医者") == "医 者 医者"
    assert gram_text("在Google工作 5月") == "在 工 作 工作 月 Google 5"


def test_a_long_word_before_a_character_costs_no_more_than_its_length():
    assert gram_text("a" * 200_000 + " 北") == "北"
    assert gram_text("a" * 200_000 + "北").startswith("北 aaa")


def test_of_many_records_a_word_that_stands_in_most_is_left_out_while_others_remain(shelf, monkeypatch):
    shelf.put(*(f"note number{n}" for n in range(9)), "note about tea")
    assert len(both(shelf, "note tea")) == 10
    monkeypatch.setattr(words, "MANY", 10)
    assert list(both(shelf, "note tea")) == [10]
    assert len(both(shelf, "note")) == 10


def test_sixty_four_distinct_terms_are_looked_up_and_no_more(shelf):
    shelf.put("word63 stands here", "word64 stands here", "nothing")
    assert list(both(shelf, " ".join(f"word{n}" for n in range(10_000)))) == [1]
    assert list(both(shelf, "word63 " * 10_000)) == [1]


def test_one_row_alone_is_found(shelf):
    shelf.put("the only one")
    assert both(shelf, "only")[1] > 0


def test_an_erased_row_leaves_none_of_its_terms(shelf):
    text = "Margaux lives in 北京 with iPhone手机"
    shelf.put("something else", text)
    unindex_row(shelf.connection, 2, text, "x1 u1")
    shelf.connection.execute("DELETE FROM texts WHERE row = 2")
    for table in ("words", "grams"):
        shelf.connection.execute(f"CREATE VIRTUAL TABLE temp.v_{table} USING fts5vocab('main', '{table}', 'row')")
    left = {term for table in ("words", "grams") for (term,) in shelf.connection.execute(f"SELECT term FROM v_{table}")}
    assert left == {"someth", "els", "x1", "u1"}
    shelf.connection.execute("INSERT INTO words(words) VALUES ('integrity-check')")


def test_the_length_counts_words_and_in_unspaced_scripts_characters(connection):
    assert count_tokens(connection, "") == 0 == count_tokens(connection, "😀 ?!")
    assert count_tokens(connection, "The cat's mat") == 4
    assert count_tokens(connection, "北京医者 ok") == 5


def test_terms_are_the_stems_of_the_vocabulary(shelf):
    shelf.put("Running dogs RUN to Zürich")
    shelf.connection.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab('main', 'words', 'col')")
    listed = {term for (term,) in shelf.connection.execute("SELECT term FROM v WHERE col = 'text'")}
    assert terms_of(shelf.connection, "Running dogs RUN to Zürich") == listed == {"run", "dog", "to", "zurich"}


def test_tokenize_needs_no_store_and_gives_pairs_too():
    assert tokenize("Dogs in 北京医者, 猫") == ["dog", "in", "北京医者", "猫", "北京", "京医", "医者", "猫"]


def test_a_lookup_asks_the_index_for_one_term(connection):
    words.open_vocabulary(connection)
    by_term = 0x100  # the bit of fts5vocab's plan that says: term = ?
    for table in ("words", "grams"):
        (listed,) = [line[3] for line in connection.execute("EXPLAIN QUERY PLAN " + words._LOOKUP[table], ("tea",))]
        assert int(listed.split("INDEX ")[1].split(":")[0]) & by_term
        (matched,) = [
            line[3] for line in connection.execute("EXPLAIN QUERY PLAN " + words._MATCH[table], ("text:tea",))
        ]
        assert matched.startswith(f"SCAN {table} VIRTUAL TABLE INDEX 0:M")
