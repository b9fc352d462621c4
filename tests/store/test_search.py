"""The first stage of recall: candidates by words and by vectors, of one scope, each with both scores."""

from datetime import UTC

import numpy as np
import pytest

from delible.core.errors import EncoderMismatch
from delible.recall.question import question_terms
from delible.store import ledger, search, views
from delible.store.filters import compile_where
from delible.store.lives import close_life
from delible.store.search import Search
from delible.store.spaces import EVERYTHING, Scope
from delible.store.sqlite import SQLite
from delible.store.turns import DAY
from delible.store.views import Views
from delible.store.writing import Draft, Embedded, write

D = 32
ALICE = Scope("user/alice")


def vector(seed):
    x = np.random.default_rng(seed).standard_normal(D).astype(np.float32)
    return x / np.linalg.norm(x)


def terms_of(question):
    terms, grams = question_terms(question)
    return [(term,) for term in terms], grams


def between(one, other, share):
    x = one + share * other
    return x / np.linalg.norm(x)


class House:
    """A store in which each text comes with the vectors it is given."""

    def __init__(self, folder):
        self.store = SQLite(folder)
        self.views = Views()
        with self.store.writing() as c:
            c.execute(
                "INSERT INTO encoders(encoder, name, version, dimension, spec) VALUES (1, 'toy', '1', ?, 'toy')", (D,)
            )

    def put(self, text, *X, space="user/alice", passages=None, **fields):
        draft = Draft(text, space, **fields)
        if X:
            draft.embedded = [Embedded(1, passages or [(0, len(text))] * len(X), np.stack(X))]
        with self.store.writing() as c:
            return write(c, self.store.key, [draft], "test")[0].row

    def put_many(self, count, space="user/alice"):
        drafts = [
            Draft(f"note number{n} of many", space, embedded=[Embedded(1, [(0, 4)], vector(n)[None])])
            for n in range(count)
        ]
        with self.store.writing() as c:
            return [written.row for written in write(c, self.store.key, drafts, "test")]

    def look(self, question):
        with self.store.reading() as c:
            return search.look(c, self.views, Search(ALICE, 1, 0, *terms_of(question)))

    def find(self, question="", vector=None, scope=ALICE, before=None, where=None, **options):
        if where is not None:
            options["where"] = compile_where(where, UTC)
        request = Search(scope, 1, options.pop("now", 0), *terms_of(question), vector=vector, **options)
        with self.store.reading() as c:
            return search.search(c, self.views, request, before)

    def passage(self, found, at):
        with self.store.reading() as c:
            return search.passages(c, found.passage)[found.passage[at]]

    def last(self):
        with self.store.reading() as c:
            return views.last_event(c)


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "agent.mem")
    yield house
    house.store.close()


def test_an_empty_memory_says_so(house):
    found = house.find("anything", vector(1))
    assert len(found) == 0 and found.notes == ("nothing is remembered here yet",) and found.count == 0
    house.put("elsewhere", vector(1), space="user/bob")
    assert house.find("elsewhere", vector(1)).notes == ("nothing is remembered here yet",)


def test_a_record_has_its_words_and_its_exact_cosine(house):
    house.put("The cellar key lies under the green pot", vector(1))
    row = house.put("Tea is in the blue tin", between(vector(2), vector(3), 0.5))
    found = house.find("blue tin", vector(2))
    at = found.rows.tolist().index(row)
    assert found.bm25[at] > 0 and found.bm25[1 - at] == 0
    assert found.cosine[at] == pytest.approx(float(between(vector(2), vector(3), 0.5) @ vector(2)), abs=1e-3)
    assert house.passage(found, at) == (0, 22) and found.count == 2 and found.notes == ()


def test_the_best_passage_of_a_long_record_is_named(house):
    house.put("a" * 300, vector(1), vector(2), vector(3), passages=[(0, 120), (100, 220), (200, 300)])
    for seed, passage in ((1, (0, 120)), (2, (100, 220)), (3, (200, 300))):
        found = house.find("", vector(seed))
        assert house.passage(found, 0) == passage and found.cosine[0] == pytest.approx(1, abs=1e-3)


