"""Every way a folder can fail has its own typed error, says what to do, and loses nothing."""

import os
import random
import shutil
import stat
import threading

import apsw
import pytest

import delible
from delible import (
    CorruptStore,
    DelibleError,
    NewerSchema,
    NotAStore,
    ReadOnlyStore,
    StoreLocked,
)
from delible.store import schema

PAGE = schema.PAGE


def bytes_of(folder):
    """Every file of the folder with its bytes and its mode."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def closed(memory, folder):
    """A folder with some records, closed."""
    memory.write([f"apple number {i} of {i * 7919}, grown in Porto by Ada" for i in range(300)], meta={"n": 1})
    memory.close()
    return folder


# -- not ours, or not of this time -------------------------------------------------------------------------------------


def test_a_newer_folder_is_refused_and_no_byte_of_it_changes(closed, sql, opened):
    sql("PRAGMA user_version = 99")
    before = bytes_of(closed)
    with pytest.raises(NewerSchema, match=r"schema 99.*pip install --upgrade"):
        opened()
    assert bytes_of(closed) == before


UNFINISHED = """
import os, sys, apsw, delible
memory = delible.open(sys.argv[1], encoder="hash")
memory.write("in the log only")
connection = apsw.Connection(sys.argv[1] + "/store.db")
connection.pragma("user_version", 99)
os.kill(os.getpid(), 9)
"""


def test_a_newer_folder_with_an_unfinished_log_keeps_it_byte_for_byte(closed, child, opened):
    child(UNFINISHED, code_expected=-9)
    before = {name: raw for name, raw in bytes_of(closed).items() if not name.endswith("-shm")}
    assert before["store.db-wal"][0]
    with pytest.raises(NewerSchema):
        opened()
    assert {name: raw for name, raw in bytes_of(closed).items() if not name.endswith("-shm")} == before


def test_a_killed_writers_log_is_taken_up(closed, child, opened, whole):
    child(UNFINISHED.replace("connection.pragma", "0 and connection.pragma"), code_expected=-9)
    memory = opened()
    assert memory.list(after=memory.list(limit=300)[-1].id)[0].text == "in the log only"
    whole(memory)


def test_a_file_is_no_folder(tmp_path, opened):
    (tmp_path / "notes.txt").write_text("mine")
    for path in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "agent.mem"):
        with pytest.raises(NotAStore):
            opened(path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["thesis.txt", ".hidden", "tmp/thesis.txt", "lists/list.txt", "store.db-wal", "tmp/a/b"]
)
def test_a_folder_with_somebody_elses_files_is_refused_and_left_as_it_is(tmp_path, opened, name):
    (tmp_path / "home" / name).parent.mkdir(parents=True)
    (tmp_path / "home" / name).write_text("mine")
    before = bytes_of(tmp_path)
    with pytest.raises(NotAStore, match="other files"):
        opened(tmp_path / "home")
    assert bytes_of(tmp_path) == before


def test_a_link_in_the_place_of_tmp_is_not_followed(tmp_path, closed, opened):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    shutil.rmtree(closed / "tmp")
    (closed / "tmp").symlink_to(tmp_path / "home")
    opened().write("x")
    assert (tmp_path / "home" / "thesis.txt").read_text() == "mine"
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / "tmp").symlink_to(tmp_path / "home")
    with pytest.raises(NotAStore):
        opened(tmp_path / "fresh")
    assert (tmp_path / "home" / "thesis.txt").read_text() == "mine"


def test_somebody_elses_database_is_refused_and_left_as_it_is(tmp_path, opened):
    folder = tmp_path / "other"
    folder.mkdir()
    connection = apsw.Connection(str(folder / "store.db"))
    connection.execute("CREATE TABLE songs(title); INSERT INTO songs VALUES ('La Mer')")
    connection.close()
    before = bytes_of(folder)
    with pytest.raises(NotAStore, match="no memory of ours"):
        opened(folder)
    assert bytes_of(folder) == before


def test_a_folder_that_is_not_there_is_made_only_when_asked(folder, opened):
    with pytest.raises(NotAStore, match="no memory at"):
        opened(create=False)
    assert not folder.exists()
    (folder / "store.db").mkdir(parents=True)
    with pytest.raises(NotAStore, match="is a folder"):
        opened()


def test_an_interrupted_making_does_not_stop_the_next(folder, opened):
    (folder / "tmp").mkdir(parents=True)
    (folder / "tmp" / "new-0123456789abcdef.db").write_bytes(b"half of a database")
    assert opened().write("x")


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_path_that_cannot_be_is_refused(tmp_path, opened, name):
    with pytest.raises(NotAStore):
        opened(f"{tmp_path}/{name}")


# -- damaged -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"garbage", b"\0" * 100_000, b"SQLite format 3\0" + b"\xff" * 20_000])
def test_garbage_in_the_place_of_the_file_is_refused_and_left(closed, opened, raw):
    (closed / "store.db").write_bytes(raw)
    with pytest.raises((CorruptStore, NotAStore)) as refused:
        opened()
    assert "\n" not in str(refused.value) and (closed / "store.db").read_bytes() == raw


@pytest.mark.parametrize("left", [0.0, 0.001, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(closed, opened, left):
    raw = (closed / "store.db").read_bytes()
    cut = raw[: int(len(raw) * left)]
    (closed / "store.db").write_bytes(cut)
    with pytest.raises(CorruptStore, match=r"load FILE|damaged"):
        opened()
    assert (closed / "store.db").read_bytes() == cut


def said_by(verb):
    """What a verb answers, or its typed error in one line; any other error goes through."""
    try:
        verb()
    except DelibleError as error:
        return str(error)
    return ""


def verbs(memory):
    """Everything that reads, and a write."""
    return (
        lambda: memory.list(limit=None),
        lambda: memory.recall("apple Porto", where={"meta.n": 1}),
        lambda: memory.recall("apple", as_of="2999-01-01"),
        memory.stats,
        memory.spaces,
        memory.ledger,
        lambda: memory.write("another apple"),
        memory.verify,
    )


@pytest.mark.parametrize("seed", range(24))
def test_flipped_bytes_anywhere_give_typed_errors_and_never_a_crash(closed, tmp_path, opened, seed):
    raw = bytearray((closed / "store.db").read_bytes())
    chance = random.Random(seed)
    first = 0 if seed % 3 == 0 else chance.randrange(len(raw) // PAGE) * PAGE
    for _ in range(chance.choice((1, 8, 40))):
        raw[first + chance.randrange(PAGE)] ^= 1 << chance.randrange(8)
    (closed / "store.db").write_bytes(raw)
    handles = []
    said = [said_by(lambda: handles.append(opened()))]
    for handle in handles:
        said += [said_by(verb) for verb in verbs(handle)]
    assert not any("\n" in line or "Porto by Ada" in line for line in said)


def flip(folder, piece, by):
    path = folder / "store.db"
    raw = path.read_bytes()
    assert piece in raw
    path.write_bytes(raw.replace(piece, by))


@pytest.mark.parametrize(
    ("piece", "by", "code"),
    [
        (b"apple number 77 ", b"apple number 78 ", "texts"),
        (b"apple number 77 ", b"apple numb\xff\xfe 77 ", "texts"),
        (b'{"n": 1}', b'{"n": 2}', "texts"),
        (b'{"n": 1}', b'{"n"; 1}', "texts"),
        (b'{"records": 300}', b'{"records": 299}', "ledger"),
    ],
)
def test_a_flipped_byte_of_content_is_found_by_verify(closed, opened, piece, by, code):
    flip(closed, piece, by)
    memory = opened()
    bad = {finding.code: finding for finding in memory.verify() if not finding.ok}
    assert code in bad and bad[code].advice
    for verb in verbs(memory):
        assert "apple" not in said_by(verb)


def test_a_flipped_vector_or_sign_bit_is_found_by_verify(closed, sql, opened):
    sql("UPDATE vectors SET value = zeroblob(768) WHERE vector = 7")
    sql("UPDATE bits SET bits = zeroblob(48) WHERE vector = 9")
    (bad,) = [finding for finding in opened().verify() if not finding.ok]
    assert bad.code == "vectors" and "2 of 300" in bad.detail


# -- no room, no right, no turn ----------------------------------------------------------------------------------------

READ_ONLY = """
import os, shutil, subprocess, sys, delible
place, source = sys.argv[1:]
shutil.copytree(source, place + "/agent.mem")
subprocess.run(["mount", "-o", "remount,ro", place], check=True)
with delible.open(place + "/agent.mem") as memory:
    hits = memory.recall("apple number 7")
    assert hits and "read-only here" in hits.notes[-1], hits.notes
    assert len(memory.list(limit=None)) == 300 and memory.get(hits[0].record.id) and memory.context("apple")
    assert all(finding.ok for finding in memory.verify()), memory.verify()
    for verb in (
        lambda: memory.write("x"),
        lambda: memory.revise(hits[0].record.id, "x"),
        lambda: memory.hold(hits[0].record.id, reason="x"),
        lambda: memory.forget(hits[0].record.id, reason="x"),
        lambda: memory.rollback("2020-01-01"),
        lambda: memory.reembed("hash:128"),
        lambda: memory.expire("main", None),
        lambda: memory.compact(),
    ):
        try:
            verb()
        except delible.ReadOnlyStore as error:
            assert "\\n" not in str(error)
        else:
            raise AssertionError("written to a read-only folder")
