"""Recall: encode, words beside it > one short read > fuse > rank > guard > a last look at what still lives.

No model and no code of the caller runs inside a read transaction: while the encoder works, words are looked up in one
of their own, and again where something happened since. No record leaves without the last look: that is what keeps one
out that was forgotten, held or revised while the rankers were at work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from functools import cache
from typing import Any, NamedTuple, TypeVar

import apsw

from delible.core import times
from delible.core.errors import EncoderMismatch, InvalidInput
from delible.core.records import Hit, Hits, Item, Media, Record, Span
from delible.core.shapes import Guard, Ranker
from delible.core.verdicts import Context, Verdict
from delible.recall.asking import asks_of_self, days_of, form_of
from delible.recall.candidates import Question, candidates_of
from delible.recall.doubt import refusal, weakness
from delible.recall.embedding import Embedding
from delible.recall.evidence import evidence
from delible.recall.irregular import forms_of
from delible.recall.question import question_terms, stems_of
from delible.recall.score import RULE, Candidates, Order, Weights, ordered
from delible.store import encoders, ledger, lives, reading
from delible.store.filters import Where, compile_where
from delible.store.intake import When
from delible.store.lookout import Lookout
from delible.store.search import NOTHING, Found, Search, look, passages, search
from delible.store.spaces import Scope
from delible.store.sqlite import SQLite, damaged
from delible.store.turns import USER, named_in
from delible.store.views import Views

Read = TypeVar("Read")

MOST = 1000  # hits of one recall; ours
SPARE = 1  # records read beside the k asked for; whoever loses more to repetitions or a forget reads once more


@dataclass(frozen=True)
class Request:
    """A recall as asked."""

    question: Item
    k: int
    scope: Scope
    happened: tuple[When, When] | None = None
    where: Where | None = None
    as_of: When = None
    now: When = None
    dialogue: tuple[str, ...] = ()
    max_tokens: int | None = None
    zone: tzinfo = UTC
    weights: Weights = RULE


@cache
def _pool(process: int) -> ThreadPoolExecutor:  # by process: after a fork, the thread of the parent's is not there
    return ThreadPoolExecutor(os.cpu_count() or 1, "delible-question")


class Searched(NamedTuple):
    """What one search of a recall gave."""

    found: Found
    candidates: Candidates
    question: Question
    encoder: str = ""  # the name of the model that read the question


def recall(
    store: SQLite,
    views: Views,
    embedding: Embedding,
    request: Request,
    rankers: Sequence[Ranker],
    guards: Sequence[Guard],
    seen: Scope | None,
) -> Hits:
    """The best hits of a scope, with notes. Raises InvalidInput, UnknownField."""
    k: object = request.k
    if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k <= MOST:
        raise InvalidInput(f"k is a whole number from 0 to {MOST}")
    # Whoever reorders or refuses wants more to choose from.
    width = request.k * (4 if rankers or len(guards) > 1 else 1) + SPARE

    def best(connection: apsw.Connection, looked: Searched) -> tuple[Searched, Order, list[Hit]]:
        order = ordered(looked.found, looked.candidates, looked.question.form, request.weights)
        return looked, order, _hits(connection, looked.found, order, range(min(width, len(order.order))), seen)

    done = searched(store, views, embedding, request, best)
    if done is None:
        return Hits([], [NOTHING])
    if request.k == 0:
        return Hits()
    looked, order, first = done
    context = Context(
        direction="recall",
        space=str(request.scope),
        question=str(request.question),
        dialogue=request.dialogue,
        now=times.now(),
        store=Lookout(store, seen, None),
    )
    hits = _passed(_ranked(first, rankers, context), guards, context)
    kept = _living(store, hits, request)[: request.k]
    if len(kept) < request.k and len(looked.found) > width:
        # Once more from the next ones, where guards or a forget took some away.
        rows = looked.found.rows[order.order[width : width + 4 * request.k]].tolist()
        with store.reading() as connection:
            # In a transaction of its own: what was forgotten since the search is not there any more.
            there = lives.unsealed(connection, rows)
            left = [width + at for at, row in enumerate(rows) if row in there]
            more = _hits(connection, looked.found, order, left, seen)
        hits += _passed(_ranked(more, rankers, context), guards, context)
        kept = _living(store, hits, request)[: request.k]
    if request.max_tokens is not None:
        kept = _within(kept, request.max_tokens, embedding.counter())
    stems = stems_of(looked.question.terms)
    return Hits([_shown(hit, stems) for hit in kept], (*looked.found.notes, *_notes(kept, looked, order)))


def searched(
    store: SQLite,
    views: Views,
    embedding: Embedding,
    request: Request,
    read: Callable[[apsw.Connection, Searched], Read],
) -> Read | None:
    """What `read` makes of a search, in the search's own transaction; None in a folder that has no encoder yet."""
    if isinstance(request.question, Media):
        raise InvalidInput(f"the encoder of this folder reads text only, not {request.question.type}")
    question = request.question
    where = compile_where(request.where, request.zone)
    happened = None if request.happened is None else _range(request.happened, request.zone)
    as_of = None if request.as_of is None else _micros(request.as_of, request.zone, "as_of")
    now = ledger.present() if request.now is None else _micros(request.now, request.zone, "now")
    for _ in range(5):
        known, _ = embedding.roles()
        if known is None:
            return None
        encoding = _pool(os.getpid()).submit(embedding.question, question, known)
        terms = question_terms(question)
        speakers = [word.lower() for word in terms.words] + [USER] * asks_of_self(question)
        names = named_in(store.key, dict.fromkeys(speakers))
        days = days_of(question, now)
        with store.reading() as connection, damaged("what a recall reads"):
            wanted = Search(
                scope=request.scope,
                encoder=known.number,
                now=now,
                terms=[forms_of(word) for word in terms.words],
                grams=terms.grams,
                names=names,
                days=days,
                k=request.k,
                happened=happened,
                where=where if request.where else None,
                as_of=None if as_of is None else ledger.moment_of(connection, as_of),
            )
            before = look(connection, views, wanted)
        vector, tokens = encoding.result()
        asked = Question(terms, tokens, form_of(question), days, names)
        with store.reading() as connection:
            if encoders.known(connection) != known:
                continue  # the folder changed its model between the encoding and this read
            with damaged("what a recall reads"):
                found = search(connection, views, replace(wanted, vector=vector), before)
                looked = Searched(found, candidates_of(found, asked), asked, known.name)
            return read(connection, looked)
    raise EncoderMismatch("the folder's encoder keeps changing; try again")


