"""Conversation sets of a data folder as talks: turns to write, questions, and the references that answer them.

locomo, realtalk     two people; evidence names turns
beam                 user and assistant; evidence names turns, for the abilities that have any
longmemeval          user and assistant; evidence names sessions
memorybank           user and assistant; questions without answers or evidence
factconsolidation    no talk: numbered facts, of which later ones overwrite earlier ones

What is missing or malformed raises InvalidInput, which quotes no text. Times in the files have no zone: read as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from delible.core.errors import InvalidInput
from delible.core.records import ROLE_CHANNEL
from delible.core.texts import checked
from delible.store.json_objects import document
from delible.store.locomo import MONTHS, item_of
from delible.store.locomo import locomo as conversations_of

DATA = Path("../shared/data")
CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
UNANSWERABLE = frozenset({"adversarial", "abstention"})
SCORED = (  # abilities of BEAM whose questions are about what single turns say
    *("information_extraction", "knowledge_update", "multi_session_reasoning", "temporal_reasoning"),
    "contradiction_resolution",
)

_AUDITED = "_audited_qa.json"
_ANSWERS = ("answer", "ideal_answer", "ideal_response", "ideal_summary", "expected_compliance")  # BEAM, by ability
# One turn as evidence writes it: "D8:6", "D 8:6", "D:8:6", "D08;6", "8:6"; a dash before it makes a range.
_written = re.compile(r"(?P<dash>[-–]\s*)?D?\s*:?\s*(?P<session>\d+)\s*[:;]\s*(?P<turn>\d+)[\s,.;:]*")

Item = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """`evidence` has references of the talk's turns (longmemeval: of its sessions), none twice."""

    question: str
    answer: str | None
    evidence: tuple[str, ...]
    category: str
    answerable: bool

    @property
    def scorable(self) -> bool:
        """Whether a recall can be held against it: it has an answer, and it is known where."""
        return self.answerable and bool(self.evidence)


@dataclass(frozen=True)
class Talk:
    """Turns are items for `write`, in order; `dropped` counts ids in evidence that name no turn."""

    name: str
    speakers: tuple[str, ...]
    turns: tuple[Item, ...]
    questions: tuple[Asked, ...]
    dropped: int = 0

    @property
    def order(self) -> tuple[str, ...]:
        """References of the turns, first to last."""
        return tuple(turn["reference"] for turn in self.turns)


@dataclass(frozen=True)
class Facts:
    """Facts in the order told; each question has the answers (variants of one) that the newest facts give."""

    name: str
    facts: tuple[str, ...]
    questions: tuple[str, ...]
    answers: tuple[tuple[str, ...], ...]


def session(reference: str) -> str:
    """The session that a turn's reference names: "S2" of "S2:5". REALTALK's ids count sessions apart from `meta`'s."""
    return reference.partition(":")[0]


def locomo(data: Path = DATA, audited: bool = False) -> tuple[Talk, ...]:
    """Talks of locomo/locomo*.json; `audited`: asked with the corrected answer key beside it."""
    files = _files(data, "locomo/locomo*.json", without=_AUDITED)
    keys = dict(_audited_keys(data)) if audited else {}
    talks = []
    for file in files:
        for number, talk in enumerate(conversations_of(file), 1):
            with _reading(f"{_told(file, data)}, conversation {number}"):
                asked = [_asked(one.question, one.answer, one.evidence, one.category) for one in talk.questions]
                if audited and talk.name not in keys:
                    raise LookupError("the key has no such conversation")
                talks.append(_talk(talk.name, talk.speakers, talk.turns, keys[talk.name] if audited else asked))
    return _distinct(talks, "locomo")


def realtalk(data: Path = DATA) -> tuple[Talk, ...]:
    """Talks of rerank/realtalk*.json.gz, under numbers: names of the set are names of people."""
    talks = []
    for file in _files(data, "rerank/realtalk*.json.gz"):
        for number, (where, chat) in enumerate(_entries(file, data), 1):
            with _reading(where):
                talks.append(_chat(chat, number))
    return _distinct(talks, "rerank")


