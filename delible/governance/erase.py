"""Erase everywhere: one request, in an order in which every step may be repeated after a crash.

    close > seal > carriers (that need the content) > derived > erase > cut the log > look > confirm

After the seal nothing recalls the records; before the confirmation nothing says they are gone.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from delible.core.errors import DelibleError, StalePreview, UnknownId
from delible.core.identity import fresh_id
from delible.core.process import runs, this_process
from delible.core.receipts import Check, Preview, Receipt
from delible.core.records import Record
from delible.core.shapes import Carrier
from delible.core.times import from_micros, micros, now
from delible.store import erasing, purging, sealing, spaces
from delible.store.reading import records_of
from delible.store.scan import folder_readers, scan_files, settle
from delible.store.sqlite import SQLite

log = logging.getLogger(__name__)

LIMITS = (
    "freed disk blocks, snapshots and backups of the file system",
    "swap, core dumps and the memory of running programs",
    "who holds this folder and its key can test a guess against a digest",
)

trace: Callable[[str], None] = lambda step: None  # noqa: E731  a crash test hears each step here
_looking = threading.Lock()


def preview(
    store: SQLite, rows: Collection[int], seen: spaces.Scope | None, reach: str, carriers: Sequence[Carrier]
) -> Preview:
    """What a forget of these rows would remove. Nothing happens."""
    with store.reading() as connection:
        closed = erasing.closure(connection, rows)
        erasing.refuse_pinned(connection, closed)
        records = records_of(connection, sorted(closed), seen)
        visible = {row: record for row, record in records.items() if seen is None or seen.holds(record.space)}
        removed = erasing.counted(connection, closed)
        removed["derived"] = len(closed) - len(set(rows) & closed)
        removed["elsewhere"] = len(closed) - len(visible)
        mentions = erasing.mentions(connection, closed, seen)
        limits = (*LIMITS, *erasing.exports_since(connection, closed, seen))
        digest = _digest(store.key, closed, reach, carriers)
    return Preview(tuple(visible[row].id for row in sorted(visible)), removed, tuple(mentions), limits, digest)


def _digest(key: bytes, rows: Collection[int], reach: str, carriers: Sequence[Carrier]) -> str:
    """Binds a forget to what its preview showed: these rows as they are, this reach, these carriers."""
    return sealing.digest(key, ["preview", reach, *sorted(c.name for c in carriers), *map(str, sorted(rows))]).hex()


def close_and_seal(
    store: SQLite,
    rows: Collection[int],
    seen: spaces.Scope | None,
    reach: str,
    reason: str,
    actor: str,
    carriers: Sequence[Carrier],
    bound: str | None,
    suppress: bool | None,
) -> str:
    """Steps 1 and 2; the receipt's id. Raises Pinned, StalePreview."""
    receipt = fresh_id()
    trace("close")
    with store.writing() as connection:
        closed = erasing.closure(connection, rows)
        erasing.refuse_pinned(connection, closed)
        if bound is not None and bound != _digest(store.key, closed, reach, carriers):
            raise StalePreview(
                "what would be forgotten changed since the preview; look at a new one. Nothing was changed"
            )
        removed = erasing.counted(connection, closed)
        removed["derived"] = len(closed) - len(set(rows) & closed)
        removed["elsewhere"] = erasing.counted_outside(connection, closed, seen)
        body = {
            "id": receipt,
            "time": micros(now()),
            "actor": actor,
            "reason": reason,
            "reach": reach,
            "removed": removed,
            "digests": [
                sealing.digest(store.key, ("receipt", print_), size=16).hex()
                for (print_,) in erasing.fingerprints(connection, closed)
            ],
            "checks": [],
            "limits": [*LIMITS, *erasing.exports_since(connection, closed, seen)],
            "survivors": erasing.survivors(connection, closed, seen),
            "carriers": sorted(c.name for c in _called(carriers, reach)),
            "process": this_process(),
            "scope": scope_digest(store.key, seen),
        }
        trace("seal")
        erasing.seal(connection, store.key, closed, body, suppress)
    return receipt


