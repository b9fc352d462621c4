"""The file itself: its settings, and that every hot statement uses the index it names."""

import re

import apsw
import pytest

import delible
from delible.store import schema, views


@pytest.fixture
def memory(tmp_path):
    with delible.open(tmp_path / "agent.mem", encoder="hash") as memory:
        for number in range(4):
            memory.write([f"apple {number} {i} and {i * 7} words" for i in range(250)], space=f"space/{number}")
        memory.write({"text": "keyed", "key": "k", "reference": "r"}, space="space/0")
        yield memory


# What may be read without an index: a list of rows given, the newest event, whether there is any gram, all spaces.
ALLOWED = re.compile(
    r"SCAN ([\w.]+ VIRTUAL TABLE|x$|\(subquery|events$|grams_docsize$|spaces USING COVERING INDEX"
    r"|lives USING COVERING INDEX lives_(since|until)$|CONSTANT ROW)"
)


def plan(connection, statement):
    """The lines of SQLite's plan for a statement, its bindings unset."""
    count = 0
    for number in re.findall(r"\?(\d*)", statement):
        count = max(count, int(number)) if number else count + 1
    return [line[3] for line in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * count)]


@pytest.fixture
def heard(memory):
    """The statements that the memory's connection ran while something was done."""

    def listen(do):
        statements = []
        with memory._store.connection() as connection:
            pass  # the pool gives the one back that was given back last
        connection.exec_trace = lambda cursor, statement, bindings: statements.append(statement) or True
        do()
        connection.exec_trace = None
        found = [one for one in dict.fromkeys(statements) if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)", one)]
        assert found, "nothing was heard: another connection did the work"
        return {statement: plan(connection, statement) for statement in found}

    return listen


def first(memory, space="space/0"):
    return memory.list(space=space, limit=1)[0].id


HOT = {
    "a write": lambda m: m.write({"text": "apple 0 7 and 49 words", "reference": "q", "key": "kk"}, space="space/0"),
    "a derived write": lambda m: m.write("derived", parents=[first(m)], space="space/0", channel="model"),
    "a recall": lambda m: m.recall("apple words", space="space/0"),
    "a recall of a small space": lambda m: m.recall("keyed", space="space/9"),
    "a recall of all": lambda m: m.recall("apple words", space="**"),
    "a page of one space": lambda m: m.list(space="space/0", limit=10),
    "a page of many": lambda m: m.list(space="space/**", limit=10),
    "a record": lambda m: m.get(first(m)),
    "a history": lambda m: m.history(first(m)),
    "a revision": lambda m: m.revise(first(m), "revised"),
    "a hold": lambda m: m.hold(first(m, "space/1"), reason="odd"),
    "a release": lambda m: m.release(first(m, "space/2"), reason="fine"),
}


@pytest.mark.parametrize("name", HOT)
def test_no_hot_statement_walks_a_table(memory, heard, name):
    for scope in ("space/0", "**"):
        memory.recall("apple", space=scope)  # the views are there, as they are in use
    memory.write("a change that the view has to catch up with", space="space/0")
    for statement, lines in heard(lambda: HOT[name](memory)).items():
        walked = [line for line in lines if line.startswith("SCAN") and not ALLOWED.match(line)]
        assert walked == [], (statement[:200], lines)


def test_the_named_indexes_are_the_ones_used(memory, heard):
    statements = {**heard(lambda: HOT["a write"](memory)), **heard(lambda: HOT["a page of one space"](memory))}
    lines = " | ".join(line for found in statements.values() for line in found)
    for index in (
        "records_fingerprint (space=? AND fingerprint=?)",
        "records_key (space=? AND key=?)",
        "records_space",
    ):
        assert index in lines
    with memory._store.reading() as connection:
        for statement, index in zip(views._CHANGED, ("lives_since", "lives_until", "records_changed"), strict=True):
            (line,) = plan(connection, statement)
            assert line.startswith("SEARCH") and index in line


def test_nothing_is_ever_analyzed(memory):
    memory.compact()
    assert memory.verify()
    with memory._store.reading() as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    assert not any(name.startswith("sqlite_stat") for name in tables) and {"records", "texts", "events"} <= tables


def test_every_table_of_ours_is_strict(memory):
    with memory._store.reading() as connection:
        loose = connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0"
            " AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
    assert loose == []


def test_every_connection_has_the_settings_that_deletion_and_durability_need(memory):
    with memory._store.connection() as connection:
        settings = {
            name: connection.pragma(name)
            for name in (
                "journal_mode",
                "synchronous",
                "secure_delete",
                "temp_store",
                "application_id",
                "user_version",
                "page_size",
                "trusted_schema",
            )
        }
        for table in ("words", "grams"):
            assert connection.execute(f"SELECT v FROM {table}_config WHERE k = 'secure-delete'").get == 1
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "temp_store": 2,
        "application_id": schema.APPLICATION,
        "user_version": schema.VERSION,
        "page_size": schema.PAGE,
        "trusted_schema": 0,
    }


def test_sqlite_is_one_that_keeps_a_log_with_two_writers_whole():
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


def test_row_and_space_numbers_are_never_used_again(memory):
    with memory._store.reading() as connection:
        row, space = connection.execute("SELECT max(row), max(space) FROM records").fetchone()
    memory.write("the last of its space", space="space/gone")
    memory.forget(space="space/gone", reason="asked")
    memory.write("new", space="space/new")
    with memory._store.reading() as connection:
        new = connection.execute("SELECT max(row), max(space) FROM records").fetchone()
    assert new[0] == row + 2 and new[1] == space + 2
