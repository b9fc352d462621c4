"""Delible under measurement, by the calls that a user would make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import delible


class Given:
    """An encoder that looks its vectors up."""

    name, version, dimension, accepts = "given", "1", 384, frozenset({"text"})

    def __init__(self, corpus: Any):
        self.corpus = corpus

    def encode(self, items: Sequence[Any], role: str = "passage") -> Any:
        """Float32 (N, 384)."""
        return np.array([self.corpus.vector(text) for text in items], np.float32).reshape(-1, 384)


class Remembering:
    """An encoder that keeps each text's vector in a file: what must be left nowhere is looked for by it."""

    def __init__(self, encoder: Any, corpus: Any, file: Path):
        self._encoder, self._file = encoder, file
        self._places = {corpus.text(row): row for row in range(len(corpus))}
        shape = (len(corpus), encoder.dimension)
        self._vectors = np.load(file, mmap_mode="r+") if file.is_file() else _zeros(file, shape)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def late(self, items: Sequence[Any], role: str = "passage") -> Any:
        """Float32 (N, D), and tokens."""
        vectors, tokens = self._encoder.late(items, role)
        for text, vector in zip(items, vectors, strict=True):
            if role == "passage" and text in self._places:
                self._vectors[self._places[text]] = vector
        return vectors, tokens


def _zeros(file: Path, shape: tuple[int, int]) -> Any:
    return np.lib.format.open_memmap(file, "w+", np.float32, shape)


class System:
    """The front door."""

    def open(self, folder: Path, corpus: Any, encoder: str = "given", remember: str | None = None) -> dict[str, str]:
        """`encoder`: given, or a name as in delible.open; `remember`: the file that keeps its vectors."""
        if encoder == "given":
            self.memory = delible.open(folder, encoder=Given(corpus))
        elif remember is None:
            self.memory = delible.open(folder, encoder=encoder)
        else:
            from delible.recall.encoders import open_encoder

            self.memory = delible.open(folder, encoder=Remembering(open_encoder(encoder), corpus, Path(remember)))
        return {"delible": delible.__version__}

    def write(self, space: str, texts: list[str]) -> list[str]:
        """Ids of the new records: one transaction."""
        return [record.id for record in self.memory.write(texts, space=space)]

    def recall(self, space: str, question: str, k: int, as_of: str | None = None) -> list[str]:
        """Texts of the hits, best first."""
        return [hit.record.text for hit in self.memory.recall(question, k=k, space=space, as_of=as_of)]

    def forget(self, ids: list[str]) -> bool:
        """Whether the receipt is confirmed."""
        return self.memory.forget(ids=ids, reason="bench").confirmed

    def close(self) -> None:
        """Close the handle."""
        self.memory.close()
