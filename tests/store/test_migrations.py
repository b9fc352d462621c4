"""Migrations: copied first, killed anywhere, resumed, verified; no copy is left behind. Schema 1 is the first, so the
steps here are made up: in schema 0 vectors had no checksums, in schema -1 nobody knew the length of a text."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import apsw
import numpy as np
import pytest

import delible
from delible.core.errors import CorruptStore, DiskFull, NewerSchema, ReadOnlyStore, StoreLocked
from delible.core.identity import to_bytes
from delible.store import encoders, migrations, schema
from delible.store.migrations import MIGRATIONS, Migration, estimate, is_pending, migrate
from delible.store.sqlite import SQLite
from delible.store.words import count_tokens
from delible.store.writing import Draft, Embedded, write

ROOT = Path(__file__).parents[2]
FOLDERS = ROOT / "tests" / "folders"
sys.path.insert(0, str(FOLDERS))
from make import written  # noqa: E402  the same memory, as the present schema has it

SECRET = "the canary sings at seven in Zanzibar"


def checksums(connection, done):
    rows = connection.execute(
        "SELECT vector, value FROM vectors WHERE vector > ? ORDER BY vector LIMIT 10", (done,)
    ).fetchall()
    for vector, value in rows:
        connection.execute("UPDATE vectors SET checksum = ? WHERE vector = ?", (zlib.crc32(value), vector))
    return rows[-1][0] if rows else None


def lengths(connection, done):
    rows = connection.execute("SELECT row, text FROM texts WHERE row > ? ORDER BY row LIMIT 10", (done,)).fetchall()
    for row, text in rows:
        connection.execute("UPDATE records SET length = ? WHERE row = ?", (count_tokens(connection, text), row))
    return rows[-1][0] if rows else None


STEPS = {
    1: MIGRATIONS[1],
    -1: Migration(lengths, lambda connection: connection.execute("SELECT count(*) FROM texts").get, rate=10_000.0),
    0: Migration(checksums, lambda connection: connection.execute("SELECT count(*) FROM vectors").get, rate=1000.0),
}


class Model:
    name, version, dimension = "toy", "1", 64


@pytest.fixture
def old(tmp_path):
    """A folder of schema -1 with 95 records."""
    folder = tmp_path / "old.mem"
    store = SQLite(folder)
    X = np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32)
    with store.writing() as connection:
        number = encoders.register(connection, Model, "toy")
        drafts = [Draft(f"Record {n}: {SECRET}.", "main", embedded=[Embedded(number, [(0, 9)], X)]) for n in range(95)]
        write(connection, store.key, drafts, "a test")
    store.close()
    connection = apsw.Connection(str(folder / "store.db"))
    connection.execute(
        "UPDATE vectors SET checksum = 0; UPDATE records SET length = 0; PRAGMA user_version = -1"
    ).fetchall()
    connection.close()
    return folder


def asked(folder, statement):
    connection = apsw.Connection(str(folder / "store.db"))
    try:
        return connection.execute(statement).get
    finally:
        connection.close()


def whole(folder):
    assert asked(folder, "PRAGMA user_version") == schema.VERSION
    assert asked(folder, "SELECT count(*) FROM meta WHERE name = 'migration'") == 0
    assert asked(folder, "SELECT count(*) FROM vectors WHERE checksum = 0") == 0
    assert asked(folder, "SELECT count(*) FROM records WHERE length = 0") == 0
    assert asked(folder, "SELECT count(*) FROM records") == 95
    assert list((folder / "tmp").iterdir()) == []
    store = SQLite(folder)
    store.close()
    return True


def test_every_released_schema_has_its_step():
    assert sorted(MIGRATIONS) == list(range(1, schema.VERSION))


def test_an_older_folder_goes_through_every_step_and_no_copy_is_left(old):
    told = []
    done = migrate(old, lambda what, done, total: told.append((what, done, total)), STEPS)
    assert (done.before, done.after, done.work) == (-1, 2, 285)
    assert whole(old)
    steps = list(dict.fromkeys(what.partition(",")[0] for what, _, _ in told))
    assert steps == ["copying the memory first", "schema -1 to 0", "schema 0 to 1", "schema 1 to 2"]
    assert [each[1:] for each in told if each[0].startswith("schema 0")][:3] == [(0, 95), (10, 95), (20, 95)]
    assert migrate(old, migrations=STEPS) is None


def test_it_says_beforehand_how_long_it_takes(old):
    connection = apsw.Connection(str(old / "store.db"))
    size = os.path.getsize(old / "store.db")
    assert estimate(connection, STEPS) == pytest.approx(size / migrations.COPIED + 95 / 10_000 + 95 / 1000, rel=0.2)
    assert is_pending(connection)
    connection.close()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_migrations import STEPS
from delible.store import migrations
def trace(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
migrations.trace = trace
migrations.migrate(Path(sys.argv[1]), migrations=STEPS)
"""


def killed(folder, step):
    script = [sys.executable, "-c", KILLED, str(folder), step, str(Path(__file__).parent)]
    return subprocess.run(script, cwd=ROOT, check=False).returncode


