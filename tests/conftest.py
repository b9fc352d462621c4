"""What all tests share: no deadline on a busy machine, the same examples in every run unless a soak is asked for."""

import os

import apsw
import pytest
from hypothesis import settings

settings.register_profile("tests", deadline=None, derandomize="DELIBLE_SOAK" not in os.environ, print_blob=True)
settings.load_profile("tests")


@pytest.fixture
def sql(folder):
    """One statement on the folder's file, past the product; its connection cleans nothing and checks nothing."""

    def execute(statement, *bindings):
        connection = apsw.Connection(str(folder / "store.db"))
        connection.set_busy_timeout(5000)
        try:
            return connection.execute(statement, bindings).fetchall()
        finally:
            connection.close()

    return execute
