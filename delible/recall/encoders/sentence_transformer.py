"""Any model of the sentence-transformers package (extra `models`). The one encoder that imports torch, when opened."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from delible.core.errors import EncoderFailed, MissingExtra
from delible.core.records import Item
from delible.core.shapes import Role
from delible.recall.encoders.rows import texts_only, unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SentenceTransformerEncoder:
    """Raises MissingExtra without the package, EncoderFailed where the model cannot be opened."""

    accepts = frozenset({"text"})

    def __init__(self, name: str):
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtra(f"the encoder 'st:{name}'", "models") from error
        try:
            self._model = SentenceTransformer(name)
        except Exception as error:  # hub, file and configuration errors share no base
            raise EncoderFailed(f"sentence-transformers cannot open {name!r} ({type(error).__name__})") from error
        self.name = f"st:{name}"
        self.window = int(self._model.max_seq_length or 512)
        self.version = _digest(self._model.state_dict())
        self.dimension = int(self._model.encode(["dimension"]).shape[1])

    def __repr__(self) -> str:
        return f"SentenceTransformerEncoder({self.name!r})"

    def encode(self, items: Sequence[Item], role: Role = "passage") -> NDArray[np.float32]:
        """Float32 (N, D), unit rows."""
        texts = texts_only(items, self.name)
        prompts = getattr(self._model, "prompts", None) or {}
        prompt = next((n for n in ((role,) if role == "query" else ("passage", "document")) if prompts.get(n)), None)
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        rows = self._model.encode(texts, prompt_name=prompt, convert_to_numpy=True, show_progress_bar=False)
        return unit_rows(rows, len(texts), self.dimension, self.name)


def _digest(state: dict) -> str:  # type: ignore[type-arg]
    """Short digest of the weights: which model made a vector, whatever its name points to today."""
    total = hashlib.sha256()
    for key in sorted(state):
        total.update(key.encode())
        total.update(state[key].detach().cpu().float().contiguous().numpy().tobytes())
    return total.hexdigest()[:12]