@pytest.mark.parametrize(
    "step", ["copy", "copied", "batch -1 0", "batch -1 40", "batch 0 0", "batch 0 50", "verify", "shred"]
)
def test_killed_at_any_step_it_goes_on_where_it_was(old, step):
    assert killed(old, step) == -signal.SIGKILL
    begun = step not in ("copy", "copied", "shred")
    connection = apsw.Connection(str(old / "store.db"))
    assert is_pending(connection) == (step != "shred")
    if begun:
        assert connection.pragma("user_version") == schema.VERSION  # an older program refuses it from now on
        state = json.loads(connection.execute("SELECT value FROM meta WHERE name = 'migration'").get)
        if step.startswith("batch"):
            assert [state["at"], state["done"]] == [int(part) for part in step.split()[1:]]
    connection.close()
    if step == "shred":  # only the copy was left, and what opens the folder sweeps `tmp/`
        [left] = (old / "tmp").iterdir()
        assert SECRET.encode() in left.read_bytes()
        left.unlink()
    else:
        resumed = []
        migrate(old, lambda what, done, total: resumed.append((what, done)), STEPS)
        assert any(what.startswith("copying") for what, _ in resumed) == (not begun)
        if step == "batch -1 40":
            assert next(done for what, done in resumed if what.startswith("schema -1")) == 40
    assert whole(old)


def test_killed_again_and_again_it_still_ends(old):
    for done in range(0, 95, 10):
        assert killed(old, f"batch 0 {done}") == -signal.SIGKILL
    assert killed(old, "never") == 0
    assert whole(old)


def test_the_copy_is_private_and_whole_and_overwritten_before_it_goes(old, monkeypatch):
    seen = {}

    def look(step):
        copy = old / "tmp" / "store.db.before--1"
        if step == "batch 0 0":
            seen["mode"] = os.stat(copy).st_mode & 0o777
            seen["rows"] = asked_of(copy)
            seen["file"] = open(copy, "rb")  # noqa: SIM115  still open when it is unlinked
            seen["bytes"] = SECRET.encode() in copy.read_bytes()

    def asked_of(copy):
        connection = apsw.Connection(f"file:{copy}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            return connection.execute(
                "SELECT count(*), max(length), max(checksum) FROM records JOIN vectors USING (row)"
            ).fetchone()
        finally:
            connection.close()

    monkeypatch.setattr(migrations, "trace", look)
    migrate(old, migrations=STEPS)
    assert seen["mode"] == 0o600 and seen["rows"] == (95, 0, 0) and seen["bytes"]
    with seen["file"] as file:
        assert set(file.read()) == {0}


def test_without_room_for_the_copy_nothing_is_changed(old, monkeypatch):
    before = (old / "store.db").read_bytes()
    monkeypatch.setattr(migrations, "SPARE", 2**60)
    with pytest.raises(DiskFull, match="MiB free"):
        migrate(old, migrations=STEPS)
    assert (old / "store.db").read_bytes() == before and list((old / "tmp").iterdir()) == []


def test_a_folder_that_somebody_has_open_is_not_migrated(old):
    other = apsw.Connection(str(old / "store.db"))
    other.execute("SELECT count(*) FROM records").fetchall()
    with pytest.raises(StoreLocked):
        migrate(old, migrations=STEPS, timeout=0.1)
    other.close()
    assert asked(old, "PRAGMA user_version") == -1
    migrate(old, migrations=STEPS)
    assert whole(old)


def test_while_it_is_migrated_nobody_else_gets_in(old, monkeypatch):
    seen = []

    def look(step):
        if step == "batch 0 20":
            script = "import apsw, sys\nc = apsw.Connection(sys.argv[1])\n"
            script += "try: c.execute('SELECT 1 FROM records').fetchall()\n"
            script += "except apsw.BusyError: print('busy')"
            told = subprocess.run(
                [sys.executable, "-c", script, str(old / "store.db")], capture_output=True, text=True, check=True
            )
            seen.append(told.stdout.strip())

    monkeypatch.setattr(migrations, "trace", look)
    migrate(old, migrations=STEPS)
    assert seen == ["busy"]


@pytest.mark.parametrize("harm", ["DELETE FROM lives WHERE row = 7", "DELETE FROM texts WHERE row = 7"])
def test_a_result_that_does_not_verify_is_put_back(old, harm):
    def careless(connection, done):
        connection.execute(harm)

    steps = {**STEPS, 0: Migration(careless, lambda connection: 1, rate=1.0)}
    with pytest.raises(CorruptStore, match="put back as it was"):
        migrate(old, migrations=steps)
    assert (
        asked(old, "PRAGMA user_version") == -1
        and asked(old, "SELECT count(*) FROM texts JOIN lives USING (row)") == 95
    )
    assert asked(old, "SELECT count(*) FROM meta WHERE name = 'migration'") == 0
    assert list((old / "tmp").iterdir()) == []
    migrate(old, migrations=STEPS)
    assert whole(old)


