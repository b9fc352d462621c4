"""Needles: what is looked for, what is not, and what their stored form gives away."""

import os

import numpy as np
import pytest

from delible.core.errors import CorruptStore
from delible.store.needles import Mixer, Needles, text_forms, vector_forms, windows

KEY = bytes(range(32))
SECRET = "Maria keeps the spare key under the third flower pot."


def test_a_text_becomes_all_its_pieces_of_16_bytes():
    pieces = list(windows(SECRET.encode()))
    assert len(pieces) == len(SECRET) - 15
    assert pieces[0] == b"Maria keeps the " and pieces[-1] == b"hird flower pot."


def test_a_short_field_is_one_piece_and_a_very_short_one_none():
    assert list(windows(b"Madrid")) == [b"Madrid"]
    assert list(windows(b"Bob")) == []


def test_what_is_mostly_zeros_says_nothing():
    assert list(windows(bytes(40))) == []
    assert list(windows(bytes(30) + b"\x2e" + bytes(30))) == []


def test_a_text_is_looked_for_in_utf_16_and_as_json_too():
    assert text_forms("plain") == (b"plain", "plain".encode("utf-16-le"))
    assert text_forms('a "Köln"\n') == (
        'a "Köln"\n'.encode(),
        'a "Köln"\n'.encode("utf-16-le"),
        b'a \\"K\\u00f6ln\\"\\n',
        'a \\"Köln\\"\\n'.encode(),
    )


def test_a_vector_is_looked_for_as_float32_too():
    value = np.array([0.5, -0.25], "<f2").tobytes()
    assert vector_forms(value) == (value, np.array([0.5, -0.25], "<f4").tobytes())


def test_fields_without_a_piece_are_counted():
    needles = Needles.build(KEY, texts=[SECRET, "Bob", "", "ok"], blobs=[bytes(48)])
    assert (needles.fields, needles.bare) == (4, 3)


def test_windows_are_hashed_as_siphash_publishes_it():
    # The first vector of the reference implementation's test for messages of 16 bytes: key 00..0f, message 00..0f.
    k0, k1 = np.frombuffer(bytes(range(16)), "<u8").tolist()
    low, high = np.frombuffer(bytes(range(16)), "<u8").reshape(2, 1)
    digest = Mixer((k0, k1, 0, 0, 0, 0, 0, 0)).windows(low, high, 16)
    assert digest.tolist() == [0x3F2ACC7F57C29BDB]


def test_stored_needles_come_back_whole():
    needles = Needles.build(KEY, texts=[SECRET, "Madrid", "Bob"], blobs=[os.urandom(48)])
    again = Needles.from_bytes(needles.to_bytes(), KEY)
    for name in ("digests", "owners", "words", "short_words", "heads"):
        assert (getattr(again, name) == getattr(needles, name)).all()
    assert (again.lengths, again.fields, again.bare) == (needles.lengths, needles.fields, needles.bare)
    assert again.lengths == (6, 12, 16)


def test_no_needles_are_stored_and_restored_too():
    assert len(Needles.from_bytes(Needles.build(KEY).to_bytes(), KEY)) == 0


def test_stored_needles_hold_no_content():
    needles = Needles.build(KEY, texts=[SECRET, "Madrid"])
    stored = needles.to_bytes()
    for form in text_forms(SECRET):
        assert not any(form[at : at + 4] in stored for at in range(len(form) - 3))
    assert b"Mad" not in stored and "Mad" not in repr(needles)
    assert KEY[:8] not in stored and repr(KEY) not in repr(needles)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "key"])
def test_damaged_needles_are_refused(harm):
    stored = Needles.build(KEY, texts=[SECRET]).to_bytes()
    key = KEY[::-1] if harm == "key" else KEY
    stored = {"cut": stored[:-1], "flip": stored[:90] + bytes([stored[90] ^ 1]) + stored[91:], "empty": b""}.get(
        harm, stored
    )
    with pytest.raises(CorruptStore):
        Needles.from_bytes(stored, key)


def test_merged_needles_are_those_of_all_fields_together():
    parts = [Needles.build(KEY, texts=[text, "Bob"]) for text in (SECRET, "Madrid", SECRET + " Tell no one.")]
    merged = Needles.merge(parts)
    together = Needles.build(KEY, texts=[SECRET, "Bob", "Madrid", "Bob", SECRET + " Tell no one.", "Bob"])
    for name in ("digests", "owners", "words", "short_words", "heads"):
        assert (getattr(merged, name) == getattr(together, name)).all()
    assert (merged.lengths, merged.fields, merged.bare) == (together.lengths, together.fields, together.bare)


def test_needles_of_different_keys_are_not_merged():
    with pytest.raises(ValueError):
        Needles.merge([Needles.build(KEY), Needles.build(KEY[::-1])])
