"""Intake: whatever a caller may hand to `write` becomes drafts, checked, with nothing written yet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any

from delible.core.errors import InvalidInput, UnknownField
from delible.core.records import PRIOR_TRUST, ROLE_CHANNEL, Media, Record
from delible.core.texts import checked
from delible.core.times import micros, moment
from delible.store.writing import Draft

Given = str | Media | Record | Mapping[str, Any]
When = datetime | date | str | int | float | None

_FIELDS = frozenset(
    [
        "text",
        "media",
        "space",
        "channel",
        "author",
        "reference",
        "happened",
        "kind",
        "key",
        "parents",
        "meta",
        "expires",
        "id",
        "role",
        "content",
        "name",
    ]
)
LONGEST_FIELD = 1000  # characters of a key, reference, author or kind; ours
DEEPEST = 100  # lists and dicts of meta within each other; ours
_nul = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it; behind an escaped backslash it is plain text


@dataclass
class Defaults:
    """What a call says for all its items; an item's own fields go before, but none raises its channel."""

    space: str
    channel: str
    zone: tzinfo
    author: str | None = None
    reference: str | None = None
    happened: When = None
    kind: str = "note"
    key: str | None = None
    parents: Sequence[str] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    expires: When = None
    duplicates: str = "report"


def drafts_of(items: Given | Iterable[Given], defaults: Defaults) -> tuple[list[Draft], list[str]]:
    """Drafts in an order in which parents come first, and what is to be noted of items left out. Raises
    InvalidInput."""
    if isinstance(items, str | Media | Record | Mapping):
        items = [items]
    if not isinstance(items, Iterable):
        raise InvalidInput(f"write takes items or a list of items, not {type(items).__name__}; nothing was written")
    items = list(items)
    if not items:
        raise InvalidInput("there is nothing to write: the list is empty")
    known_channel(defaults.channel)
    if defaults.duplicates not in ("report", "keep"):
        raise UnknownField(f"duplicates is 'report' or 'keep', not {defaults.duplicates!r:.40}")
    notes: list[str] = []
    drafts: list[Draft] = []
    names: dict[str, Draft] = {}  # ids that records bring along, so that a batch keeps its own lineage
    system = 0
    for item in items:
        fields = _fields(item)
        if fields.get("role") == "system":
            system += 1
            continue
        draft = _draft(fields, defaults)
        if "id" in fields:
            name = _short(fields["id"], "id") or ""
            if name in names:
                raise InvalidInput("two records of the batch have the same id; nothing was written")
            names[name] = draft
        drafts.append(draft)
    if system:
        notes.append(
            f"{system} system message{'s were' if system > 1 else ' was'} left out: no memory of a conversation"
        )
    return _parents_first(drafts, names), notes


def known_channel(channel: object) -> str:
    """The channel, if it is one. Raises UnknownField."""
    if not isinstance(channel, str) or channel not in PRIOR_TRUST:
        raise UnknownField(f"no channel {str(channel)[:40]!r}; use one of {', '.join(PRIOR_TRUST)}")
    return channel


def _fields(item: Given) -> Mapping[str, Any]:
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, Media):
        return {"media": item}
    if isinstance(item, Record):
        source = item.source
        taken = {
            "author": source.author,
            "reference": source.reference,
            "happened": item.happened,
            "key": item.key,
            "expires": item.expires,
        }
        return {
            **{name: value for name, value in taken.items() if value is not None},
            "id": item.id,
            "text": item.text,
            "channel": source.channel,
            "kind": item.kind,
            "meta": item.meta,
            "parents": item.parents,
            **({"media": item.media} if item.media else {}),
            **({"space": item.space} if item.space else {}),
        }
    if not isinstance(item, Mapping):
        raise InvalidInput(
            f"an item is text, a message, a record or a dict, not {type(item).__name__}; nothing was written"
        )
    unknown = [name for name in item if name not in _FIELDS]
    if unknown:
        raise UnknownField(
            f"an item has an unknown field {str(unknown[0])[:40]!r}; known: {', '.join(sorted(_FIELDS))}. Put others in"
            " meta"
        )
    return {name: value for name, value in item.items() if value is not None}  # null: as if it were not said


