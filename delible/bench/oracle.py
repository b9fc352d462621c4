"""What the writers of the crash bench promised, kept outside of them, and what must be true of a folder afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal

import numpy as np

from delible.core.shapes import Encoder

SAMPLE = 8  # records asked for one by one after a cycle


@dataclass
class Known:
    """A record that a writer said it wrote, and that it alone changes."""

    id: str
    text: str
    owner: int
    parents: tuple[str, ...] = ()
    revises: str | None = None
    state: Literal["living", "held", "closed", "gone"] = "living"
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Questions:
    """What is asked afterwards: pairs of id and text, and for some of the gone ones a time when they lived."""

    living: tuple[tuple[str, str], ...]
    gone: tuple[str, ...]
    gone_sample: tuple[tuple[str, str, datetime], ...]


@dataclass
class Seen:
    """What it saw."""

    listed: dict[str, tuple[str, bool]] = field(default_factory=dict)  # text and held, by id
    got: list[str] = field(default_factory=list)  # gone ids that a call gave back, with the call
    unfound: list[str] = field(default_factory=list)  # living ids that their own text does not recall
    findings: list[str] = field(default_factory=list)
    open_receipts: list[str] = field(default_factory=list)
    error: str = ""


class Oracle:
    """Hears intents and acknowledgements; judges what is there."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self._pending: dict[int, dict[str, Any]] = {}
        self._vectors: dict[tuple[str, str], bytes] = {}
        self._written = self._forgotten = 0

    def begin(self) -> None:
        """A new cycle: nobody has anything under way."""
        self._pending.clear()

    def owned(self, writer: int) -> dict[str, Known]:
        """The records of a writer that are not gone. It alone changes them, so what must come out is never a race."""
        return {id: record for id, record in self.known.items() if record.owner == writer and record.state != "gone"}

    def gone(self) -> list[tuple[str, str]]:
        """Ids and texts that nothing may give back."""
        return [(record.id, record.text) for record in self.known.values() if record.state == "gone"]

    def hear(self, message: dict[str, Any]) -> list[tuple[str, str]]:
        """An intent or its acknowledgement; what is gone from now on."""
        writer = message["by"]
        if message["say"] == "intent":
            self._pending[writer] = message
            return []
        return self._happened(self._pending.pop(writer), message.get("ids", []))

    def _happened(self, intent: dict[str, Any], ids: Sequence[str]) -> list[tuple[str, str]]:
        match intent["op"]:
            case "write" | "batch" | "derive" | "revise":
                parents, revises = tuple(intent.get("parents", ())), intent.get("revises")
                for id, text in zip(ids, intent["texts"], strict=True):
                    self.known[id] = Known(id, text, intent["by"], parents, revises)
                self._written += len(ids)
                if revises is not None:
                    self.known[revises].state = "closed"
            case "hold" | "release":
                self.known[intent["ids"][0]].state = "held" if intent["op"] == "hold" else "living"
            case "forget":
                gone = [self.known[id] for id in family(intent["ids"], self.known)]
                for record in gone:
                    record.state = "gone"
                self._forgotten += len(gone)
                return [(record.id, record.text) for record in gone]
        return []

    def questions(self, random: Random) -> Questions:
        """A sample of what lives, and all that is gone. What nobody acknowledged is not asked for."""
        open_ = {id for intent in self._pending.values() for id in family(intent.get("ids", ()), self.known)}
        open_ |= {intent["revises"] for intent in self._pending.values() if intent.get("revises")}
        living = [record for record in self.known.values() if record.state == "living" and record.id not in open_]
        gone = [record for record in self.known.values() if record.state == "gone"]
        return Questions(
            tuple((record.id, record.text) for record in random.sample(living, min(SAMPLE, len(living)))),
            tuple(record.id for record in gone),
            tuple((record.id, record.text, record.time) for record in random.sample(gone, min(SAMPLE, len(gone)))),
        )

    def judge(self, seen: Seen) -> dict[str, list[str]]:
        """What does not hold, by kind of fault; what was under way is settled by what is there."""
        faults: defaultdict[str, list[str]] = defaultdict(list)
        if seen.error:
            return {"unverified": [seen.error]}
        by_text = {text: id for id, (text, _) in seen.listed.items()}
        for writer, intent in sorted(self._pending.items()):
            faults["halves"] += self._settle(intent, seen, by_text, writer)
        self._pending.clear()
        for record in self.known.values():
            text, held = seen.listed.get(record.id, ("", False))
            match record.state:
                case "living" | "held" if not text:
                    faults["lost"].append(record.id)
                case "living" | "held" if text != record.text or held != (record.state == "held"):
                    faults["changed"].append(record.id)
                case "closed" if text:
                    faults["changed"].append(f"{record.id} was revised and lives")
                case "gone" if text:
                    faults["returned"].append(f"{record.id} is listed")
        faults["returned"] += seen.got + [f"{id}, which nobody wrote" for id in seen.listed if id not in self.known]
        faults["lost"] += [f"{id} is not recalled" for id in seen.unfound]
        faults["unverified"] += seen.findings
        faults["unconfirmed"] += seen.open_receipts
        return {name: details for name, details in faults.items() if details}

    def _settle(self, intent: dict[str, Any], seen: Seen, by_text: dict[str, str], writer: int) -> Iterator[str]:
        """Something under way when its process ended must have happened as a whole or not at all."""
        match intent["op"]:
            case "write" | "batch" | "derive" | "revise":
                there = [text for text in intent["texts"] if text in by_text]
                if len(there) == len(intent["texts"]):
                    self._happened(intent, [by_text[text] for text in there])
                elif there:
                    yield f"{len(there)} of {len(intent['texts'])} of a {intent['op']} of writer {writer}"
            case "hold" | "release":
                self.known[intent["ids"][0]].state = (
                    "held" if seen.listed.get(intent["ids"][0], ("", False))[1] else "living"
                )
            case "forget":
                alive = [id for id in family(intent["ids"], self.known) if self.known[id].state in {"living", "held"}]
                there = [id for id in alive if id in seen.listed]
                if not there:
                    self._happened(intent, [])
                elif len(there) < len(alive):
                    yield f"{len(there)} of {len(alive)} records left by a forget of writer {writer}"

    def contents(self, encoders: Sequence[Encoder], kind: str, gone: bool) -> Iterator[bytes]:
        """Texts ("text"), or vectors by every encoder ("<f2", "<f4"), of what is gone or of all that is not."""
        for record in self.known.values():
            if (record.state == "gone") != gone:
                continue
            if kind == "text":
                yield record.text.encode()
                continue
            for encoder in encoders:
                key = (encoder.version, record.id)
                if key not in self._vectors:
                    self._vectors[key] = encoder.encode([record.text])[0].astype("<f4").tobytes()
                yield np.frombuffer(self._vectors[key], "<f4").astype(kind).tobytes()

    def counted(self) -> tuple[int, int]:
        """Records written and forgotten since the last call."""
        counts = self._written, self._forgotten
        self._written = self._forgotten = 0
        return counts


def family(ids: Iterable[str], known: dict[str, Known]) -> set[str]:
    """What goes when these go: all revisions, older and newer, all that was derived, and the revisions of that."""
    children: defaultdict[str, set[str]] = defaultdict(set)
    for record in known.values():
        for link in (*record.parents, record.revises):
            if link is not None:
                children[link].add(record.id)
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        id = waiting.pop()
        if id not in found:
            found.add(id)
            waiting += children[id]
            older = known[id].revises
            waiting += [older] if older is not None else []
    return found
