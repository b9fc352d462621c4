"""Hits of terms that are kept between recalls: the same as read afresh, whatever was written and erased between."""

import numpy as np

from delible.store import postings
from delible.store.postings import Postings, State


def hits(*rows):
    return np.array(rows, np.int64), np.ones(len(rows), np.int64)


class Index:
    """What a store would answer, and how often it was asked."""

    def __init__(self, *rows):
        self.rows = list(rows)
        self.asked = []

    def whole(self):
        self.asked.append("whole")
        return hits(*self.rows)

    def since(self, row):
        self.asked.append(row)
        return hits(*(r for r in self.rows if r > row))

    def ask(self, kept, state, key=("words", "tea")):
        return kept.hits(key, state, self.whole, self.since)[0].tolist()


def test_a_term_is_read_once_and_then_only_for_what_is_new():
    kept, index = Postings(), Index(2, 5)
    assert index.ask(kept, State(5, 0)) == index.ask(kept, State(5, 0)) == [2, 5]
    index.rows.append(9)
    assert index.ask(kept, State(9, 0)) == [2, 5, 9] and index.asked == ["whole", 5]
    assert index.ask(kept, State(12, 0)) == [2, 5, 9] and index.asked == ["whole", 5, 9]


def test_an_older_reader_does_not_take_back_what_a_newer_one_has_read():
    kept, index = Postings(), Index(2, 5, 9)
    assert index.ask(kept, State(9, 0)) == index.ask(kept, State(5, 0)) == [2, 5, 9]
    assert index.ask(kept, State(9, 0)) == [2, 5, 9] and index.asked == ["whole"]


def test_after_many_new_rows_a_term_is_read_anew():
    kept, index = Postings(), Index(2)
    index.ask(kept, State(2, 0))
    index.ask(kept, State(3 + postings.MOST_NEW, 0))
    assert index.asked == ["whole", "whole"]


def test_the_least_recently_used_go_first():
    kept, index = Postings(limit_bytes=100), Index(1, 2, 3)  # 48 bytes a term
    for term in ("a", "b", "a", "c"):
        index.ask(kept, State(3, 0), ("words", term))
    assert len(kept) == 2
    index.ask(kept, State(3, 0), ("words", "a"))
    assert index.asked == ["whole"] * 3
    index.ask(kept, State(3, 0), ("words", "b"))
    assert index.asked == ["whole"] * 4


def test_a_small_scope_has_a_term_read_for_all_only_when_it_is_asked_for_often():
    kept, index = Postings(), Index(1)
    asked = [kept.pays(("words", "tea"), wide=False) for _ in range(postings.PATIENCE + 1)]
    assert asked == [False] * postings.PATIENCE + [True]
    index.ask(kept, State(1, 0))
    assert kept.pays(("words", "tea"), wide=False) and kept.pays(("words", "rum"), wide=True)


def test_counted_terms_are_bounded(monkeypatch):
    monkeypatch.setattr(postings, "MOST_ASKED", 3)
    kept = Postings()
    for term in "abcdefg":
        kept.pays(("words", term), wide=False)
    assert len(kept._asked) == 3