def test_the_best_of_many_passages_is_found_though_few_are_scored(house):
    X = [vector(100 + n) for n in range(40)]
    house.put("b" * 400, *X, passages=[(10 * n, 10 * n + 10) for n in range(40)])
    assert [house.passage(house.find("", X[n]), 0)[0] for n in range(40)] == [10 * n for n in range(40)]


def test_a_record_of_many_passages_does_not_crowd_out_the_others(house):
    house.put("c" * 500, *[between(vector(1), vector(n), 0.1) for n in range(2, 402)])
    other = house.put("short", between(vector(1), vector(900), 2.0))
    assert other in house.find("", vector(1), candidates=20).rows


def test_a_record_without_a_vector_is_found_by_words_with_cosine_zero(house):
    row = house.put("no vector here")
    found = house.find("vector", vector(1))
    assert found.rows.tolist() == [row] and found.cosine[0] == 0 and found.passage[0] == -1 and found.bm25[0] > 0


def test_a_question_without_a_vector_or_without_words_is_answered_by_the_other(house):
    row = house.put("The tea is in the blue tin", vector(1))
    assert house.find("tea").rows.tolist() == [row] and house.find("tea").cosine[0] == 0
    assert house.find("", vector(1)).rows.tolist() == [row] and house.find("", vector(1)).bm25[0] == 0
    assert len(house.find("zebra")) == 0 and house.find("zebra").count == 1


def test_a_question_of_another_dimension_is_an_error(house):
    house.put("tea", vector(1))
    with pytest.raises(EncoderMismatch):
        house.find("tea", np.ones(96, np.float32))


def test_nothing_of_another_space_enters_neither_row_nor_score_nor_count(house):
    mine = [house.put("tea in the tin", vector(1)), house.put("a walk", vector(2)), house.put("a song", vector(3))]
    before = house.find("tea tin", vector(1))
    for n in range(20):
        house.put(
            "tea tea tin and a lot more of it",
            between(vector(1), vector(50 + n), 0.01),
            space="user/alice/work",
            duplicates="keep",
        )
    after = house.find("tea tin", vector(1))
    assert after.rows.tolist() == mine and after.count == 3
    assert (after.bm25 == before.bm25).all() and (after.cosine == before.cosine).all()
    assert house.find("tea tin", vector(1), scope=Scope("user/alice", True)).count == 23
    assert house.find("tea tin", vector(1), scope=EVERYTHING).count == 23


def test_filters_come_before_the_limit(house):
    rows = house.put_many(60)
    wanted = house.put("the one note", -vector(5), kind="fact", meta={"city": "Bern"}, happened=5_000_000)
    for options in (
        {"where": {"kind": "fact"}},
        {"where": {"meta.city": "Bern"}},
        {"happened": (5_000_000, 5_000_000)},
        {"happened": (1, None)},
        {"happened": (None, 9_000_000)},
    ):
        found = house.find("note", vector(5), candidates=5, k=3, **options)
        assert found.rows.tolist() == [wanted] and found.count == len(rows) + 1, options
    assert len(house.find("note", vector(5), candidates=5, k=3)) <= 10


def test_a_filter_that_nothing_passes_says_so(house):
    house.put("tea", vector(1))
    found = house.find("tea", vector(1), where={"kind": "fact"})
    assert len(found) == 0 and found.notes == ("no record here passes the filter",) and found.count == 1


def test_a_filter_reaches_no_other_space(house):
    house.put("tea", vector(1), kind="fact", space="user/bob")
    mine = house.put("tea", vector(1), kind="fact")
    assert house.find("tea", vector(1), where={"kind": "fact"}).rows.tolist() == [mine]


def test_what_expired_is_neither_found_nor_counted(house):
    house.put("tea in the tin", vector(1), expires=100)
    row = house.put("tea in the pot", vector(2))
    assert house.find("tea", vector(1), now=99).count == 2
    found = house.find("tea", vector(1), now=100)
    assert found.rows.tolist() == [row] and found.count == 1


def test_as_of_searches_what_was_known_then(house):
    old = house.put("Alice lives in Bern", vector(1))
    then = house.last()
    with house.store.writing() as c:
        close_life(c, {old}, ledger.append(c, house.store.key, "test", "revise")[0])
    new = house.put("Alice lives in Rome", vector(1))
    assert house.find("where does Alice live", vector(1)).rows.tolist() == [new]
    assert house.find("where does Alice live", vector(1), as_of=then).rows.tolist() == [old]


