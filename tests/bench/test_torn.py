"""A torn tail takes nothing that was committed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import apsw
import pytest

from delible.bench.torn import committed, tear

KILLED = """
import os, signal, sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.pragma("journal_mode", "wal")
connection.pragma("cache_size", 2)
connection.execute("CREATE TABLE t(x)")
for i in range(20):
    connection.execute("INSERT INTO t VALUES(?)", (str(i) * 3000,))
connection.execute("BEGIN")
for i in range(60):
    connection.execute("INSERT INTO t VALUES('uncommitted' || ?)", ("x" * 3000,))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The files that a killed writer left: 20 committed rows, and frames of a transaction that was under way."""
    file = tmp_path_factory.mktemp("torn") / "t.db"
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert done.returncode == -signal.SIGKILL
    return {part.name: part.read_bytes() for part in file.parent.iterdir()}


def test_the_end_of_the_last_commit_is_found(killed):
    log = killed["t.db-wal"]
    assert 0 < committed(log) < len(log)
    assert committed(b"") == committed(log[:20]) == 0


@pytest.mark.parametrize("seed", range(16))
def test_every_committed_row_is_there_after_a_torn_tail(killed, tmp_path, seed):
    for name, data in killed.items():
        (tmp_path / name).write_bytes(data)
    assert tear(tmp_path / "t.db-wal", Random(seed))
    connection = apsw.Connection(str(tmp_path / "t.db"))
    assert connection.execute("SELECT count(*) FROM t").get == 20
    assert connection.pragma("integrity_check") == "ok"
    connection.close()


def test_without_a_log_nothing_is_torn(tmp_path):
    (tmp_path / "empty-wal").write_bytes(b"")
    assert not tear(tmp_path / "none-wal", Random(1)) and not tear(tmp_path / "empty-wal", Random(1))
    assert os.listdir(tmp_path) == ["empty-wal"] and Path(tmp_path / "empty-wal").stat().st_size == 0
