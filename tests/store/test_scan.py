"""The look: every surviving piece is found, in whatever form, alignment or file; nothing else is."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delible.store import scan
from delible.store.needles import Needles, text_forms, windows
from delible.store.scan import (
    CHUNK,
    contained,
    folder_readers,
    read_plain,
    read_through_vfs,
    scan_files,
    settle,
    subtract,
)

KEY = bytes(range(32))
SECRET = "Maria keeps the spare key under the third flower pot."


def look(data, needles, chunk=CHUNK):
    """Finds in one file, hashed `chunk` bytes at once."""
    chunks = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    with patch.object(scan, "CHUNK", chunk):
        return scan_files({"file": lambda: chunks}, needles).finds


def vector(seed, width=384):
    values = np.random.default_rng(seed).standard_normal(width)
    return (values / np.linalg.norm(values)).astype("<f2")


@pytest.mark.parametrize("offset", range(20))
def test_any_16_bytes_are_found_at_any_offset(offset):
    piece = SECRET.encode()[offset : offset + 16]
    noise = np.random.default_rng(offset).bytes(200)
    [find] = look(noise[: 83 + offset] + piece + noise[:7], Needles.build(KEY, texts=[SECRET]))
    assert (find.offset, find.times) == (83 + offset, 1)


def test_fifteen_bytes_are_not_a_piece():
    assert look(SECRET.encode()[:15] + b"?" + SECRET.encode()[16:31], Needles.build(KEY, texts=[SECRET])) == []


@pytest.mark.parametrize("chunk", [1, 5, 16, 100, CHUNK])
@pytest.mark.parametrize("border", range(-24, 3))
def test_a_piece_across_two_chunks_is_found_once(chunk, border):
    needles = Needles.build(KEY, texts=[SECRET, "Madrid"])
    at = chunk * (1 if chunk == CHUNK else 40) + border
    data = b"." * at + SECRET.encode()[3:19] + b"Madrid" + b"." * 30
    finds = look(data, needles, chunk)
    assert [(find.offset, find.times) for find in finds] == [(at, 1), (at + 16, 1)]


def test_small_chunks_are_looked_through_together():
    chunks = [SECRET.encode()[at : at + 1] for at in range(len(SECRET))]
    assert len(scan_files({"file": lambda: chunks}, Needles.build(KEY, texts=[SECRET])).finds) == len(SECRET) - 15


@pytest.mark.parametrize(
    "written",
    [
        'She said "mañana\n" and left for Köln'.encode(),
        'She said "mañana\n" and left for Köln'.encode("utf-16-le"),
        json.dumps(['She said "mañana\n" and left for Köln']).encode(),
        json.dumps(['She said "mañana\n" and left for Köln'], ensure_ascii=False).encode(),
    ],
)
def test_a_text_is_found_in_each_of_its_forms_to_the_last_byte(written):
    text = 'She said "mañana\n" and left for Köln'
    needles = Needles.build(KEY, texts=[text])
    for end in (written, written[:20], written[-20:]):
        assert look(b"\x07" * 33 + end + b"\x07", needles)


@pytest.mark.parametrize("kind", ["<f2", "<f4"])
def test_a_piece_of_a_vector_is_found_as_float16_and_as_float32(kind):
    value = vector(1)
    needles = Needles.build(KEY, vectors=[value.tobytes()])
    stored = value.astype(kind).tobytes()
    finds = look(os.urandom(1001) + stored[101:117] + os.urandom(50), needles)
    assert [find.offset for find in finds] == [1001]
    assert look(vector(2).astype(kind).tobytes(), needles) == []


def test_sign_bits_are_found_and_token_bits_in_part():
    bits, tokens = os.urandom(48), os.urandom(14 * 48)
    needles = Needles.build(KEY, blobs=[bits, tokens])
    assert len(look(b"x" + bits, needles)) == 33
    assert len(look(tokens[40:60], needles)) == 5


@pytest.mark.parametrize("word", ["Madrid", "Lisbon!", "Valencia", "Santander", "Extremadura", "Castilla y Leon"])
@pytest.mark.parametrize("before", range(6))
def test_a_short_field_is_found_whole_wherever_it_lies(word, before):
    needles = Needles.build(KEY, texts=[word])
    for form in text_forms(word):
        [find, *_] = look(b"." * before + form, needles)
        assert find.offset == before
    assert look(word[1:].encode() + b"." * before, needles) == []


@pytest.mark.parametrize("before", range(3))
def test_a_short_field_whose_last_byte_is_a_zero_is_not_found_without_it(before):
    needles = Needles.build(KEY, texts=["Madrid"])
    written = b"." * before + "Madrid".encode("utf-16-le")
    assert look(written, needles)
    assert look(written[:-1], needles) == []


def test_a_field_of_three_letters_is_not_looked_for():
    needles = Needles.build(KEY, texts=["Bob"])
    assert len(needles) == 0 and needles.bare == 1
    assert look(b"Bob" * 100, needles) == []


def test_restored_needles_find_what_the_first_ones_find():
    needles = Needles.build(KEY, texts=[SECRET, "Madrid"], vectors=[vector(1).tobytes()])
    data = b"??" + SECRET.encode() + vector(1).tobytes() + b"Madrid"
    assert look(data, Needles.from_bytes(needles.to_bytes(), KEY)) == look(data, needles) != []


def test_with_another_key_they_find_nothing():
    needles = replace(Needles.build(KEY, texts=[SECRET, "Madrid"]), key=KEY[::-1])
    assert look(SECRET.encode() + b"Madrid", needles) == []


def test_nothing_is_found_in_nothing():
    needles = Needles.build(KEY, texts=[SECRET, "Madrid"])
    for data in (b"", b"M", b"Madri", SECRET.encode()[:15], bytes(100_000)):
        assert look(data, needles) == []
    assert look(b"Madrid", needles)
    assert look(SECRET.encode(), Needles.build(KEY)) == []


def test_64_megabytes_of_noise_hold_no_piece_of_two_hundred_records():
    texts = [np.random.default_rng(n).bytes(100).hex() for n in range(200)]
    needles = Needles.build(KEY, texts=[*texts, *(text[:6] for text in texts), *(text[:9] for text in texts)])
    noise = (np.random.default_rng(1).bytes(CHUNK) for _ in range(64))
    result = scan_files({"noise": lambda: noise}, needles)
    assert result.finds == [] and result.read == {"noise": 64 * CHUNK}


def test_a_file_full_of_one_piece_is_one_find_with_its_number():
    text = "ha" * 8
    [find] = look(text.encode() * 50_000, Needles.of_forms(KEY, [[text.encode()]]))
    assert (find.offset, find.times) == (0, 8 * 49_999 + 1)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_finds_what_a_plain_search_finds(data):
    # Few letters, so that pieces overlap, repeat and nearly match.
    letters = st.lists(st.sampled_from([0, 1, 97, 98, 228]), max_size=60).map(bytes)
    fields = data.draw(st.lists(letters.filter(len), min_size=1, max_size=4))
    parts = st.one_of(letters, st.sampled_from(fields))
    content = b"".join(data.draw(st.lists(parts, max_size=8)))
    chunk = data.draw(st.integers(1, 40))
    needles = Needles.of_forms(KEY, [[field] for field in fields])
    pieces = {piece for field in fields for piece in windows(field)}
    expected = sorted(
        (content.find(piece), sum(content.startswith(piece, at) for at in range(len(content))))
        for piece in pieces
        if piece in content
    )
    assert sorted((find.offset, find.times) for find in look(content, needles, chunk)) == expected
    assert len(needles) == len(pieces)


# -- living content ----------------------------------------------------------------------------------------------------


def test_what_a_living_text_says_too_is_no_needle():
    shared = "the quick brown fox jumps"
    needles = Needles.build(KEY, texts=[f"Ana wrote: {shared}", "Madrid"])
    rest, dropped = subtract(needles, [f"Ben wrote: {shared}!".encode(), b"to Madrid by train"])
    assert dropped == len(needles) - len(rest) == len("rote: " + shared) - 15 + len(" w") + 1
    assert look(f"{shared} Madrid".encode(), rest) == []
    assert look(f"Ana wrote: {shared}".encode(), rest)


def test_a_piece_across_two_living_texts_is_still_a_needle():
    needles = Needles.build(KEY, texts=[SECRET, "Madrid"])
    cut = [SECRET.encode()[at : at + 15] for at in range(0, len(SECRET), 15)]
    assert not contained(needles, [*cut, b"Mad", b"rid", b""]).any()
    # It lies across a border first and in one text later.
    assert contained(needles, [b"Mad", b"rid", b"Madrid"]).sum() == 1


def test_many_living_texts_are_looked_through_in_batches():
    needles = Needles.build(KEY, texts=[SECRET])
    living = [b"x" * 1000] * 3000 + [SECRET.encode()] + [b"y" * 3_000_000]
    assert contained(needles, living).sum() == len(SECRET) - 15


def test_finds_that_living_content_explains_are_dropped_and_counted():
    needles = Needles.build(KEY, texts=[SECRET, "Madrid", "Extremadura"])
    finds = look(SECRET.encode() + b"Madrid", needles)
    settled = settle(finds, needles, [SECRET.encode()[10:], b"MADRID"])
    assert settled.shared == len(SECRET) - 15 - 10
    assert [find.offset for find in settled.finds] == [*range(10), len(SECRET)]
    assert settled.bared == 0
    assert settle(finds, needles, [b"Madrid"]).bared == 0  # its UTF-16 form is still a needle


def test_a_field_that_only_repeats_what_lives_is_counted():
    needles = Needles.build(KEY, blobs=[b"0123456789abcdef0123", b"fedcba9876543210"])
    finds = look(b"-0123456789abcdef0123-", needles)
    assert settle(finds, needles, [b"0123456789abcdef0123"]) == ([], 5, 1)


def test_living_content_is_not_read_when_nothing_was_found():
    def living():
        raise AssertionError("read")
        yield b""

    assert settle([], Needles.build(KEY, texts=[SECRET]), living()) == ([], 0, 0)


# -- files -------------------------------------------------------------------------------------------------------------


def texts(count, start=0):
    rng = np.random.default_rng(7)
    words = ["".join(chr(97 + n) for n in rng.integers(0, 26, 7)) for _ in range(4000)]
    return [" ".join(rng.permutation(words)[:25]) + f" {start + n}" for n in range(count)]


def database(path, secure):
    connection = apsw.Connection(str(path))
    for pragma in ("page_size=8192", "journal_mode=wal", f"secure_delete={'on' if secure else 'off'}"):
        connection.execute(f"pragma {pragma}").fetchall()
    connection.execute("create table texts(row integer primary key, text text) strict")
    return connection


@pytest.mark.parametrize("secure", [False, True])
def test_deleted_rows_are_found_until_they_are_overwritten(tmp_path, secure):
    rows = texts(400)
    rows[7] *= 200  # runs on to overflow pages
    connection = database(tmp_path / "store.db", secure)
    with connection:
        connection.executemany("insert into texts values(?, ?)", list(enumerate(rows)))
    forgotten = [*rows[0:400:4], rows[7]]
    connection.execute("delete from texts where row % 4 = 0 or row = 7")
    connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    if secure:
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    needles = Needles.merge([Needles.build(KEY, texts=[text]) for text in forgotten])
    finds = scan_files(folder_readers(tmp_path), needles).finds
    living = (str(text).encode() for (text,) in connection.execute("select text from texts"))
    left = settle(finds, needles, living).finds
    assert not left if secure else len({int(needles.owners[find.window]) for find in left}) >= 75
    connection.close()


def test_the_log_lists_and_temporary_files_are_looked_through(tmp_path):
    connection = database(tmp_path / "store.db", secure=True)
    connection.execute("insert into texts values(1, ?)", (SECRET,))
    for folder in ("lists", "tmp"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.bin").write_bytes(b"\x01" + SECRET.encode()[5:21])
    readers = folder_readers(tmp_path)
    assert sorted(readers) == ["lists/one.bin", "store.db", "store.db-wal", "tmp/one.bin"]
    finds = scan_files(readers, Needles.build(KEY, texts=[SECRET])).finds
    assert {find.file for find in finds} == {"lists/one.bin", "store.db-wal", "tmp/one.bin"}
    connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    finds = scan_files(readers, Needles.build(KEY, texts=[SECRET])).finds
    assert {find.file for find in finds} == {"lists/one.bin", "store.db", "tmp/one.bin"}
    connection.close()


def test_a_file_read_through_sqlite_is_the_file_on_disk(tmp_path):
    connection = database(tmp_path / "store.db", secure=True)
    with connection:
        connection.executemany("insert into texts values(?, ?)", [(n, "x" * 5000) for n in range(1000)])
    through = {name: b"".join(read()) for name, read in folder_readers(tmp_path).items()}
    script = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
    for name in ("store.db", "store.db-wal"):
        plain = subprocess.run([sys.executable, "-c", script, tmp_path / name], capture_output=True, check=True).stdout
        assert through[name] == plain and len(plain) > (2 * CHUNK if name.endswith("wal") else 0)
    connection.close()


def test_a_file_that_is_gone_has_no_bytes(tmp_path):
    for read in (read_through_vfs, read_plain):
        assert list(read(tmp_path / "gone")) == []


# A second process: may it write; and may it lock the bytes that each connection of a WAL database holds shared for as
# long as it is open? SQLite took them at 0x40000002, 510 of them.
PROBE = """
import apsw, fcntl, sys
connection = apsw.Connection(sys.argv[1])
try:
    connection.execute("begin immediate; insert into texts values(null, 'theirs'); rollback")
    print("writes")