def _called(carriers: Sequence[Carrier], reach: str) -> list[Carrier]:
    return [carrier for carrier in carriers if reach == "everything" or not carrier.needs_content]


def finish(store: SQLite, receipt: str, carriers: Sequence[Carrier], timeout: float, wait: bool = True) -> Receipt:
    """Steps 3 to 8, from wherever the receipt stands: after the seal, after a crash, after somebody kept the log
    open."""
    body = body_of(store, receipt)
    with store.reading() as connection:
        sealed = erasing.sealed_rows(connection, receipt, 0)
        # Sealed content goes to carriers and to nobody else.
        concerned = body["carriers"] or _called(carriers, body["reach"])
        records = list(records_of(connection, sealed).values()) if concerned else []
    asked: list[tuple[int, bytes]] = []
    if sealed:
        failed = _carry(body, records, carriers)
        if concerned:  # kept at once: after a crash, a process without the carrier knows what it said
            shown = json.dumps({**body, "checks": body["checks"] + [_stored(check) for check in failed]})
            with store.writing() as connection:
                connection.execute("UPDATE receipts SET body = ? WHERE id = ? AND phase = 0", (shown, receipt))
            if failed:
                return receipt_of(json.loads(shown), 0)
        trace("derived")
        purging.sweep(store.folder)
        with store.reading() as connection:
            terms = erasing.own_terms(connection, sealed)
            asked = erasing.probes(connection, sealed)
        trace("erase")
        for at in range(0, len(sealed), erasing.BATCH):
            with store.writing() as connection:
                erasing.erase(connection, store.key, receipt, sealed[at : at + erasing.BATCH], terms)
    with store.writing() as connection:
        # From phase 0 only: another process may have confirmed it meanwhile, and its checks stand in the body.
        stored = json.dumps(body)
        connection.execute("UPDATE receipts SET phase = 1, body = ? WHERE id = ? AND phase = 0", (stored, receipt))
    if not wait:
        return receipt_of(body, 1)
    return look(store, [receipt], timeout, asked)[0]


def look(
    store: SQLite, receipts: Sequence[str], timeout: float, asked: Sequence[tuple[int, bytes]] = ()
) -> list[Receipt]:
    """Steps 6 to 8 for several receipts at once: cut the log, look at every byte, confirm."""
    with _looking:
        trace("checkpoint")
        busy = purging.cut_log(store, timeout)
        trace("look")
        with store.reading() as connection:
            wanted = erasing.wanted(connection, store.key, receipts)
        checks = [
            Check("log", not busy, (busy and f"{busy}: stop it, then run verify") or "the write-ahead log is empty")
        ]
        checks += _tables(store, wanted, asked)
        if not busy:
            scanned = _bytes(store, wanted)
            if not scanned.passed:
                log.info("a piece of what was forgotten lies in a dead part of the file; rewriting it")
                try:
                    purging.sweep(store.folder)
                    purging.rewrite(store)
                    if not purging.cut_log(store, timeout):
                        scanned = _bytes(store, wanted)
                except DelibleError as error:
                    scanned = replace(scanned, detail=f"{scanned.detail}; {error}")
            checks.append(scanned)
        else:
            checks.append(Check("bytes", False, "not looked for while the log is kept open"))
        trace("confirm")
        confirmed = all(check.passed for check in checks)
        done: list[Receipt] = []
        with store.writing() as connection:
            for receipt in receipts:
                phase, stored = connection.execute(
                    "SELECT phase, body FROM receipts WHERE id = ?", (receipt,)
                ).fetchone()
                body = json.loads(stored)
                if phase < 2:  # another process may have confirmed it meanwhile
                    kept = [check for check in body["checks"] if check[0].startswith("carrier") and check[1]]
                    body["checks"] = kept + [_stored(check) for check in checks]
                    body["time"] = micros(now())
                    erasing.confirm(connection, store.key, body, confirmed)
                    phase = 2 if confirmed else 1
                done.append(receipt_of(body, phase))
        if confirmed:
            purging.cut_log(store, purging.TRY)
        return done


