"""Connections and transactions."""

import contextlib
import threading

import apsw
import pytest

from delible.core.errors import Closed, CorruptStore, DelibleError, DiskFull, ReadOnlyStore, StoreLocked
from delible.store.sqlite import KEPT, SQLite, typed_errors


@pytest.fixture
def store(tmp_path):
    store = SQLite(tmp_path / "agent.mem")
    yield store
    store.close()


def count(connection):
    return connection.execute("SELECT count(*) FROM meta").get


def test_a_new_folder_has_a_key_of_its_own(store, tmp_path):
    other = SQLite(tmp_path / "other.mem")
    assert len(store.key) == 32 and store.key != other.key
    other.close()
    assert SQLite(tmp_path / "agent.mem").key == store.key


def test_what_is_written_in_a_transaction_is_there_and_what_fails_is_undone(store):
    with store.writing() as connection:
        before = count(connection)
        connection.execute("INSERT INTO meta VALUES ('a', x'01')")
    with contextlib.suppress(ZeroDivisionError), store.writing() as connection:
        connection.execute("INSERT INTO meta VALUES ('b', x'01')")
        raise ZeroDivisionError
    with store.reading() as connection:
        assert count(connection) == before + 1


def test_a_read_sees_one_state_from_its_first_look_on(store):
    with store.reading() as reader:
        before = count(reader)
        with store.writing() as writer:
            writer.execute("INSERT INTO meta VALUES ('a', x'01')")
        assert count(reader) == before
    with store.reading() as reader:
        assert count(reader) == before + 1


def test_no_read_keeps_its_snapshot_when_it_is_left(store):
    with contextlib.suppress(ZeroDivisionError), store.reading() as connection:
        connection.execute("SELECT 1 FROM meta")
        raise ZeroDivisionError
    with store.reading() as connection:
        next(connection.execute("SELECT name FROM meta"))  # a cursor left open
    with store.connection() as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


def test_a_nested_write_of_one_thread_is_refused_and_undoes_both(tmp_path):
    store = SQLite(tmp_path / "agent.mem", timeout=0.1)

    def nested():
        with store.writing() as outer:
            outer.execute("INSERT INTO meta VALUES ('a', x'01')")
            with store.writing():
                pass

    with pytest.raises(StoreLocked):
        nested()
    with store.reading() as connection:
        assert connection.execute("SELECT 1 FROM meta WHERE name = 'a'").get is None
    store.close()


def test_threads_take_turns_and_few_connections_are_kept(store):
    def add(number):
        for i in range(20):
            with store.writing() as connection:
                connection.execute("INSERT INTO meta VALUES (?, x'01')", (f"{number} {i}",))
            with store.reading() as connection:
                count(connection)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(KEPT + 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM meta WHERE value = x'01'").get == 20 * (KEPT + 4)
    assert len(store._idle) <= KEPT


def test_a_closed_store_opens_nothing(store):
    store.close()
    store.close()
    with pytest.raises(Closed), store.reading():
        pass
    with pytest.raises(Closed), store.writing():
        pass


@pytest.mark.parametrize(
    ("raised", "typed"),
    [
        (apsw.BusyError("x"), StoreLocked),
        (apsw.LockedError("x"), StoreLocked),
        (apsw.FullError("x"), DiskFull),
        (apsw.ReadOnlyError("x"), ReadOnlyStore),
        (apsw.CantOpenError("x"), ReadOnlyStore),
        (apsw.CorruptError("x"), CorruptStore),
        (apsw.NotADBError("x"), CorruptStore),
        (apsw.IOError("x"), DelibleError),
        (apsw.SQLError("malformed JSON"), CorruptStore),
        (apsw.SQLError("no such table: texts"), CorruptStore),
    ],
)
def test_sqlites_errors_become_ours_in_one_line_with_their_cause(tmp_path, raised, typed):
    with pytest.raises(typed) as got, typed_errors(tmp_path / "store.db"):
        raise raised
    assert type(got.value) is typed and "\n" not in str(got.value) and got.value.__cause__ is raised


def test_our_own_mistakes_stay_what_they_are(tmp_path):
    with pytest.raises(apsw.SQLError, match="syntax"), typed_errors(tmp_path / "store.db"):
        raise apsw.SQLError("near: syntax error")


def test_the_bytes_of_a_damaged_text_do_not_go_on_with_the_error(tmp_path):
    with pytest.raises(CorruptStore, match="verify") as got, typed_errors(tmp_path / "store.db"):
        b"canary \xff".decode()
    assert got.value.__cause__ is None and "canary" not in str(got.value)


def test_a_folder_whose_name_means_something_to_sqlite_is_opened(tmp_path):
    for name in ("a?b#c%20d", "file:x", "a'b", "ä ö", ":memory:", "x&immutable=1"):
        store = SQLite(tmp_path / name)
        assert store.path == tmp_path / name / "store.db" and store.path.is_file()
        store.close()
        SQLite(tmp_path / name).close()
