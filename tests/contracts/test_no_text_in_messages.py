"""The text of a record is in no error, traceback, log line or repr of an error: found in the code, then tried."""

import ast
import logging
import traceback
from pathlib import Path

import pytest

import delible

PACKAGE = Path(delible.__file__).parent
CONTENT = {"text", "texts", "content", "question", "body", "evidence", "passage", "sentence"}
LOGGERS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
CANARY = "zanzibar-canary-7f3a"


def leaks(source: str) -> list[str]:
    """Expressions of content that go whole into a raised error or a log call, as `line: expression`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        logs = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGGERS
        if isinstance(node, ast.Raise) and node.exc is not None:
            found += list(_content(node.exc))
        elif logs:
            found += [
                leak
                for argument in (*node.args, *(word.value for word in node.keywords))
                for leak in _content(argument)
            ]
    return found


def _content(node: ast.AST):
    match node:
        # What is measured, counted, placed or typed is no longer the text.
        case ast.Call(func=ast.Name(id="len" | "type" | "sum")):
            return
        case ast.Call(func=ast.Attribute(attr="index" | "find" | "count")) | ast.Compare():
            return
        case ast.Attribute(attr="id" | "type" | "start" | "end"):
            return
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in CONTENT:
            yield f"line {node.lineno}: {ast.unparse(node)}"
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _content(child)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_raised_error_and_no_log_line_is_built_from_content(file):
    assert leaks(file.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('raise InvalidInput(f"cannot store {text!r}")', 1),
        ('logger.info("wrote %s", record.text)', 1),
        ('raise InvalidInput("no " + question)', 1),
        ('raise InvalidInput(f"{len(text)} characters are too many")', 0),
        ('raise InvalidInput(f"NUL at {text.index(zero)}")', 0),
        ('logger.info("wrote %s", record.id)', 0),
    ],
)
def test_content_in_a_message_is_found(source, count):
    assert len(leaks(source)) == count


def refused(memory, record):
    """One call a line that is refused, each with the canary in what it was given."""
    yield lambda: memory.write(f"{CANARY}\x00")
    yield lambda: memory.write(f"{CANARY}\ud800")
    yield lambda: memory.write({"text": CANARY, "happened": "some day"})
    yield lambda: memory.write({"text": CANARY, "happened": "10000-01-01"})
    yield lambda: memory.write([f"good {CANARY}", f"{CANARY}\x00"])
    yield lambda: memory.write(CANARY, channel="nobody")
    yield lambda: memory.write(CANARY, parents=["unknown"])
    yield lambda: memory.recall(f"{CANARY}\x00")
    yield lambda: memory.recall(CANARY, k=-1)
    yield lambda: memory.recall(CANARY, where={"no_such_field": CANARY})
    yield lambda: memory.revise("unknown", CANARY)
    yield lambda: memory.revise(record.id, f"{CANARY}\x00")
    yield lambda: memory.forget(where={"no_such_field": CANARY}, reason="asked")


def test_no_refusal_and_no_log_repeats_what_it_was_given(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with delible.open(tmp_path / "agent.mem", encoder="hash") as memory:
        [record] = memory.write(f"The word is {CANARY}.")
        for call in refused(memory, record):
            with pytest.raises(delible.DelibleError) as caught:
                call()
            for line in (str(caught.value), repr(caught.value), _values(caught.value)):
                assert CANARY not in line
            assert len(str(caught.value).splitlines()) == 1
        memory.recall(CANARY)
        memory.forget(ids=[record.id], reason="asked")
    assert CANARY not in caplog.text


def _values(error: BaseException) -> str:
    """The last lines of the traceback, causes included; source lines are code, and this file's hold the canary."""
    told = traceback.TracebackException.from_exception(error)
    lines = []
    while told is not None:
        lines += list(told.format_exception_only())
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)
    return "".join(lines)