except apsw.BusyError:
    print("refused")
connection.close()
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
        print("unlocked")
    except OSError:
        print("locked")
"""


def second_process(path):
    done = subprocess.run([sys.executable, "-c", PROBE, path], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(sys.platform == "win32", reason="locks of Windows belong to the handle, not to the process")
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_look_leaves_the_locks_of_its_own_process(tmp_path, mode):
    path = tmp_path / "store.db"
    connection = database(path, secure=True)
    connection.execute("insert into texts values(1, ?)", (SECRET,))
    connection.execute(f"pragma journal_mode={mode}").fetchall()
    connection.execute("begin immediate")
    connection.execute("insert into texts values(2, 'ours')")
    before = len(os.listdir("/dev/fd"))
    readers = {
        path.name: partial(read_through_vfs, path),
        "store.db-wal": partial(read_through_vfs, tmp_path / "store.db-wal"),
    }
    for _ in range(4):
        assert scan_files(readers, Needles.build(KEY, texts=[SECRET])).finds
    assert second_process(path) == ["refused", "locked"]
    assert len(os.listdir("/dev/fd")) <= before + 1  # kept while there are locks, and used again
    list(read_plain(path))  # what never may be done
    if mode == "delete":
        assert second_process(path)[0] == "writes"
    else:
        assert second_process(path)[1] == "unlocked"
        connection.execute("rollback")
    connection.close()
