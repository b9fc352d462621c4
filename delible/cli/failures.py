"""How a command fails: one line on stderr and an exit code; never a record's text, not in a traceback either."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import typer

from delible.cli.screen import clean, say
from delible.core.errors import DelibleError

log = logging.getLogger("delible.cli")


@contextmanager
def reported() -> Iterator[None]:
    """Turn what goes wrong inside into one line on stderr and the exit code."""
    try:
        yield
    except DelibleError as error:
        log.debug("%s", frames(error))
        _stop(f"error: {clean(' '.join(str(error).split()))}", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        # The terminal has shown ^C on the line of a question.
        _stop(("\n" if sys.stderr.isatty() else "") + "stopped; what was reported as done is kept", 130)
    except BrokenPipeError:
        close_pipe()
        raise typer.Exit(0) from None
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("typer", "click"):
            raise  # usage errors and exit codes are Typer's to show
        log.debug("%s", frames(error))
        hint = "" if log.isEnabledFor(logging.DEBUG) else "; run again with -vv for a traceback"
        _stop(f"error: {type(error).__name__}, which should not happen{hint}", 1)


def close_pipe() -> None:
    """Whoever read stdout had enough; without this the interpreter would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(line: str, code: int) -> None:
    say(line)
    raise typer.Exit(code) from None


def frames(error: BaseException) -> str:
    """Where an error came from, with its causes: places and types only. A message may quote what was being stored."""
    lines = [type(error).__name__, *traceback.format_tb(error.__traceback__)]
    below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(f"{line.rstrip()}\n" for line in lines) + (f"caused by {frames(below)}" if below else "")


class _Quiet(logging.Formatter):
    """Log lines whose tracebacks have places and types only."""

    def formatException(self, ei: object) -> str:
        match ei:
            case (_, BaseException() as error, TracebackType() | None):
                return frames(error).rstrip()
        return ""


def start_logging(verbose: int) -> None:
    """-v: what is done, -vv: every step, both to stderr. Silent otherwise."""
    logger = logging.getLogger("delible")
    for old in [handler for handler in logger.handlers if isinstance(handler.formatter, _Quiet)]:
        logger.removeHandler(old)
    logger.setLevel(logging.NOTSET)
    if verbose:
        handler = logging.StreamHandler()
        handler.setFormatter(_Quiet("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