def beam(data: Path = DATA) -> tuple[Talk, ...]:
    """Talks of beam_100k/chat_*.json.gz with their questions; a question's category is the ability it probes."""
    talks = []
    for file in _files(data, "beam_100k/chat_*.json.gz"):
        name = file.name.removesuffix(".json.gz")
        (key,) = _files(data, f"beam_100k/{name.replace('chat', 'questions')}.json")
        batches, abilities = _document(file, data), _document(key, data)
        with _reading(_told(file, data)):
            turns = tuple(_batched(batches))
        with _reading(_told(key, data)):
            talks.append(_talk(name, ("user", "assistant"), turns, _probed(abilities)))
    return tuple(talks)


def longmemeval(data: Path = DATA) -> tuple[Talk, ...]:
    """Talks of longmemeval_sample. Sessions are runs of one date; evidence are sessions, as `session` names them.

    oracle.json: all sessions of the talk. abstention.json: none, it has no answer.
    """
    talks = []
    for name in ("oracle", "abstention"):
        (file,) = _files(data, f"longmemeval_sample/{name}.json")
        for where, history in _entries(file, data):
            with _reading(where):
                talks.append(_history(history, oracle=name == "oracle"))
    return _distinct(talks, "longmemeval_sample")


def memorybank(data: Path = DATA) -> tuple[Talk, ...]:
    """Talks of memorybank_en, one a user, a session a day; nobody wrote down the answers to its questions."""
    (bank,) = _files(data, "memorybank_en/memory_bank_en.json")
    (key,) = _files(data, "memorybank_en/probing_questions_en.json")
    users, probing = _document(bank, data), _document(key, data)
    talks = []
    with _reading(_told(bank, data)):
        for user, diary in users.items():
            turns = tuple(_days(diary["history"]))
            asked = [Asked(checked(one), None, (), "probing", answerable=True) for one in probing.get(user, ())]
            talks.append(Talk(checked(user).strip(), ("user", "assistant"), turns, tuple(asked)))
    return _distinct(talks, "memorybank_en")


def factconsolidation(data: Path = DATA) -> tuple[Facts, ...]:
    """The contexts of factconsolidation/*.json.gz, of one hop ("..._sh_6k") and of several ("..._mh_6k")."""
    found = []
    for file in _files(data, "factconsolidation/*.json.gz"):
        for where, context in _entries(file, data):
            with _reading(where):
                found.append(_facts(context))
    return tuple(found)


# -- the sets ----------------------------------------------------------------------------------------------------------


def _audited_keys(data: Path) -> Iterator[tuple[str, list[Asked]]]:
    for file in _files(data, f"locomo/locomo*{_AUDITED}"):
        for where, sample in _entries(file, data):
            with _reading(where):
                name, asked = str(sample["sample_id"]), [_asked_of(one) for one in sample["qa"]]
            yield name, asked


def _chat(chat: Mapping[str, Any], number: int) -> Talk:
    numbered = re.match(r"chat_(\d+)_", str(chat["sample_id"]).lower())
    turns: list[Item] = []
    for part in sorted(chat["sessions"], key=_session_number):
        for turn in part["turns"]:
            happened = _dotted_time(turn.get("date_time") or part.get("date_time"))
            turns.append(item_of(turn, _session_number(part), happened, text="clean_text"))
    return _talk(
        f"realtalk-{int(numbered[1]) if numbered else number}",
        tuple(dict.fromkeys(turn["author"] for turn in turns)),
        tuple(turns),
        [_asked_of(one) for one in chat["qa"]],
    )


def _session_number(part: Mapping[str, Any]) -> int:
    return int(str(part["session"]).removeprefix("session_"))


def _dotted_time(text: str | None) -> datetime | None:
    return datetime.strptime(text, "%d.%m.%Y, %H:%M:%S").replace(tzinfo=UTC) if text else None