def test_candidates_are_the_best_by_words_and_the_best_by_vectors(house):
    rows = house.put_many(400)
    question = between(vector(7), vector(1000), 0.3)
    found = house.find("number300 number301", question, candidates=50)
    assert 50 <= len(found) <= 52 and {rows[300], rows[301]} <= set(found.rows.tolist())
    best = np.argsort([-float(vector(n) @ question) for n in range(400)])[:3]
    assert {rows[n] for n in best} <= set(found.rows.tolist())


def test_what_happened_on_a_day_that_is_asked_for_is_a_candidate(house):
    rows = [house.put(f"note {n}", between(vector(1), vector(n + 9), 0.1)) for n in range(4)]
    that_day = house.put("We were in Rome.", between(vector(2), vector(1), -1), happened=3 * DAY + 5)
    asked = {"candidates": 2, "k": 1}
    assert that_day not in house.find("", vector(1), **asked).rows
    found = house.find("", vector(1), days=((3, 4),), **asked).rows
    assert that_day in found and len(found) == 3 and set(found) <= {*rows, that_day}
    assert that_day not in house.find("", vector(1), days=((4, 9),), **asked).rows


def test_a_day_that_is_asked_for_passes_no_filter(house):
    house.put("We were in Rome.", vector(1), happened=3 * DAY + 5, space="user/bob")
    house.put("Tea", vector(2), happened=3 * DAY + 5, kind="fact")
    house.put("Coffee", vector(3), happened=3 * DAY + 5)
    assert len(house.find("", vector(1), days=((3, 4),), where={"kind": "fact"})) == 1


def test_among_equal_scores_the_same_rows_are_chosen_each_time(house):
    with house.store.writing() as c:
        write(
            c, house.store.key, [Draft("the same words", "user/alice", duplicates="keep") for _ in range(300)], "test"
        )
    found = house.find("same words", candidates=20)
    assert found.rows.tolist() == list(range(1, 21))


def test_a_look_taken_before_gives_the_same_where_nothing_happened(house):
    house.put_many(300)
    alone = house.find("number7 number9", vector(7))
    before = house.look("number7 number9")
    again = house.find("number7 number9", vector(7), before=before)
    assert (
        (alone.rows == again.rows).all() and (alone.cosine == again.cosine).all() and (alone.bm25 == again.bm25).all()
    )
    assert again.bm25.max() == before.bm25.max()


def test_a_look_taken_before_is_taken_anew_where_something_happened(house):
    first = house.put("the blue tin", vector(1))
    before = house.look("blue tin")
    second = house.put("a blue tin too", vector(2))
    with house.store.writing() as c:
        close_life(c, {first}, ledger.append(c, house.store.key, "test", "revise")[0])
    assert house.find("blue tin", vector(1), before=before).rows.tolist() == [second]


def test_a_limited_and_a_wide_search_agree(house):
    house.put_many(150, space="user/bob")
    house.put_many(40)
    narrow = house.find("number7 number9", vector(7), where={"kind": "note"})
    with house.store.reading() as c:
        assert not house.views.view(c, ALICE, 1).wide and house.views.view(c, Scope("user", True), 1).wide
    assert {151 + 7, 151 + 9} <= set(narrow.rows.tolist()) and narrow.rows.min() > 150
    wide = house.find("number7 number9", vector(7), scope=EVERYTHING, where={"kind": "note"})
    assert {8, 10, 158, 160} <= set(wide.rows.tolist())


def test_questions_in_any_script_and_of_any_length_are_answered(house):
    row = house.put("我在北京的医院工作", vector(1))
    house.put("something else 😀", vector(2))
    assert house.find("北京").rows.tolist() == [row]
    assert len(house.find("😀")) == 0
    assert house.find("else " * 10_000, vector(2)).count == 2


def test_the_candidates_are_read_through_their_key(house):
    with house.store.reading() as c:
        plan = [line[3] for line in c.execute("EXPLAIN QUERY PLAN " + search._VALUES, (None,))]
    assert plan == ["SCAN c VIRTUAL TABLE INDEX 1:", "SEARCH v USING INTEGER PRIMARY KEY (rowid=?)"]
