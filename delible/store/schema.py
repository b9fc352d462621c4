"""The one SQLite file: its tables, and how a connection to it is set up.

Hazards behind the settings are measured in the design; each has a test in `tests/store/`. In short: text is written
once and
deleted once (updates and random keys leave stale copies in page gaps), nothing is ever ANALYZEd (it keeps samples of
keys),
FTS5 has secure-delete of its own, sorts and journals stay in memory, and every hot statement names its index.
"""

from __future__ import annotations

import apsw

VERSION = 2  # of this schema; a folder with a higher one is refused untouched
APPLICATION = 0x44454C42  # "DELB": PRAGMA application_id of our files
PAGE = 8192

# Letters, numbers, private use and combining marks make words. Without the marks, Hindi falls into single consonants.
WORDS = ("unicode61", "categories", "L* N* Co M*")
TOKENIZER = "porter " + WORDS[0] + f" {WORDS[1]} '{WORDS[2]}'"

DDL = f"""
CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE spaces(space INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, expires INTEGER, read_trust
REAL NOT NULL DEFAULT 0) STRICT;
CREATE TABLE records(
    row INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, space INTEGER NOT NULL, kind TEXT NOT NULL, key
    TEXT,
    channel TEXT NOT NULL, reference TEXT, author TEXT,
    own_trust REAL NOT NULL, verdict_trust REAL NOT NULL DEFAULT 1, trust REAL NOT NULL,
    own_hold INTEGER NOT NULL DEFAULT 0, hold INTEGER NOT NULL DEFAULT 0, hold_reason TEXT, pinned INTEGER NOT NULL
    DEFAULT 0,
    happened INTEGER, written INTEGER NOT NULL, expires INTEGER,
    revises INTEGER, duplicate_of INTEGER, fingerprint BLOB NOT NULL, length INTEGER NOT NULL, changed INTEGER,
    claims INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX records_tail ON records(substr(id, 13));
CREATE INDEX records_space ON records(space, happened);
CREATE INDEX records_key ON records(space, key) WHERE key IS NOT NULL;
CREATE INDEX records_fingerprint ON records(space, fingerprint);
CREATE INDEX records_revises ON records(revises) WHERE revises IS NOT NULL;
CREATE INDEX records_duplicate ON records(duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX records_expires ON records(expires) WHERE expires IS NOT NULL;
CREATE INDEX records_changed ON records(changed) WHERE changed IS NOT NULL;
CREATE TABLE texts(row INTEGER PRIMARY KEY, text TEXT NOT NULL, scope TEXT NOT NULL, meta TEXT NOT NULL, notes TEXT
NOT NULL,
    media BLOB, type TEXT, checksum BLOB NOT NULL DEFAULT x'') STRICT;
CREATE TABLE turns(row INTEGER PRIMARY KEY, mark BLOB NOT NULL) STRICT;
CREATE VIRTUAL TABLE words USING fts5(text, scope, content='texts', content_rowid='row', tokenize="{TOKENIZER}");
INSERT INTO words(words, rank) VALUES('secure-delete', 1);
CREATE VIRTUAL TABLE grams USING fts5(text, scope, content='', tokenize="{WORDS[0]} {WORDS[1]} '{WORDS[2]}'");
INSERT INTO grams(grams, rank) VALUES('secure-delete', 1);
CREATE TABLE lives(row INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER, PRIMARY KEY(row, since)) STRICT,
WITHOUT ROWID;
CREATE INDEX lives_until ON lives(until, row);
CREATE INDEX lives_since ON lives(since);
CREATE TABLE lineage(child INTEGER NOT NULL, parent INTEGER NOT NULL, PRIMARY KEY(child, parent), CHECK(parent <
child)) STRICT, WITHOUT ROWID;
CREATE INDEX lineage_parent ON lineage(parent);
CREATE TABLE encoders(encoder INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, dimension INTEGER NOT
NULL, spec TEXT NOT NULL,
    UNIQUE(name, version)) STRICT;
CREATE TABLE vectors(vector INTEGER PRIMARY KEY AUTOINCREMENT, encoder INTEGER NOT NULL, row INTEGER NOT NULL, part
INTEGER NOT NULL,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, other INTEGER, value BLOB NOT NULL, tokens BLOB,
    checksum INTEGER NOT NULL DEFAULT 0, UNIQUE(encoder, row, part)) STRICT;
CREATE INDEX vectors_row ON vectors(row);
CREATE INDEX vectors_other ON vectors(other) WHERE other IS NOT NULL;
CREATE TABLE bits(vector INTEGER PRIMARY KEY, encoder INTEGER NOT NULL, row INTEGER NOT NULL, part INTEGER NOT NULL,
bits BLOB NOT NULL) STRICT;
CREATE TABLE events(seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, actor TEXT NOT NULL, verb TEXT NOT
NULL, kinds TEXT NOT NULL,
    ids BLOB NOT NULL, counts TEXT NOT NULL, digest BLOB NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE INDEX events_time ON events(time);
CREATE TABLE questions(seq INTEGER PRIMARY KEY, text TEXT NOT NULL, hits BLOB NOT NULL) STRICT;
CREATE TABLE suppressed(fingerprint BLOB NOT NULL, space BLOB NOT NULL, receipt TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY(space, fingerprint)) STRICT, WITHOUT ROWID;
CREATE TABLE erasures(receipt TEXT NOT NULL, row INTEGER NOT NULL, reach TEXT NOT NULL, phase INTEGER NOT NULL,
needles BLOB,
    PRIMARY KEY(receipt, row)) STRICT;
CREATE INDEX erasures_row ON erasures(row);
CREATE INDEX erasures_open ON erasures(phase) WHERE phase < 2;
CREATE TABLE receipts(id TEXT PRIMARY KEY, seq INTEGER NOT NULL, phase INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX receipts_open ON receipts(phase) WHERE phase < 2;
CREATE TABLE exports(path TEXT NOT NULL, time INTEGER NOT NULL, seq INTEGER NOT NULL, rows INTEGER NOT NULL) STRICT;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""


def set_up(connection: apsw.Connection, timeout: float, read_only: bool = False) -> None:
    """Settings that every connection needs; `timeout` in seconds."""
    connection.set_busy_timeout(int(timeout * 1000))
    connection.pragma("temp_store", "MEMORY")
    connection.pragma("secure_delete", True)
    connection.pragma("cache_size", -16_000)  # KiB
    connection.pragma("trusted_schema", False)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    if not read_only:
        connection.pragma("synchronous", "FULL")
        connection.pragma("journal_size_limit", 64 * 2**20)
    # The count of a term in a row, for our own BM25: the scope is one more hit of the row.
    connection.register_fts5_function("occurrences", lambda api: api.inst_count)


def create(connection: apsw.Connection) -> None:
    """Make the tables in an empty file."""
    connection.pragma("page_size", PAGE)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.execute("BEGIN")  # no savepoint: a full disk ends the transaction, and its end would fail once more
    connection.execute(DDL)
    connection.execute("COMMIT")
