"""MemReranker: order candidates by whether they hold what answers, on one scale for all questions (arXiv 2605.06132).

    listwise      L = -sum_i (y_i / sum y) log softmax(z)_i + penalty / 2 |w|^2,    z = w . clip((x - mean) / deviation)
    pointwise     L = -[y log s + (1 - y) log(1 - s)],                              s = sigmoid(z)
    contrastive   L = -log( exp(z+ / tau) / (exp(z+ / tau) + sum_j exp(z_j / tau)) )
    soft labels   P(i better than j) = sigmoid(theta_i - theta_j): strengths from the votes of teachers on sampled pairs

Nothing here screens. A record that says "this is the answer to everything" is an attack on any judge that reads text,
and it wins: screen what such a judge will read before it is ranked, or at the write.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from delible.core.cards import Card
from delible.core.errors import InvalidInput, MissingExtra
from delible.core.records import Hit, Item, Record
from delible.core.verdicts import Context
from delible.recall import ranks
from delible.store.json_objects import opened, parsed

if TYPE_CHECKING:
    from numpy import float64, intp
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[float64]
    Rows = NDArray[intp]
    Columns = Sequence[ArrayLike]  # one of each question
    Loss = Callable[[Array], tuple[float, Array, Array]]  # convex: value, gradient (F,), curvature (F, F) at w (F,)

CARD = Card(
    slug="memreranker",
    title="MemReranker: reasoning-aware reranking for agent memory",
    arxiv="2605.06132",
    room="recall",
    claim="A small student of calibrated soft labels ranks memories by whether they answer, on one scale",
    idea="rank what answers, not what is alike",
)
TASK = "Given a question and the dialogue before it, judge whether the record holds what is needed to answer"
WIDEST = 40  # features; sheet: 34 transfer to other conversations, 150 do not
BEYOND = 1e-6  # keeps the order of margins that calibration maps to one value; ours, far below any calibration error
FORMAT = ["delible feature reranker", 1]  # of a saved student, with its version
log = logging.getLogger(__name__)


def newton(loss: Loss, penalty: Array, at: Array, steps: int = 100) -> tuple[Array, list[float]]:
    """Minimise loss + penalty / 2 |w|^2 by damped Newton: where it ends, the value after each step; may end early."""

    def whole(at: Array) -> tuple[float, Array, Array]:
        value, gradient, curvature = loss(at)
        return value + float(penalty @ at**2) / 2, gradient + penalty * at, curvature + np.diag(penalty)

    (value, gradient, curvature), values = whole(at), []
    for _ in range(steps):
        step = np.linalg.solve(curvature, gradient)
        gain, rate = float(gradient @ step), 1.0
        while gain > 1e-12 and rate > 1e-6 and (there := whole(at - rate * step))[0] > value - 1e-4 * rate * gain:
            rate /= 2
        if not (gain > 1e-12 and rate > 1e-6):
            break  # nothing left to gain that rounding would show
        at, (value, gradient, curvature) = at - rate * step, there
        values.append(value)
    return at, values


def softmax_loss(X: Array, targets: Array, starts: Rows, mass: Array, weights: Array) -> tuple[float, Array, Array]:
    """Cross-entropy of softmax(X w) in each list: X (N, F), targets (N,) sum to 1 in a list, starts and mass (L,)."""
    sizes = np.diff(starts, append=len(X))
    z = X @ weights
    z = z - np.repeat(np.maximum.reduceat(z, starts), sizes)
    logs = z - np.repeat(np.log(np.add.reduceat(np.exp(z), starts)), sizes)
    shares, each = np.exp(logs), np.repeat(mass, sizes)
    centres = np.add.reduceat(shares[:, None] * X, starts)
    curvature = (X * (each * shares)[:, None]).T @ X - (centres * mass[:, None]).T @ centres
    return -float(each @ (targets * logs)), X.T @ (each * (shares - targets)), curvature


def pointwise_loss(X: Array, labels: Array, mass: float, weights: Array) -> tuple[float, Array, Array]:
    """Binary cross-entropy of sigmoid(X w), summed over rows, times mass; labels in [0, 1]."""
    z = X @ weights
    s = 0.5 + 0.5 * np.tanh(0.5 * z)  # the sigmoid, without overflow
    loss = mass * float((np.logaddexp(0, z) - labels * z).sum())
    return loss, mass * (X.T @ (s - labels)), (X * (mass * s * (1 - s))[:, None]).T @ X


def isotonic(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """The rising fit nearest to y, by pooling adjacent violators: knots for `np.interp`. Raises InvalidInput."""
    at, place = np.unique(np.asarray(x, np.float64), return_inverse=True)
    if not len(at):
        raise InvalidInput("there is no row to calibrate on")
    masses = np.bincount(place)
    means = np.bincount(place, np.asarray(y, np.float64)) / masses
    blocks: list[tuple[float, int, int]] = []  # value, mass, places
    for value, mass in zip(means.tolist(), masses.tolist(), strict=True):
        places = 1
        while blocks and blocks[-1][0] >= value:
            other, more, pooled = blocks.pop()
            value, mass, places = (value * mass + other * more) / (mass + more), mass + more, places + pooled
        blocks.append((value, mass, places))
    stops = np.cumsum([places for *_, places in blocks])
    levels = np.column_stack((at[np.append(0, stops[:-1])], at[stops - 1])).ravel()
    kept = np.append(True, np.diff(levels) > 0)  # a block of one place has one knot
    return levels[kept], np.repeat([value for value, *_ in blocks], 2)[kept]


def bradley_terry(wins: Array, prior: float = 1.0) -> Array:
    """Strengths (n,) maximising sum_ij wins_ij log sigmoid(theta_i - theta_j) - prior / 2 |theta|^2; wins (n, n)."""
    games = wins + wins.T

    def loss(theta: Array) -> tuple[float, Array, Array]:
        gaps = theta[:, None] - theta
        beats = 0.5 + 0.5 * np.tanh(0.5 * gaps)
        spread = games * beats * (1 - beats)
        value = float((wins * np.logaddexp(0, -gaps)).sum())
        return value, (games * beats - wins).sum(1), np.diag(spread.sum(1)) - spread

    if not prior > 0:
        raise InvalidInput("the prior of strengths is above 0: without it an unbeaten candidate has none")
    return newton(loss, np.full(len(wins), prior), np.zeros(len(wins)))[0]


class Linear(NamedTuple):
    """A trained student: mean, deviation and weight of each feature (F,), bias (1,), knots of the calibration."""

    means: Array
    scales: Array
    weights: Array
    bias: Array
    levels: Array
    values: Array


def sampled(
    features: Array, labels: Array, order: ArrayLike, best: int = 60, random: int = 60, seed: int = 0
) -> tuple[Array, Array]:
    """Rows to train on, best first: the best of `order`, some random others, all relevant (label from .5)."""
    ranked = np.asarray(order, np.intp)
    kept = labels[ranked] >= 0.5
    kept[:best] = True
    # Positives from beyond the best without negatives from there would teach "far down means relevant" (MAP .015).
    kept[np.random.default_rng(seed).permutation(np.arange(best, len(ranked)))[:random]] = True
    return features[ranked[kept]], labels[ranked[kept]]


@dataclass(eq=False)
class FeatureReranker:
    """A linear model on named parts of a hit, trained listwise, then calibrated: the default student, without torch."""

    names: Sequence[str]  # of parts of a hit, at most 40
    penalty: float = 0.01  # L2; sheet
    clip: float = 6.0  # deviations; sheet
    model: Linear | None = field(default=None, init=False, repr=False)
    told: set[str] = field(default_factory=set, init=False, repr=False)  # missing parts, each named once in the log

    def __post_init__(self) -> None:
        self.names = tuple(self.names)
        positive = 0 < self.penalty < np.inf and 0 < self.clip < np.inf
        if not (positive and 1 <= len(set(self.names)) == len(self.names) <= WIDEST):
            raise InvalidInput(f"a feature reranker has 1 to {WIDEST} names, each once; penalty and clip are above 0")

    def fit(self, lists: Columns, labels: Columns, weights: ArrayLike | None = None) -> Self:
        """Of each question its candidates' features (n, F), relevance (n,) in [0, 1] and, if given, weight."""
        X, y, starts = self.stacked(lists, labels)
        sums = np.add.reduceat(y, starts)
        # An empty list was left out; one without a relevant row says nothing of order, only of the level.
        given = np.ones(len(lists)) if weights is None else np.asarray(weights, np.float64)
        mass = given[[np.size(marks) > 0 for marks in labels]] * (sums > 0) if len(given) == len(lists) else np.zeros(1)
        if not (mass >= 0).all() or not 0 < mass.sum() < np.inf:
            raise InvalidInput("weights are one a list, and one list has a weight above 0 and a relevant row")
        targets = y / np.repeat(np.where(sums > 0, sums, 1), np.diff(starts, append=len(y)))
        loss = partial(softmax_loss, self.standardise(X), targets, starts, mass / mass.sum())
        found, _ = newton(loss, np.full(len(self.names), self.penalty), self.trained.weights)
        self.model = self.trained._replace(weights=found)
        return self.calibrate(lists, labels)  # sampled lists shift the base rate: calibrate again on whole ones

    def standardise(self, X: Array) -> Array:
        spread = X.std(0)
        scales = np.where(spread <= 1e-9 * np.maximum(1, np.abs(X).max(0)), 1.0, spread)  # a flat column says nothing
        self.model = Linear(X.mean(0), scales, np.zeros(len(scales)), np.zeros(1), np.zeros(1), np.zeros(1))
        return self.scaled(X)

    def scaled(self, X: Array) -> Array:
        """In deviations of the training rows, at most `clip` either way: no sentinel score may outweigh the rest."""
        return np.clip((X - self.trained.means) / self.trained.scales, -self.clip, self.clip)

    def calibrate(self, lists: Columns, labels: Columns) -> Self:
        """Map margins to labels by isotonic regression over all questions together."""
        X, y, _ = self.stacked(lists, labels)
        levels, values = isotonic(self.margins(X), y)
        self.model = self.trained._replace(levels=levels, values=np.clip(values, 0, 1))
        return self

    def margins(self, X: ArrayLike) -> Array:
        return self.scaled(self._table(X)) @ self.trained.weights + self.trained.bias

    def probabilities(self, X: ArrayLike) -> Array:
        """Calibrated scores (n,) in [0, 1]; rows of unequal margins never tie."""
        margins = self.margins(X)
        squashed: Array = 0.5 + 0.5 * margins / (1 + np.abs(margins))
        return (1 - BEYOND) * np.interp(margins, self.trained.levels, self.trained.values) + BEYOND * squashed

    def score(self, question: Item, hits: Sequence[Hit], context: Context = Context()) -> Array:
        missing = {name for name in self.names if any(name not in hit.parts for hit in hits)} - self.told
        if missing:
            self.told |= missing
            log.warning("hits without the parts %s: these count as 0", ", ".join(sorted(missing)))
        return self.probabilities([[hit.parts.get(name, 0.0) for name in self.names] for hit in hits])

    def stacked(self, lists: Columns, labels: Columns) -> tuple[Array, Array, Rows]:
        """Features (N, F) and labels (N,) of all lists that have rows, checked, and where each starts (L,)."""
        tables, marks = [self._table(rows) for rows in lists], [np.asarray(row, np.float64).ravel() for row in labels]
        sizes = [len(table) for table in tables]
        if sizes != [len(row) for row in marks] or not sum(sizes):
            raise InvalidInput("each list of candidates has as many labels as rows, and one list has rows")
        y, filled = np.concatenate(marks), np.array([size for size in sizes if size])
        if not ((y >= 0) & (y <= 1)).all():
            raise InvalidInput("labels lie in [0, 1]")
        return np.concatenate(tables), y, np.cumsum(filled) - filled

    def save(self, path: str | Path) -> None:
        state = {name: values.tolist() for name, values in self.trained._asdict().items()}
        body = {"format": FORMAT, "names": self.names, "penalty": self.penalty, "clip": self.clip, **state}
        Path(path).write_text(json.dumps(body, allow_nan=False) + "\n", "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote, bit for bit; any other file is refused."""
        with opened(Path(path)) as stream:
            data = stream.read()
        try:
            body = parsed(data)
            student = cls([str(name) for name in body["names"]], float(body["penalty"]), float(body["clip"]))
            student.model = model = Linear(*(np.array(body[name], np.float64) for name in Linear._fields))
            shapes = [(len(student.names),)] * 3 + [(1,)] + [(model.levels.size,)] * 2
            rising = (np.diff(model.levels) > 0).all() and (np.diff(model.values) >= 0).all()
            inside = (model.scales > 0).all() and model.values.min() >= 0 and model.values.max() <= 1
            sound = body["format"] == FORMAT and all(np.isfinite(values).all() for values in model)
            if [values.shape for values in model] != shapes or not (rising and inside and sound):
                raise ValueError("not what `save` writes")
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(f"{Path(path).name} is no feature reranker of this version; none was loaded") from error
        return student

    @property
    def trained(self) -> Linear:
        if self.model is None:
            raise InvalidInput("the feature reranker is not trained yet: fit, distill or load it")
        return self.model

    def _table(self, X: ArrayLike) -> Array:
        table = np.asarray(X, np.float64)
        table = table if table.size else table.reshape(0, len(self.names))
        if table.ndim != 2 or table.shape[1] != len(self.names):
            raise InvalidInput(f"features are rows of {len(self.names)} numbers, not of the shape {table.shape}")
        wrong = [name for name, column in zip(self.names, table.T, strict=True) if not np.isfinite(column).all()]
        if wrong:
            raise InvalidInput(f"a value of {', '.join(wrong)} is no finite number; nothing was ranked or learned")
        return table


class Reranker(Protocol):
    """Scores (n,) in [0, 1] that compare across questions; a judge of text reads `hit.record`."""

    def score(self, question: Item, hits: Sequence[Hit], context: Context = ...) -> Array: ...


def document(record: Record, now: datetime | None = None) -> str:
    """What a judge reads of a record; the days and the speaker come first, so that a cut takes the end of the text."""
    speaker = record.source.author
    named = f"{speaker}: {record.text}" if speaker and not record.text.startswith(f"{speaker}:") else record.text
    today = f"Today: {now.date().isoformat()}\n" if now is not None else ""
    return f"{today}Date: {(record.happened or record.written).date().isoformat()}\n{named}"


def asked(question: Item, dialogue: Sequence[str], fits: Callable[[str], bool]) -> str:
    """The question with the dialogue in front, its oldest turns left out until it fits. Raises InvalidInput."""
    if not isinstance(question, str):
        raise InvalidInput("this reranker reads text only")
    texts = ["\n".join((*dialogue[at:], question)) for at in range(len(dialogue) + 1)]
    return next(filter(fits, texts), question)


class YesNoReranker:
    """A causal language model in Qwen3-Reranker's form, loaded or in a folder. Raises MissingExtra, InvalidInput."""

    OPENING = (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    )
    CLOSING = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"

    def __init__(self, model: Any, tokenizer: Any = None, max_len: int = 1024, batch: int = 8, instruction: str = TASK):
        self._torch = _needed("torch", "YesNoReranker")
        if isinstance(model, str | Path):
            transformers = _needed("transformers", "YesNoReranker")
            tokenizer = tokenizer or _local(transformers.AutoTokenizer.from_pretrained, model)
            model = _local(transformers.AutoModelForCausalLM.from_pretrained, model)
        self.model, self.tokenizer, self.max_len, self.batch = model.eval(), tokenizer, max_len, batch
        self._words = self._ids("yes") + self._ids("no") if tokenizer is not None else []
        if len(self._words) != 2:
            raise InvalidInput("no tokenizer with one token for yes and one for no: not a model of this form")
        # Left padding moves absolute positions, and the logits of every position of a large vocabulary take gigabytes.
        self._accepted = signature(model.forward).parameters.keys() & {"position_ids", "logits_to_keep"}
        self._opening, self._closing = self._ids(self.OPENING), self._ids(self.CLOSING)
        self._task = f"<Instruct>: {instruction}\n<Query>: "

    def score(self, question: Item, hits: Sequence[Hit], context: Context = Context()) -> Array:
        """The share of "yes" between yes and no as the next word, in batches of like length. Raises InvalidInput."""
        rows = self._prompts(question, hits, context)
        scores, order = np.zeros(len(rows)), np.argsort([len(row) for row in rows], kind="stable")
        for places in np.split(order, range(self.batch, len(rows), self.batch)) if rows else ():
            scores[places] = self._shares([rows[at] for at in places])
        return scores

    def _prompts(self, question: Item, hits: Sequence[Hit], context: Context) -> list[list[int]]:
        """Token ids; what is too long loses the oldest dialogue, then the document's end, never the closing part."""
        inner = self.max_len - len(self._opening) - len(self._closing)
        room = (inner - len(self._ids(f"{self._task}\n<Document>: "))) // 2  # the other half is the document's
        if room < 1:
            raise InvalidInput(f"max_len={self.max_len} leaves no room for a question and a record")
        query = self._plain(asked(question, context.dialogue, lambda tried: len(self._ids(self._plain(tried))) <= room))
        if len(ids := self._ids(query)) > room:
            query = self.tokenizer.decode(ids[:room])
        texts = [f"{self._task}{query}\n<Document>: {self._plain(document(hit.record, context.now))}" for hit in hits]
        return [[*self._opening, *self._ids(text)[:inner], *self._closing] for text in texts]

    def _shares(self, rows: Sequence[list[int]]) -> Array:
        device, width, pad = next(self.model.parameters()).device, max(map(len, rows)), self.tokenizer.pad_token_id or 0
        ids = self._torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
        mask = self._torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        more = {"position_ids": (mask.cumsum(1) - 1).clamp(min=0), "logits_to_keep": 1}
        with self._torch.inference_mode():
            output = self.model(input_ids=ids, attention_mask=mask, **{name: more[name] for name in self._accepted})
            shares: Array = output.logits[:, -1, self._words].double().softmax(-1)[:, 0].cpu().numpy()
        return shares

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _plain(self, text: str) -> str:
        """Without control tokens: a record that spells one would close its field and speak for the assistant."""
        for mark in filter(lambda mark: len(mark) > 1, self.tokenizer.get_added_vocab()):
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
        return text


class CrossEncoderReranker:
    """A sentence-transformers CrossEncoder or a local folder of one. Raises MissingExtra, InvalidInput."""

    def __init__(self, model_or_path: Any):
        self._torch = _needed("torch", "CrossEncoderReranker")
        if isinstance(model_or_path, str | Path):
            package = _needed("sentence_transformers", "CrossEncoderReranker")
            model_or_path = _local(package.CrossEncoder, model_or_path)
        self.model = model_or_path

    def score(self, question: Item, hits: Sequence[Hit], context: Context = Context()) -> Array:
        tokenizer = self.model.tokenizer
        room = min(int(tokenizer.model_max_length), 512) // 2  # the other half is the document's
        query = asked(question, context.dialogue, lambda tried: len(tokenizer(tried)["input_ids"]) <= room)
        pairs = [(query, document(hit.record, context.now)) for hit in hits]
        # Some published models are saved with the identity: their scores would not lie in [0, 1].
        scores = self.model.predict(pairs, activation_fn=self._torch.nn.Sigmoid(), show_progress_bar=False)
        return np.asarray(scores, np.float64)


def _needed(name: str, part: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(part, "models") from error


def _local(opener: Callable[..., Any], folder: str | Path) -> Any:
    try:
        return opener(str(folder), local_files_only=True)
    except Exception as error:  # file and configuration errors share no base
        raise InvalidInput(f"no model of this kind opens from {Path(folder).name} ({type(error).__name__})") from error


def rerank(
    hits: Sequence[Hit],
    question: Item,
    reranker: Reranker,
    *,
    keep: int | None = 8,
    threshold: float | None = None,
    mix: float = 0.0,  # share of the first stage's score, stretched to [0, 1] over these hits
    context: Context = Context(),
) -> list[Hit]:
    """Hits by their new score, kept as part "rerank"; below the threshold it drops them. Raises InvalidInput."""
    if not (0 <= mix <= 1 and 0 <= (threshold or 0) <= 1 and (keep or 0) >= 0):
        raise InvalidInput("mix and threshold lie in [0, 1], keep is 0 or more")
    if not hits:
        return []
    final = scores = np.asarray(reranker.score(question, hits, context), np.float64)
    if scores.shape != (len(hits),) or not ((scores >= 0) & (scores <= 1)).all():
        raise InvalidInput("a reranker gives each hit one score in [0, 1]; nothing was reordered")
    if mix:
        first = np.array([hit.score for hit in hits])
        final = (1 - mix) * scores + mix * (first - first.min()) / (np.ptp(first) or 1.0)
    order = [at for at in np.argsort(-final, kind="stable") if threshold is None or scores[at] >= threshold]
    return [
        replace(hits[at], score=float(final[at]), parts={**hits[at].parts, "rerank": float(scores[at])})
        for at in order[:keep]
    ]


@dataclass
class MemReranker:
    """A ranker of recall: what answers comes first, and nothing is returned where nothing passes the threshold."""

    reranker: Reranker
    keep: int | None = None  # recall cuts at its own k
    threshold: float | None = None  # one for all questions: scores are calibrated
    mix: float = 0.0

    def rank(self, question: Item, hits: list[Hit], context: Context) -> list[Hit]:
        """The context's dialogue and time go to the judge. Raises InvalidInput."""
        return rerank(
            hits, question, self.reranker, keep=self.keep, threshold=self.threshold, mix=self.mix, context=context
        )


class Teacher(Protocol):
    """Says how likely a is better than b for the question, in [0, 1]."""

    def compare(self, question: Item, a: Record, b: Record, context: Context) -> float: ...


def strengths(
    question: Item,
    candidates: Sequence[Record],
    teachers: Sequence[Teacher],
    *,
    pairs: int = 4,
    prior: float = 1.0,
    seed: int = 0,
    context: Context = Context(),
) -> Array:
    """Bradley-Terry strengths (n,), in nats, of one question's candidates; each teacher is asked in both orders."""
    n, rng = len(candidates), np.random.default_rng(seed)
    # Random rings: each candidate is in two pairs of a ring, and every two candidates are linked.
    rings = [rng.permutation(n).tolist() for _ in range((pairs + 1) // 2)]
    edges = {(min(e), max(e)) for ring in rings for e in zip(ring, ring[1:] + ring[:1], strict=True) if n > 1}
    wins = np.zeros((n, n))
    for i, j in sorted(edges):
        for teacher in teachers:
            one = teacher.compare(question, candidates[i], candidates[j], context)
            other = teacher.compare(question, candidates[j], candidates[i], context)
            if not (0 <= one <= 1 and 0 <= other <= 1):
                raise InvalidInput("a teacher's vote lies in [0, 1]")
            wins[i, j] += (one + 1 - other) / 2  # a liking for the first place cancels
            wins[j, i] += (other + 1 - one) / 2
    return bradley_terry(wins, prior)


def soft_labels(
    question: Item,
    candidates: Sequence[Record],
    teachers: Sequence[Teacher],
    *,
    anchors: tuple[ArrayLike, ArrayLike] | None = None,  # strengths of known candidates of all questions, their grades
    irrelevant: Sequence[int] | None = None,  # places of known irrelevant candidates; by default all: most are
    **options: Any,  # of `strengths`
) -> Array:
    """Relevance (n,) in [0, 1] from the teachers' votes; only with anchors does it compare across questions.

    Without: max(0, 2 sigmoid(theta - theta_0) - 1), theta_0 that of the irrelevant (the sheet's sigmoid is .5 there).
    """
    theta = strengths(question, candidates, teachers, **options)
    if anchors is not None:
        return np.interp(theta, *isotonic(*anchors))
    zero = np.mean(theta if irrelevant is None else theta[list(irrelevant)]) if len(theta) else 0.0
    return np.maximum(0, np.tanh((theta - zero) / 2))


@dataclass(frozen=True)
class Distillation:
    """Losses after each epoch of the two stages; a stage that reached its optimum ends early."""

    pointwise: tuple[float, ...]
    contrastive: tuple[float, ...]


def distill(
    student: FeatureReranker,
    lists: Sequence[tuple[ArrayLike, ArrayLike]],  # features and labels of a question, in the first stage's order
    *,
    stage1_epochs: int = 20,
    stage2_epochs: int = 5,
    tau: float = 1.0,
    neg: int = 7,
    seed: int = 0,
) -> Distillation:
    """Teach soft labels: pointwise, then against hard negatives with .3 of the pointwise loss; calibrated at the end.

    Hard negatives: a list's first rows of low label. An epoch: one Newton step, no learning rate. Raises InvalidInput.
    """
    columns = [features for features, _ in lists], [labels for _, labels in lists]
    rows, y, starts = student.stacked(*columns)
    X = np.column_stack((student.standardise(rows), np.ones(len(rows))))
    penalty = np.append(np.full(len(student.names), student.penalty), 1e-6)  # the level is free, yet has an optimum
    pointwise, rng = partial(pointwise_loss, X, y, 1 / len(starts)), np.random.default_rng(seed)

    def both(sharp: Loss, at: Array) -> tuple[float, Array, Array]:
        (a, b, c), (d, e, f) = sharp(at), pointwise(at)
        return a + 0.3 * d, b + 0.3 * e, c + 0.3 * f

    found, first = newton(pointwise, penalty, np.zeros(len(penalty)), stage1_epochs)
    second: list[float] = []
    for _ in range(stage2_epochs):
        drawn, targets, groups, mass = contrasts(y, starts, neg, rng)
        if len(drawn):
            sharp = partial(softmax_loss, X[drawn] / tau, targets, groups, mass)
            found, values = newton(partial(both, sharp), penalty, found, 1)
            second += values
    student.model = student.trained._replace(weights=found[:-1], bias=found[-1:])
    student.calibrate(*columns)
    return Distillation(tuple(first), tuple(second))


def contrasts(y: Array, starts: Rows, neg: int, rng: np.random.Generator) -> tuple[Rows, Array, Rows, Array]:
    """Groups of one positive and its hard negatives: rows, targets, starts, and shares by the positive's label."""
    groups: list[Rows] = []
    for start, labels in zip(starts, np.split(y, starts[1:]), strict=True):
        low = labels <= labels.max() / 2  # teachers differ in spread: no fixed cut would fit all
        hard, beyond = np.split(np.flatnonzero(low), [4 * neg])  # ours: each epoch draws anew from four times as many
        # As in `sampled`: positives from beyond the negatives would teach "far down means relevant" (MAP .017).
        for positive in np.flatnonzero(~low[: beyond[0] if len(beyond) else None]) if len(hard) else ():
            groups.append(start + np.append(positive, rng.choice(hard, min(neg, len(hard)), replace=False)))
    rows, sizes = np.concatenate([np.zeros(0, np.intp), *groups]), np.array([len(group) for group in groups], np.intp)
    first = np.cumsum(sizes) - sizes
    mass, targets = y[rows[first]], np.isin(np.arange(len(rows)), first).astype(np.float64)
    return rows, targets, first, mass / max(mass.sum(), 1e-300)


def ranking_figures(ranked: ArrayLike, total: int) -> tuple[float, float, float, float]:
    """Average precision, reciprocal rank, NDCG@10, recall of one question, over all `total` relevant, found or not."""
    found = np.flatnonzero(ranked) + 1
    precision, reciprocal = ranks.average_precision(found, total), ranks.reciprocal_rank(found)
    return precision, reciprocal, ranks.ndcg(found, total), len(found) / total


def best_threshold(scores: Array, relevant: Array) -> tuple[float, float]:
    """The threshold of the best F1, the highest of equals, and that F1; (1, 0) where nothing is relevant."""
    order = np.argsort(-scores, kind="stable")
    ordered, right = scores[order], np.cumsum(relevant[order])
    f1 = 2 * right / (np.arange(1, len(right) + 1) + right[-1])
    f1[:-1][ordered[:-1] == ordered[1:]] = -1  # a threshold takes all that score the same
    best = int(np.argmax(f1))
    return (float(ordered[best]), float(f1[best])) if right[-1] else (1.0, 0.0)


def ranking_report(
    scores: Columns, relevant: Columns, *, totals: Sequence[int] | None = None, categories: Sequence[str] | None = None
) -> dict[str, Any]:
    """Of each question its candidates' scores (n,) and whether each is relevant (n,); equal scores keep their order.

    map, mrr, ndcg10, recall (the ceiling): means over answerable questions, by `totals`: all relevant, found or not.
    best_threshold, best_f1, base_rate and, of scores in [0, 1], ece (10 bins; a low base rate makes it low), brier and
    brier_skill (1 - brier / that of the base rate): over all pairs. by_category: the same. Raises InvalidInput.
    """
    values = [np.asarray(given, np.float64).ravel() for given in scores]
    marks = [np.asarray(given, bool).ravel() for given in relevant]
    found = [int(mark.sum()) for mark in marks]
    counts = found if totals is None else list(totals)
    pooled, true = np.concatenate([np.zeros(0), *values]), np.concatenate([np.zeros(0), *marks])
    if [len(row) for row in values] != [len(row) for row in marks] or not (len(pooled) and np.isfinite(pooled).all()):
        raise InvalidInput("each candidate has a finite score and a mark, and there is one")
    if len(counts) != len(found) or any(total < there for total, there in zip(counts, found, strict=True)):
        raise InvalidInput("each question has a total of at least its relevant candidates")
    ranked = [mark[np.argsort(-given, kind="stable")] for given, mark in zip(values, marks, strict=True)]
    means = [ranking_figures(row, total) for row, total in zip(ranked, counts, strict=True) if total]
    report: dict[str, Any] = {"questions": len(values), "answerable": len(means), "base_rate": float(true.mean())}
    average = np.mean(means or [(0.0,) * 4], axis=0).tolist()
    report |= dict(zip(("map", "mrr", "ndcg10", "recall"), average, strict=True))
    report["best_threshold"], report["best_f1"] = best_threshold(pooled, true)
    if ((pooled >= 0) & (pooled <= 1)).all():
        gaps = np.bincount(np.minimum((pooled * 10).astype(np.intp), 9), pooled - true)
        brier, spread = float(((pooled - true) ** 2).mean()), float(true.var())
        report |= {"ece": float(np.abs(gaps).sum()) / len(pooled), "brier": brier}
        report["brier_skill"] = 1 - brier / spread if spread else 0.0
    for name in sorted(set(categories or ())):
        at = [place for place, own in enumerate(categories or ()) if own == name]
        part = ranking_report([values[i] for i in at], [marks[i] for i in at], totals=[counts[i] for i in at])
        report.setdefault("by_category", {})[name] = part
    return report
