"""The scan from outside finds every piece, wherever it lies, and nothing that living content has."""

import random

import pytest

from delible.bench.leftovers import CHUNK, Pieces, left_in, whole_in

SECRET = b"the key lies under the third stone"


@pytest.mark.parametrize("place", [0, 1, 7, 8, 1000, CHUNK - 20, CHUNK - 1, CHUNK + 3])
def test_a_piece_is_found_at_any_place(place):
    noise = random.Random(place).randbytes(place)
    assert Pieces([SECRET]).count(noise + SECRET[5:21] + b"tail") == 1
    assert Pieces([SECRET]).count(noise + SECRET[5:20] + b"tail") == 0


def test_what_a_living_text_says_too_is_no_leftover():
    pieces = Pieces([SECRET], [b"we met under the third stone bridge"])
    assert len(pieces) == len(SECRET) - 15 - len(b" under the third stone") + 15
    assert pieces.count(b"we met under the third stone bridge") == 0
    assert pieces.count(SECRET) == len(pieces)


def test_nothing_forgotten_and_short_files_find_nothing(tmp_path):
    (tmp_path / "short").write_bytes(b"x")
    assert left_in(tmp_path, Pieces([SECRET])) == {} and Pieces([]).count(SECRET) == 0 and len(Pieces([b"short"])) == 0


def test_files_are_named_with_what_they_hold(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(b"...." + SECRET)
    (tmp_path / "clean").write_bytes(b"nothing here at all")
    assert left_in(tmp_path, Pieces([SECRET])) == {"deep/log": len(SECRET) - 15}
    assert whole_in(tmp_path, [SECRET, b"absent"]) == {"deep/log": 1}


def test_the_scan_agrees_with_a_plain_search():
    source = random.Random(3)
    data = bytearray(source.randbytes(50_000))
    forgotten = [source.randbytes(40) for _ in range(20)]
    for content in forgotten[::2]:
        data[(at := source.randrange(49_000)) : at + 40] = content
    windows = {content[i : i + 16] for content in forgotten for i in range(25)}
    plain = sum(bytes(data[i : i + 16]) in windows for i in range(len(data) - 15))
    assert Pieces(forgotten).count(bytes(data)) == plain > 0
