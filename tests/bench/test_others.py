"""Rankings beside ours: FTS5, sentence vectors, and what a peer's worker gives, here a system of twenty lines."""

import sys

import numpy as np
import pytest

import delible
from delible.bench import evidence, others
from delible.bench.conversations import Asked, Talk
from delible.bench.measured import WORKER

SHELF = """
import numpy as np

class System:
    def open(self, folder, corpus, encoder="given"):
        self.vector, self.kept = corpus.vector, {}
        return {"shelf": "1.0"}

    def write(self, space, texts):
        ids = [f"{space}/{len(self.kept) + i}" for i in range(len(texts))]
        self.kept |= dict(zip(ids, texts))
        return ids

    def ranked(self, space, question, k):
        wanted = self.vector(question)
        return sorted(self.kept, key=lambda id: -float(self.vector(self.kept[id]) @ wanted))[:k]

    def close(self):
        pass
"""
TURNS = ("I lost my umbrella.", "Where?", "On the ferry to Porto.", "Yes!", "Olga paints the kitchen green.", "Yes!")


def talk(name, *asked):
    turns = tuple(
        {"text": text, "author": ("Ana", "Bo")[i % 2], "reference": f"{name}{i}", "meta": {"session": 1}}
        for i, text in enumerate(TURNS)
    )
    questions = tuple(Asked(one, "-", (f"{name}{at}",), "single-hop", answerable=True) for one, at in asked)
    return Talk(name, ("Ana", "Bo"), turns, questions)


@pytest.fixture
def asked(tmp_path):
    talks = [
        talk("a", (" Who lost an umbrella?", 0), ("Who paints the kitchen?", 4)),
        talk("b", ("Was it on the ferry to Porto?", 2)),
    ]
    with delible.open(tmp_path / "talks.mem", encoder="hash") as memory:
        found = evidence.trials(memory, talks)
        yield found, others.vectors_of(memory, found)


@pytest.fixture
def shelf(tmp_path):
    (tmp_path / "shelf.py").write_text(SHELF, "utf-8")
    return [sys.executable, str(WORKER), str(tmp_path / "shelf.py")]


def test_words_of_fts5_rank_the_only_turn_that_has_them_first(asked):
    rank = others.fts5(asked[0])
    assert [rank(trial)[0] for trial in asked[0]] == ["a0", "a4", "b2"]


def test_sentence_vectors_rank_every_turn_once(asked):
    found, vectors = asked
    ranked = others.sentence_vectors(found, vectors)(found[2])
    assert sorted(ranked) == sorted(found[2].talk.order) and ranked[0] == "b2"


def test_vectors_are_unit_rows_one_a_turn_in_the_order_of_the_talk(asked):
    found, vectors = asked
    rows, turns = vectors.turns["talk/1"]
    assert [found[2].reference[row] for row in rows] == list(found[2].talk.order)
    assert np.linalg.norm(turns, axis=1) == pytest.approx(1) and vectors.questions.shape[0] == 3


def test_a_peer_ranks_the_turns_of_each_talk_alone_by_these_very_vectors(asked, shelf, capsys):
    found, vectors = asked
    rank, cosine = others.mem0(found, vectors, shelf), others.sentence_vectors(found, vectors)
    assert [rank(trial)[0] for trial in found] == ["a0", "a4", "b2"]
    for trial in found:
        assert sorted(rank(trial)) == sorted(trial.talk.order) and rank(trial)[:2] == cosine(trial)[:2]
    assert "mem0: 2 of 2 talks asked" in capsys.readouterr().err


def test_a_peer_that_fails_says_so_in_one_line(asked, tmp_path):
    (tmp_path / "broken.py").write_text("class System:\n    pass\n", "utf-8")
    with pytest.raises(others.PeerFailed, match="no figure was recorded"):
        others.mem0(*asked, [sys.executable, str(WORKER), str(tmp_path / "broken.py")])


def test_a_peer_that_cannot_be_installed_stops_the_run_before_it_begins(monkeypatch):
    def refuse(system, folder):
        raise others.NotInstalled("no room")

    monkeypatch.setattr(others, "python_of", refuse)
    with pytest.raises(others.PeerFailed, match=r"\(no room\); run without --peers. Nothing was measured"):
        others.mem0_command()


def test_a_run_with_a_peer_has_its_row(asked, shelf):
    found, vectors = asked
    assert [*evidence.beside(found, vectors, None)] == ["BM25, tuned", "BM25, FTS5's own", "sentence vectors"]
    assert [*evidence.beside(found, vectors, shelf)][-1] == "mem0"
