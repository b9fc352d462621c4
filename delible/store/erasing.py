"""Erasing: what a forget does to the tables, each step repeatable. The order of the steps is `governance/erase.py`.

Sealed (phase 0): closed to every recall. Erased (phase 1): no row, word, vector or bit left; keyed digests say what
to look for.
Confirmed (phase 2): looked for and not found; the digests are dropped.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apsw

from delible.core.errors import Pinned
from delible.core.identity import from_bytes
from delible.core.texts import count_words
from delible.store import ledger, sealing, spaces
from delible.store.lives import close_life
from delible.store.needles import Needles
from delible.store.reading import ALIVE, UNSEALED, chunks, descendants, revisions
from delible.store.spaces import above
from delible.store.words import entries_of, terms_of, unindex_row
from delible.store.writing import SHORTEST_SUPPRESSED

BATCH = 100  # rows of one erasing transaction: 800 held the write lock for 8 s (measured)
SAMPLED = 200_000  # characters; of a longer text twenty blocks are looked for
PROBES = 64  # old vectors that are asked for again
MENTIONS = 50  # ids in a preview


def closure(connection: apsw.Connection, rows: Collection[int]) -> set[int]:
    """The rows, all their revisions, all that was derived from any of them, and the revisions of that."""
    found: set[int] = set()
    todo = set(rows)
    while todo:
        found |= todo
        todo = (revisions(connection, todo) | descendants(connection, todo)) - found
    return found


def refuse_pinned(connection: apsw.Connection, rows: Collection[int]) -> None:
    """Raises Pinned where a legal hold keeps one of the rows."""
    for marks, piece in chunks(sorted(rows)):
        pinned = [
            from_bytes(id)
            for (id,) in connection.execute(f"SELECT id FROM records WHERE row IN ({marks}) AND pinned = 1", piece)
        ]
        if pinned:
            raise Pinned(
                f"{len(pinned)} of the records are kept by a legal hold ({pinned[0]}); release them first. Nothing was"
                " changed"
            )


def counted(connection: apsw.Connection, rows: Collection[int]) -> dict[str, int]:
    """What lies where: the counts of a preview and of a receipt."""
    total: Counter[str] = Counter(rows=len(rows))
    for marks, piece in chunks(sorted(rows)):
        for place, statement in {
            "words": f"SELECT ifnull(sum(length), 0) FROM records WHERE row IN ({marks})",
            "passages": f"SELECT count(*) FROM vectors INDEXED BY vectors_row WHERE row IN ({marks}) AND part > 0",
            "vectors": f"SELECT count(*) FROM vectors INDEXED BY vectors_row WHERE row IN ({marks})",
            "history": f"SELECT count(*) FROM lives WHERE row IN ({marks}) AND until IS NOT NULL",
            "lineage": f"SELECT count(*) FROM lineage WHERE child IN ({marks})",
        }.items():
            total[place] += connection.execute(statement, piece).get
    return dict(total)


def counted_outside(connection: apsw.Connection, rows: Collection[int], seen: spaces.Scope | None) -> int:
    """How many of the rows lie in spaces that this handle does not see."""
    if seen is None:
        return 0
    inside = set(spaces.numbers(connection, seen))
    return sum(
        space not in inside
        for marks, piece in chunks(sorted(rows))
        for (space,) in connection.execute(f"SELECT space FROM records WHERE row IN ({marks})", piece)
    )


def seal(
    connection: apsw.Connection, key: bytes, rows: Collection[int], body: Mapping[str, Any], suppress: bool | None
) -> None:
    """Phase 0: from this transaction on, no process recalls these rows, not of the past either, nor after a crash."""
    receipt, reach = str(body["id"]), str(body["reach"])
    ids: list[bytes] = []
    kinds: Counter[str] = Counter()
    prints: list[bytes] = []
    for marks, piece in chunks(sorted(rows)):
        for row, id, kind, print_, path, text in connection.execute(
            "SELECT r.row, r.id, r.kind, r.fingerprint, s.path, t.text FROM records r JOIN texts t ON t.row = r.row"
            f" JOIN spaces s ON s.space = r.space WHERE r.row IN ({marks}) ORDER BY r.row",
            piece,
        ).fetchall():
            ids.append(id)
            kinds[kind] += 1
            prints.append(print_)
            connection.execute(
                "INSERT OR IGNORE INTO erasures(receipt, row, reach, phase) VALUES (?,?,?,0)", (receipt, row, reach)
            )
            if suppress or (suppress is None and count_words(text) >= SHORTEST_SUPPRESSED):
                connection.execute(
                    "INSERT OR REPLACE INTO suppressed(fingerprint, space, receipt, time) VALUES (?,?,?,?)",
                    (print_, sealing.path_digest(key, path), receipt, ledger.present()),
                )
    seq, _ = ledger.append(
        connection, key, str(body["actor"]), "seal", ids, kinds, {"records": len(ids)}, sealing.digest(key, prints)
    )
    close_life(connection, rows, seq)
    for marks, piece in chunks(sorted(rows)):
        connection.execute(f"UPDATE records SET changed = ? WHERE row IN ({marks})", (seq, *piece))
    connection.execute("INSERT INTO receipts(id, seq, phase, body) VALUES (?,?,0,?)", (receipt, seq, json.dumps(body)))


def sealed_rows(connection: apsw.Connection, receipt: str, phase: int) -> list[int]:
    """The rows of a receipt that are in this phase."""
    return [
        row
        for (row,) in connection.execute(
            "SELECT row FROM erasures WHERE receipt = ? AND phase = ? ORDER BY row", (receipt, phase)
        )
    ]


Entry = tuple[str, str]  # (table, term) of an index of words
_INSTANCES = {"words": "temp.instances", "grams": "temp.gram_instances"}  # the store opens them with each connection
_VOCABULARY = {"words": "temp.word_vocabulary", "grams": "temp.gram_vocabulary"}


def own_terms(connection: apsw.Connection, rows: Sequence[int]) -> dict[int, set[Entry]]:
    """Per row, the words and grams that no other record's index entry has."""
    entries: dict[int, set[Entry]] = {}
    times: Counter[Entry] = Counter()
    for marks, piece in chunks(list(rows)):
        for row, text in connection.execute(f"SELECT row, text FROM texts WHERE row IN ({marks})", piece).fetchall():
            entries[row] = entries_of(connection, text)
            times.update(entries[row])
    own: set[Entry] = set()
    for (table, term), times_here in times.items():
        # A common word stops counting early, by the limit.
        having = f"SELECT DISTINCT doc FROM {_INSTANCES[table]} WHERE term = ? AND col = 'text' LIMIT ?"
        docs = connection.execute(f"SELECT count(*) FROM ({having})", (term, times_here + 1)).get
        if docs <= times_here:
            own.add((table, term))
    return {row: found & own for row, found in entries.items()}


