import os
import signal
import subprocess
import sys
import time

import pytest

from delible.cli.failures import frames

CANARY = "xylophone-canary-5309"


def process(path, *arguments, **options):
    """The command line as a process of its own."""
    environment = os.environ | {"DELIBLE_PATH": str(path), "DELIBLE_ENCODER": "hash"} | options.pop("env", {})
    return subprocess.run(
        [sys.executable, "-c", "from delible.cli import main; main()", *map(str, arguments)],
        env=environment, capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


def test_an_error_is_one_line_and_no_traceback(tmp_path):
    done = process(tmp_path / "none.mem", "recall", "tea")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: no memory") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("verbose", ["", "-v", "-vv"])
def test_no_log_error_or_traceback_holds_a_records_text(shell, verbose):
    flags = [verbose] if verbose else []
    first = shell("write", f"The {CANARY} sings.", *flags)
    id = first.stdout.strip()
    outputs = [
        first,
        shell("write", *flags, input=f"The {CANARY}\x00 sings.", code=2),
        shell("write", "--jsonl", *flags, input=f'{{"text": "{CANARY}"', code=2),
        shell("write", "--jsonl", *flags, input=f'{{"text": "{CANARY}", "happened": "never"}}', code=2),
        shell("write", f"{CANARY} again", "--parent", id[:-1] + "x", *flags, code=2),
        shell("recall", f"{CANARY}?", *flags),
        shell("recall", f"{CANARY}?", "--where", "knd=note", *flags, code=2),
        shell("forget", id, "--reason", "asked", *flags),
        shell("verify", *flags),
        shell("ledger", *flags),
    ]
    for done in outputs:
        assert CANARY not in done.stderr
        assert "Traceback" not in done.stderr


def test_an_unexpected_failure_names_its_type_only(shell, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError(f"while storing {CANARY}") from ValueError(CANARY)

    monkeypatch.setattr("delible.cli.call.Call.open", fail)
    quiet = shell("list", code=1)
    assert quiet.stderr == "error: RuntimeError, which should not happen; run again with -vv for a traceback\n"
    loud = shell("list", "-vv", code=1)
    assert CANARY not in loud.output and "caused by ValueError" in loud.stderr and "File" in loud.stderr
    shell("list", code=1)  # -vv of one call is not left on for the next


def test_frames_say_where_and_never_what():
    try:
        text = CANARY
        raise KeyError(text)
    except KeyError as error:
        shown = frames(error)
    assert "KeyError" in shown and "test_failures.py" in shown and CANARY not in shown.replace("CANARY", "")


def test_a_usage_error_is_refused_with_exit_code_2(tmp_path):
    for arguments in (["recal", "tea"], ["recall"], ["list", "--limit", "none"], ["list", "--nonsense"]):
        done = process(tmp_path / "agent.mem", *arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "recall" in process(tmp_path / "agent.mem", "recal", "tea").stderr


def test_a_reader_that_left_a_pipe_is_no_failure(tmp_path):
    path = tmp_path / "agent.mem"
    process(path, "write", "--lines", input="\n".join(f"thing number {n}" for n in range(400)))
    command = f"{sys.executable} -c 'from delible.cli import main; main()' list --limit 400 | head -n 1"
    environment = os.environ | {"DELIBLE_PATH": str(path), "DELIBLE_ENCODER": "hash"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert "rror" not in done.stderr and "Traceback" not in done.stderr and done.stdout.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_control_c_is_one_line_and_exit_code_130(tmp_path):
    environment = os.environ | {"DELIBLE_PATH": str(tmp_path / "agent.mem"), "DELIBLE_ENCODER": "hash"}
    with subprocess.Popen(
        [sys.executable, "-c", "from delible.cli import main; main()", "write"],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        time.sleep(1)  # it waits for its pipe
        running.send_signal(signal.SIGINT)
        running.wait(timeout=30)
        assert running.returncode == 130
        assert running.stderr.read().count("\n") == 1