def _draft(fields: Mapping[str, Any], defaults: Defaults) -> Draft:
    channel = defaults.channel
    text = fields.get("text", "")
    author = fields.get("author", defaults.author)
    if "role" in fields or "content" in fields:
        role = fields.get("role", "user")
        if not isinstance(role, str) or role not in ROLE_CHANNEL:
            raise UnknownField(
                f"a message has the unknown role {str(role)[:40]!r}; known: {', '.join(ROLE_CHANNEL)}, system"
            )
        channel = _lower(channel, ROLE_CHANNEL[role])
        text = _content(fields.get("content"))
        author = fields.get("name", author)
    if "channel" in fields:
        channel = _lower(channel, known_channel(fields["channel"]))
    media = fields.get("media")
    notes: list[str] = []
    happened = _time(fields.get("happened", defaults.happened), defaults.zone, "happened", notes)
    expires = _time(fields.get("expires", defaults.expires), defaults.zone, "expires", notes)
    parents = fields.get("parents", defaults.parents)
    if not isinstance(parents, list | tuple | set | frozenset) or not all(isinstance(one, str) for one in parents):
        raise InvalidInput("parents is a list of ids; nothing was written")
    if media is not None:
        notes.append(f"no encoder here reads {_type(media)}; found by its text and fields only")
    return Draft(
        text=checked(text, empty=media is not None),
        space=checked(fields.get("space", defaults.space), "space"),
        channel=channel,
        kind=_short(fields.get("kind", defaults.kind), "kind") or "note",
        key=_short(fields.get("key", defaults.key), "key"),
        reference=_short(fields.get("reference", defaults.reference), "reference"),
        author=_short(author, "author"),
        happened=happened,
        expires=expires,
        meta={**checked_meta(defaults.meta), **checked_meta(fields.get("meta", {}))},
        notes=notes,
        parents=tuple(dict.fromkeys(parents)),
        media=None if media is None else (bytes(media.data), media.type),
        duplicates=defaults.duplicates,
    )


def _lower(one: str, other: str) -> str:
    return min(one, other, key=lambda channel: PRIOR_TRUST[channel])


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and all(isinstance(part, Mapping) for part in content):
        return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    raise InvalidInput("a message has no text content; nothing was written")


def _time(value: When, zone: tzinfo, what: str, notes: list[str]) -> int | None:
    if value is None:
        return None
    when, naive = moment(value, zone, what)
    if naive:
        notes.append(f"{what} had no time zone; read as {zone}")
    return micros(when)


def _short(value: Any, what: str) -> str | None:
    if value is None:
        return None
    text = checked(value, what)
    if len(text) > LONGEST_FIELD:
        raise InvalidInput(f"{what} has {len(text)} characters, more than {LONGEST_FIELD}; nothing was written")
    return text


def _type(media: Any) -> str:
    data: Any = getattr(media, "data", None)
    if not isinstance(media, Media) or not isinstance(data, bytes) or not media.data or "/" not in media.type:
        raise InvalidInput("media needs bytes and a type such as image/png; nothing was written")
    return checked(media.type, "media type")


def checked_meta(meta: Any) -> dict[str, Any]:
    """A JSON object, as it will come back. Raises InvalidInput."""
    if not isinstance(meta, Mapping):
        raise InvalidInput(f"meta must be a dict, not {type(meta).__name__}; nothing was written")
    try:
        raw = json.dumps(dict(meta), ensure_ascii=False, allow_nan=False)
        raw.encode()
        if _nul.search(raw):
            raise ValueError("NUL")
        back: dict[str, Any] = json.loads(raw)
        _shallow(back)
        return back
    except (TypeError, ValueError, RecursionError):
        # No cause: the encoder's error holds the text that it could not encode.
        raise InvalidInput(
            "meta holds something that is no JSON (text without NUL and lone surrogates, numbers, lists, dicts, true,"
            f" false, null; at most {DEEPEST} deep); nothing was written"
        ) from None


def _shallow(value: Any, depth: int = 0) -> None:
    """Raises ValueError where SQLite's JSON (1,000 deep) would refuse every filter on meta because of one record."""
    if depth > DEEPEST:
        raise ValueError("deep")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _shallow(inner, depth + 1)


def _parents_first(drafts: list[Draft], names: Mapping[str, Draft]) -> list[Draft]:
    """Order a batch so that parents come first, and let lineage point at the new ids. Raises InvalidInput on a
    cycle."""
    ids = {id(draft): draft.id for draft in drafts}
    for draft in drafts:
        draft.parents = tuple(names[parent].id if parent in names else parent for parent in draft.parents)
    inside = {draft.id: draft for draft in drafts}
    done: dict[str, Draft] = {}
    state: dict[str, int] = {}
    for start in drafts:
        stack = [start]
        while stack:
            draft = stack[-1]
            if state.get(draft.id) == 2:
                stack.pop()
                continue
            state[draft.id] = 1
            todo = [inside[parent] for parent in draft.parents if parent in inside and state.get(parent) != 2]
            if any(state.get(parent.id) == 1 for parent in todo):
                raise InvalidInput(
                    "the lineage of the batch is cyclic: a record cannot come from itself; nothing was written"
                )
            if todo:
                stack += todo
                continue
            state[draft.id] = 2
            done[draft.id] = draft
            stack.pop()
    assert len(ids) == len(done)
    return list(done.values())
