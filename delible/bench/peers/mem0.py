"""mem0 under measurement: its default local store (Qdrant on disk), without a language model (`infer=False`)."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from mem0 import Memory  # type: ignore[import-not-found, unused-ignore]
from mem0.embeddings.base import EmbeddingBase  # type: ignore[import-not-found, unused-ignore]


class Given(EmbeddingBase):  # type: ignore[misc, unused-ignore]
    """Looks vectors up."""

    def __init__(self, corpus: Any):
        super().__init__()
        self.corpus = corpus

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """The given vector."""
        vector: list[float] = self.corpus.vector(text).tolist()
        return vector


class System:
    """The space is mem0's user."""

    def open(self, folder: Path, corpus: Any, encoder: str = "given") -> dict[str, str]:
        """Vectors on disk, history in SQLite; the model's client is made because mem0 demands one, and never called."""
        folder.mkdir(parents=True, exist_ok=True)
        options = {
            "collection_name": "bench",
            "path": str(folder / "qdrant"),
            "embedding_model_dims": 384,
            "on_disk": True,
        }
        unused = {"provider": "openai", "config": {"api_key": "unused"}}
        self.memory = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": options},
                "history_db_path": str(folder / "history.db"),
                "llm": unused,
                "embedder": unused,
            }
        )
        self.memory.embedding_model = Given(corpus)
        return {name: version(name) for name in ("mem0ai", "qdrant-client")}

    def write(self, space: str, texts: list[str]) -> list[str]:
        """Ids of the new memories; mem0 writes the messages of a call one by one."""
        messages = [{"role": "user", "content": text} for text in texts]
        return [found["id"] for found in self.memory.add(messages, user_id=space, infer=False)["results"]]

    def recall(self, space: str, question: str, k: int) -> list[str]:
        """Texts of the hits, best first."""
        return [found["memory"] for found in self._found(space, question, k)]

    def ranked(self, space: str, question: str, k: int) -> list[str]:
        """Ids of the hits, best first."""
        return [found["id"] for found in self._found(space, question, k)]

    def _found(self, space: str, question: str, k: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.memory.search(question, top_k=k, filters={"user_id": space})["results"]
        return found

    def forget(self, ids: list[str]) -> bool:
        """Deleted; it confirms nothing."""
        for id in ids:
            self.memory.delete(id)
        return False

    def close(self) -> None:
        """Close both stores."""
        self.memory.vector_store.client.close()
        self.memory.close()
