"""`delible tour`: a memory's first minute, on a sample conversation: write, recall, quarantine, revise, forget."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delible.cli import documents
from delible.cli.call import Call, command, quoted
from delible.cli.forget import show_receipt
from delible.cli.recall import parts
from delible.cli.screen import clean, give, head, number, put, say, short, width, wrapped
from delible.cli.story import Asked, Story, locomo_story, sample_story
from delible.core.errors import NotAStore

if TYPE_CHECKING:
    from delible.core.records import Hit, Record
    from delible.memory import Memory

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, leave=("path", "space"))
def tour(
    call: Call,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="A conversation in LoCoMo's format.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option("--path", "-p", metavar="FOLDER", help="A new folder; default: a temporary one.")
    ] = None,
) -> None:
    """See what it does in half a minute, on a sample conversation."""
    import delible

    story = locomo_story(data) if data else sample_story()
    if path and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise NotAStore(f"{path} exists: the tour writes into a new folder only. Nothing was changed")
    folder = path or Path(tempfile.mkdtemp(prefix="tour-", suffix=".mem"))
    try:
        with delible.open(folder, encoder=call.encoder, timezone=call.timezone) as memory:
            guide = Guide(call, memory, story, folder)
            guide.walk()
    except BaseException:
        # Nothing of use lies in a temporary folder that the tour did not come to name.
        if not path:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if call.json:
        give({"folder": str(folder), "holds": not guide.wrong, "wrong": guide.wrong, "steps": guide.told})
    if guide.wrong:
        for wrong in guide.wrong:
            say(f"does not hold: {clean(wrong)}")
        raise typer.Exit(1)


@dataclass
class Guide:
    """Walks through a story, step by step; `wrong` collects what does not hold."""

    call: Call
    memory: Memory
    story: Story
    folder: Path
    told: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def walk(self) -> None:
        """All steps in their order."""
        begin = time.perf_counter()
        self.write()
        self.ask()
        self.screen()
        self.revise()
        self.forget()
        self.next(time.perf_counter() - begin)

    def write(self) -> None:
        """The conversation, a page that somebody saved, and a summary of what will be forgotten."""
        story, memory = self.story, self.memory
        with self.step("Write", f"A conversation goes in: {story.name}.") as told:
            begin = time.perf_counter()
            turns = memory.write(story.turns)
            took = time.perf_counter() - begin
            parents = [r.id for r in turns if _matches(r, story.forgotten)]
            memory.write(story.page, channel="document", reference=story.page_reference)
            (summary,) = memory.write(story.summary, channel="model", kind="summary", parents=parents)
            told |= {"records": len(turns) + 2, "seconds": took, "summary": summary.id}
            self.put(f"{number(len(turns), 'turn')} in {took:.1f} s, each durable, with its author, time and session;")
            self.put(f"one saved web page (channel document); one summary derived from {number(len(parents), 'turn')}.")

    def ask(self) -> None:
        """Five questions, each with evidence, date and the parts of its score."""
        with self.step("Recall", "Questions, each with the evidence, its date and what the score is made of.") as told:
            told["questions"] = []
            for place, asked in enumerate(self.story.questions):
                if place:
                    self.put()
                told["questions"].append(self._answer(asked))

    def _answer(self, asked: Asked) -> dict[str, Any]:
        begin = time.perf_counter()
        hits = self.memory.recall(asked.question, k=8)
        took = time.perf_counter() - begin
        rank = next((rank for rank, hit in enumerate(hits, 1) if _answers(hit, asked)), None)
        self.put(wrapped(f"{asked.question}", indent="   ", first="?  "))
        if hits:
            self._hit(hits[0])
            self.put(wrapped(f"score {hits[0].score:.2f} ({parts(hits[0])})", indent="     ", first="   "))
        else:
            self.put("   nothing was found")
        if rank != 1:
            where = f"at rank {rank}" if rank else "not among the first 8"
            self.put(f"   (the turn that holds the answer is {where})")
            if self.story.sure:
                self.wrong.append(f"the answer to {asked.question!r} is {where}")
        return {
            "question": asked.question,
            "rank": rank,
            "seconds": took,
            "hit": documents.of_hit(1, hits[0]) if hits else None,
        }

    def screen(self) -> None:
        """The page that addresses the reader stays out of recall, and is there to be looked at."""
        story = self.story
        with self.step(
            "Quarantine", "The saved page tells its reader what to do. It is kept, and not recalled."
        ) as told:
            hits = self.memory.recall(story.page_question, k=8)
            recalled = any(hit.record.source.reference == story.page_reference for hit in hits)
            held = [r for r in self.memory.list(held=True) if r.source.reference == story.page_reference]
            told |= {
                "question": story.page_question,
                "recalled": recalled,
                "held": [documents.of_record(r) for r in held],
            }
            self.put(wrapped(story.page_question, indent="   ", first="?  "))
            among = "and the page is ONE of them" if recalled else "the page is none of them"
            self.put(f"   {number(len(hits), 'hit')}, {among}; held is:")
            for record in held:
                self.put(f"   {short(record.text, width() - 3)}")
                self.put(wrapped(f"{record.hold_reason}", indent="     ", first="   because: "))
            if recalled or not held:
                self.wrong.append("the page that addresses its reader was not held")

    def revise(self) -> None:
        """A fact changes; both versions answer, each for its time."""
        story = self.story
        with self.step("Revise", "A fact changes. What was true before stays in history, out of recall.") as told:
            found = [
                hit.record for hit in self.memory.recall(story.changed.question, k=8) if _answers(hit, story.changed)
            ]
            old = found[0] if found else self.memory.list(limit=1)[0]
            before = datetime.now(UTC)
            time.sleep(0.01)  # so that the two times differ also where the clock is coarse
            new = self.memory.revise(old.id, story.correction.replace("{old}", old.text), reason="the plan changed")
            after = datetime.now(UTC)
            self.put(wrapped(story.changed.question, indent="   ", first="?  "))
            answers = {}
            for name, as_of, wanted in (("before", before, old), ("after", after, new)):
                hits = self.memory.recall(story.changed.question, k=8, as_of=as_of)
                ids = [hit.record.id for hit in hits]
                other = new if wanted is old else old
                if wanted.id not in ids or other.id in ids:
                    self.wrong.append(f"as of {name} the revision, recall does not give the version of that time alone")
                shown = next((hit for hit in hits if hit.record.id == wanted.id), hits[0] if hits else None)
                answers[name] = {"as_of": as_of.isoformat(), "hit": documents.of_hit(1, shown) if shown else None}
                self.put(f"   as of {as_of.astimezone(self.call.zone):%Y-%m-%d %H:%M:%S.%f}, {name} the change:")
                if shown:
                    self._hit(shown)
            told |= {"question": story.changed.question, "old": old.id, "new": new.id, "answers": answers}

    def forget(self) -> None:
        """One person (or session) goes, and all that was derived from it; the receipt says what was checked."""
        story, memory = self.story, self.memory
        with self.step(
            "Forget",
            f"{story.forgotten_name} is forgotten: rows, index, vectors, history, what was derived, bytes on disk.",
        ) as told:
            preview = memory.preview(where=story.forgotten)
            self.put(f"Preview: {number(len(preview.ids), 'record')} would go, the summary among them.")
            if preview.mentions:
                self.put(f"Kept, though of equal text or naming the same: {number(len(preview.mentions), 'record')}.")
            receipt = memory.forget(where=story.forgotten, reason=story.forgotten_reason, preview=preview)
            hits = memory.recall(story.forgotten_question, k=8)
            left = [hit.record.id for hit in hits if hit.record.id in set(preview.ids)]
            told |= {"receipt": documents.of_receipt(receipt), "question": story.forgotten_question, "left": left}
            if not self.call.json:
                show_receipt(self.call, receipt)
            self.put()
            self.put(wrapped(short(story.forgotten_question, 76), indent="   ", first="?  "))
            self.put(f"   {number(len(hits), 'hit')}, {len(left)} of them from what was forgotten.")
            if left:
                self.wrong.append("something that was forgotten was recalled")
            if not receipt.confirmed:
                self.wrong.append(f"the receipt {receipt.id} is not confirmed")
            if self.told["Write"]["summary"] not in preview.ids:
                self.wrong.append("the summary was not among what is derived")

    def next(self, took: float) -> None:
        """What to type next, on the folder of the tour."""
        program, at = _program(), quoted(str(self.folder))
        commands = [
            f"{program} recall {quoted(self.story.questions[0].question)} --explain -p {at}",
            f"{program} quarantine -p {at}",
            f"{program} receipts -p {at}",
            f"{program} verify -p {at}",
            f'{program} write "Something of yours" -p {at}',
        ]
        self.told["Next"] = {"commands": commands, "seconds": took}
        self.put()
        if not self.call.json:
            head("Next")
        self.put(f"The tour took {took:.1f} s; its memory is the folder {self.folder}")
        self.put("Try:")
        self.put()
        for line in commands:
            self.put(f"  {line}")

    @contextmanager
    def step(self, title: str, says: str) -> Iterator[dict[str, Any]]:
        """A heading, a sentence, and what the step has to tell a program."""
        self.told[title] = told = dict[str, Any]()
        if not self.call.json:
            if len(self.told) > 1:
                put()
            head(f"{len(self.told)}  {title}")
        self.put(wrapped(says))
        self.put()
        yield told

    def put(self, line: str = "") -> None:
        """A line for a person."""
        if not self.call.json:
            put(line)

    def _hit(self, hit: Hit) -> None:
        record = hit.record
        self.put(wrapped(f'"{hit.evidence.text}"', indent="    ", first="   "))
        who = record.source.author or record.source.channel
        self.put(f"   {clean(who)}, {self.call.time(record.happened or record.written)}, trust {record.trust:.2f}")


def _answers(hit: Hit, asked: Asked) -> bool:
    if asked.holds is not None:
        return asked.holds in hit.evidence.text or asked.holds in hit.record.text
    return hit.record.source.reference in asked.references


def _matches(record: Record, where: Any) -> bool:
    """Whether the record is one of those that the tour will forget: an author, or a field of meta."""
    ((name, value),) = where.items()
    return bool((record.meta.get(name[5:]) if name.startswith("meta.") else record.source.author) == value)


def _program() -> str:
    """How this program is called from here: its name where it is on the path, else where it lies."""
    found, here = shutil.which("delible"), Path(sys.argv[0])
    if here.name != "delible" or (found and Path(found).resolve() == here.resolve()):
        return "delible"
    try:
        return quoted(str(here.resolve().relative_to(Path.cwd())))
    except ValueError:
        return quoted(str(here))