def _carry(body: dict[str, Any], records: Sequence[Record], carriers: Sequence[Carrier]) -> list[Check]:
    """Steps 3 and 4: every carrier erases, those that need the content first; the checks that failed."""
    trace("carriers")
    called = sorted(_called(carriers, body["reach"]), key=lambda carrier: not carrier.needs_content)
    # What a carrier confirmed before a crash stands, unless it is attached here: then it erases once more.
    passed = [Check(*check) for check in body["checks"] if check[1] and not _said_by(called, check[0])]
    missing = sorted(
        name
        for name in set(body["carriers"]) - {carrier.name for carrier in called}
        if not any(check.name.startswith(f"carrier {name}: ") for check in passed)
    )
    failed = [
        Check(f"carrier {name}", False, "not attached in this process; attach it and run verify") for name in missing
    ]
    for carrier in called if not missing else ():
        try:
            checks = list(carrier.erase(records) or ())
        except Exception as error:  # somebody's code: the seal stays, the receipt stays open, nothing is lost
            log.info("carrier %s failed", carrier.name, exc_info=False)
            checks = [Check("erase", False, f"failed with {type(error).__name__}; mend it and run verify")]
        if not checks or not all(isinstance(check, Check) for check in checks):
            checks = [Check("erase", False, "returned no check, so nothing confirms it")]
        for check in checks:
            detail = _unquoted(check.detail, records)
            named = Check(f"carrier {carrier.name}: {check.name}", check.passed, detail)
            (passed if check.passed else failed).append(named)
    body["checks"] = [_stored(check) for check in passed]
    return failed


QUOTED = 12  # characters in common with a record that make a carrier's detail a quotation


def _unquoted(detail: str, records: Sequence[Record]) -> str:
    """What a carrier says, at most a line of it, and nothing where it quotes a record: a receipt holds no content."""
    line = " ".join(detail.split())[:200]
    pieces = {line[at : at + QUOTED] for at in range(max(1, len(line) - QUOTED + 1))} if line else set()
    quotes = any(piece in record.text for record in records for piece in pieces if len(piece) == QUOTED)
    return "(its detail quotes a record and was left out)" if quotes else line


def _said_by(carriers: Sequence[Carrier], check: str) -> bool:
    return any(check.startswith(f"carrier {carrier.name}: ") for carrier in carriers)


def _tables(store: SQLite, wanted: erasing.Wanted, asked: Sequence[tuple[int, bytes]]) -> list[Check]:
    rows = sorted(wanted.rows)
    with store.reading() as connection:
        left = erasing.rows_left(connection, rows)
        words = erasing.words_left(connection, rows)
        terms = erasing.terms_left(connection, store.key, wanted.terms)
        checks = [
            Check(
                "rows",
                not left,
                (
                    f"{left} rows of {len(rows)} records are left"
                    if left
                    else f"no row of {len(rows)} records in any table"
                ),
            ),
            Check(
                "words",
                not (words or terms),
                (
                    f"{words} index entries and {terms} words are left"
                    if words or terms
                    else f"no index entry, none of {len(wanted.terms)} words that only these records had"
                ),
            ),
        ]
        if asked:
            found = _nearest(connection, asked, wanted.rows)
            checks.append(
                Check(
                    "neighbours",
                    not found,
                    (
                        f"{found} of {len(asked)} old vectors still find a forgotten record"
                        if found
                        else f"{len(asked)} old vectors find none of the forgotten records"
                    ),
                )
            )
    return checks


def _nearest(connection: Any, asked: Sequence[tuple[int, bytes]], rows: frozenset[int]) -> int:
    """Ask with the old vectors: how many find a row that should be gone, or a vector that belongs to no record."""
    found = 0
    for encoder in {encoder for encoder, _ in asked}:
        lines = connection.execute(
            "SELECT b.row, b.bits, EXISTS (SELECT 1 FROM records r WHERE r.row = b.row) FROM bits b WHERE"
            " b.encoder = ?",
            (encoder,),
        ).fetchall()
        if not lines:
            continue
        signs = np.frombuffer(b"".join(bits for _, bits, _ in lines), np.uint64).reshape(len(lines), -1)
        for _, probe in (pair for pair in asked if pair[0] == encoder):
            distances = np.bitwise_count(signs ^ np.frombuffer(probe, np.uint64)).sum(axis=1)
            for at in np.flatnonzero(distances == distances.min())[:8]:
                row, _, there = lines[at]
                if row in rows or not there:
                    found += 1
                    break
    return found


