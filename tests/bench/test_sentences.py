"""What benches store: the same for the same seed, never twice the same, with questions near their texts."""

import numpy as np

from delible.bench.sentences import given_vectors, sentence, sentences


def test_the_same_number_gives_the_same_text_and_no_text_comes_twice():
    texts = [item.text for item in sentences(0, 3000)]
    assert texts[42] == sentence(42).text != sentence(42, seed=1).text
    assert len(set(texts)) == 3000
    assert 22 <= np.mean([len(text.split()) for text in texts]) <= 32


def test_words_fall_off_as_in_real_talk():
    words = " ".join(item.text for item in sentences(0, 2000)).split()
    assert words.count("meeting") > 5 * words.count("tapestry") > 0


def test_a_question_lies_nearest_to_its_own_text():
    texts, questions = given_vectors(0, 1500)
    assert texts.shape == questions.shape == (1500, 384) and texts.dtype == np.float32
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert ((questions @ texts.T).argmax(axis=1) == np.arange(1500)).mean() > 0.99


def test_a_range_is_a_part_of_the_whole():
    whole, part = given_vectors(0, 2100)[0], given_vectors(990, 2010)[0]
    assert np.array_equal(whole[990:2010], part)
