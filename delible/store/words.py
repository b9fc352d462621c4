"""Words: what is written into the full-text tables, and BM25 of our own over what a view holds.

FTS5's own bm25() fixes k1 and b, and counts over every space: another tenant's records would move a score. Here
document frequencies, the number of records and the mean length are those of the view alone.
Scripts without spaces have no words that an index could cut; their characters and pairs stand in a table of their own.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from math import log1p
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw
import numpy as np

from delible.store.postings import Postings, State
from delible.store.schema import WORDS

if TYPE_CHECKING:
    from numpy import bool_, float32, float64, int32, int64
    from numpy.typing import NDArray

K1, B = 0.9, 0.15  # ours, for short records
MOST_TERMS = 64  # distinct terms of a question that are looked up
COMMON = 0.5  # a term in more than this share of MANY records tells little; left out while others remain
MANY = 1000
REVERSED = 4  # times more hits than rows in a scope: its rows are looked for among the hits

# Code points, not Unicode categories: a row must be cut alike when it is erased, under any Python, or tokens stay.
_HAN = "\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d\u3105-\u312f\u31a0-\u31bf"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"  # has spaces, but particles grow onto its nouns
_THAI_LAO = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf"
_KHMER_BURMESE = "\u1780-\u17d3\u17d7\u17dc\u17dd\u1000-\u103f\u1050-\u109f\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"
UNSPACED = _HAN + _KANA + _HANGUL + _THAI_LAO + _KHMER_BURMESE
_SPACED = "0-9A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u03ff\u0400-\u052f"
_han = re.compile(f"[{_HAN}]")
_run = re.compile(f"[{UNSPACED}]+")
# Starts only where a word does and never goes back: otherwise a long word costs its length squared.
_grown = re.compile(f"(?<=[{UNSPACED}])[{_SPACED}]++|(?<![{_SPACED}])[{_SPACED}]++(?=[{UNSPACED}])")


def runs_of(text: str) -> list[str]:
    """The runs of scripts without spaces, in order."""
    return [] if text.isascii() else _run.findall(text)


def pairs(run: str) -> list[str]:
    """Neighbouring characters of a run."""
    return [run[at : at + 2] for at in range(len(run) - 1)]


def sought(run: str) -> list[str]:
    """What a run is looked up by: its pairs, and its Han characters, for many a word is one and its neighbours change
    (喝什么茶, 喝绿茶); of a single character that."""
    return [*(pairs(run) or [run]), *(_han.findall(run) if len(run) > 1 else [])]


def gram_text(text: str) -> str:
    """Characters and pairs of runs in scripts without spaces, and the words grown onto such a run; "" without any."""
    runs = runs_of(text)
    if not runs:
        return ""
    grams = [gram for run in runs for gram in (*run, *pairs(run))]
    grams += _grown.findall(text)  # 在Google工作 is one word to the index of words: nobody would find Google
    return " ".join(grams)


def index_row(connection: apsw.Connection, row: int, text: str, scope: str) -> None:
    """Enter a row's text into words and, where it has such runs, grams."""
    connection.execute("INSERT INTO words(rowid, text, scope) VALUES (?, ?, ?)", (row, text, scope))
    if grams := gram_text(text):
        connection.execute("INSERT INTO grams(rowid, text, scope) VALUES (?, ?, ?)", (row, grams, scope))


def unindex_row(connection: apsw.Connection, row: int, text: str, scope: str) -> None:
    """Take a row out again; text and scope must be exactly what was entered, or a secret's token stays."""
    connection.execute("INSERT INTO words(words, rowid, text, scope) VALUES ('delete', ?, ?, ?)", (row, text, scope))
    if grams := gram_text(text):
        statement = "INSERT INTO grams(grams, rowid, text, scope) VALUES ('delete', ?, ?, ?)"
        connection.execute(statement, (row, grams, scope))


def stems(connection: apsw.Connection, text: str) -> list[str]:
    """The stems of a text in order, as the vocabulary of `words` has them."""
    return _cut(connection, text, "porter", *WORDS)


def _cut(connection: apsw.Connection, text: str, name: str, *options: str) -> list[str]:
    cut = connection.fts5_tokenizer(name, [*options])
    return list(cut(text.encode(), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False, include_colocated=False))


class _Memory(threading.local):
    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")  # tokenizers belong to a connection; this one holds nothing


_memory = _Memory()


def tokenize(text: str) -> list[str]:
    """As `stems`, without a store; for a script without spaces, its pairs too."""
    return stems(_memory.connection, text) + [pair for run in runs_of(text) for pair in (pairs(run) or [run])]


