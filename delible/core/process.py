"""Which process this is: its number is used again by the system, its number with the time of its start is not."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


@cache
def _named(process: int) -> str:
    return f"process {process} {_started(process)}"


def _started(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return "?"


def this_process() -> str:
    """`process 4121 90210`: number and start."""
    return _named(os.getpid())  # by number: a forked child has another


def runs(named: str) -> bool:
    """Whether a process named so by `this_process` still runs on this machine."""
    fields = named.split()
    if len(fields) != 3 or not fields[1].isdigit():
        return False
    process = int(fields[1])
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _started(process) == fields[2]
