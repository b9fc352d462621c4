"""The front door: `open()` and every verb of a memory. What a verb does lies in its room; this reads as a table of
contents."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from delible.core import times
from delible.core.errors import (
    Blocked,
    DiskFull,
    EncoderMismatch,
    InvalidInput,
    SpaceRefused,
    StoreLocked,
    Suppressed,
    UnknownId,
)
from delible.core.identity import from_bytes, to_bytes
from delible.core.process import this_process
from delible.core.progress import Progress, silent
from delible.core.receipts import Preview, Receipt
from delible.core.records import Hit, Hits, Item, Record, Records, Source
from delible.core.settings import settings
from delible.core.shapes import Carrier, Encoder, Guard, Ranker
from delible.core.texts import checked
from delible.core.verdicts import Context
from delible.governance import carrying, erase
from delible.governance.carrying import LoadReport
from delible.governance.verify import Finding, verify
from delible.guard import instructions
from delible.recall import blocks, recalling
from delible.recall.embedding import Embedding
from delible.recall.score import PROMPT, RULE, Weights
from delible.store import holds, ledger, lives, marking, purging, reading, sealing, spaces
from delible.store.archive_writing import Exported
from delible.store.filters import Where, compile_where
from delible.store.intake import Defaults, Given, When, drafts_of, known_channel
from delible.store.ledger import Event
from delible.store.lookout import Lookout
from delible.store.reads import ReadLog
from delible.store.sqlite import SQLite, damaged
from delible.store.views import Views
from delible.store.writing import HOLDS, Draft, Written, write

log = logging.getLogger(__name__)
LONGEST_TIMEOUT = 1_000_000  # seconds; SQLite counts milliseconds in 32 bits
Reach = Literal["derived", "everything"]


@dataclass(frozen=True)
class SpaceInfo:
    """A space: how many living records it has, how many of them are held, when it expires."""

    path: str
    records: int
    held: int
    expires: Any = None


@dataclass(frozen=True)
class Diff:
    """What differs between two times: records that came, that went, and pairs of an old and a new revision."""

    added: tuple[Record, ...]
    closed: tuple[Record, ...]
    revised: tuple[tuple[Record, Record], ...]


def open(
    path: str | Path | None = None,
    *,
    space: str | None = None,
    channel: str = "user",
    timezone: str | None = None,
    encoder: str | Encoder | None = None,
    rankers: Sequence[Ranker] = (),
    guards: Sequence[Guard] | None = None,
    create: bool = True,
    timeout: float = 5.0,
    actor: str | None = None,
    log_questions: bool = False,
) -> Memory:
    """Open the memory in a folder, made when missing. Opened for a `space`, it sees no other (`user/alice/**`: all
    below).

    `encoder`: None for the folder's own (a new one gets MiniLM); "hash", a model folder, an endpoint's address, or an
    Encoder.
    `guards`: None for the built-in one. `timeout` in seconds for a locked file. Raises DelibleError: NotAStore,
    NewerSchema,
    CorruptStore, ReadOnlyStore, StoreLocked, EncoderMismatch.
    """
    chosen = settings()
    return Memory(
        Path(path or chosen.path),
        space=(chosen.space or None) if space is None else space,  # an empty name must not open everything
        channel=channel,
        timezone=chosen.timezone if timezone is None else timezone,
        encoder=chosen.encoder if encoder is None else encoder,
        rankers=rankers,
        guards=guards,
        create=create,
        timeout=timeout,
        actor=actor,
        log_questions=log_questions,
    )


class Memory:
    """A memory that is open. Safe in threads; other processes may have the same folder open. Use it in `with`, or
    `close()`."""

    def __init__(
        self,
        path: Path,
        *,
        space: str | None,
        channel: str,
        timezone: str,
        encoder: str | Encoder | None,
        rankers: Sequence[Ranker],
        guards: Sequence[Guard] | None,
        create: bool,
        timeout: float,
        actor: str | None,
        log_questions: bool,
    ):
        _seconds(timeout)
        self._zone = times.zone(timezone)
        self._seen = None if space is None else spaces.parse_scope(space)
        self._channel = known_channel(channel)
        self._named = actor
        self._guards: Sequence[Guard] = (instructions.screen,) if guards is None else tuple(guards)
        self._rankers = tuple(rankers)
        self._carriers: list[Carrier] = []
        self._store = SQLite(path.expanduser(), create=create, timeout=timeout)
        try:
            self._embedding = Embedding(self._store, encoder, settings().threads)
            self._views = Views()
            self._reads = ReadLog(self._store, log_questions, self._complete_later)
            self._unfinished = threading.Event()
            if not self._store.read_only:
                self._complete_once()
        except BaseException:
            self._store.close()
            raise

    @property
    def _actor(self) -> str:
        return self._named or this_process()  # asked each time: after a fork it is another one

    @property
    def path(self) -> Path:
        """The folder."""
        return self._store.folder

    # -- write ---------------------------------------------------------------------------------------------------------

    def write(
        self,
        items: Given | Sequence[Given],
        *,
        space: str | None = None,
        channel: str | None = None,
        author: str | None = None,
        reference: str | None = None,
        happened: When = None,
        kind: str = "note",
        key: str | None = None,
        parents: Sequence[str] = (),
        meta: Mapping[str, Any] | None = None,
        expires: When = None,
        duplicates: Literal["report", "keep"] = "report",
    ) -> list[Record]:
        """Remember text, chat messages, dicts or records, all or none; durable when it returns.

        Trust comes from the channel, never from the content; derived records take the minimum of their parents. Raises
        InvalidInput, UnknownId (a parent), KeyTaken, Suppressed (forgotten before), Blocked, and the store's errors.
        """
        defaults = Defaults(
            space=self._place(space),
            channel=channel or self._channel,
            zone=self._zone,
            author=author,
            reference=reference,
            happened=happened,
            kind=kind,
            key=key,
            parents=parents,
            meta=meta or {},
            expires=expires,
            duplicates=duplicates,
        )
        drafts, notes = drafts_of(items, defaults)
        for draft in drafts:
            draft.space = self._place(draft.space)
        if not drafts:
            raise InvalidInput(f"there is nothing to write: {notes[0]}")
        return self._remember(drafts, notes)

    def revise(self, id: str, text: str, *, reason: str = "", channel: str | None = None) -> Record:
        """Replace what a record says; the old text stays in its history, out of recall. Raises UnknownId, InvalidInput.

        The revision keeps place, key, lineage and meta; a hold and a bound on trust stay until released.
        """
        checked(text)
        old = self.get(id)
        draft = Draft(
            text=text,
            space=old.space,
            channel=channel or self._channel,
            kind=old.kind,
            key=old.key,
            reference=old.source.reference,
            author=old.source.author,
            happened=None if old.happened is None else times.micros(old.happened),
            meta={**old.meta, **({"revised": checked(reason, "reason")} if reason else {})},
            hold_reason=old.hold_reason if old.held else None,
            duplicates="keep",
        )
        return self._remember([draft], [], revises=old.id)[0]

    def _remember(self, drafts: list[Draft], notes: list[str], revises: str | None = None) -> list[Record]:
        outcomes, found = self._put(drafts, revises, alone=True)
        left_out = [one for one in outcomes if one.row is None]
        notes += [
            f"one item was left out: an equal record was forgotten on {one.day} (receipt {one.receipt})"
            for one in left_out
        ]
        return _with_notes(outcomes, found, notes)

    def _put(
        self, drafts: list[Draft], revises: str | None = None, alone: bool = False
    ) -> tuple[list[Written], Mapping[int, Record]]:
        """Screen, embed, write. `alone`: raise Suppressed where nothing is left to write."""
        self._screen(drafts)
        recalled = self._reads.waiting()
        for _ in range(5):
            own, coming = self._embedding.embed(drafts)
            with self._store.writing() as connection:
                if self._embedding.changed(connection, own, coming):
                    continue  # the folder changed its model meanwhile: give the drafts the new one's vectors too
                before = None if revises is None else self._revised(connection, revises)
                if before is not None:
                    drafts[0].expires = before[3]
                outcomes = write(
                    connection,
                    self._store.key,
                    drafts,
                    self._actor,
                    self._seen,
                    recalled,
                    verb="write" if before is None else "revise",
                    revises=None if before is None else before[:3],
                )
                if alone and all(outcome.row is None for outcome in outcomes):
                    raise Suppressed(outcomes[0].receipt, outcomes[0].day)
                if before is not None:
                    lives.close_life(connection, [before[0]], self._last(connection))
                rows = [outcome.row for outcome in outcomes if outcome.row is not None]
                found = reading.records_of(connection, rows, self._seen)
            return outcomes, found
        raise EncoderMismatch("the folder's encoder keeps changing; try again. Nothing was written")

    @staticmethod
    def _last(connection: Any) -> int:
        seq: int = connection.execute("SELECT max(seq) FROM events").get
        return seq

    def _revised(self, connection: Any, id: str) -> tuple[int, float, int, int | None]:
        (row,) = reading.rows_of(connection, [id], self._seen)
        trust, hold, expires = connection.execute(
            "SELECT trust, own_hold, expires FROM records WHERE row = ?", (row,)
        ).fetchone()
        if row not in lives.living_rows(connection, [row]):
            raise InvalidInput(
                f"record {id} was superseded already; revise the newest of its history. Nothing was changed"
            )
        return row, trust, hold, expires

    def _screen(self, drafts: Sequence[Draft]) -> None:
        """Guards at the door: their strictest decision holds; a bound on trust is applied."""
        for draft in drafts:
            source = Source(draft.channel, draft.reference, draft.author)
            context = Context(
                direction="write", space=draft.space, source=source, now=times.now(), store=self._lookout()
            )
            for guard in self._guards:
                verdict = guard(draft.text, context=context)
                hold = max(HOLDS[verdict.decision], 1 if verdict.question else 0)
                if hold >= draft.hold and hold:
                    draft.hold, draft.hold_reason = (
                        hold,
                        "; ".join(verdict.reasons) or verdict.question or "held by a guard",
                    )
                if verdict.trust is not None:
                    draft.verdict_trust = min(draft.verdict_trust, verdict.trust)
        blocked = [draft for draft in drafts if draft.hold == HOLDS["block"]]
        if blocked:
            raise Blocked(
                f"a guard blocked {len(blocked)} of {len(drafts)} items ({blocked[0].hold_reason}); nothing was written"
            )

    # -- recall --------------------------------------------------------------------------------------------------------

    def recall(
        self,
        question: Item,
        k: int = 8,
        *,
        space: str | None = None,
        happened: tuple[When, When] | None = None,
        where: Where | None = None,
        as_of: When = None,
        now: When = None,
        dialogue: Sequence[str] = (),
        max_tokens: int | None = None,
    ) -> Hits:
        """The records that best answer, best first, each with score, its parts and verbatim evidence; `.notes` says
        the rest.

        `as_of`: what was known at that time (trust, holds and forgetting are today's). `happened`: (from, until),
        either may be None. Never returns what is held, expired, superseded or forgotten. Raises InvalidInput,
        UnknownField, SpaceRefused.
        """
        _positive(max_tokens, "max_tokens")
        how: dict[str, Any] = {
            "happened": happened,
            "where": where,
            "as_of": as_of,
            "now": now,
            "max_tokens": max_tokens,
        }
        return self._recalled(question, k, space=space, dialogue=dialogue, **how)

    def _recalled(
        self,
        question: Item,
        k: int,
        weights: Weights = RULE,
        *,
        space: str | None = None,
        dialogue: Sequence[str] = (),
        **how: Any,
    ) -> Hits:
        request = recalling.Request(
            question=checked(question, "question") if isinstance(question, str) else question,
            k=k,
            scope=spaces.narrowed(self._seen, space),
            dialogue=tuple(dialogue),
            zone=self._zone,
            weights=weights,
            **how,
        )
        hits = recalling.recall(
            self._store, self._views, self._embedding, request, self._rankers, self._guards, self._seen
        )
        if self._store.read_only:
            hits.notes = (*hits.notes, "this folder is read-only here: the recall is not in its ledger")
        else:
            self._reads.add(str(question), [to_bytes(hit.record.id) or b"" for hit in hits])
        return hits

    def context(
        self,
        /,
        question: str,
        max_tokens: int = 1000,
        count: Callable[[str], int] | None = None,
        k: int | None = None,
        **how: Any,
    ) -> str:
        """A block ready for a prompt: dated, cited by id, hostile text quoted as data; at most `max_tokens` by `count`.

        `count` is a tokenizer's counter (default: the encoder's); `k` bounds the records (default: as many as could
        fit); `how` as in `recall`. The short ids in it are known to every verb that takes an id.
        """
        _positive(max_tokens, "max_tokens")
        if k is None:
            k = min(recalling.MOST, max(20, max_tokens // 20))  # 20 tokens: a short turn and what is said about it
        hits = self._recalled(question, k, PROMPT, **how)
        return blocks.block(hits, max_tokens, count or self._embedding.counter())

    # -- look ----------------------------------------------------------------------------------------------------------

    def get(self, id: str) -> Record:
        """One record by id, also held, expired or superseded. Raises UnknownId."""
        with self._store.reading() as connection:
            (row,) = reading.rows_of(connection, [id], self._seen)
            return reading.records_of(connection, [row], self._seen)[row]

    def spaces(self) -> list[SpaceInfo]:
        """The spaces that this handle sees and that hold something, by path."""
        with self._store.reading() as connection:
            return [
                SpaceInfo(path, records, held, None if expires is None else times.from_micros(expires))
                for path, records, held, expires in reading.counted_spaces(connection)
                if self._seen is None or self._seen.holds(path)
            ]

    def history(self, id: str) -> list[Record]:
        """A record's revisions, oldest first; `valid` says from when until when each was true. Raises UnknownId."""
        with self._store.reading() as connection:
            (row,) = reading.rows_of(connection, [id], self._seen)
            rows = sorted(reading.revisions(connection, {row}))
            found = reading.records_of(connection, rows, self._seen)
        return [found[row] for row in rows if self._seen is None or self._seen.holds(found[row].space)]

    def receipts(self) -> list[Receipt]:
        """Every receipt, oldest first. Receipts hold no content, but they are the folder's: a handle for one space
        sees its own."""
        return erase.receipts(self._store, None if self._seen == spaces.EVERYTHING else self._seen)

    def ledger(self, after: int = 0, limit: int | None = None) -> list[Event]:
        """Events with a number above `after`, oldest first. Only a handle for the whole folder may read it. Raises
        SpaceRefused."""
        self._whole("the ledger")
        self._reads.flush()
        with self._store.reading() as connection:
            return ledger.events(connection, after, limit)

    def stats(self) -> dict[str, Any]:
        """Counts and sizes of what this handle sees."""
        with self._store.reading() as connection:
            return reading.stats(connection, self._seen, self._store.path)

    # -- hold and release ----------------------------------------------------------------------------------------------

    def hold(self, id: str, *, reason: str, block: bool = False, pin: bool = False) -> Record:
        """Keep a record and what came from it out of recall; `block`: for good; `pin`: a legal hold that no forget
        passes."""
        checked(reason, "reason")
        with self._store.writing() as connection:
            (row,) = reading.rows_of(connection, [id], self._seen)
            holds.hold(connection, row, reason, holds.BLOCK if block else holds.QUARANTINE, pin)
            verb = "pin" if pin else "block" if block else "hold"
            seq, _ = ledger.append(connection, self._store.key, self._actor, verb, [reading.id_of(connection, row)])
            holds.recompute(connection, {row}, seq)
            return reading.records_of(connection, [row], self._seen)[row]

    def release(self, id: str, *, reason: str) -> Record | None:
        """Lift a record's hold; or, given a receipt's id, let what it forgot be written again (then None). Raises
        UnknownId."""
        checked(reason, "reason")
        with self._store.writing() as connection:
            raw = to_bytes(id) or b""
            whole = from_bytes(raw) if raw else ""  # as it is stored, however it was spelled
            receipt = connection.execute(
                "SELECT json_extract(body, '$.scope') FROM receipts WHERE id = ?", (whole,)
            ).fetchone()
            if receipt and (
                self._seen in (None, spaces.EVERYTHING) or receipt[0] == erase.scope_digest(self._store.key, self._seen)
            ):
                gone = connection.execute("DELETE FROM suppressed WHERE receipt = ? RETURNING 1", (whole,)).fetchall()
                counts = {"suppressed": len(gone)}
                ledger.append(connection, self._store.key, self._actor, "release", [raw], counts=counts)
                return None
            (row,) = reading.rows_of(connection, [id], self._seen)
            rows = holds.release(connection, row, reason)
            named = [reading.id_of(connection, row)]
            seq, _ = ledger.append(connection, self._store.key, self._actor, "release", named)
            holds.recompute(connection, rows, seq)
            return reading.records_of(connection, [row], self._seen)[row]

    def expire(self, space: str, at: When) -> None:
        """Let all records of a space expire at a time (None: not at all)."""
        path = self._place(space)
        with self._store.writing() as connection:
            number, _ = spaces.make(connection, path)
            when = None if at is None else times.micros(times.moment(at, self._zone, "at")[0])
            connection.execute("UPDATE spaces SET expires = ? WHERE space = ?", (when, number))
            ledger.append(
                connection, self._store.key, self._actor, "expire", digest=sealing.path_digest(self._store.key, path)
            )

    # -- forget --------------------------------------------------------------------------------------------------------

    def preview(
        self,
        ids: str | Sequence[str] | None = None,
        *,
        where: Where | None = None,
        space: str | None = None,
        source: str | None = None,
        reach: Reach = "derived",
    ) -> Preview:
        """What a forget would remove, and what stays though it mentions the same. Nothing happens."""
        rows = self._chosen(ids, where, space, source)
        return erase.preview(self._store, rows, self._seen, _reach(reach), self._carriers)

    def forget(
        self,
        ids: str | Sequence[str] | None = None,
        *,
        where: Where | None = None,
        space: str | None = None,
        source: str | None = None,
        reason: str,
        reach: Reach = "derived",
        wait: bool = True,
        preview: Preview | str | None = None,
        suppress: bool | None = None,
        timeout: float = 10.0,
    ) -> Receipt:
        """Erase records, their revisions and all derived from them, from every file of the folder; the receipt has
        the checks.

        `reach="everything"` asks attached carriers that need the content too. `wait=False` returns once erased,
        before the look.
        `preview`: refused when it no longer matches. `suppress`: None keeps texts of five words and more from coming
        back.
        `timeout`: seconds to wait for a process that keeps an old snapshot. Raises UnknownId, Pinned, StalePreview,
        InvalidInput.
        """
        checked(reason, "reason")
        rows = self._chosen(ids, where, space, source)
        bound = preview.digest if isinstance(preview, Preview) else preview
        receipt = erase.close_and_seal(
            self._store, rows, self._seen, _reach(reach), reason, self._actor, self._carriers, bound, suppress
        )
        done = erase.finish(self._store, receipt, self._carriers, timeout, wait)
        if not wait:
            self._unfinished.set()
            self._reads.start()
        return done

    def attach(self, carrier: Carrier) -> None:
        """Let a model, buffer, adapter or index forget too: `carrier.erase(records)` is called by every forget it
        concerns."""
        if not isinstance(carrier, Carrier):
            raise InvalidInput(
                f"{type(carrier).__name__} is no carrier: it needs name, needs_content and erase(records)"
            )
        if any(known.name == carrier.name for known in self._carriers):
            raise InvalidInput(f"a carrier named {carrier.name!r:.60} is attached already")
        self._carriers.append(carrier)

    def _chosen(
        self, ids: str | Sequence[str] | None, where: Where | None, space: str | None, source: str | None
    ) -> set[int]:
        if ids is not None:
            if where is not None or space is not None or source is not None:
                raise InvalidInput("name ids, or a filter (where, space, source), not both; nothing was changed")
            if not isinstance(ids, str | list | tuple | set | frozenset):
                raise InvalidInput(f"ids is an id or a list of ids, not {type(ids).__name__}; nothing was changed")
            named = [ids] if isinstance(ids, str) else [*ids]
            if not named:
                raise InvalidInput("no ids were given; nothing was changed")
            with self._store.reading() as connection:
                return set(reading.rows_of(connection, named, self._seen))
        if where is None and space is None and source is None:
            raise InvalidInput("say what to forget: ids=, where=, space= or source=; nothing was changed")
        scope = spaces.narrowed(self._seen, space)
        sql, bindings = compile_where(where, self._zone)
        if source is not None:
            sql, bindings = f"({sql}) AND r.reference = ?", [*bindings, checked(source, "source")]
        with self._store.reading() as connection:
            rows = set(reading.listed(connection, scope, (sql, bindings), limit=None, held=None, past=True))
        if not rows:
            raise UnknownId("of this filter")
        return rows

    def _complete_once(self) -> None:
        try:
            erase.complete(self._store, (), timeout=1.0)
        except (StoreLocked, DiskFull) as error:  # no reason not to open: what is sealed is recalled by nobody
            log.warning("an open forget waits for verify: %s", type(error).__name__)

    def _complete_later(self) -> None:
        if self._unfinished.is_set():
            self._unfinished.clear()
            erase.complete(self._store, self._carriers, timeout=1.0)

    # -- time ----------------------------------------------------------------------------------------------------------

    def diff(self, t0: When, t1: When = None, *, space: str | None = None) -> Diff:
        """What differs between two times (the second: now)."""
        scope = spaces.narrowed(self._seen, space)
        with self._store.reading() as connection:
            first, last = (self._event(connection, when) for when in (t0, times.now() if t1 is None else t1))
            changed = lives.changes(connection, scope, first, last)
            rows = [*changed.added, *changed.closed, *(row for pair in changed.revised for row in pair)]
            found = reading.records_of(connection, rows, self._seen)
        return Diff(
            tuple(found[row] for row in changed.added),
            tuple(found[row] for row in changed.closed),
            tuple((found[old], found[new]) for old, new in changed.revised),
        )

    def rollback(self, to: When, *, space: str | None = None) -> Records:
        """Let live again what lived at a time, close what came since: the records that came back.

        Never what was forgotten, nor an equal text (`.notes` names it and the receipt). It is an event itself, so it
        can be rolled back too. Without `space`: all that this handle sees. Raises RollbackRefused.
        """
        scope = (self._seen or spaces.EVERYTHING) if space is None else spaces.narrowed(self._seen, space)
        with self._store.writing() as connection:
            then = self._event(connection, to)
            seq, _ = ledger.append(connection, self._store.key, self._actor, "rollback", counts={"to": then})
            rolled = lives.rollback(connection, self._store.key, scope, then, seq)
            found = reading.records_of(connection, sorted(rolled.back), self._seen)
        notes = [
            f"record {id} stays closed: an equal record was forgotten on {why.day} (receipt {why.receipt})"
            for id, why in rolled.kept_out
        ]
        return Records([found[row] for row in sorted(rolled.back)], notes)

    def _event(self, connection: Any, when: When) -> int:
        if when is None:
            raise InvalidInput("a time is needed, as 2026-11-24T09:30+01:00")
        return ledger.moment_of(connection, times.micros(times.moment(when, self._zone)[0]))

    # -- carry and mend ------------------------------------------------------------------------------------------------

    def export(
        self,
        path: str | Path,
        *,
        where: Where | None = None,
        key_file: str | Path | None = None,
        overwrite: bool = False,
        progress: Progress = silent,
    ) -> Exported:
        """Write one portable archive: records, vectors with their model, lineage, history, ledger (with `where`: what
        matches).

        `key_file`: also the folder's key, with which another machine's empty folder can take the archive as its own.
        """
        with damaged("what an export reads"):
            return carrying.export_from(
                self._store,
                Path(path),
                self._seen,
                None if where is None else compile_where(where, self._zone),
                self._actor,
                None if key_file is None else Path(key_file),
                overwrite,
                progress,
            )

    def load(
        self,
        path: str | Path,
        *,
        format: str | None = None,
        key_file: str | Path | None = None,
        space: str | None = None,
        progress: Progress = silent,
    ) -> LoadReport:
        """Read an archive, or what another program exported (`format`: mcp-memory, chat-jsonl; None: look).

        One's own archive is restored losslessly; a foreign or altered one enters as channel `import`, its claims kept
        as claims.
        What was forgotten here stays forgotten. Raises ArchiveRefused, InvalidInput.
        """
        report = carrying.load_into(
            self._store,
            self._put,
            Path(path),
            format,
            None if key_file is None else Path(key_file),
            self._place(space),
            self._zone,
            self._seen,
            self._actor,
            progress,
        )
        self._views.clear()  # an archive's history may have taken the place of this folder's
        self._embedding.fill(progress)
        return report

    def verify(self, timeout: float = 10.0) -> list[Finding]:
        """Complete open receipts, then check file, sums, chain and indexes; one stable code a finding, each with what
        to do."""
        self._whole("verify")
        self._reads.flush()
        return verify(self._store, self._carriers, timeout, self._embedding.without_tokens())

    def compact(self) -> dict[str, int]:
        """Rewrite the file without its free pages, its marks made anew; bytes before and after. Raises DiskFull."""
        self._whole("compacting")
        self._store.refuse_read_only()
        before = self._store.path.stat().st_size
        marking.renew_all(self._store)
        self._views.clear()  # they may hold marks that were wrong
        purging.rewrite(self._store)
        purging.cut_log(self._store, self._store.timeout)
        return {"before": before, "after": self._store.path.stat().st_size}

    def reembed(self, encoder: str | Encoder, progress: Progress = silent) -> int:
        """Change the folder's model: every record gets a new vector, resumable; recall stays on the old one until the
        last has it. With the folder's own model: make only what is missing or damaged. How many records."""
        self._whole("changing the encoder")
        return self._embedding.change(encoder, self._actor, progress)

    def encoder(self) -> dict[str, Any]:
        """Name, version and dimension of the folder's encoder, and how far a change of it got."""
        return self._embedding.describe()

    def close(self) -> None:
        """Write what waits and close; any number of times."""
        if self._unfinished.is_set() and not self._store.closed:
            self._complete_later()
        if not self._store.closed:
            self._reads.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"<delible.Memory {str(self._store.folder)!r}{'' if self._seen is None else f' space={str(self._seen)!r}'}>"
        )

    # -- within --------------------------------------------------------------------------------------------------------

    def _place(self, space: str | None) -> str:
        """The one space that a write goes to."""
        scope = spaces.narrowed(self._seen, space)
        if space is not None and scope.below:
            raise InvalidInput("a record is written to one space: leave out the /**")
        return scope.path or spaces.MAIN

    def _whole(self, what: str) -> None:
        if self._seen is not None and self._seen != spaces.EVERYTHING:
            raise SpaceRefused(f"{what} concerns the whole folder; open it without space=")

    def _lookout(self) -> Lookout:
        return Lookout(self._store, self._seen, self._nearest)

    def _nearest(self, text: str, k: int) -> list[Hit]:
        request = recalling.Request(question=text, k=k, scope=self._seen or spaces.EVERYTHING, zone=self._zone)
        return recalling.recall(self._store, self._views, self._embedding, request, (), (), self._seen)

    # Last, for below it the name `list` is no longer the type.
    def list(
        self,
        *,
        space: str | None = None,
        where: Where | None = None,
        after: str | None = None,
        limit: int | None = 100,
        held: bool | None = False,
    ) -> list[Record]:
        """Living records in the order of writing; `after` an id pages on; `held`: False unheld, True held, None
        both."""
        _positive(limit, "limit")
        if held not in (None, True, False):
            raise InvalidInput("held is True, False or None (both)")
        condition = compile_where(where, self._zone)
        with self._store.reading() as connection:
            start = 0 if after is None else reading.rows_of(connection, [after], self._seen)[0]
            expired = None if where and "expired" in where else ledger.present()
            rows = reading.listed(
                connection, spaces.narrowed(self._seen, space), condition, start, limit, held, now=expired
            )
            found = reading.records_of(connection, rows, self._seen)
        return [found[row] for row in rows]


def _reach(reach: str) -> str:
    if reach not in ("derived", "everything"):
        raise InvalidInput(f"reach is 'derived' or 'everything', not {reach!r:.40}; nothing was changed")
    return reach


def _positive(number: object, what: str) -> None:
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
        raise InvalidInput(f"{what} must be a whole number from 0 on")


def _seconds(timeout: object) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 <= timeout <= LONGEST_TIMEOUT:
        raise InvalidInput(f"timeout is a number of seconds from 0 to {LONGEST_TIMEOUT:,}")


def _with_notes(outcomes: Sequence[Written], found: Mapping[int, Record], notes: Sequence[str]) -> list[Record]:
    """The records in the order written; one that was there before names itself in `duplicate_of`; the first bears the
    notes of the batch."""
    records: list[Record] = []
    for outcome in outcomes:
        if outcome.row is None:
            continue
        record = found[outcome.row]
        if outcome.same:
            record = replace(record, duplicate_of=record.id)
        records.append(record)
    if records and notes:
        records[0] = replace(records[0], notes=(*records[0].notes, *notes))
    return records
