import os
import subprocess
import sys
import time

import pytest

from delible.cli.app import FILES

RUN = "from delible.cli import main; main()"


def started(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_answers_at_once():
    started("--help")  # compiles what was not yet
    begin = time.perf_counter()
    assert started("--help").returncode == 0
    assert time.perf_counter() - begin < 1.0  # 0.13 s by hand; generous for a busy machine


def test_help_lists_every_command_in_80_columns():
    shown = started("--help", COLUMNS="80").stdout
    assert all(f"\n  {name} " in shown for name in FILES)
    assert max(map(len, shown.splitlines())) <= 80 and "..." not in shown.split("Start here")[1]


@pytest.mark.parametrize("name", list(FILES))
def test_every_command_has_its_help(shell, name):
    done = shell(name, "--help")
    assert done.stdout.startswith(f"Usage: delible {name}") and max(map(len, done.stdout.splitlines())) <= 80


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom delible.cli.app import app\n"
        "try: app(['--help'], prog_name='delible')\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'apsw', 'onnxruntime', 'onnx', 'pydantic', 'rich', 'torch'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_is_shown():
    assert started("--version").stdout.startswith("delible ")


def test_a_shell_completes_commands_and_options():
    ask = lambda words: started(  # noqa: E731
        _DELIBLE_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1)
    ).stdout.split()
    assert ask("delible qua") == ["quarantine"]
    assert "--dry-run" in ask("delible forget --d")