def count_tokens(connection: apsw.Connection, text: str) -> int:
    """Length of a text for BM25: its words, in a script without spaces its characters."""
    return len(stems(connection, text)) + sum(len(run) - 1 for run in runs_of(text))


def terms_of(connection: apsw.Connection, text: str) -> set[str]:
    """The distinct stems of a text."""
    return set(stems(connection, text))


def entries_of(connection: apsw.Connection, text: str) -> set[tuple[str, str]]:
    """All that an indexed text has in the vocabularies: (table, term)."""
    grams = _cut(connection, gram_text(text), *WORDS)
    return {("words", stem) for stem in stems(connection, text)} | {("grams", gram) for gram in grams}


class Corpus(NamedTuple):
    """What a search counts over. `scope`: the term that limits it, or ""; `wide`: most of the store lies in it."""

    rows: NDArray[int64]  # ascending
    lengths: NDArray[int32]
    visible: NDArray[bool_]
    size: int  # visible rows
    mean: float  # length
    scope: str
    wide: bool
    kept: Postings | None = None  # of the store, from searches before


class Posting(NamedTuple):
    """A term of a question: the positions (n,) of the rows in which it stands, ascending, and how often in each."""

    term: str
    positions: NDArray[int64]
    counts: NDArray[int64]


def postings(
    connection: apsw.Connection, corpus: Corpus, terms: Sequence[Sequence[str]], grams: Sequence[str] = ()
) -> list[Posting]:
    """The visible hits of each distinct term; a term is one word or several forms that count as the same."""
    if not corpus.size:
        return []
    found: list[Posting] = []
    grown = connection.execute("SELECT 1 FROM grams_docsize LIMIT 1").get is not None
    kept = None if corpus.kept is None else (corpus.kept, corpus.kept.state(connection))
    seen: set[tuple[str, ...]] = set()
    for forms in terms:
        hits = []
        for form in forms:
            cut = tuple(stems(connection, form))
            if not cut or cut in seen or len(seen) == MOST_TERMS:
                continue
            seen.add(cut)
            hits.append(_lookup(connection, corpus, kept, "words", form, cut))
            if grown:
                hits.append(_lookup(connection, corpus, kept, "grams", form, tuple(_cut(connection, form, *WORDS))))
        if hits:
            joined = (np.concatenate(pieces) for pieces in zip(*hits, strict=True)) if len(hits) > 1 else hits[0]
            found.append(Posting(forms[0], *_placed(corpus, *joined)))
    for gram in dict.fromkeys(grams) if grown else ():
        if len(seen) == MOST_TERMS:
            break
        if (gram,) not in seen:
            seen.add((gram,))
            found.append(Posting(gram, *_placed(corpus, *_lookup(connection, corpus, kept, "grams", gram, (gram,)))))
    return found


def telling(corpus: Corpus, found: Sequence[Posting]) -> list[Posting]:
    """Without terms that stand nowhere; in many records without those that stand nearly everywhere, while others do."""
    found = [posting for posting in found if len(posting.positions)]
    if corpus.size >= MANY:
        return [posting for posting in found if len(posting.positions) <= COMMON * corpus.size] or found
    return found


def rarity(size: int, frequency: int) -> float:
    """ln(1 + (N - n + .5) / (n + .5)) of a term that n of N have."""
    return log1p((size - frequency + 0.5) / (frequency + 0.5))


def bm25(corpus: Corpus, found: Sequence[Posting]) -> NDArray[float32]:
    """Scores (R,) of the corpus's rows; 0 where no term stands."""
    scores = np.zeros(len(corpus.rows), np.float32)
    for _, positions, counts in found:
        damping = K1 * (1 - B + B * corpus.lengths[positions] / corpus.mean)
        weight = rarity(corpus.size, len(positions)) * (K1 + 1)
        scores[positions] += (weight * counts / (counts + damping)).astype(np.float32)
    return scores


def bm25_of_groups(found: Sequence[Posting], group: NDArray[int64], lengths: NDArray[float64]) -> NDArray[float32]:
    """The same over groups of rows, each read as one text: scores (G,). `group`: of each row; `lengths`: words (G,)."""
    scores = np.zeros(len(lengths), np.float32)
    size = int(np.count_nonzero(lengths))
    damping = K1 * (1 - B + B * lengths / max(float(lengths.sum()) / max(size, 1), 1.0))
    for _, positions, counts in found:
        times = np.bincount(group[positions], weights=counts, minlength=len(lengths))
        there = np.flatnonzero(times)
        weight = rarity(size, len(there)) * (K1 + 1)
        scores[there] += (weight * times[there] / (times[there] + damping[there])).astype(np.float32)
    return scores


