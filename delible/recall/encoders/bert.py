"""A BERT sentence encoder on ONNX Runtime: tokenised, batched by length, run on our own graph. No torch."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from delible.core.errors import EncoderFailed
from delible.core.records import Item
from delible.core.shapes import Role, Tokens
from delible.recall.encoders import cached
from delible.recall.encoders.model import BUILD, Model, Precision
from delible.recall.encoders.rows import texts_only, unit_rows

if TYPE_CHECKING:
    import onnxruntime
    from numpy.typing import NDArray
    from tokenizers import Encoding, Tokenizer

    from delible.recall.encoders.unigram import Cut, Unigram

    Pieces = Tokenizer | Unigram

log = logging.getLogger(__name__)

Made = TypeVar("Made")

_loaded: weakref.WeakSet[BertEncoder] = weakref.WeakSet()

BATCH = 32  # texts run together
AREA = 2048  # places (texts x longest) run together: bounds memory
FUSIONS = [
    "BiasGeluFusion",
    "GatherSliceToSplitFusion",
    "GatherToSplitFusion",
    "MatMulScaleFusion",
    "MatmulTransposeFusion",
    "SkipLayerNormFusion",
]  # of ONNX Runtime, left out
READ = 100_000  # characters of a text that are tokenised at most: a window of 256 pieces ends long before


class BertEncoder:
    """Vectors of texts, each the same whatever stands beside it in the batch (to float32 rounding).

    Nothing is loaded before the first text; `load()` does it ahead. Threads may share it. A forked child loads anew,
    and must end by `os._exit`, as multiprocessing's do: ONNX Runtime waits for its parent's threads otherwise.
    """

    accepts = frozenset({"text"})
    centred = False  # whether the mean of all texts is taken from every vector

    def __init__(self, name: str, model: Model, precision: Precision, digest: str, cache: Path, threads: int = 0):
        self.name = name
        self.version = f"{precision}-{BUILD}-{digest[:8]}"
        self.dimension = model.shape.width
        self.window = model.window
        self._model, self._precision, self._cache = model, precision, cache
        self._width = threads or cores()
        self._lock = threading.Lock()
        self._loaded: tuple[Pieces, onnxruntime.InferenceSession] | None = None
        self._check: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"BertEncoder(name={self.name!r}, version={self.version!r}, dimension={self.dimension})"

    def encode(self, items: Sequence[Item], role: Role = "passage") -> NDArray[np.float32]:
        """Float32 (N, D), unit rows. Text beyond the window is not read: cut it first (`passages`)."""
        texts = readable(texts_only(items, self.name))
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for rows, _, (made,) in self._forward(texts, role, ["vectors"]):
            vectors[rows] = made
        return unit_rows(vectors, len(texts), self.dimension, self.name)

    def late(self, items: Sequence[Item], role: Role = "passage") -> tuple[NDArray[np.float32], list[Tokens]]:
        """The vectors and, from the same forward, a unit vector for each piece of a word; punctuation has none.

        `Tokens.words` holds the whole word of each piece, in lower case: three pieces of a word name it three times.
        """
        texts = readable(texts_only(items, self.name))
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        tokens: list[Tokens | None] = [None] * len(texts)
        prompt = self._model.prompts.get(role, "")
        for rows, encodings, (made, states) in self._forward(texts, role, ["vectors", "states"]):
            vectors[rows] = made
            for row, encoding, state in zip(rows, encodings, states, strict=True):
                places, words, starts = content(encoding, prompt + texts[row], len(prompt), self._model.window - 1)
                tokens[row] = Tokens(words, np.ascontiguousarray(state[places]), starts)
        return unit_rows(vectors, len(texts), self.dimension, self.name), [t for t in tokens if t is not None]

    def count_tokens(self, text: str) -> int:
        """Word pieces of the text, without [CLS] and [SEP]."""
        return len(self.pieces(text))

    def pieces(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in the text of every word piece."""
        return list(self.load()[0].encode(text, add_special_tokens=False).offsets)

    def load(self) -> tuple[Pieces, onnxruntime.InferenceSession]:
        """Tokenizer and session, made once in a process."""
        loaded = self._loaded
        if loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._check()
                    self._loaded = self._tokenizer(), self._session()
                    _loaded.add(self)
                loaded = self._loaded
        return loaded

    def _session(self) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # batches go to threads of ours: a product this small gains nothing by two
        options.inter_op_num_threads = 1
        # No spinning: an idle memory must not burn a core between two questions.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Processors without VNNI overflow in int8 products of signed weights; with this, ONNX Runtime makes the weights
        # unsigned (same results). Where there is VNNI that would cost: 82 instead of 204 billion products a second. It
        # does so at this level, whose fusions we leave out: the graph is written as it should run, and they measured
        # slower.
        if not has_vnni():
            options.add_session_config_entry("session.x64quantprecision", "1")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.log_severity_level = 3
        source = cached.graph(f"{self.name}-{self.version}", self._cache, self._build)
        try:
            return onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else str(source),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=FUSIONS,
            )
        except Exception as error:  # its errors share no base of their own
            raise EncoderFailed(f"the encoder {self.name!r} does not run on this machine's ONNX Runtime") from error

    def _build(self) -> bytes:
        from delible.recall.encoders import balance, graph

        plain = self._weights()
        if self.centred:
            uncentred = graph.build(plain, self._model.shape, "float32")
            plain = {**plain, **balance.means(uncentred, self._tokenizer(), self._model.prompts.values())}
        log.info("building the graph of %s %s", self.name, self.version)
        if self._precision == "float32":
            return graph.build(plain, self._model.shape, "float32")
        watched = graph.build(plain, self._model.shape, "float32", watch=True)
        return graph.build(plain, self._model.shape, "int8", balance.sizes(watched, self._tokenizer()))

    def _tokenizer(self) -> Pieces:
        return open_tokenizer(self._model.tokenizer)

    def _weights(self) -> Mapping[str, NDArray[Any]]:
        """Weights by BERT's names, float32."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            weights = load_file(self._model.weights)
        except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
            raise EncoderFailed(
                f"model.safetensors of {self.name!r} cannot be read ({type(error).__name__})"
            ) from error
        return {key.removeprefix("bert."): np.asarray(value, np.float32) for key, value in weights.items()}

    def _forward(
        self, texts: list[str], role: Role, outputs: list[str]
    ) -> Iterator[tuple[list[int], list[Encoding | Cut], list[Any]]]:
        """Batches of equal length as far as can be: rows of `texts`, their encodings, what the graph gave for them."""
        if not texts:
            return
        tokenizer, session = self.load()
        prompt = self._model.prompts.get(role, "")
        encodings = tokenizer.encode_batch([prompt + text for text in texts])
        kept = [within(encoding.ids, self._model.window) for encoding in encodings]
        lengths = [len(ids) for ids in kept]

        def run(rows: list[int]) -> tuple[list[int], list[Encoding | Cut], list[Any]]:
            ids = np.zeros((len(rows), lengths[rows[-1]]), np.int64)
            mask = np.zeros_like(ids)
            for i, row in enumerate(rows):
                ids[i, : lengths[row]] = kept[row]
                mask[i, : lengths[row]] = 1
            return rows, [encodings[row] for row in rows], session.run(outputs, {"ids": ids, "mask": mask})

        yield from beside(run, list(batches(sorted(range(len(texts)), key=lengths.__getitem__), lengths)), self._width)


def beside(run: Callable[[list[int]], Made], jobs: Sequence[list[int]], width: int) -> Iterator[Made]:
    """Results of jobs in order, `width` of them at a time in threads, few of them waiting: states are large."""
    if width == 1 or len(jobs) < 2:
        yield from map(run, jobs)
        return
    with ThreadPoolExecutor(width, "delible-encoder") as pool:
        waiting: deque[Future[Made]] = deque()
        for job in jobs:
            waiting.append(pool.submit(run, job))
            if len(waiting) > 2 * width:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def has_vnni(description: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies int8 without overflow, as far as the system says."""
    try:
        return "_vnni" in description.read_text("ascii", "replace")
    except OSError:
        return False