def _batched(batches: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    happened = None
    for batch in batches:
        happened = _anchor(batch.get("time_anchor")) or happened
        for turn in (turn for exchange in batch["turns"] for turn in exchange):
            happened = _anchor(turn.get("time_anchor")) or happened
            yield _message(turn, happened, str(int(turn["id"])), int(batch["batch_number"]))


def _anchor(said: object) -> datetime | None:
    """The time of "March-15-2024", None for what is no such date."""
    found = (
        re.fullmatch(r"([a-z]+)[-\s]+(\d{1,2})[-,\s]+(\d{4})", said.strip().lower()) if isinstance(said, str) else None
    )
    if found and found[1] in MONTHS:
        with suppress(ValueError):  # a day that the month does not have
            return datetime(int(found[3]), MONTHS.index(found[1]) + 1, int(found[2]), tzinfo=UTC)
    return None


def _probed(abilities: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Asked]:
    for ability, probes in abilities.items():
        for probe in probes:
            answer = next((probe[name] for name in _ANSWERS if probe.get(name) is not None), None)
            yield _question(probe["question"], answer, _ids(probe.get("source_chat_ids")), checked(ability))


def _ids(source: object) -> Iterator[str]:
    """Every id in lists and dicts of any depth."""
    if isinstance(source, Mapping):
        source = list(source.values())
    if isinstance(source, list):
        for inner in source:
            yield from _ids(inner)
    elif source is not None:
        yield str(source).strip()


def _history(history: Mapping[str, Any], oracle: bool) -> Talk:
    turns: list[Item] = []
    number = within = 0
    before = None
    for turn in history["conversation"]:
        # A date that comes back later begins a session of its own.
        number, within = (number, within + 1) if turn["date"] == before else (number + 1, 1)
        before = turn["date"]
        turns.append(_message(turn, _slashed_time(before), f"S{number}:{within}", number))
    sessions = tuple(f"S{one}" for one in range(1, number + 1)) if oracle else ()
    asked = []
    for one in history["questions"]:
        category = "abstention" if one.get("is_abstention") else checked(history["question_type"])
        asked.append(_question(one["question"], one.get("answer"), sessions, category))
    return Talk(checked(history["id"]), ("user", "assistant"), tuple(turns), tuple(asked))


def _slashed_time(text: str) -> datetime:
    """The time of "2023/05/30 (Tue) 21:48"; the day's name is left aside, since it depends on the locale."""
    return datetime.strptime(re.sub(r"\s*\(\w+\)\s*", " ", text), "%Y/%m/%d %H:%M").replace(tzinfo=UTC)


def _days(history: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Item]:
    for number, (day, exchanges) in enumerate(history.items(), 1):
        happened = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        said = (
            {"role": role, "content": exchange[name]}
            for exchange in exchanges
            for role, name in (("user", "query"), ("assistant", "response"))
        )
        for within, message in enumerate(said, 1):
            yield _message(message, happened, f"S{number}:{within}", number)


def _facts(context: Mapping[str, Any]) -> Facts:
    facts = re.findall(r"^\d+\. (.+)$", context["context"], re.MULTILINE)
    questions = tuple(checked(one) for one in context["questions"])
    answers = tuple(tuple(str(one) for one in variants) for variants in context["answers"])
    if not facts or len(questions) != len(answers):
        raise ValueError("no facts, or not as many answers as questions")
    return Facts(checked(context["metadata"]["source"]), tuple(map(checked, facts)), questions, answers)


# -- what they share ---------------------------------------------------------------------------------------------------


def _message(turn: Mapping[str, Any], happened: datetime | None, reference: str, session: int) -> Item:
    return {
        "text": checked(turn["content"]),
        "author": None,
        "channel": ROLE_CHANNEL[turn["role"]],
        "happened": happened,
        "reference": reference,
        "meta": {"session": session},
    }


def _asked(question: object, answer: object, evidence: Iterable[object], category: object) -> Asked:
    """A question of LoCoMo's form, whose category is a number."""
    said = [evidence] if isinstance(evidence, str) else evidence
    return _question(question, answer, (str(one) for one in said), CATEGORIES[int(str(category))])


def _asked_of(one: Mapping[str, Any]) -> Asked:
    return _asked(one["question"], one.get("answer"), one.get("evidence", ()), one["category"])


def _question(question: object, answer: object, evidence: Iterable[str], category: str) -> Asked:
    told = None if answer is None else str(answer)  # years stand there as numbers
    return Asked(checked(question), told, tuple(evidence), category, category not in UNANSWERABLE)


def _talk(name: str, speakers: tuple[str, ...], turns: tuple[Item, ...], asked: Iterable[Asked]) -> Talk:
    """A talk whose evidence is references of its turns; what names none is left out and counted."""
    named = _Named(turns)
    questions, dropped = [], 0
    for one in asked:
        found = [reference for written in one.evidence for reference in named.turns(written)]
        dropped += found.count(None)
        kept = dict.fromkeys(reference for reference in found if reference is not None)
        questions.append(replace(one, evidence=tuple(kept)))
    return Talk(name, speakers, turns, tuple(questions), dropped)


class _Named:
    """The turns of a talk, found by how evidence writes their ids. Raises ValueError where two turns have one id."""

    def __init__(self, turns: Iterable[Item]):
        self._order: list[str] = [turn["reference"] for turn in turns]
        self._position = {reference: position for position, reference in enumerate(self._order)}
        if len(self._position) < len(self._order):
            raise ValueError("two turns have one id")
        self._numbered: dict[tuple[int, int], int | None] = {}
        for position, reference in enumerate(self._order):
            if found := re.fullmatch(r"D(\d+):(\d+)", reference):
                number = int(found[1]), int(found[2])
                # "D3:5" beside "D3:05": only the exact id says which is meant.
                self._numbered[number] = None if number in self._numbered else position

    def turns(self, written: str) -> list[str | None]:
        """References of all turns that a piece of evidence names, None for each id that names none."""
        if written in self._position:
            return [written]
        found: list[str | None] = []
        at = 0
        last: tuple[int, int | None] = (-1, None)
        written = written.strip()
        while at < len(written):
            one = _written.match(written, at)
            if one is None or (one["dash"] and not at):
                return [None]  # a piece of it is no id, so the whole may mean something else
            at = one.end()
            number = int(one["session"]), int(one["turn"])
            here = self._numbered.get(number)
            if one["dash"] and here is not None and last[1] is not None and number[0] == last[0]:
                found += self._order[last[1] + 1 : here]
            found.append(None if here is None else self._order[here])
            last = number[0], here
        return found or [None]


def _files(data: Path, pattern: str, without: str = "\0") -> list[Path]:
    files = [file for file in sorted(data.glob(pattern)) if not file.name.endswith(without)]
    if not files:
        raise InvalidInput(
            f"no {pattern} in the data folder; --data names the folder that holds the sets. Nothing was loaded"
        )
    return files


def _told(file: Path, data: Path) -> str:
    return file.relative_to(data).as_posix()


def _document(file: Path, data: Path) -> Any:
    return document(file, _told(file, data))


def _entries(file: Path, data: Path) -> Iterator[tuple[str, Any]]:
    """The elements of a file's list, each with the words that say where it stands."""
    told, entries = _told(file, data), _document(file, data)
    if not isinstance(entries, list):
        raise InvalidInput(f"{told} is no list; nothing was loaded")
    for number, entry in enumerate(entries, 1):
        yield f"{told}, entry {number}", entry


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        # The cause may quote a turn: it is not passed on.
        raise InvalidInput(f"{what} is not in the format of its set; nothing was loaded") from None


def _distinct(talks: Sequence[Talk], folder: str) -> tuple[Talk, ...]:
    if len({talk.name for talk in talks}) < len(talks):
        raise InvalidInput(f"two conversations of {folder} have one name; keep each set there once. Nothing was loaded")
    return tuple(talks)
