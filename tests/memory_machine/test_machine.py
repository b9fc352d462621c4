"""A memory, its plain model, and everything that may happen to it in any order: Hypothesis looks for a way to tell
them apart.

Each step is done here, by a second process that has the folder open too, or by one that is killed in the middle of it.
`DELIBLE_SOAK=1` runs until one is found for much longer, with other examples each time.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

import delible
from tests.memory_machine.model import HOSTILE, Model, Refused
from tests.memory_machine.processes import Other, Processes, perform

SOAK = int(os.environ.get("DELIBLE_SOAK", "0"))
STEPS = ("close", "seal", "carriers", "derived", "erase", "checkpoint", "look", "confirm")

PAST, SOON, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
AFTER_SOON = datetime(2100, 6, 1, tzinfo=UTC)
LONG = " ".join(f"stone{n} lies beside brook{n * 7 % 311}." for n in range(150))  # two passages and more
HUGE = " ".join(f"{n * n % 7919:x}-{n:x}" for n in range(1500))  # overflow pages
ODD = [
    "Thanks!",  # so short that it may always come back
    "The blue kettle of Mara stands on the third shelf.",
    "the blue  KETTLE of mara stands on the third shelf.",  # the same to the store, other bytes
    "Juniper roots smell of rain \N{CLOUD WITH RAIN} and of “old” letters, cafe\N{COMBINING ACUTE ACCENT}.",
    "مفتاح البيت القديم عند الجارة في الطابق الثاني",
    "北京的医者在河边种了三棵梅树。",
    "SELECT text FROM words WHERE text MATCH 'NEAR(' ; -- \"*\" AND NOT OR",
    HOSTILE,
    LONG,
    HUGE,
]
FIELDS = ("text", "space", "key", "happened", "parents", "revises", "pinned")
NAMES, THINGS = ("Mara", "Ivo"), ("violin", "ledger", "lantern", "compass")
NOTES = [f"Note {n}: {name} keeps the {thing} in room {n}." for n in range(3) for name in NAMES for thing in THINGS]

TEXTS = {text if len(text) < 90 else text[:6]: text for text in NOTES + ODD}  # by names that a failure can show
texts = some.sampled_from(NOTES) | some.sampled_from([*TEXTS][len(NOTES) :])
spaces = some.sampled_from(["main", "team", "team/a"])
channels = some.sampled_from(["user", "user", "model", "tool", "document", "import"])
times = some.sampled_from([None, None, None, PAST, SOON, LATER])
nows = some.sampled_from([None, AFTER_SOON, PAST])
doers = some.sampled_from(["here", "there"])
moments = some.integers(0, 10**6)


drafts = some.fixed_dictionaries(
    {
        "text": texts,
        "author": some.sampled_from([None, None, "Ada"]),
        "reference": some.sampled_from([None, None, "letter.txt"]),
        "happened": some.sampled_from([None, None, PAST, SOON]),
        "key": some.sampled_from([None, None, None, "colour", "city"]),
        "expires": times,
    }
)


class Memory(RuleBasedStateMachine):
    """The one under test in `here` and `there`, what it should hold in `model`."""

    ids = Bundle("ids")
    receipts = Bundle("receipts")
    processes: Processes
    looker: Other  # reads the files
    foreign: Path  # an archive of another folder, and what it claims
    claims: list

    def __init__(self):
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="delible-machine-"))
        self.folder = self.place / "memory"
        self.here = delible.open(self.folder, encoder="hash", timeout=30)
        self.there = None
        self.model = Model()
        self.model.mark()
        self.named = []  # ids of records and receipts, by the number that a bundle holds
        self.files = 0
        self.torn = False  # a killed write left its text in the log, of a record that never was
        self.open_receipts = False  # then some bytes may still be there
        self.said = ["a reason to do it"]
        self.sure = {"here": set(), "there": set(), "nobody": set()}  # recalled by whom
        self.maybe = set()  # recalled by one that was killed: perhaps not in the ledger
        self.turn = 0

    # -- how it is done ------------------------------------------------------------------------------------------------

    def name(self, ids, count):
        """Numbers for what a rule made, always as many: what a kill comes to is a matter of time, an example is not."""
        self.named += [*ids, *[None] * (count - len(ids))]
        return multiple(*range(len(self.named) - count, len(self.named)))

    def known_as(self, number):
        return self.named[number] or "00000000-0000-7000-8000-000000000000"

    def other(self):
        if self.there is None:
            self.there = self.processes.start(self.folder)
        return self.there

    def do(self, by, verb, **arguments):
        """The result and the name of the error."""
        if by == "here":
            return perform(self.here, verb, arguments)
        return self.other().perform(verb, arguments)

    def doomed(self, verb, arguments, **kill):
        """By a process that dies of it, or right after its answer: then the result and the error, else None."""
        process = self.processes.start(self.folder)
        self.open_receipts = True
        try:
            return process.perform(verb, arguments, **kill)
        except (EOFError, ConnectionError):
            return None
        finally:
            process.kill()

    def expect(self, answer, effect):
        """What the memory returned; None where it refused, as the model does when the effect is tried on it."""
        result, error = answer
        try:
            effect(self.model.trial())
            wanted = ""
        except Refused as refused:
            wanted = str(refused)
        assert error == wanted
        return None if wanted else result

    def shown(self, now=None):
        """All that lives, expired or not, by id."""
        by = ("here", "there")[self.turn % 2 if self.there else 0]
        found = []
        for expired in (False, True):
            records, error = self.do(by, "list", space="**", held=None, limit=None, where={"expired": expired})
            assert error == ""
            found += records
        assert len({record.id for record in found}) == len(found)
        return {record.id: record for record in found}

    def differences(self, model, shown):
        """In what the memory differs from a model."""
        if (living := model.living()) != shown.keys():
            return f"not living: {sorted(living - shown.keys())}, living: {sorted(shown.keys() - living)}"
        for id, record in shown.items():
            wanted = self.fields(model, id)
            for name, value in wanted.items():
                found = frozenset(record.parents) if name == "parents" else getattr(record, name)
                if found != value:
                    return f"{name} of {id}: {found!r} instead of {value!r}"
            if (record.source.channel, record.source.author, record.source.reference) != (
                model.records[id].channel,
                model.records[id].author,
                model.records[id].reference,
            ):
                return f"source of {id}"
        return ""

    @staticmethod
    def fields(model, id):
        record = model.records[id]
        same = {name: getattr(record, name) for name in FIELDS}
        return same | {
            "duplicate_of": record.duplicate_of,
            "trust": model.trust(id),
            "held": model.hold(id) > 0,
            "expires": model.expires(record),
        }

    @initialize(target=ids, by=doers, channel=channels, at=times)
    def begin(self, by, channel, at):
        where = {"channel": channel, "author": None, "reference": None, "happened": None, "parents": []}
        where |= {"key": None, "expires": at}
        drafts = [{**where, "text": NOTES[n], "space": space} for n, space in enumerate(("main", "main", "team/a"))]
        return self.took(by, drafts, self.do(by, "write", items=drafts), (PAST, datetime.now(UTC)), "report")

    # -- write, revise -------------------------------------------------------------------------------------------------

    @rule(
        target=ids,
        by=doers,
        drafts=some.lists(drafts, min_size=1, max_size=3),
        space=spaces,
        channel=channels,
        parents=some.lists(ids, max_size=2) | some.just([]),
        duplicates=some.sampled_from(["report", "report", "keep"]),
    )
    def write(self, by, drafts, space, channel, parents, duplicates):
        where = {"space": space, "channel": channel, "parents": [*dict.fromkeys(map(self.known_as, parents))]}
        drafts = [{**draft, "text": TEXTS[draft["text"]], **where} for draft in drafts]
        began = datetime.now(UTC)
        answer = self.do(by, "write", items=drafts, duplicates=duplicates)
        return self.took(by, drafts, answer, (began, datetime.now(UTC)), duplicates)

    def took(self, by, drafts, answer, span, duplicates):
        """A batch was written, or refused; the ids of what is new."""
        records = self.expect(answer, lambda model: model.write(drafts, "abc", span, duplicates))
        if records is None:
            return self.name([], len(drafts))
        known = self.model.records.keys()
        new = [*dict.fromkeys(record.id for record in records if record.id not in known)]
        plan = [one for one in self.model.write(drafts, new, span, duplicates) if one[0] != "left out"]
        assert [record.id for record in records] == [named for _, named in plan]
        for record, (outcome, named) in zip(records, plan, strict=True):
            if outcome == "same":
                assert record.duplicate_of == named
            else:
                self.repeated(by, record)
        return self.name(new, len(drafts))

    def repeated(self, by, record):
        """What was just recalled and comes back, not from the user, is derived from its record."""
        kept = self.model.records[record.id]
        first = kept.duplicate_of
        if first is None or kept.channel == "user" or first in kept.parents:
            return
        if first in record.parents:
            assert first in self.maybe.union(*self.sure.values())
            kept.parents |= {first}
        else:
            assert first not in self.sure[by]

    @rule(target=ids, by=doers, id=ids, text=texts, reason=some.sampled_from(["", "a reason to do it"]))
    def revise(self, by, id, text, reason):
        id, text = self.known_as(id), TEXTS[text]
        began = datetime.now(UTC)
        answer = self.do(by, "revise", id=id, text=text, reason=reason)
        span = (began, datetime.now(UTC))
        record = self.expect(answer, lambda model: model.revise(id, text, "new", span))
        if record is None:
            return self.name([], 1)
        self.model.revise(id, text, record.id, span)
        return self.name([record.id], 1)

    # -- forget --------------------------------------------------------------------------------------------------------

    @rule(
        target=receipts,
        by=doers,
        ids=some.lists(ids, min_size=1, max_size=2),
        suppress=some.sampled_from([None, None, True, False]),
        wait=some.sampled_from([True, True, False]),
    )
    def forget(self, by, ids, suppress, wait):
        ids = [*map(self.known_as, ids)]
        answer = self.do(by, "forget", ids=ids, reason="a reason to do it", suppress=suppress, wait=wait)
        return self.forgotten(answer, ids, wait, suppress)

    @rule(target=receipts, by=doers, space=spaces, below=some.booleans(), key=some.sampled_from([None, "colour"]))
    def forget_where(self, by, space, below, key):
        within = f"{space}/**" if below else space
        where = None if key is None else {"key": key}
        answer = self.do(by, "forget", space=within, where=where, reason="a reason to do it")
        inside = [
            id
            for id, record in self.model.records.items()
            if (record.space == space or (below and record.space.startswith(space + "/"))) and key in (None, record.key)
        ]
        return self.forgotten(answer, inside or ["none"], True, None)

    def forgotten(self, answer, ids, wait, suppress):
        receipt = self.expect(answer, lambda model: model.forget(ids, ""))
        if receipt is None:
            return self.name([], 1)
        assert receipt.removed["rows"] == len(self.model.closure(ids))
        self.model.forget(ids, receipt.id, suppress)
        if wait:
            assert receipt.confirmed, receipt.checks
        self.open_receipts |= not wait
        return self.name([receipt.id], 1)

    @rule(target=receipts, id=ids, step=some.sampled_from(STEPS), wait=some.booleans())
    def forget_and_die(self, id, step, wait):
        id = self.known_as(id)
        arguments = {"ids": id, "reason": "a reason to do it", "wait": wait}
        known = {receipt.id for receipt in self.here.receipts()}
        answer = self.doomed("forget", arguments, kill_at=step)
        if answer is not None and answer[1]:
            self.expect(answer, lambda model: model.forget([id], ""))
            return self.name([], 1)
        fresh = {receipt.id for receipt in self.here.receipts()} - known
        assert len(fresh) == (step not in ("close", "seal"))
        for receipt in fresh:
            before = {*self.model.spaces}
            self.model.forget([id], receipt)
            if self.model.spaces.keys() != before:  # an emptied space, with its expiry, goes with the rows: not yet
                self.verify("here")
        return self.name(fresh, 1)

    # -- hold, release, expire, rollback -------------------------------------------------------------------------------

    @rule(by=doers, id=ids, how=some.sampled_from(["hold", "hold", "block", "pin", "release", "release"]))
    def hold_or_release(self, by, id, how):
        id = self.known_as(id)
        verb, flags = ("hold", {how: True}) if how in ("block", "pin") else (how, {})
        answer = self.do(by, verb, id=id, reason="a reason to do it", **flags)
        if self.expect(answer, lambda model: model.known(id)):
            self.model.release(id) if how == "release" else self.model.change_hold(id, how)

    @rule(by=doers, receipt=receipts)
    def let_it_be_written_again(self, by, receipt):
        receipt = self.known_as(receipt)
        if receipt in self.model.receipts:
            assert self.do(by, "release", id=receipt, reason="a reason to do it") == (None, "")
            self.model.release(receipt)

    @rule(by=doers, space=spaces, at=times)
    def expire(self, by, space, at):
        assert self.do(by, "expire", space=space, at=at) == (None, "")
        self.model.expire(space, at)

    @rule(by=doers, place=moments)
    def rollback(self, by, place):
        moment = self.model.moments[place % len(self.model.moments)]
        began = datetime.now(UTC)
        records, error = self.do(by, "rollback", to=moment.time)
        assert error == ""
        back = self.model.rollback(moment, (began, datetime.now(UTC)))
        assert {record.id for record in records} == back

    # -- look ----------------------------------------------------------------------------------------------------------

    @rule(by=doers, text=texts, space=some.sampled_from(["**", "main", "team", "team/a"]), now=nows, place=moments)
    def recall(self, by, text, space, now, place):
        self.asked(
            by, TEXTS[text], space, now, self.model.moments[place % len(self.model.moments)] if place % 2 else None
        )

    def asked(self, by, text, space="**", now=None, moment=None):
        as_of = None if moment is None else moment.time
        hits, error = self.do(by, "recall", question=text, k=1000, space=space, now=now, as_of=as_of)
        assert error == ""
        living = None if moment is None else moment.living
        assert {hit.record.id for hit in hits} == self.model.recalled(now or datetime.now(UTC), space, living)
        for hit in hits:
            assert hit.record.text == self.model.records[hit.record.id].text
            assert hit.record.text[hit.evidence.start : hit.evidence.end] == hit.evidence.text
        self.sure[by] |= {hit.record.id for hit in hits}

    @rule(by=doers, id=ids, first=moments, last=moments)
    def look_back(self, by, id, first, last):
        self.history(by, self.known_as(id))
        self.diff(by, *(self.model.moments[place % len(self.model.moments)] for place in (first, last)))

    def history(self, by, id):
        records = self.expect(self.do(by, "history", id=id), lambda model: model.known(id))
        if records is None:
            return
        wanted = self.model.chain([id])
        assert [record.id for record in records] == [one for one in self.model.records if one in wanted]
        for record in records:
            kept = self.model.records[record.id]
            assert record.text == kept.text and record.trust == self.model.trust(record.id)
            since, until = record.valid
            assert since <= record.written and (until is None) == kept.living
            assert kept.living or kept.closed[0] <= until <= kept.closed[1]

    def diff(self, by, first, last):
        found, error = self.do(by, "diff", t0=first.time, t1=last.time, space="**")
        assert error == ""
        added, closed, revised = self.model.diff(first, last)
        assert {record.id for record in found.added} == added
        assert {record.id for record in found.closed} == closed
        assert {(old.id, new.id) for old, new in found.revised} == revised

    # -- carry and mend ------------------------------------------------------------------------------------------------

    @rule(by=some.sampled_from(["here", "there", "doomed"]), to=some.sampled_from(["hash", "hash:128"]))
    def reembed(self, by, to):
        if by == "doomed":
            answer = self.doomed("reembed", {"encoder": to}, kill_at="progress")
            assert answer is None or answer[1] == ""
        else:
            assert self.do(by, "reembed", encoder=to)[1] == ""

    @rule(by=doers, what=some.sampled_from(["verify", "verify", "compact", "reopen", "end", "kill"]))
    def tend(self, by, what):
        match what:
            case "verify":
                self.verify(by)
            case "compact":
                assert self.do(by, "compact")[1] == ""
            case "reopen":
                self.here.close()
                self.here = delible.open(self.folder, timeout=30)
            case "end" if self.there:
                self.there.close()
                self.there = None
            case "kill" if self.there:
                self.there.kill()
                self.there = None
                self.maybe |= self.sure["there"]
                self.sure["there"] = set()

    def verify(self, by):
        findings, error = self.do(by, "verify")
        assert error == "" and [finding for finding in findings if not finding.ok] == []
        assert all(receipt.confirmed for receipt in self.here.receipts())
        assert {receipt.id for receipt in self.here.receipts()} == self.model.receipts
        self.open_receipts = False

    @rule(by=doers, load_by=doers, what=some.sampled_from(["own", "older", "move"]), old=moments)
    def carry(self, by, load_by, what, old):
        paths = sorted(self.place.glob("*.zip"))
        if what == "move":
            self.move(by)
        elif what == "own" or not paths:
            report, error = self.do(load_by, "load", path=self.exported(by))
            assert error == "" and (report.records, report.present) == (0, len(self.model.records))
        else:
            report, error = self.do(load_by, "load", path=paths[old % len(paths)])
            assert error == "" and report.records == 0, report

    def move(self, by):
        """Into a new folder, with the key; the old one is left."""
        self.verify("here")
        key = self.place / f"key-{self.files}"
        path = self.exported(by, key_file=key)
        self.close_all()
        self.folder = self.place / f"memory-{self.files}"
        self.here = delible.open(self.folder, encoder="hash", timeout=30)
        report, error = self.do("here", "load", path=path, key_file=key)
        assert error == "" and report.records == len(self.model.records) and report.refused == []
        self.maybe |= self.sure["here"] | self.sure["there"]
        self.sure = {"here": set(), "there": set(), "nobody": set()}

    @rule(target=ids, by=doers)
    def load_a_foreign_archive(self, by):
        began = datetime.now(UTC)
        report, error = self.do(by, "load", path=self.foreign)
        span = (began, datetime.now(UTC))
        assert error == ""
        plan = []
        with suppress(Refused):
            plan = self.model.trial().write(self.claims, "abc", span)
        told = [sum(outcome == wanted for outcome, _ in plan) for wanted in ("new", "same")]
        assert [report.records, report.present, len(report.refused)] == [*told, len(self.claims) - sum(told)]
        shown = self.shown()
        fresh = sorted(id for id in shown if id not in self.model.records)
        if plan:
            self.model.write(self.claims, fresh, span)
        for id in fresh:
            self.repeated(by, shown[id])
        return self.name(fresh, len(self.claims))

    def exported(self, by, **more):
        self.files += 1
        path = self.place / f"{self.files:03}.zip"
        done, error = self.do(by, "export", path=path, **more)
        assert error == "" and done.records == len(self.model.records)
        return path

    # -- processes -----------------------------------------------------------------------------------------------------

    @rule(
        target=ids,
        draft=drafts,
        space=spaces,
        channel=channels,
        parents=some.lists(ids, max_size=1),
        after=some.sampled_from([None, 0.0, 0.002, 0.005, 0.01]),
    )
    def write_and_die(self, draft, space, channel, parents, after):
        drafts = [{**draft, "text": TEXTS[draft["text"]], "space": space, "channel": channel}] * 2
        drafts = [{**draft, "parents": [*map(self.known_as, parents)]} for draft in drafts]
        if draft["key"] is not None:
            drafts = drafts[:1]
        began = datetime.now(UTC)
        answer = self.doomed("write", {"items": drafts, "duplicates": "keep"}, kill_after=after)
        span = (began, datetime.now(UTC))
        if answer is None:  # all of it, or nothing
            fresh = [record for id, record in self.shown().items() if id not in self.model.records]
            self.torn |= not fresh
            if not fresh:
                return self.name([], len(drafts))
            answer = (sorted(fresh, key=lambda record: record.id), "")
        return self.took("nobody", drafts, answer, span, "keep")

    @rule(
        target=ids,
        id=ids,
        text=texts,
        what=some.sampled_from(["revise", "hold", "release", "expire", "compact", "export"]),
        after=some.sampled_from([None, 0.0, 0.001, 0.003, 0.01]),
    )
    def change_and_die(self, id, text, what, after):
        id = self.known_as(id)
        if id not in self.model.records:
            return self.name([], 1)
        text, space = TEXTS[text], self.model.records[id].space
        arguments = {
            "revise": {"id": id, "text": text},
            "hold": {"id": id, "reason": "a reason to do it"},
            "release": {"id": id, "reason": "a reason to do it"},
            "expire": {"space": space, "at": LATER},
            "export": {"path": self.place / "killed.zip", "overwrite": True},
        }.get(what, {})
        began = datetime.now(UTC)
        answer = self.doomed(what, arguments, kill_after=after)
        span = (began, datetime.now(UTC))
        shown = self.shown()
        new = [one for one in shown if one not in self.model.records]
        changed = self.model.trial()
        with suppress(Refused):
            match what:
                case "revise" if new:
                    changed.revise(id, text, new[0], span)
                case "hold":
                    changed.change_hold(id, "hold")
                case "release":
                    changed.release(id)
                case "expire":
                    changed.expire(space, LATER)
        if answer is not None:
            assert answer[1] in ("", "InvalidInput", "Suppressed"), answer[1]
            assert self.differences(changed, shown) == ""
        before, after_it = self.differences(self.model, shown), self.differences(changed, shown)
        assert not (before and after_it), f"neither before ({before}) nor after ({after_it})"
        if answer is not None or (before and not after_it):
            self.model = changed
        elif not before and not after_it:  # of records that are not shown: ask for the one
            record = self.here.get(id)
            if self.fields(changed, id)["held"] == record.held and self.fields(changed, id)["pinned"] == record.pinned:
                self.model = changed
        self.torn |= answer is None and what == "revise" and not new
        return self.name(new, 1)

    # -- always --------------------------------------------------------------------------------------------------------

    @invariant()
    def both_hold_the_same(self):
        self.turn += 1
        shown = self.shown()
        assert self.differences(self.model, shown) == ""
        if not self.open_receipts:
            self.nothing_is_left()
        self.model.mark()

    def nothing_is_left(self):
        if self.torn:
            self.looker.ask("cut", str(self.folder))
            self.torn = False
        kept = [(record.text, record.author) for record in self.model.records.values()]
        found = self.looker.ask("left", str(self.folder), [*self.model.gone.values()], kept, self.said)
        assert found == {}

    def teardown(self):
        try:
            for space in ("**", "main"):
                self.asked("here", NOTES[0], space)
            for record in [*self.model.records.values()][::5]:
                self.asked("here", record.text)
            for moment in self.model.moments[:: max(1, len(self.model.moments) // 8)]:
                self.asked("here", NOTES[1], moment=moment)
            for id in [*self.model.gone][:5]:
                assert self.do("here", "get", id=id) == (None, "UnknownId")
            self.verify("here")
            self.nothing_is_left()
        finally:
            self.close_all()
            shutil.rmtree(self.place)

    def close_all(self):
        if self.there is not None:
            self.there.close()
            self.there = None
        self.here.close()


@pytest.fixture(scope="module", autouse=True)
def processes():
    place = tempfile.mkdtemp(prefix="delible-machine-")
    Memory.processes = Processes(Path(place) / "socket")
    Memory.looker = Memory.processes.start()
    Memory.foreign = Path(place) / "foreign.zip"
    with delible.open(Path(place) / "foreign", encoder="hash:128") as memory:
        records = memory.write([{"text": text, "space": "team/a"} for text in (NOTES[0], NOTES[1], ODD[0])])
        memory.hold(records[1].id, reason="a reason to do it")
        memory.export(Memory.foreign)
    plain = {"space": "team/a", "channel": "import", "parents": []}
    plain |= dict.fromkeys(("author", "happened", "key", "expires"))
    Memory.claims = [
        {**plain, "text": record.text, "reference": f"foreign.zip:{record.id}", "hold": int(record is records[1])}
        for record in records
    ]
    yield
    Memory.looker.kill()
    Memory.processes.stop()
    shutil.rmtree(place)


TestMemory = Memory.TestCase
TestMemory.settings = settings(
    max_examples=60 * SOAK or 20,
    stateful_step_count=60 if SOAK else 35,
    deadline=None,
    derandomize=not SOAK,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
    phases=[Phase.generate, *([] if "DELIBLE_QUICK" in os.environ else [Phase.shrink])],
    suppress_health_check=[*HealthCheck],
)