def readable(texts: list[str]) -> list[str]:
    """What of each text can reach the window: not the white space around it, nor what lies far behind."""
    return [text.strip()[:READ] for text in texts]


def within(ids: list[int], window: int) -> list[int]:
    """The first `window` pieces, the last of them still the closing [SEP]."""
    return ids if len(ids) <= window else ids[: window - 1] + ids[-1:]


def batches(order: list[int], lengths: list[int]) -> Iterator[list[int]]:
    """Rows in order of length, cut where BATCH or AREA would be passed."""
    rows: list[int] = []
    for row in order:
        if rows and (len(rows) == BATCH or (len(rows) + 1) * lengths[row] > AREA):
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def content(
    encoding: Encoding | Cut, text: str, skip: int, limit: int
) -> tuple[list[int], tuple[str, ...], tuple[int, ...]]:
    """Places below `limit` of the pieces of words with a letter or digit, those words in lower case, their starts.

    Pieces that start before the character `skip` belong to a prompt.
    """
    spans: dict[int, tuple[int, int]] = {}
    places = []
    for place, (word, (start, end)) in enumerate(zip(encoding.word_ids, encoding.offsets, strict=True)):
        if word is not None and start >= skip and any(c.isalnum() for c in text[start:end]):
            first, last = spans.get(word, (start, end))
            spans[word] = min(first, start), max(last, end)
            places.append((place, word))
    names = {word: text[start:end].lower() for word, (start, end) in spans.items()}
    kept = [(place, word) for place, word in places if place < limit]
    return (
        [place for place, _ in kept],
        tuple(names[word] for _, word in kept),
        tuple(spans[word][0] - skip for _, word in kept),
    )


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of the file, without the padding and truncation that some files carry."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns after every fork
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the binding raises plain Exception
        raise EncoderFailed(f"{path.name} of the encoder cannot be read") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _after_fork() -> None:
    """A child has none of a session's threads: it loads anew, and never closes what it inherited: it would wait."""
    for encoder in list(_loaded):
        encoder._lock = threading.Lock()
        inherited, encoder._loaded = encoder._loaded, None
        if inherited is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))
    _loaded.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