try:
    delible.open(place + "/new.mem", encoder="hash")
except delible.ReadOnlyStore as error:
    print(error)
"""


def test_a_read_only_folder_answers_recalls_says_so_and_refuses_writes(closed, tmp_path, mounted):
    said = mounted(tmp_path / "mount", "size=64m", READ_ONLY, closed)
    assert "cannot be made: Read-only file system" in said


READ_ONLY_LOG = """
import shutil, subprocess, sys, delible
place, source = sys.argv[1:]
shutil.copytree(source, place + "/agent.mem")
subprocess.run(["mount", "-o", "remount,ro", place], check=True)
try:
    delible.open(place + "/agent.mem")
except delible.ReadOnlyStore as error:
    print(error)
"""


def test_a_read_only_folder_with_an_unfinished_log_is_refused(closed, child, tmp_path, mounted):
    child(UNFINISHED.replace("connection.pragma", "0 and connection.pragma"), code_expected=-9)
    (closed / "store.db-shm").unlink()
    assert "unfinished log" in mounted(tmp_path / "mount", "size=64m", READ_ONLY_LOG, closed)


FULL = """
import os, sys, delible
place = sys.argv[1]
memory = delible.open(place + "/agent.mem", encoder="hash")
(first,) = memory.write("the first apple")
acknowledged = 1
try:
    for i in range(10_000):
        memory.write([f"apple {i} {j} " + "filler " * 200 for j in range(20)])
        acknowledged += 20
