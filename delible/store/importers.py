"""Other people's memory files as items to write: the official MCP memory server's, chats, LoCoMo conversations.

Every item has the channel `import`: a file vouches for nobody. What it says of roles stays as a claim in `meta`.
A file is read once for its mistakes before it is read for its items, so that a bad last line loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Literal

from delible.core.errors import InvalidInput
from delible.core.records import ROLE_CHANNEL
from delible.core.texts import checked
from delible.core.times import moment
from delible.store.intake import LONGEST_FIELD
from delible.store.json_objects import Malformed, objects, opened
from delible.store.locomo import Conversation, Question, locomo

__all__ = ["Conversation", "Question", "chat_jsonl", "locomo", "mcp_memory", "sniff"]

Format = Literal["delible", "mcp-memory", "chat-jsonl"]
Item = dict[str, Any]

SYSTEM = frozenset({"system", "developer"})  # roles that instruct; no memory


def sniff(path: Path) -> Format:
    """The format of a file that `load` can read, judged by its first bytes. Raises InvalidInput."""
    with opened(path) as stream:
        if stream.read(4) == b"PK\x03\x04":
            return "delible"
        stream.seek(0)
        try:
            _, first = next(objects(stream), (0, {}))
        except Malformed:
            first = {}
    if first.get("type") in ("entity", "relation"):
        return "mcp-memory"
    if "role" in first:
        return "chat-jsonl"
    raise InvalidInput(
        f"{path.name} is no archive of Delible, no mcp-memory file (lines with 'type') and no chat-jsonl "
        "(lines with 'role'); nothing was loaded"
    )


def mcp_memory(path: Path) -> Iterator[Item]:
    """The MCP memory server's JSONL: a record for each observation ("Name: observation") and for each relation.

    The reference is file and line: loading the file again adds nothing. Raises InvalidInput with the line's number.
    """
    return _checked_first(path, _mcp_items)


def chat_jsonl(path: Path, naive: tzinfo = UTC, notes: list[str] | None = None) -> Iterator[Item]:
    """Chat messages, one a line or in one array: `role`, `content` (a string or parts), `name`, `timestamp`.

    Messages of the system, and those without text, are left out; `notes` is told how many. A timestamp without a zone
    is read in `naive`. Raises InvalidInput with the number of the line, or of the message in an array.
    """
    silent = 0

    def items(message: Item, reference: str) -> Iterator[Item]:
        nonlocal silent
        found = _chat_item(message, reference, naive)
        if found is None:
            silent += 1
        else:
            yield found

    checked_items = _checked_first(path, items)
    if notes is not None and silent:
        notes.append(f"{silent} messages were left out: from the system, or without text")
    return checked_items


def _checked_first(path: Path, items: Callable[[Item, str], Iterator[Item]]) -> Iterator[Item]:
    for _ in _items(path, items):
        pass
    return _items(path, items)


def _items(path: Path, items: Callable[[Item, str], Iterator[Item]]) -> Iterator[Item]:
    number = 0
    try:
        with opened(path) as stream:
            for number, entry in objects(stream):
                yield from items(entry, f"{path.name}:{number}")
    except Malformed as error:
        line = error.number or number  # 0: the entry is JSON, and says something else than it should
        raise InvalidInput(f"{path.name}, line {line}: {error}; nothing was loaded") from None


def _mcp_items(entry: Item, reference: str) -> Iterator[Item]:
    base = {"channel": "import", "reference": reference}
    if entry.get("type") == "entity":
        name, kind = _string(entry, "name"), _string(entry, "entityType")
        observations = entry.get("observations", [])
        if not isinstance(observations, list):
            raise Malformed(0, "observations is no list")
        texts = [f"{name}: {_string({'observation': each}, 'observation')}" for each in observations]
        for text in texts or [f"{name} ({kind})"]:
            _string({"observation": text}, "observation")  # with the name before it, it must not be too long
            yield base | {"text": text, "kind": "entity", "meta": {"entity": name, "entity_type": kind}}
    elif entry.get("type") == "relation":
        start, relation, end = (_string(entry, field) for field in ("from", "relationType", "to"))
        # "works_at" is one word to a full-text index; as it stood, it is in meta.
        text = f"{start} {relation.replace('_', ' ')} {end}"
        yield base | {"text": text, "kind": "relation", "meta": {"from": start, "relation": relation, "to": end}}
    else:
        raise Malformed(0, "type is neither 'entity' nor 'relation'")


def _chat_item(message: Item, reference: str, naive: tzinfo) -> Item | None:
    role = message.get("role")
    if not isinstance(role, str) or (role not in SYSTEM and role not in ROLE_CHANNEL):
        raise Malformed(0, "role is none of system, user, assistant, tool, function")
    text = _text_of(message.get("content"))
    author = None if message.get("name") is None else _string(message, "name")
    if author is not None and len(author) > LONGEST_FIELD:
        raise Malformed(0, f"name has more than {LONGEST_FIELD:,} characters")
    happened = _time(message["timestamp"], naive) if message.get("timestamp") is not None else None
    if role in SYSTEM or not text.strip():  # an assistant that only calls a tool says nothing
        return None
    return {
        "text": _string({"content": text}, "content"),
        "channel": "import",
        "reference": reference,
        "author": author,
        "happened": happened,
        "meta": {"role": role},
    }


def _text_of(content: object) -> str:
    """A message's text: a string, or the text parts of a list (pictures and calls are none)."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(isinstance(part, str | dict) for part in content):
        raise Malformed(0, "content is neither a string nor a list of parts")
    texts = [part if isinstance(part, str) else part.get("text") for part in content]
    return "\n".join(text for text in texts if isinstance(text, str) and text)


def _string(entry: Item, field: str) -> str:
    try:
        return checked(entry.get(field), field)
    except InvalidInput as error:
        raise Malformed(0, str(error).partition(";")[0]) from None


def _time(stamp: object, naive: tzinfo) -> datetime:
    if isinstance(stamp, int | float) and not isinstance(stamp, bool) and abs(stamp) > 1e11:
        stamp /= 1000  # milliseconds, as JavaScript counts: taken as seconds they would lie after the year 5000
    try:
        return moment(stamp, naive)[0]  # type: ignore[arg-type]  # what is no time, it refuses
    except InvalidInput:
        raise Malformed(0, "timestamp is no time of the years 1 to 9999") from None
