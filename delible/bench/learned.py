"""Learned rankers on recall's own columns: how far above the readable rule does a linear model come?

Trained listwise (`memreranker.FeatureReranker`) on what recall knew of each candidate, no text read. A conversation is
ranked by a model that saw none of its turns: it was trained on the set's other conversations, or on other sets. Nothing
of this ships: what it gains over the rule of score.py is what training on talks of one's own could bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from delible.core.errors import InvalidInput
from delible.recall import late
from delible.recall.candidates import weights_of
from delible.recall.memreranker import FeatureReranker, sampled
from delible.recall.score import TURN, Form, Order, highest, ordered, share, standardised
from delible.store.traits import columns

if TYPE_CHECKING:
    from numpy import bool_, float32, float64, int64
    from numpy.typing import NDArray

    from delible.bench.evidence import Trial
    from delible.recall.recalling import Searched

    Array = NDArray[float64]

BEST = RANDOM = 60  # candidates of a question to train on, beside the relevant ones; sheet memreranker


def learned(found: Sequence[Trial]) -> Callable[[Trial], Order]:
    """Ranks each conversation's questions by a model trained on all others; at least two conversations."""
    examples = [_example(trial, seed) for seed, trial in enumerate(found)]
    names = [trial.talk.name for trial in found]
    models = {
        left_out: _trained([each for each, name in zip(examples, names, strict=True) if name != left_out])
        for left_out in dict.fromkeys(names)
    }
    return lambda trial: _order(trial.searched, models[trial.talk.name])


def transferred(train: Iterable[Trial]) -> Callable[[Trial], Order]:
    """Ranks any question by a model trained on these, which are of other sets."""
    model = _trained([_example(trial, seed) for seed, trial in enumerate(train)])
    return lambda trial: _order(trial.searched, model)


def relevant(trial: Trial) -> NDArray[bool_]:
    """Which candidates (C,) are evidence."""
    return np.isin([trial.reference[int(row)] for row in trial.searched.found.rows], trial.asked.evidence)


def features(looked: Searched) -> dict[str, Array]:
    """What a linear model sees of the candidates, (C,) each."""
    return {name: values.astype(np.float64) for name, values in _features(looked)}


def _features(looked: Searched) -> Iterator[tuple[str, NDArray[Any]]]:
    c, form, found = looked.candidates, looked.question.form, looked.found
    traits = columns(found.marks["traits"])
    bm25, own, cosine = standardised(c.bm25), standardised(c.late), standardised(c.cosine)
    meaning = standardised(c.inherited)
    fuse = standardised(bm25 + own + 0.5 * cosine)
    first, capitals = c.first_person / 4, c.capitals / 4
    words = np.log(np.maximum(c.length, 1) / TURN)
    yield "bm25", bm25
    yield "late", own
    yield "cosine", cosine
    yield "meaning", meaning
    yield "meaning / highest", share(c.inherited)
    yield "rank of bm25", _rank(c.bm25)
    yield "rank of meaning", _rank(c.inherited)
    yield "session: meaning", highest(meaning, c.session)
    yield "session: fuse", highest(fuse, c.session)
    yield "session: bm25 share", share(c.session_bm25)
    yield from _matches(looked)
    yield "subject", c.subject
    yield "another", c.another
    yield "subject x meaning", c.subject * meaning
    yield "subject x fuse", c.subject * fuse
    yield "first person", first
    yield "subject x first person", c.subject * first
    yield "capitals, names", capitals * form.names
    yield "capitals, where", capitals * form.where
    yield "time, when", c.time * form.when
    yield "number, how many", c.number * form.how_many
    yield "acknowledges", c.acknowledges
    yield "asks", c.asks * (not _loose(form))
    yield "holds a question", traits.holds_question
    yield "near the date", np.exp(-c.days / 10)
    yield "in the range", c.in_range
    yield "overlaps", c.overlaps
    yield "short", np.minimum(words, 0)
    yield "long", np.maximum(words, 0)


def _loose(form: Form) -> bool:
    return form.when or form.would


def _rank(values: NDArray[Any]) -> Array:
    """ln(1 + rank) / 3, ranks from 1; equal values by their place."""
    ranks = np.empty(len(values))
    ranks[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    scaled: Array = np.log1p(ranks) / 3
    return scaled


def _matches(looked: Searched) -> Iterator[tuple[str, NDArray[Any]]]:
    """How the question's words are met: by the turn alone, by each turn beside it, and by all of these together."""
    found, tokens = looked.found, looked.question.tokens
    near = found.near
    if tokens is None or not len(tokens.words) or not len(found.tokens):
        weights = np.ones(1, np.float32)
        all_ = asked = np.zeros((1, len(found.sizes)), np.float32)
    else:
        weights = weights_of(tokens, found)
        stored = late.unpacked(found.tokens, found.sizes, tokens.vectors.shape[1])
        similar = late.similarities(tokens.vectors, stored)
        all_ = late.best(similar, stored.counts)
        asked = late.best(similar * (stored.marks & late.ASKS), stored.counts)
    own = all_[:, near.own]
    question, opener = _beside(asked, near.partner), _beside(all_, near.opener)
    before, after = _beside(all_, near.before), _beside(all_, near.after)
    inherited = late.inherited(own, asked, all_, near)
    around = np.maximum.reduce([own, 0.9 * question, 0.8 * opener, 0.7 * before, 0.6 * after])
    for name, matches, power in (
        ("the turn, sharply", own, 3.0),
        ("what its partner asked", question, 2.0),
        ("what its partner said", _beside(all_, near.partner), 2.0),
        ("what its speaker opened with", opener, 2.0),
        ("the turn before", before, 2.0),
        ("the turn after", after, 2.0),
        ("meaning, sharply", inherited, 4.0),
        ("the turn and all around it", around, 2.0),
    ):
        yield name, standardised(late.weighted(matches, weights, power))
    counted = weights > 0
    yield "words met", weights @ (inherited > 0.6) / weights.sum()
    yield "words met well", weights @ (inherited > 0.8) / weights.sum()
    yield "rarest word", inherited[int(np.argmax(weights))]
    yield "word met least", inherited[counted].min(0)


def _beside(matches: NDArray[float32], at: NDArray[int64]) -> NDArray[float32]:
    """The matches (n, C) of the turns at these places among those read (n, R); 0 where there is none."""
    there = at >= 0
    found: NDArray[float32] = matches[:, np.where(there, at, 0)] * there
    return found


class _Example(NamedTuple):
    """Candidates of a question to train on."""

    names: tuple[str, ...]
    features: Array  # (n, F)
    labels: Array  # (n,)


def _example(trial: Trial, seed: int) -> _Example:
    looked = trial.searched
    table = features(looked)
    order = ordered(looked.found, looked.candidates, looked.question.form).order
    labels = relevant(trial).astype(np.float64)
    return _Example(tuple(table), *sampled(np.column_stack([*table.values()]), labels, order, BEST, RANDOM, seed))


def _trained(examples: Sequence[_Example]) -> FeatureReranker:
    """A model of these questions; those of which no evidence was found say nothing of order."""
    telling = [each for each in examples if each.labels.any()]
    if not telling:
        raise InvalidInput("nothing to learn from: of no question was any evidence found")
    model = FeatureReranker(telling[0].names)
    return model.fit([each.features for each in telling], [each.labels for each in telling])


def _order(looked: Searched, model: FeatureReranker) -> Order:
    scores = model.margins(np.column_stack([*features(looked).values()]))
    order = np.lexsort((-looked.found.rows, -looked.found.marks["happened"], -scores))
    return Order(order, scores[order], {})