def test_a_batch_that_fails_leaves_the_batches_before_it(old):
    def breaks(connection, done):
        if done >= 30:
            connection.execute("UPDATE vectors SET checksum = 5")
            raise OSError("the disk went away")
        return checksums(connection, done)

    with pytest.raises(OSError, match="went away"):
        migrate(old, migrations={**STEPS, 0: Migration(breaks, STEPS[0].total, rate=1000.0)})
    assert asked(old, "SELECT count(*) FROM vectors WHERE checksum = 5") == 0
    assert asked(old, "SELECT count(*) FROM vectors WHERE checksum != 0") == 30
    migrate(old, migrations=STEPS)
    assert whole(old)


def test_a_newer_folder_is_refused_without_a_byte_changed(old):
    migrate(old, migrations=STEPS)
    connection = apsw.Connection(str(old / "store.db"))
    connection.pragma("user_version", schema.VERSION + 1)
    connection.close()
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    with pytest.raises(NewerSchema, match="upgrade"):
        SQLite(old)
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file() and path.name == "store.db"} == {
        path: data for path, data in before.items() if path.name == "store.db"
    }


def test_a_schema_that_never_was_is_refused(old):
    connection = apsw.Connection(str(old / "store.db"))
    connection.pragma("user_version", -7)
    connection.close()
    with pytest.raises(CorruptStore, match="no Delible ever wrote"):
        migrate(old, migrations=STEPS)
    assert asked(old, "PRAGMA user_version") == -7


def test_a_read_only_folder_is_not_migrated(old, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(ReadOnlyStore):
        migrate(old, migrations=STEPS)


# -- the folder that is kept of schema 1 -------------------------------------------------------------------------------


@pytest.fixture
def first(tmp_path):
    """A copy of the kept folder of schema 1, opened: it is migrated by that."""
    (tmp_path / "first.mem" / "tmp").mkdir(parents=True, mode=0o700)
    shutil.copy(FOLDERS / "schema-1" / "store.db", tmp_path / "first.mem" / "store.db")
    with delible.open(tmp_path / "first.mem") as memory:
        yield memory


def answers(memory):
    """What it gives back, with the score and its parts as far as floating point is the same everywhere."""
    questions = ("Where does Bob move?", "Where is Ana's spare key?", "Is tea good for Ana?", "お茶", "Good morning")
    return [
        [(hit.record.text, round(hit.score, 6), {name: round(part, 6) for name, part in hit.parts.items()})
         for hit in memory.recall(question, space="**")]
        for question in questions
    ]  # fmt: skip


def test_what_was_migrated_recalls_as_a_fresh_folder_once_its_tokens_are_made(tmp_path):
    folder = tmp_path / "fresh.mem"
    written(folder)
    with delible.open(folder) as memory:
        wanted = answers(memory)
    connection = apsw.Connection(str(folder / "store.db"))
    connection.execute("DROP TABLE turns; DROP INDEX records_tail; UPDATE vectors SET tokens = NULL").fetchall()
    connection.pragma("user_version", 1)
    connection.close()
    with delible.open(folder) as memory:
        left = memory.encoder()["records_without_tokens"]
        assert left > 5 and answers(memory) != wanted
        assert memory.reembed("hash") == left and answers(memory) == wanted


def test_the_kept_folder_gets_its_tokens_by_the_command_that_is_told(first):
    told = {finding.code: finding.detail for finding in first.verify()}
    left = first.encoder()["records_without_tokens"]
    assert left > 5 and f"{left} records have no tokens yet, make them: delible encoder use" in told["vectors"]
    assert first.reembed("hash") == left and "records_without_tokens" not in first.encoder()
    assert [finding for finding in first.verify() if not finding.ok or "tokens" in finding.detail] == []
    assert "Lisbon" in first.recall("Where does Bob move?", space="user/ana", k=1)[0].record.text


def test_an_archive_of_what_was_migrated_gets_its_tokens_where_it_is_loaded(first, tmp_path):
    first.export(tmp_path / "all.delible")
    with delible.open(tmp_path / "other.mem", encoder="hash") as other:
        other.load(tmp_path / "all.delible")
        assert "records_without_tokens" not in other.encoder()


def test_a_record_whose_tokens_were_made_later_is_forgotten_with_them(first):
    first.reembed("hash")
    [hit] = first.recall("Where is the spare key?", space="user/ana", k=1)
    statement = "SELECT tokens FROM vectors JOIN records USING (row) WHERE id {} ?"
    with first._store.reading() as connection:
        own, others = (
            {tokens[at : at + 48] for (tokens,) in lines for at in range(0, len(tokens), 49)}
            for lines in (
                connection.execute(statement.format(sign), (to_bytes(hit.record.id),)) for sign in ("=", "!=")
            )
        )
    assert len(own - others) > 3  # this encoder gives a word the same bits wherever it stands
    assert first.release(hit.record.id, reason="the court is done")
    assert first.forget(ids=hit.record.id, reason="asked").confirmed
    data = b"".join(path.read_bytes() for path in first.path.rglob("*") if path.is_file())
    assert not any(piece[at : at + 16] in data for piece in own - others for at in range(33))
    assert any(piece in data for piece in own & others)