def _terms(connection: apsw.Connection, table: str) -> list[str]:
    """The vocabulary of an index. In the temporary schema: it is no part of the file."""
    name = _VOCABULARY[table]
    connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS {name} USING fts5vocab('main', '{table}', 'col')")
    return [term for (term,) in connection.execute(f"SELECT term FROM {name} WHERE col = 'text'")]


def survivors(connection: apsw.Connection, rows: Collection[int], seen: spaces.Scope | None) -> list[str]:
    """Living parents, outside these rows, of records among them: from those, something can be derived again."""
    found: dict[int, str] = {}
    for marks, piece in chunks(sorted(rows)):
        for row, id, path in connection.execute(
            "SELECT p.row, p.id, s.path FROM lineage g JOIN records p ON p.row = g.parent JOIN spaces s ON s.space ="
            f" p.space WHERE g.child IN ({marks}) AND EXISTS (SELECT 1 FROM lives l WHERE l.row = p.row AND l.until IS"
            " NULL)",
            piece,
        ):
            if row not in rows and (seen is None or seen.holds(path)):
                found[row] = from_bytes(id)
    return [found[row] for row in sorted(found)]


def erase(
    connection: apsw.Connection, key: bytes, receipt: str, rows: Sequence[int], terms: Mapping[int, Collection[Entry]]
) -> dict[str, int]:
    """Phase 1 for at most BATCH rows, in the caller's transaction; what was removed, by place."""
    removed = counted(connection, rows)
    ids: list[bytes] = []
    for row in rows:
        found = connection.execute(
            "SELECT r.id, r.key, r.reference, r.author, r.hold_reason, r.space, t.text, t.scope, t.meta, t.notes,"
            " t.media FROM records r JOIN texts t ON t.row = r.row WHERE r.row = ?",
            (row,),
        ).fetchone()
        if found is None:
            connection.execute(
                "UPDATE erasures SET phase = max(phase, 1) WHERE receipt = ? AND row = ?", (receipt, row)
            )
            continue
        id, record_key, reference, author, reason, space, text, scope, meta, notes, media = found
        ids.append(id)
        texts = [
            *_blocks(text),
            record_key,
            reference,
            author,
            reason,
            *(piece for piece in (meta, notes) if len(piece) > 2),
        ]
        if path := _drop_space(connection, space, row):
            texts.append(path)
        vectors = connection.execute(
            "SELECT v.value, v.tokens, b.bits FROM vectors v LEFT JOIN bits b ON b.vector = v.vector WHERE v.vector IN"
            " (SELECT vector FROM vectors INDEXED BY vectors_row WHERE row = ?1 UNION SELECT vector FROM vectors"
            " INDEXED BY vectors_other WHERE other = ?1)",
            (row,),
        ).fetchall()
        needles = Needles.build(
            key,
            texts=[piece for piece in texts if piece],
            vectors=[value for value, _, _ in vectors],
            blobs=[blob for _, tokens, bits in vectors for blob in (*token_bits(tokens, bits), bits) if blob]
            + ([media[:SAMPLED]] if media else []),
        )
        connection.execute(
            "UPDATE erasures SET phase = 1, needles = ? WHERE receipt = ? AND row = ?",
            (_packed(key, needles, terms.get(row, ())), receipt, row),
        )
        unindex_row(connection, row, text, scope)
        for statement in (
            (
                "DELETE FROM bits WHERE vector IN (SELECT vector FROM vectors INDEXED BY vectors_row WHERE row = ?1"
                " UNION SELECT vector FROM vectors INDEXED BY vectors_other WHERE other = ?1)"
            ),
            "DELETE FROM vectors WHERE row = ?1",
            "DELETE FROM vectors WHERE other = ?1",
            "DELETE FROM lives WHERE row = ?1",
            "DELETE FROM lineage WHERE child = ?1",
            "DELETE FROM lineage WHERE parent = ?1",
            "UPDATE records SET duplicate_of = NULL WHERE duplicate_of = ?1",
            "DELETE FROM records WHERE row = ?1",
            "DELETE FROM turns WHERE row = ?1",
            "DELETE FROM texts WHERE row = ?1",
        ):
            connection.execute(statement, (row,))
    removed["questions"] = _drop_questions(connection, set(ids), {term for row in rows for term in terms.get(row, ())})
    if ids:
        ledger.append(connection, key, "delible", "erase", ids, counts={"rows": len(ids)})
    return removed