def _hits(
    connection: apsw.Connection, found: Found, order: Order, places: Sequence[int], seen: Scope | None
) -> list[Hit]:
    """Whole records of these places of the order, their text as evidence for now."""
    chosen = order.order[places]
    rows = found.rows[chosen].tolist()
    records = reading.records_of(connection, rows, seen)
    passage_of = passages(connection, found.passage[chosen])
    hits: list[Hit] = []
    for at, row, vector in zip(places, rows, found.passage[chosen].tolist(), strict=True):
        record = records[row]
        start, stop = passage_of.get(vector, (0, len(record.text)))
        passage = None if stop - start == len(record.text) else Span(record.text[start:stop], start, stop)
        whole = Span(record.text, 0, len(record.text))
        parts = order.parts(at) | weakness(float(order.scores[0] - order.scores[at]))
        hits.append(Hit(record, float(order.scores[at]), parts, whole, passage))
    return hits


def _shown(hit: Hit, asked: frozenset[str]) -> Hit:
    """With the evidence that this question finds in it."""
    passage = None if hit.passage is None else (hit.passage.start, hit.passage.end)
    return replace(hit, evidence=evidence(hit.record.text, passage, asked))


def _ranked(hits: list[Hit], rankers: Sequence[Ranker], context: Context) -> list[Hit]:
    for ranker in rankers:
        before = {hit.record.id for hit in hits}
        hits = [hit for hit in ranker.rank(context.question or "", hits, context) if hit.record.id in before]
    return hits


def _passed(hits: list[Hit], guards: Sequence[Guard], context: Context) -> list[Hit]:
    """Hits that every guard lets through, seeing the others as neighbours; a bound on trust is shown with the hit."""
    for guard in guards:
        whole: Callable[..., Sequence[Verdict]] | None = getattr(guard, "screen_all", None)
        if whole is not None:
            verdicts = list(whole(hits, context=context))
        else:
            verdicts = [
                guard(hit.record.text, context=replace(context, source=hit.record.source, neighbours=tuple(hits)))
                for hit in hits
            ]
        hits = [
            _bounded(hit, verdict)
            for hit, verdict in zip(hits, verdicts, strict=True)
            if verdict.decision == "allow" and not verdict.question
        ]
    return hits


def _bounded(hit: Hit, verdict: Verdict) -> Hit:
    if verdict.trust is None or verdict.trust >= hit.record.trust:
        return hit
    return replace(hit, record=replace(hit.record, trust=verdict.trust))


def _living(store: SQLite, hits: Sequence[Hit], request: Request) -> list[Hit]:
    """The last look: what was forgotten, held or revised meanwhile stays out; so does a repetition beside what it
    repeats."""
    with store.reading() as connection:
        rows = dict(zip(reading.rows_if_there(connection, [hit.record.id for hit in hits]), hits, strict=True))
        there = [row for row in rows if row > 0]
        alive = lives.alive(connection, there) if request.as_of is None else lives.unsealed(connection, there)
    kept = [hit for row, hit in rows.items() if row in alive]
    ids = {hit.record.id for hit in kept}
    return [hit for hit in kept if not _repeats(hit.record, ids)]


def _repeats(record: Record, ids: set[str]) -> bool:
    return record.duplicate_of is not None and record.duplicate_of in record.parents and record.duplicate_of in ids


def _within(hits: list[Hit], most: int, count: Callable[[str], int]) -> list[Hit]:
    kept: list[Hit] = []
    for hit in hits:
        most -= count(hit.record.text)
        if most < 0:
            break
        kept.append(hit)
    return kept


def _notes(kept: Sequence[Hit], looked: Searched, order: Order) -> list[str]:
    if not kept:
        return ["nothing found that may be shown"] if len(order.order) else []
    doubt = refusal(looked.found, looked.candidates, looked.question, order, looked.encoder)
    return [] if doubt is None else [doubt]


def _range(happened: Any, zone: tzinfo) -> tuple[int | None, int | None]:
    if not isinstance(happened, tuple | list) or len(happened) != 2:
        raise InvalidInput("happened is a pair (from, until); either may be None")
    first, last = (None if when is None else _micros(when, zone, "happened") for when in happened)
    if first is not None and last is not None and first > last:
        raise InvalidInput("happened: from lies after until")
    return first, last


def _micros(when: Any, zone: tzinfo, what: str) -> int:
    return times.micros(times.moment(when, zone, what)[0])
