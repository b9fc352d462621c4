"""The real command line, in this process, on a folder of its own, with the encoder that needs no files."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from delible.cli.app import app
from delible.core.settings import settings


class Shell:
    """Runs commands; `path` is the folder of the memory."""

    def __init__(self, path):
        self.path = path
        self.env = {
            "DELIBLE_PATH": str(path),
            "DELIBLE_ENCODER": "hash",
            "DELIBLE_SPACE": None,
            "DELIBLE_TIMEZONE": None,
        }

    def __call__(self, *arguments, input=None, code=0):
        settings.cache_clear()  # a process reads them once; here every command is one of its own
        done = CliRunner().invoke(app, list(map(str, arguments)), input=input, env=self.env, prog_name="delible")
        assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}"
        return done

    def json(self, *arguments, input=None, code=0):
        """The objects that a command gives with --json."""
        return [json.loads(line) for line in self(*arguments, "--json", input=input, code=code).stdout.splitlines()]

    def write(self, *arguments, input=None):
        """Ids of what was written."""
        return self("write", *arguments, input=input).stdout.split()


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path / "agent.mem")
