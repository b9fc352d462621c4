"""Verify: open receipts completed, then file, sums, chain and indexes looked at. One stable code a finding."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import apsw

from delible.core.errors import DelibleError
from delible.core.identity import from_bytes
from delible.core.process import runs
from delible.core.shapes import Carrier
from delible.core.times import from_micros
from delible.governance import erase
from delible.store import encoders, erasing, ledger, sealing
from delible.store.marking import compared
from delible.store.sqlite import SQLite
from delible.store.turns import MARK

MARKS = 5000  # made again at most: half a second


@dataclass(frozen=True)
class Finding:
    """What a check found: a stable code, whether it holds, what was seen, what to do."""

    code: str
    ok: bool
    detail: str
    advice: str = ""


def verify(store: SQLite, carriers: Sequence[Carrier], timeout: float, tokenless: int = 0) -> list[Finding]:
    """Every check once, in this order; a check that cannot run is a finding that does not hold.

    `tokenless`: records whose vectors lack the tokens that the folder's encoder could give; only told.
    """
    findings = [_receipts(store, carriers, timeout)]
    with store.reading() as connection:
        checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
            ("file", lambda: _file(connection)),
            ("texts", lambda: _texts(connection, store.key)),
            ("vectors", lambda: _vectors(connection, tokenless)),
            ("words", lambda: _words(connection)),
            ("marks", lambda: _marks(connection, store.key)),
            ("lives", lambda: _lives(connection)),
            ("trust", lambda: _trust(connection)),
            ("ledger", lambda: _ledger(connection, store.key)),
            ("forgotten", lambda: _forgotten(connection)),
            ("reads", lambda: _reads(connection)),
        )
        for code, check in checks:
            try:
                findings.append(check())
            except (apsw.Error, ValueError, TypeError, AttributeError) as error:
                findings.append(Finding(code, False, f"could not be checked ({type(error).__name__})", RESTORE))
    return findings


RESTORE = "restore an export into a new folder: delible load FILE"


def _receipts(store: SQLite, carriers: Sequence[Carrier], timeout: float) -> Finding:
    try:
        done = [] if store.read_only else erase.complete(store, carriers, timeout, others=True)
        with store.reading() as connection:
            changed = _changed_receipts(connection, store.key)
    except DelibleError as error:
        return Finding("receipts", False, str(error), "run verify again")
    if changed:
        return Finding("receipts", False, f"{changed} receipts were changed or removed", "compare them with an export")
    if store.read_only:
        return Finding("receipts", True, "not completed: the folder is read-only here")
    still = [receipt for receipt in done if not receipt.confirmed]
    if still:
        failed = (check for receipt in still for check in receipt.checks if not check.passed)
        why = next((f"{check.name}: {check.detail}" for check in failed), "")
        return Finding(
            "receipts",
            False,
            f"{len(still)} receipts are not confirmed: {why}",
            "do what the detail says, then run verify again",
        )
    return Finding("receipts", True, f"{len(done)} completed now, none open")


def _changed_receipts(connection: apsw.Connection, key: bytes) -> int:
    """How many receipts are not what their event in the ledger says, or have an event and are not there."""
    lines = connection.execute(
        "SELECT e.verb, e.digest, r.body FROM events e LEFT JOIN receipts r ON r.seq = e.seq"
        " WHERE e.verb IN ('forget', 'receipt')"
    )
    return sum(
        sealing.digest(key, (body,)) != digest if body is not None else verb == "forget" for verb, digest, body in lines
    )


def _file(connection: apsw.Connection) -> Finding:
    lines = [line for (line,) in connection.execute("PRAGMA integrity_check(5)")]
    return Finding(
        "file",
        lines == ["ok"],
        "SQLite finds the file whole" if lines == ["ok"] else f"SQLite reports {len(lines)} faults",
        "" if lines == ["ok"] else RESTORE,
    )


def _texts(connection: apsw.Connection, key: bytes) -> Finding:
    bad: list[str] = []
    count = 0
    for id, text, meta, notes, media, summed, print_ in connection.execute(
        "SELECT r.id, t.text, t.meta, t.notes, t.media, t.checksum, r.fingerprint FROM records r JOIN texts t ON t.row"
        " = r.row"
    ):
        count += 1
        if sealing.checksum(key, text, meta, notes, media) != summed or sealing.fingerprint(key, text, media) != print_:
            bad.append(from_bytes(id))
    orphans = connection.execute(
        "SELECT count(*) FROM texts t WHERE NOT EXISTS (SELECT 1 FROM records r WHERE r.row = t.row)"
    ).get
    orphans += connection.execute(
        "SELECT count(*) FROM records r WHERE NOT EXISTS (SELECT 1 FROM texts t WHERE t.row = r.row)"
    ).get
    if bad or orphans:
        return Finding(
            "texts",
            False,
            f"{len(bad)} of {count} texts were changed on disk ({', '.join(bad[:3])}), {orphans} belong to nothing",
            RESTORE,
        )
    return Finding("texts", True, f"{count} texts match their sums")


def _vectors(connection: apsw.Connection, tokenless: int) -> Finding:
    seen = [
        encoders.checked(connection, number, dimension)
        for number, dimension in connection.execute("SELECT encoder, dimension FROM encoders").fetchall()
    ]
    count, bad, tokens = (
        sum(one.total for one in seen),
        sum(len(one.rows) for one in seen),
        sum(len(one.tokens) for one in seen),
    )
    orphans = connection.execute(
        "SELECT count(*) FROM vectors v WHERE NOT EXISTS (SELECT 1 FROM texts t WHERE t.row = v.row)"
    ).get
    orphans += connection.execute(
        "SELECT count(*) FROM bits b WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.vector = b.vector)"
    ).get
    if bad or tokens or orphans:
        return Finding(
            "vectors",
            False,
            f"{bad} of {count} vectors do not match their sum or bits, {tokens} have tokens of a wrong width, {orphans}"
            " belong to nothing",
            "mend them: delible encoder use SPEC, with the SPEC that delible encoder names",
        )
    left = f"; {tokenless} records have no tokens yet, make them: delible encoder use SPEC" if tokenless else ""
    return Finding("vectors", True, f"{count} vectors match their sums and bits{left}")


def _words(connection: apsw.Connection) -> Finding:
    missing = connection.execute(
        "SELECT count(*) FROM texts t WHERE NOT EXISTS (SELECT 1 FROM words_docsize d WHERE d.id = t.row)"
    ).get
    extra = connection.execute(
        "SELECT count(*) FROM words_docsize d WHERE NOT EXISTS (SELECT 1 FROM texts t WHERE t.row = d.id)"
    ).get
    extra += connection.execute(
        "SELECT count(*) FROM grams_docsize d WHERE NOT EXISTS (SELECT 1 FROM texts t WHERE t.row = d.id)"
    ).get
    if missing or extra:
        return Finding(
            "words", False, f"{missing} texts are not in the index of words, {extra} entries belong to nothing", RESTORE
        )
    return Finding("words", True, "every text is in the index of words, and nothing else")


def _marks(connection: apsw.Connection, key: bytes) -> Finding:
    missing = connection.execute(
        "SELECT count(*) FROM texts t WHERE NOT EXISTS (SELECT 1 FROM turns m WHERE m.row = t.row)"
    ).get
    extra = connection.execute(
        "SELECT count(*) FROM turns m WHERE NOT EXISTS (SELECT 1 FROM texts t WHERE t.row = m.row)"
    ).get
    wide = connection.execute("SELECT count(*) FROM turns WHERE length(mark) != ?", (MARK.itemsize,)).get
    count = connection.execute("SELECT count(*) FROM turns").get
    # A mark costs 0.1 ms to make again: of a large memory every n-th is looked at, others the next time.
    step = max(1, -(-count // MARKS))
    looked = list(compared(connection, key, "WHERE r.row % ?1 = ?2", (step, secrets.randbelow(step))))
    other = sum(known is not None and len(known) == MARK.itemsize and known != made for _, known, made in looked)
    if missing or extra or wide or other:
        return Finding(
            "marks",
            False,
            f"{missing} records have no mark, {wide} marks have a wrong width, {other} of {len(looked)} looked at are"
            f" not what the text gives, {extra} belong to nothing",
            "make them anew: delible compact",
        )
    return Finding("marks", True, f"{count} records have their mark; {len(looked)} were made again and are the same")


def _lives(connection: apsw.Connection) -> Finding:
    none = connection.execute(
        "SELECT count(*) FROM records r WHERE NOT EXISTS (SELECT 1 FROM lives l WHERE l.row = r.row)"
    ).get
    twice = connection.execute(
        "SELECT count(*) FROM (SELECT row FROM lives WHERE until IS NULL GROUP BY row HAVING count(*) > 1)"
    ).get
    keys = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM records r JOIN lives l ON l.row = r.row WHERE r.key IS NOT NULL AND"
        " l.until IS NULL GROUP BY r.space, r.key HAVING count(*) > 1)"
    ).get
    if none or twice or keys:
        return Finding(
            "lives",
            False,
            f"{none} records never lived, {twice} live twice, {keys} keys have two living records",
            RESTORE,
        )
    return Finding("lives", True, "every record has its lives, every key at most one living record")


def _trust(connection: apsw.Connection) -> Finding:
    raised = connection.execute(
        "SELECT count(*) FROM lineage g JOIN records c ON c.row = g.child JOIN records p ON p.row = g.parent WHERE"
        " c.trust > p.trust + 1e-9 OR c.hold < p.hold"
    ).get
    above = connection.execute(
        "SELECT count(*) FROM records WHERE trust > min(own_trust, verdict_trust) + 1e-9 OR hold < own_hold"
    ).get
    if raised or above:
        return Finding(
            "trust",
            False,
            f"{raised + above} records have more trust, or less hold, than their lineage allows",
            RESTORE,
        )
    return Finding("trust", True, "no record has more trust than its lineage")


def _ledger(connection: apsw.Connection, key: bytes) -> Finding:
    breaks = list(ledger.chain_breaks(connection, key))
    count, last = connection.execute("SELECT count(*), ifnull(max(seq), 0) FROM events").fetchone()
    # A chain that was cut short still holds; but numbers are never given twice, and SQLite knows the last one given.
    given = connection.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'").get
    if given > last:
        breaks.append(f"event {last + 1} is missing")
    if breaks:
        return Finding(
            "ledger",
            False,
            f"{breaks[0]}; {len(breaks)} faults in {count} events",
            "somebody or something changed the ledger; compare it with an export",
        )
    return Finding("ledger", True, f"the chain of {count} events holds")


def _forgotten(connection: apsw.Connection) -> Finding:
    rows = [row for (row,) in connection.execute("SELECT row FROM erasures WHERE phase > 0")]
    left = (erasing.rows_left(connection, rows) + erasing.words_left(connection, rows)) if rows else 0
    if left:
        return Finding(
            "forgotten",
            False,
            f"{left} rows or index entries of forgotten records are there",
            "run verify again; if it stays, restore an export",
        )
    return Finding("forgotten", True, f"no row or index entry of {len(rows)} forgotten records")


def _reads(connection: apsw.Connection) -> Finding:
    last: dict[str, tuple[str, int]] = {}
    for actor, verb, time in connection.execute(
        "SELECT actor, verb, time FROM events WHERE verb IN ('recall', 'close') ORDER BY seq"
    ):
        last[actor] = (verb, time)
    lost = [(actor, time) for actor, (verb, time) in last.items() if verb == "recall" and not runs(actor)]
    if lost:
        actor, time = lost[-1]
        # Not a fault of the store: what was written is whole. It says which log of reads may lack its last moments.
        return Finding(
            "reads",
            True,
            f"{actor} did not close; its last read event is of {from_micros(time):%Y-%m-%d %H:%M:%S}, reads after it"
            " may be missing",
        )
    return Finding("reads", True, "every process that read has closed, or still runs")
