"""The protocol that every measured system speaks, with a system of thirty lines in place of an installed one."""

import json
import sys

import numpy as np
import pytest

from delible.bench import environments
from delible.bench.environments import NotInstalled, python_of, variables
from delible.bench.measured import WORKER, Failed, Measured, Stopped
from delible.bench.sentences import given_vectors, sentences

SYSTEM = """
import json, socket, time

class System:
    def open(self, folder, corpus, encoder="given"):
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.vector, self.kept = folder / "all.json", corpus.vector, {}
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=0.1)
        except OSError:
            pass
        return {"shelf": "1.0"}

    def write(self, space, texts):
        print("a library that prints")
        ids = [f"{space}/{len(self.kept) + i}" for i in range(len(texts))]
        self.kept |= {id: (space, text) for id, text in zip(ids, texts)}
        return ids

    def recall(self, space, question, k):
        if k == 99:
            time.sleep(60)
        wanted = self.vector(question)
        texts = [text for where, text in self.kept.values() if where == space]
        return sorted(texts, key=lambda text: -float(self.vector(text) @ wanted))[:k]

    def forget(self, ids):
        return all(self.kept.pop(id) for id in ids)

    def close(self):
        self.file.write_text(json.dumps(self.kept))
"""


@pytest.fixture
def place(tmp_path):
    """A corpus of 60 texts and a system to measure."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    lines = [json.dumps(tuple(item)) for item in sentences(0, 60)]
    (corpus / "texts.jsonl").write_text("\n".join(lines), "utf-8")
    for name, vectors in zip(("texts", "questions"), given_vectors(0, 60), strict=True):
        np.save(corpus / f"{name}.npy", vectors)
    (tmp_path / "shelf.py").write_text(SYSTEM, "utf-8")
    return tmp_path


def measured(place, system=None, **options):
    return Measured([sys.executable, str(WORKER), system or str(place / "shelf.py")], log=place / "log", **options)


def opened(place, worker):
    return worker.ask("open", folder=str(place / "shelf"), corpus=str(place / "corpus"), encoder="given")


def test_a_system_is_filled_asked_and_emptied_and_each_call_is_timed(place):
    done = []
    with measured(place, progress=done.append) as worker:
        assert opened(place, worker)["versions"] == {"shelf": "1.0"}
        assert worker.ask("fill", start=0, stop=50, spaces=5)["seconds"] > 0
        asked = worker.ask("recall", rows=[1, 2, 3, 44], spaces=5, k=2)
        assert len(asked["seconds"]) == 4 and asked["found"] == 1.0
        wrote = worker.ask("write", rows=[50, 51], spaces=5, paired=str(place / "bare.db"))
        assert len(wrote["seconds"]) == len(wrote["bare"]) == 2 and min(wrote["bare"]) > 0
        assert worker.ask("forget", rows=[1, 2])["confirmed"] == 2
        assert worker.ask("recall", rows=[1], spaces=5)["found"] == 0.0
        assert len(worker.ask("forget", rows=[3, 50], together=True)["seconds"]) == 1
        assert 1 < worker.ask("memory")["rss_mb"] <= worker.ask("memory")["peak_mb"] + 1
        assert worker.ask("close") == {"refused_connections": 1}
    assert done == [10, 20, 30, 40, 50]
    assert len(json.loads((place / "shelf" / "all.json").read_text("utf-8"))) == 48


def test_an_error_is_told_and_the_next_question_is_answered(place):
    with measured(place) as worker:
        opened(place, worker)
        with pytest.raises(Failed, match="KeyError"):
            worker.ask("forget", rows=[7])
        assert worker.ask("fill", start=0, stop=3)["seconds"] >= 0


def test_one_that_is_too_slow_is_stopped_and_says_in_what(place):
    with measured(place, seconds=5) as worker:
        opened(place, worker)
        worker.ask("fill", start=0, stop=3)
        with pytest.raises(Stopped, match="stopped after 5 s in recall"):
            worker.ask("recall", rows=[0], k=99)


@pytest.mark.parametrize("system", ["mem0", "langgraph", "chroma"])
def test_a_system_that_is_not_installed_fails_by_its_own_name(place, system):
    with pytest.raises(Failed), measured(place, system) as worker:
        opened(place, worker)
    # Not a file of ours under the name of the package: that would be imported and then lack something.
    assert "No module named" in (place / "log").read_text("utf-8")


def test_ours_speaks_the_protocol_too(place):
    with measured(place, "ours", variables={"PYTHONPATH": str(WORKER.parents[3])}) as worker:
        assert "delible" in opened(place, worker)["versions"]
        worker.ask("fill", start=0, stop=40, spaces=2)
        assert worker.ask("recall", rows=[4, 5, 6], spaces=2, k=8)["found"] == 1.0
        assert worker.ask("forget", rows=[4])["confirmed"] == 1
        worker.ask("close")
    assert json.loads((place / "shelf.ids.json").read_text("utf-8")).keys() == {str(i) for i in range(40)} - {"4"}


def test_peers_see_nothing_of_the_user_and_send_nothing_home(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    given = variables(tmp_path / "home")
    assert given["MEM0_TELEMETRY"] == given["ANONYMIZED_TELEMETRY"] == "False" and given["DO_NOT_TRACK"] == "1"
    assert "secret" not in given.values() and given["HOME"] == str(tmp_path / "home")


@pytest.mark.slow
def test_an_environment_that_cannot_be_made_says_why_and_does_not_count_as_made(tmp_path, monkeypatch):
    monkeypatch.setitem(environments.PINS, "mem0", ("this is no requirement",))
    with pytest.raises(NotInstalled, match="requirement"):
        python_of("mem0", tmp_path)
    assert not list(tmp_path.rglob("installed"))