except delible.DiskFull as error:
    print(error)
assert len(memory.list(limit=None)) == acknowledged
assert memory.recall("first apple", k=1)[0].record.id == first.id
for verb in (memory.compact, lambda: memory.write("y" * 500_000)):
    try:
        verb()
    except delible.DiskFull:
        pass
    else:
        raise AssertionError("no room was needed")
memory.close()
with delible.open(place + "/agent.mem") as memory:
    assert len(memory.list(limit=None)) == acknowledged
    assert all(finding.ok for finding in memory.verify()), memory.verify()
"""


def test_a_full_disk_undoes_the_write_and_keeps_all_before(tmp_path, mounted):
    assert "make room and try again" in mounted(tmp_path / "mount", "size=6m", FULL)


NO_ROOM = """
import os, sys, delible
place = sys.argv[1]
with open(place + "/filler", "wb") as filler:
    filler.write(b"x" * ((1 << 20) - 20_000))
try:
    delible.open(place + "/agent.mem", encoder="hash")
except delible.DiskFull as error:
    print(error)
assert not any(files for _, _, files in os.walk(place + "/agent.mem")), list(os.walk(place))
"""


def test_no_folder_is_made_on_a_full_disk(tmp_path, mounted):
    assert "is full" in mounted(tmp_path / "mount", "size=1m", NO_ROOM)


LIMITED = """
import resource, sys, delible
memory = delible.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    memory.write("z" * 400_000)
except delible.DelibleError as error:
    print(type(error).__name__, error)
assert len(memory.list(limit=None)) == 300
"""


def test_a_file_that_may_not_grow_is_a_typed_error(closed, child, opened, whole):
    assert "the transaction was undone" in child(LIMITED)
    whole(opened())


LOCKING = """
import sys, apsw
connection = apsw.Connection(sys.argv[1] + "/store.db")
connection.execute("BEGIN IMMEDIATE")
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_folder_locked_for_longer_than_the_timeout_is_said_to_be_so(memory, opened, start, whole):
    (record,) = memory.write("apple")
    holder = start(LOCKING)
    patient = opened(timeout=0.2)
    assert patient.recall("apple")[0].record.id == record.id, "reading goes on"
    for verb in (
        lambda: patient.write("pear"),
        lambda: patient.revise(record.id, "pear"),
        lambda: patient.forget(record.id, reason="x"),
        lambda: patient.hold(record.id, reason="x"),
    ):
        with pytest.raises(StoreLocked, match="another process"):
            verb()
    holder.communicate("")
    assert [r.text for r in patient.list()] == ["apple"] and patient.write("pear")
    whole(patient)


def test_a_write_waits_for_its_turn(memory, start):
    holder = start(LOCKING)
    threading.Timer(0.3, holder.kill).start()
    assert memory.write("apple"), "five seconds are enough"


# -- private -----------------------------------------------------------------------------------------------------------

OPEN = """
import os, sys, delible
os.umask(0)
memory = delible.open(sys.argv[1], encoder="hash")
memory.write("private")
memory.recall("private")
for folder, folders, files in os.walk(sys.argv[1]):
    print(oct(os.stat(folder).st_mode & 0o777), *(oct(os.stat(os.path.join(folder, f)).st_mode & 0o777) for f in files))
"""


def test_folder_and_files_are_private_whatever_the_umask(child, folder):
    top, *below = child(OPEN).splitlines()
    assert top.split()[0] == "0o700" and set(top.split()[1:]) == {"0o600"} and len(top.split()) == 4
    assert [line.split()[0] for line in below] == ["0o700"]
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_an_archive_is_private_too(closed, opened, tmp_path):
    opened().export(tmp_path / "out.zip")
    assert stat.S_IMODE((tmp_path / "out.zip").stat().st_mode) == 0o600


def test_errors_are_of_one_family_and_are_python_errors_too():
    assert issubclass(ReadOnlyStore, DelibleError) and issubclass(delible.InvalidInput, ValueError)
    assert issubclass(delible.UnknownId, LookupError) and issubclass(delible.SpaceRefused, PermissionError)
