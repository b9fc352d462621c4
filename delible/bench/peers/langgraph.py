"""LangGraph's SQLite store under measurement: one namespace a space, vectors by its `index` option."""

from __future__ import annotations

from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import pysqlite3 as sqlite3  # type: ignore[import-not-found, unused-ignore]  # Python's own often cannot load sqlite-vec
from langgraph.store.base import PutOp  # type: ignore[import-not-found, unused-ignore]
from langgraph.store.sqlite import SqliteStore  # type: ignore[import-not-found, unused-ignore]


class System:
    """A connection as the store's own `from_conn_string` makes it: SQLite's default journal, durable."""

    def open(self, folder: Path, corpus: Any, encoder: str = "given") -> dict[str, str]:
        """A store in one file of the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(folder / "store.sqlite", check_same_thread=False, isolation_level=None)
        index = {
            "dims": 384,
            "embed": lambda texts: [corpus.vector(text).tolist() for text in texts],
            "fields": ["text"],
            "text_fields": ["text"],  # 3.1 documents `fields` and reads this
        }
        self.store = SqliteStore(self.connection, index=index)
        self.store.setup()
        self.numbers = count(self.connection.execute("SELECT count(*) FROM store").fetchone()[0])
        return {name: version(name) for name in ("langgraph-checkpoint-sqlite", "sqlite-vec", "pysqlite3-binary")}

    def write(self, space: str, texts: list[str]) -> list[str]:
        """Ids of the new records: one batch."""
        keys = [f"{space}/r{next(self.numbers)}" for _ in texts]
        self.store.batch([PutOp((space,), key, {"text": text}) for key, text in zip(keys, texts, strict=True)])
        return keys

    def recall(self, space: str, question: str, k: int) -> list[str]:
        """Texts of the hits, best first."""
        return [item.value["text"] for item in self.store.search((space,), query=question, limit=k)]

    def forget(self, ids: list[str]) -> bool:
        """Deleted; it confirms nothing."""
        self.store.batch([PutOp((key.partition("/")[0],), key, None) for key in ids])
        return False

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