def _blocks(text: str) -> list[str]:
    if len(text) <= SAMPLED:
        return [text]
    step = len(text) // 20
    return [text[at : at + SAMPLED // 20] for at in range(0, len(text), step)]


def _drop_space(connection: apsw.Connection, space: int, row: int) -> str | None:
    """Remove the space of this row, and those above, where no other row lies in or below it; the path that went."""
    path = connection.execute("SELECT path FROM spaces WHERE space = ?", (space,)).get
    gone = None
    for place in above(path or ""):
        inside = spaces.numbers(connection, spaces.Scope(place, True))
        used = any(
            connection.execute(
                "SELECT 1 FROM records INDEXED BY records_space WHERE space = ? AND row != ? LIMIT 1", (number, row)
            ).get
            for number in inside
        )
        if used:
            break
        connection.execute("DELETE FROM spaces WHERE path = ?", (place,))
        gone = gone or place
    return gone


def _drop_questions(connection: apsw.Connection, ids: set[bytes], terms: Collection[Entry]) -> int:
    dropped = 0
    for seq, text, hits in connection.execute("SELECT seq, text, hits FROM questions").fetchall():
        if any(hits[at : at + 16] in ids for at in range(0, len(hits), 16)) or (
            terms and entries_of(connection, text) & set(terms)
        ):
            connection.execute("DELETE FROM questions WHERE seq = ?", (seq,))
            dropped += 1
    return dropped


def _packed(key: bytes, needles: Needles, terms: Iterable[Entry]) -> bytes:
    stored = needles.to_bytes()
    return struct.pack("<I", len(stored)) + stored + b"".join(sorted(term_digest(key, term) for term in terms))


def term_digest(key: bytes, entry: Entry) -> bytes:
    """What a stored receipt knows of a word."""
    return sealing.digest(key, ("term", *entry), size=8)


class Wanted(NamedTuple):
    """What the look of a receipt looks for."""

    needles: Needles | None
    terms: frozenset[bytes]
    rows: frozenset[int]


def wanted(connection: apsw.Connection, key: bytes, receipts: Sequence[str]) -> Wanted:
    """The stored needles of receipts that are erased and not yet confirmed, in one."""
    parts: list[Needles] = []
    terms: set[bytes] = set()
    rows: set[int] = set()
    for receipt in receipts:
        for row, stored in connection.execute(
            "SELECT row, needles FROM erasures WHERE receipt = ? AND phase = 1", (receipt,)
        ):
            rows.add(row)
            if stored is None:
                continue
            (length,) = struct.unpack_from("<I", stored)
            parts.append(Needles.from_bytes(stored[4 : 4 + length], key))
            tail = stored[4 + length :]
            terms |= {tail[at : at + 8] for at in range(0, len(tail), 8)}
    return Wanted(Needles.merge(parts) if parts else None, frozenset(terms), frozenset(rows))


def terms_left(connection: apsw.Connection, key: bytes, terms: frozenset[bytes]) -> int:
    """How many of the forgotten records' own words are in an index without a living record that has them."""
    left = 0
    for table, instances in _INSTANCES.items() if terms else ():
        for term in _terms(connection, table):
            if term_digest(key, (table, term)) not in terms:
                continue
            docs = connection.execute(
                f"SELECT DISTINCT doc FROM {instances} WHERE term = ? LIMIT 50", (term,)
            ).fetchall()
            texts = [connection.execute("SELECT text FROM texts WHERE row = ?", doc).get or "" for doc in docs]
            left += not docs or not all((table, term) in entries_of(connection, text) for text in texts)
    return left


def token_bits(tokens: bytes | None, bits: bytes | None) -> Iterator[bytes]:
    """The sign bits of each token of a vector: pieces that reach over two of them say nothing of either.

    An encoder may give a word the same bits everywhere; what happens to stand behind it is then no trace of a text.
    """
    wide = len(bits) if bits else len(tokens or b"")
    for at in range(0, len(tokens or b""), wide + 1):
        yield (tokens or b"")[at : at + wide]


def living_content(connection: apsw.Connection) -> Iterator[bytes]:
    """All that may lawfully lie in the files: what living records hold, the index's words, what the program says."""
    yield b"SQLite format 3"
    for line in connection.execute(
        "SELECT t.text, t.meta, t.notes, r.key, r.reference, r.author, r.hold_reason, t.media, r.kind, r.channel,"
        " t.type FROM records r JOIN texts t ON t.row = r.row"
    ):
        for value in line:
            if value:
                yield value if isinstance(value, bytes) else value.encode()
    for value, tokens, bits in connection.execute(
        "SELECT v.value, v.tokens, b.bits FROM vectors v JOIN records r ON r.row = v.row LEFT JOIN bits b ON b.vector ="
        " v.vector"
    ):
        yield value
        yield from token_bits(tokens, bits)
        if bits:
            yield bits
    for table in _VOCABULARY:
        yield from (term.encode() for term in _terms(connection, table))
    for (text,) in connection.execute(
        "SELECT path FROM spaces UNION ALL SELECT path FROM exports UNION ALL SELECT text FROM questions UNION ALL"
        " SELECT spec FROM encoders UNION ALL SELECT name FROM encoders UNION ALL SELECT version FROM encoders UNION"
        " ALL SELECT name FROM meta UNION ALL SELECT k FROM words_config UNION ALL SELECT sql FROM sqlite_schema"
    ):
        if text:
            yield text.encode()
    for (stored,) in connection.execute("SELECT body FROM receipts"):
        body = json.loads(stored)
        # What a carrier says is somebody's else: one that quotes a record has left it here.
        body["checks"] = [check for check in body["checks"] if not check[0].startswith("carrier ")]
        yield json.dumps(body).encode()
        yield str(body["reason"]).encode()


def ledger_content(connection: apsw.Connection, key: bytes) -> Iterator[bytes]:
    """What the ledger says in words, while its chain holds: what was put there without the key is not its own."""
    if next(ledger.chain_breaks(connection, key), None) is None:
        for line in connection.execute("SELECT DISTINCT actor, verb, kinds, counts FROM events"):
            yield from (value.encode() for value in line)


def probes(connection: apsw.Connection, rows: Sequence[int]) -> list[tuple[int, bytes]]:
    """Some of the old vectors as (encoder, sign bits), to be asked for again once they should be gone."""
    found: list[tuple[int, bytes]] = []
    for row in rows[:PROBES]:
        found += connection.execute(
            "SELECT b.encoder, b.bits FROM bits b WHERE b.vector IN (SELECT vector FROM vectors INDEXED BY vectors_row"
            " WHERE row = ?)",
            (row,),
        ).fetchall()
        if len(found) >= PROBES:
            break
    return found[:PROBES]


def confirm(connection: apsw.Connection, key: bytes, body: Mapping[str, Any], confirmed: bool) -> None:
    """Store what the look found; phase 2 drops the digests of what was looked for."""
    receipt = str(body["id"])
    if confirmed:
        connection.execute("UPDATE erasures SET phase = 2, needles = NULL WHERE receipt = ?", (receipt,))
    stored = json.dumps(body)
    seq, _ = ledger.append(
        connection,
        key,
        str(body["actor"]),
        "forget" if confirmed else "unconfirmed",
        counts={place: int(count) for place, count in body["removed"].items()},
        digest=sealing.digest(key, (stored,)),
    )
    connection.execute(
        "UPDATE receipts SET seq = ?, phase = ?, body = ? WHERE id = ?", (seq, 2 if confirmed else 1, stored, receipt)
    )


def exports_since(connection: apsw.Connection, rows: Collection[int], seen: spaces.Scope | None) -> list[str]:
    """Exports made since the oldest of these rows was written: what they hold is out of reach. Where they lie is the
    owner's affair: a handle for some spaces gets their number."""
    oldest: int | None = None
    for marks, piece in chunks(sorted(rows)):
        found = connection.execute(f"SELECT min(written) FROM records WHERE row IN ({marks})", piece).get
        if found is not None:
            oldest = found if oldest is None else min(oldest, found)
    if oldest is None:
        return []
    paths = [path for (path,) in connection.execute("SELECT DISTINCT path FROM exports WHERE time >= ?", (oldest,))]
    if seen is None or seen == spaces.EVERYTHING:
        return [f"export {path}" for path in paths]
    return [f"{len(paths)} exports of the whole folder or a part"] if paths else []


def fingerprints(connection: apsw.Connection, rows: Collection[int]) -> list[tuple[bytes]]:
    """The fingerprints of these rows."""
    found: list[tuple[bytes]] = []
    for marks, piece in chunks(sorted(rows)):
        found += connection.execute(
            f"SELECT fingerprint FROM records WHERE row IN ({marks}) ORDER BY row", piece
        ).fetchall()
    return found


def rows_left(connection: apsw.Connection, rows: Sequence[int]) -> int:
    """Rows of forgotten records in any table."""
    left: int = 0
    for marks, piece in chunks(rows):
        for table, column in (
            *(
                ("records", "row"),
                ("texts", "row"),
                ("turns", "row"),
                ("lives", "row"),
                ("vectors", "row"),
                ("vectors", "other"),
            ),
            *(("lineage", "child"), ("lineage", "parent"), ("records", "revises"), ("records", "duplicate_of")),
        ):
            left += connection.execute(f"SELECT count(*) FROM {table} WHERE {column} IN ({marks})", piece).get
    # Bits without a vector would be a copy that nothing finds.
    left += connection.execute(
        "SELECT count(*) FROM bits b WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.vector = b.vector)"
    ).get
    return left


def words_left(connection: apsw.Connection, rows: Sequence[int]) -> int:
    """Entries of forgotten records in the indexes of words: each keeps a line with the size of every document."""
    left = 0
    for marks, piece in chunks(rows):
        left += connection.execute(f"SELECT count(*) FROM words_docsize WHERE id IN ({marks})", piece).get
        left += connection.execute(f"SELECT count(*) FROM grams_docsize WHERE id IN ({marks})", piece).get
    return left


def mentions(connection: apsw.Connection, rows: Collection[int], seen: spaces.Scope | None) -> list[str]:
    """Living records that stay though they say the same or name the same: equal text, the forgotten authors' names,
    rare words."""
    found: set[int] = set()
    inside = None if seen is None else set(spaces.numbers(connection, seen))
    authors: set[str] = set()
    spaces_of: set[int] = set()
    for marks, piece in chunks(sorted(rows)):
        for space, print_, author in connection.execute(
            f"SELECT space, fingerprint, author FROM records WHERE row IN ({marks})", piece
        ).fetchall():
            spaces_of.add(space)
            if author:
                authors.add(author)
            found |= {
                row
                for (row,) in connection.execute(
                    "SELECT row FROM records INDEXED BY records_fingerprint WHERE space = ? AND fingerprint = ?",
                    (space, print_),
                )
            }
    for author in sorted(authors):
        quoted = '"' + author.replace('"', '""') + '"'
        if not terms_of(connection, author):
            continue
        for space in spaces_of:
            found |= {
                row
                for (row,) in connection.execute(
                    "SELECT rowid FROM words WHERE words MATCH ? LIMIT ?",
                    (f"scope:x{space} AND text:{quoted}", 10 * MENTIONS),
                )
            }
    shown: list[str] = []
    for marks, piece in chunks(sorted(found - set(rows))):
        for id, space in connection.execute(
            f"SELECT r.id, r.space FROM records r WHERE r.row IN ({marks}) AND {ALIVE} AND {UNSEALED} ORDER BY r.row",
            piece,
        ):
            if (inside is None or space in inside) and len(shown) < MENTIONS:
                shown.append(from_bytes(id))
    return shown
