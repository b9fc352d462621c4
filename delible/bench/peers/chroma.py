"""Chroma under measurement: a persistent client, one collection, the space as metadata (its way to filter)."""

from __future__ import annotations

from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import chromadb  # type: ignore[import-not-found, unused-ignore]
from chromadb.config import Settings  # type: ignore[import-not-found, unused-ignore]


class System:
    """Vectors are given with each call."""

    def open(self, folder: Path, corpus: Any, encoder: str = "given") -> dict[str, str]:
        """A collection with the cosine metric."""
        self.vector = corpus.vector
        self.client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        self.collection = self.client.get_or_create_collection(
            "bench", metadata={"hnsw:space": "cosine"}, embedding_function=None
        )
        self.numbers = count(self.collection.count())
        return {"chromadb": version("chromadb")}

    def write(self, space: str, texts: list[str]) -> list[str]:
        """Ids of the new records."""
        ids = [f"r{next(self.numbers)}" for _ in texts]
        vectors = [self.vector(text) for text in texts]
        self.collection.add(ids=ids, documents=texts, embeddings=vectors, metadatas=[{"space": space}] * len(texts))
        return ids

    def recall(self, space: str, question: str, k: int) -> list[str]:
        """Texts of the hits, best first."""
        found = self.collection.query(query_embeddings=[self.vector(question)], n_results=k, where={"space": space})
        return list(found["documents"][0])

    def forget(self, ids: list[str]) -> bool:
        """Deleted; it confirms nothing."""
        self.collection.delete(ids=ids)
        return False

    def close(self) -> None:
        """End the client, so that its files lie still."""
        self.client.close()