def _placed(corpus: Corpus, rows: NDArray[int64], counts: NDArray[int64]) -> tuple[NDArray[int64], NDArray[int64]]:
    """Positions of the visible rows and their counts; a row named twice counts once with both."""
    first, last = int(corpus.rows[0]), int(corpus.rows[-1])
    if last - first == len(corpus.rows) - 1:  # no gaps, as where nothing was forgotten yet: the place is a difference
        positions = rows - first
        inside = (positions >= 0) & (rows <= last)
        positions, counts = positions[inside], counts[inside]
        inside = corpus.visible[positions]
    elif REVERSED * len(corpus.rows) < len(rows) and (np.diff(rows) > 0).all():
        at = np.searchsorted(rows, corpus.rows)
        at[at == len(rows)] = 0
        positions = np.flatnonzero((rows[at] == corpus.rows) & corpus.visible)
        return positions, counts[at[positions]]
    else:
        positions = np.searchsorted(corpus.rows, rows)
        positions[positions == len(corpus.rows)] = 0
        inside = (corpus.rows[positions] == rows) & corpus.visible[positions]
    positions, counts = positions[inside], counts[inside]
    if len(positions) and (np.diff(positions) <= 0).any():
        positions, back = np.unique(positions, return_inverse=True)
        counts = np.bincount(back, weights=counts).astype(np.int64)
    return positions, counts


_NONE = np.empty(0, np.int64)
_INTEGER = np.dtype(np.int64)
_LOOKUP = {
    # One row a hit, read as one string: a tenth of what rows of Python objects cost.
    "words": "SELECT group_concat(doc) FROM temp.instances WHERE term = ? AND col = 'text'",
    "grams": "SELECT group_concat(doc) FROM temp.gram_instances WHERE term = ? AND col = 'text'",
}
_MATCH = {
    "words": "SELECT rowid, occurrences(words) FROM words WHERE words MATCH ?",
    "grams": "SELECT rowid, occurrences(grams) FROM grams WHERE grams MATCH ?",
}


def open_vocabulary(connection: apsw.Connection) -> None:
    """Make the tables that name the hits of a term. They are no part of the file: a read-only folder has them too."""
    for name, table in (("instances", "words"), ("gram_instances", "grams")):
        connection.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{name} USING fts5vocab('main', '{table}', 'instance')"
        )


def _lookup(
    connection: apsw.Connection,
    corpus: Corpus,
    kept: tuple[Postings, State] | None,
    table: str,
    term: str,
    cut: tuple[str, ...],
) -> tuple[NDArray[int64], NDArray[int64]]:
    """Rows in which a term stands, and how often; some may lie outside the corpus."""
    quoted = 'text:"' + term.replace('"', '""') + '"'  # a question is text: no operator of FTS5 in it means anything
    if len(cut) == 1:
        key = (table, cut[0])
        if kept is not None and kept[0].pays(key, corpus.wide):
            return kept[0].hits(
                key,
                kept[1],
                lambda: _listed(connection, *key),
                lambda row: _matched(connection, f"{_MATCH[table]} AND rowid > ?", quoted, row),
            )
        if corpus.wide:
            return _listed(connection, *key)
    limit = f"scope:{corpus.scope} AND " if corpus.scope else ""
    rows, counts = _matched(connection, _MATCH[table], limit + quoted)
    return rows, counts - bool(limit)  # the scope is one more hit of the row


def _listed(connection: apsw.Connection, table: str, term: str) -> tuple[NDArray[int64], NDArray[int64]]:
    """All hits of a term of the vocabulary."""
    listed = connection.execute(_LOOKUP[table], (term,)).get
    return counted(numbers_of(listed)) if listed else (_NONE, _NONE)


def _matched(connection: apsw.Connection, statement: str, *bindings: Any) -> tuple[NDArray[int64], NDArray[int64]]:
    """Rows of a full-text query, ascending, and the hits in each."""
    hits = np.array(connection.execute(statement, bindings).fetchall(), np.int64).reshape(-1, 2)
    return hits[:, 0], hits[:, 1]


def counted(docs: NDArray[int64]) -> tuple[NDArray[int64], NDArray[int64]]:
    """Distinct numbers and how often each stands; as the index gives them they are in order, and need no sorting."""
    steps = np.diff(docs)
    if (steps < 0).any():
        return np.unique(docs, return_counts=True)
    starts = np.concatenate([[0], np.flatnonzero(steps) + 1])
    return docs[starts], np.diff(starts, append=len(docs))


def numbers_of(listed: str | None, kind: np.dtype[Any] = _INTEGER) -> NDArray[Any]:
    """The numbers of a group_concat."""
    return np.fromstring(listed, kind, sep=",") if listed else np.empty(0, kind)
