"""Words that a process looked up before: it answers as a fresh one does and keeps nothing of what was forgotten."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from delible.recall.encoders.hashing import HashEncoder


def test_nothing_of_a_forgotten_text_stays(memory):
    heron, *_ = memory.write(["the heron stood by the river", "a river of ink", "no bird here"])
    memory.recall("heron river")
    kept = memory._views.postings
    assert ("words", "heron") in kept._entries
    memory.forget(heron.id, reason="asked")
    found = memory.recall("river")
    assert [hit.record.text for hit in found if hit.parts["bm25"]] == ["a river of ink"]
    assert not any("heron" in term for _, term in kept._entries) and not kept._asked


@pytest.mark.parametrize("space", ["a", "**"])
def test_kept_hits_answer_as_a_fresh_process_does(memory, opened, space):
    rng = np.random.default_rng(0)
    words = ["tea", "rum", "oat", "fig", "rye", "yam"]
    for turn in range(12):
        texts = [" ".join(rng.choice(words, 4)) + f" {turn}-{at}" for at in range(5)]
        memory.write(texts[:3], space="a")
        memory.write(texts[3:], space="b")
        if turn % 4 == 3:
            memory.forget(memory.list(space="a", limit=1)[0].id, reason="asked")
        for question in ("tea", "rum fig", "oat yam rye"):
            here, there = memory.recall(question, k=30, space=space), opened().recall(question, k=30, space=space)
            assert [(hit.record.id, hit.parts) for hit in here] == [(hit.record.id, hit.parts) for hit in there]


def test_threads_share_it(memory):
    memory.write([f"tea number {n}" for n in range(50)])

    def fewest():
        return min(len(memory.recall("tea", k=100)) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(fewest) for _ in range(4)]
        for n in range(20):
            memory.write(f"more tea {n}")
        assert all(each.result() >= 50 for each in asking)  # a thread that failed fails the test


def test_what_goes_while_the_question_is_encoded_is_not_found(opened):
    class Meddling(HashEncoder):
        def late(self, items, role="passage"):
            if role == "query":
                other.forget(gone.id, reason="asked")
                other.write("a heron that came late")
            return super().late(items, role)

    other = opened()
    gone, _ = other.write(["the heron stood by the river", "a heron of paper"])
    found = [hit.record.text for hit in opened(encoder=Meddling()).recall("heron")]
    assert sorted(found) == ["a heron of paper", "a heron that came late"]