def _bytes(store: SQLite, wanted: erasing.Wanted) -> Check:
    if wanted.needles is None:
        return Check("bytes", True, "nothing was left to look for")
    readers = folder_readers(Path(store.folder))
    looked = scan_files(readers, wanted.needles)
    size = sum(looked.read.values()) / 2**20
    with store.reading() as connection:
        settled = settle(looked.finds, wanted.needles, erasing.living_content(connection) if looked.finds else ())
        if settled.finds:  # seldom, so the chain is walked only then
            told_by_events = erasing.ledger_content(connection, store.key)
            settled = settle(looked.finds, wanted.needles, chain(erasing.living_content(connection), told_by_events))
    bare = wanted.needles.bare + settled.bared
    told = f"{len(wanted.needles):,} pieces of 16 bytes in {len(readers)} files ({size:.1f} MiB)"
    if settled.shared:
        told += f"; {settled.shared:,} of these stand in what stays"
    if bare:
        told += f"; {bare} fields have no piece of their own"
    if settled.finds:
        files = Counter(find.file for find in settled.finds)
        where = ", ".join(f"{file} ({times})" for file, times in sorted(files.items()))
        return Check("bytes", False, f"found in {where}; looked for {told}")
    return Check("bytes", True, f"none found of {told}")


def body_of(store: SQLite, receipt: str) -> dict[str, Any]:
    """A receipt as stored. Raises UnknownId."""
    with store.reading() as connection:
        stored = connection.execute("SELECT body FROM receipts WHERE id = ?", (receipt,)).get
    if stored is None:
        raise UnknownId(receipt, "receipt")
    body: dict[str, Any] = json.loads(stored)
    return body


def scope_digest(key: bytes, seen: spaces.Scope | None) -> str | None:
    """The scope of the handle that asks for a forget; a digest, for the path may be what is forgotten."""
    return None if seen is None else sealing.path_digest(key, str(seen)).hex()


def receipt_of(body: dict[str, Any], phase: int) -> Receipt:
    """A stored receipt as data."""
    return Receipt(
        id=body["id"],
        time=from_micros(body["time"]),
        actor=body["actor"],
        reason=body["reason"],
        reach=body["reach"],
        removed=body["removed"],
        digests=tuple(body["digests"]),
        checks=tuple(Check(*check) for check in body["checks"]),
        limits=tuple(body["limits"]),
        survivors=tuple(body["survivors"]),
        phase=phase,
    )


def receipts(store: SQLite, seen: spaces.Scope | None) -> list[Receipt]:
    """Every receipt, oldest first; a handle for some spaces gets those that were asked for through such a one."""
    with store.reading() as connection:
        lines = connection.execute("SELECT phase, body FROM receipts ORDER BY id").fetchall()
    every = [(json.loads(body), phase) for phase, body in lines]
    own = scope_digest(store.key, seen)
    return [receipt_of(body, phase) for body, phase in every if own is None or body["scope"] == own]


def complete(store: SQLite, carriers: Sequence[Carrier], timeout: float, others: bool = False) -> list[Receipt]:
    """Finish what a crash, a busy log or `wait=False` left open; receipts of processes that still run only if
    `others`."""
    purging.sweep(store.folder)
    with store.reading() as connection:
        open_ = connection.execute(
            "SELECT id, phase, body FROM receipts INDEXED BY receipts_open WHERE phase < 2 ORDER BY id"
        ).fetchall()
    ready: list[str] = []
    done: list[Receipt] = []
    for id, phase, stored in open_:
        body = json.loads(stored)
        if not others and body["process"] != this_process() and runs(body["process"]):
            continue
        if phase == 0:
            receipt = finish(store, id, carriers, timeout, wait=False)
            if receipt.phase == 0:
                done.append(receipt)
                continue
        ready.append(id)
    return done + (look(store, ready, timeout) if ready else [])


def _stored(check: Check) -> list[Any]:
    return [check.name, check.passed, check.detail]
