"""Carrying a memory: out into an archive, in from one, or from what another program wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import tzinfo
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from delible.core.errors import ArchiveRefused, UnknownField
from delible.core.progress import Progress, silent
from delible.core.records import Record
from delible.store import archive, archive_reading, archive_restoring, archive_writing, importers, ledger, spaces
from delible.store.archive_writing import Exported
from delible.store.intake import Defaults, drafts_of
from delible.store.sqlite import SQLite
from delible.store.writing import Draft, Written

GROUP = 256  # records of one transaction: what is loaded twice adds nothing, so a load that was stopped is loaded again

Remember = Callable[[list[Draft]], tuple[list[Written], Mapping[int, Record]]]


@dataclass
class LoadReport:
    """What a load did: records that came, those among them whose claims were kept as claims, what was refused and
    why."""

    records: int = 0
    present: int = 0
    kept_as_claims: int = 0
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def export_from(
    store: SQLite,
    path: Path,
    seen: spaces.Scope | None,
    condition: tuple[str, Sequence[Any]] | None,
    actor: str,
    key_file: Path | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Write an archive; first note where it goes, so that every later receipt names it. Raises InvalidInput,
    DiskFull."""
    path = path.expanduser()
    whole = seen is None or seen == spaces.EVERYTHING
    with store.reading() as connection:
        archive_writing.target(connection, path, overwrite)
    if not store.read_only:
        with store.writing() as connection:
            seq, time = ledger.append(connection, store.key, actor, "export")
            connection.execute(
                "INSERT INTO exports(path, time, seq, rows) VALUES (?,?,?,0)", (str(path.absolute()), time, seq)
            )
    if key_file is not None:
        archive.write_key(key_file.expanduser(), store.key)
    with store.reading() as connection:
        done = archive_writing.export(
            connection,
            store.key,
            path,
            where_sql=None if condition is None else condition[0],
            bindings=() if condition is None else condition[1],
            scope_numbers=None if whole or seen is None else spaces.numbers(connection, seen),
            written_by=f"delible {version('delible')}",
            overwrite=overwrite,
            progress=progress,
        )
    if not store.read_only:
        with store.writing() as connection:
            # The time again: a record written between the note and the snapshot is in the archive too.
            connection.execute(
                "UPDATE exports SET rows = ?, time = ? WHERE seq = ?", (done.records, ledger.present(), seq)
            )
    return done


def load_into(
    store: SQLite,
    remember: Remember,
    path: Path,
    format: str | None,
    key_file: Path | None,
    space: str,
    zone: tzinfo,
    seen: spaces.Scope | None,
    actor: str,
    progress: Progress = silent,
) -> LoadReport:
    """Load a file by its format (None: look). `remember` writes drafts. Raises ArchiveRefused, InvalidInput,
    UnknownField."""
    path = path.expanduser()
    form = format or importers.sniff(path)
    if form not in get_args(importers.Format):
        raise UnknownField(f"no format {form!r:.40}; use one of {', '.join(get_args(importers.Format))}")
    report = LoadReport()
    if form == "delible":
        _archive(store, remember, path, key_file, space, seen, actor, progress, report)
        return report
    defaults = Defaults(space=space, channel="import", zone=zone)
    items = importers.mcp_memory(path) if form == "mcp-memory" else importers.chat_jsonl(path, zone, report.notes)
    for group in _groups(items):
        drafts, notes = drafts_of(group, defaults)
        report.notes += notes
        _remembered(remember, drafts, report, {})
    return report


def _archive(
    store: SQLite,
    remember: Remember,
    path: Path,
    key_file: Path | None,
    space: str,
    seen: spaces.Scope | None,
    actor: str,
    progress: Progress,
    report: LoadReport,
) -> None:
    key = store.key if key_file is None else archive.read_key(key_file.expanduser())
    with archive_reading.read_archive(path, key) as opened:
        if key_file is not None and not opened.own:
            raise ArchiveRefused(f"{path.name}: the key in {key_file.name} did not make it; nothing was loaded")
        if opened.own and (seen is None or seen == spaces.EVERYTHING):
            with store.writing() as connection:
                if key != store.key:
                    archive_restoring.adopt_key(connection, key)
                done = archive_restoring.restore(connection, key, opened, actor, progress)
            store.key = key
            report.records, report.present = done.records, done.present
            report.refused += [
                f"{one.id}: {one.reason}" + (f" (receipt {one.receipt})" if one.receipt else "") for one in done.refused
            ]
            report.notes += done.notes
            if done.forget_again:
                report.notes.append(
                    f"{len(done.forget_again)} records were forgotten where the archive was made and live here: forget"
                    " them again"
                )
            return
        known = {each.name for each in fields(Draft)}
        renamed: dict[str, str] = {}
        for group in _groups(opened.claims()):
            drafts = []
            for claim in group:
                draft = Draft(**{name: value for name, value in claim.items() if name in known})
                if seen is not None and not seen.holds(draft.space):
                    draft.space = space  # a handle for one space takes everything into it
                draft.parents = tuple(renamed.get(parent, parent) for parent in draft.parents)
                if "" in draft.parents:
                    renamed[draft.id] = ""
                    report.refused.append("it was derived from a record that was forgotten here")
                    continue
                drafts.append(draft)
            report.kept_as_claims += _remembered(remember, drafts, report, renamed)
        if opened.superseded:
            report.notes.append(f"{opened.superseded} older revisions were left out")
        if report.kept_as_claims:
            report.notes.append(
                "another folder's key made this archive: its records came in as channel import, what it says of them is"
                " under meta.claims"
            )


def _remembered(remember: Remember, drafts: list[Draft], report: LoadReport, renamed: dict[str, str]) -> int:
    """Write a group; parents that were here already, or were refused, are followed into later groups."""
    outcomes, found = remember(drafts)
    came = 0
    for draft, outcome in zip(drafts, outcomes, strict=True):
        if outcome.row is None:
            report.refused.append(f"an equal record was forgotten on {outcome.day} (receipt {outcome.receipt})")
            renamed[draft.id] = ""
        elif outcome.same:
            report.present += 1
            renamed[draft.id] = found[outcome.row].id
        else:
            came += 1
    report.records += came
    return came


def _groups(items: Iterable[Any]) -> Iterator[list[Any]]:
    stream = iter(items)
    while group := list(islice(stream, GROUP)):
        yield group
