"""Sign bits: one bit a dimension after a fixed rotation; what they keep is the order of near vectors."""

import numpy as np
import pytest

from delible.store.bits import as_words, distances, nearest, rotation, sign_bits, width

FIRST = [0.0389912, -0.0561086, -0.0365205]
LAST = [0.0506117, -0.0389935, 0.0096432]


def unit(n, dimension, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize("dimension", [1, 3, 64, 100, 384])
def test_the_rotation_keeps_lengths_and_angles(dimension):
    R = rotation(dimension)
    assert R.dtype == np.float32 and R.shape == (dimension, dimension)
    assert np.abs(R @ R.T - np.eye(dimension)).max() < 1e-5


def test_the_rotation_is_the_same_for_ever():
    """These figures are part of the format: bits on disk were made with them."""
    R = rotation(384)
    assert np.allclose(R[0, :3], FIRST, atol=1e-6) and np.allclose(R[-1, -3:], LAST, atol=1e-6)
    assert rotation(384) is R and not R.flags.writeable


@pytest.mark.parametrize(("dimension", "stored"), [(1, 8), (64, 8), (65, 16), (100, 16), (384, 48)])
def test_bits_fill_whole_words_and_the_rest_is_zero(dimension, stored):
    bits = sign_bits(unit(5, dimension))
    assert width(dimension) == stored and bits.shape == (5, stored) and bits.dtype == np.uint8
    unpacked = np.unpackbits(bits, axis=1, bitorder="little")
    assert not unpacked[:, dimension:].any()
    assert (unpacked[:, :dimension] == (unit(5, dimension) @ rotation(dimension) > 0)).all()


def test_no_vectors_have_no_bits():
    assert sign_bits(np.empty((0, 384), np.float32)).shape == (0, 48)


def test_a_vector_has_the_same_bits_alone_and_among_many():
    X = unit(9000, 96)
    together = sign_bits(X)
    assert all((sign_bits(X[at : at + 1]) == together[at]).all() for at in (0, 4095, 4096, 8999))


def test_opposite_vectors_differ_in_every_bit():
    X = unit(1, 384)
    both = as_words(sign_bits(np.concatenate([X, -X])).tobytes()).reshape(2, -1)
    assert distances(np.ascontiguousarray(both.T), both[0]).tolist() == [0, 384]


def test_the_nearest_come_in_order_with_all_that_tie_at_the_edge():
    found = np.array([5, 1, 3, 1, 3, 9], np.uint16)
    assert nearest(found, 3, 64).tolist() == [1, 3, 2, 4]
    assert nearest(found, 99, 64).tolist() == [1, 3, 2, 4, 0, 5]
    assert nearest(found[:0], 3, 64).tolist() == []


def test_two_hundred_candidates_by_bits_hold_the_ten_nearest():
    centres = unit(40, 384, seed=1)
    X = centres[np.arange(4000) % 40] + 0.05 * np.random.default_rng(2).standard_normal((4000, 384)).astype(np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    columns = np.ascontiguousarray(as_words(sign_bits(X).tobytes()).reshape(4000, -1).T)
    kept = []
    for question in X[:50] + 0.02 * unit(50, 384, seed=3):
        best = np.argsort(-(X @ question))[:10]
        kept.append(np.isin(best, nearest(distances(columns, as_words(sign_bits(question[None])[0])), 200, 384)).mean())
    assert np.mean(kept) > 0.98
