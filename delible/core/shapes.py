"""The shapes that parts have in common. A part's shape decides its room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self, runtime_checkable

from delible.core.receipts import Check
from delible.core.records import Hit, Item, Record
from delible.core.verdicts import Context, Verdict

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

Role = Literal["query", "passage"]


class Tokens(NamedTuple):
    """Content tokens of one item: words (n,), vectors float32 (n, D), where each word starts in the text (n,)."""

    words: tuple[str, ...]
    vectors: NDArray[float32]
    starts: tuple[int, ...] = ()


@runtime_checkable
class Encoder(Protocol):
    """Turns items into unit vectors, each item alone, never with its neighbours."""

    name: str
    version: str
    dimension: int
    accepts: frozenset[str]

    def encode(self, items: Sequence[Item], role: Role = "passage") -> NDArray[float32]:
        """Float32 (N, D), unit rows."""
        ...


class StoreView(Protocol):
    """Read-only look at the store for guards and rankers."""

    def get(self, ids: Sequence[str]) -> list[Record]: ...
    def around(self, id: str, before: int = 1, after: int = 1) -> list[Record]: ...
    def nearest(self, text: str, k: int) -> list[Hit]: ...
    def vectors(self, ids: Sequence[str]) -> NDArray[float32]: ...


class Index(Protocol):
    """Nearest vectors. Derived, checksummed, disposable. Distances ascend; ids (B, k) are padded with -1."""

    @classmethod
    def open(cls, folder: Path, dimension: int | None = None, metric: str = "cosine", **options: Any) -> Self: ...
    def add(self, ids: Any, X: NDArray[float32]) -> None: ...
    def search(self, Q: NDArray[float32], k: int, allowed: Any = None) -> tuple[Any, NDArray[float32]]: ...
    def delete(self, ids: Any) -> None: ...
    def verify(self, ids: Any = None) -> list[Check]: ...
    def rebuild(self, rows: Any) -> None: ...
    def stats(self) -> dict[str, Any]: ...
    def close(self) -> None: ...
    def __len__(self) -> int: ...


class Finder(Protocol):
    """A first stage: words, dense, chapters, thoughts, taxonomy."""

    def find(self, question: Item, k: int, context: Context) -> list[Hit]: ...


class Ranker(Protocol):
    """Reorders, may drop, never adds."""

    def rank(self, question: Item, hits: list[Hit], context: Context) -> list[Hit]: ...


class Guard(Protocol):
    """Screens one item; a guard of a whole set has `screen_all` too."""

    def __call__(self, item: str, context: Context = ...) -> Verdict: ...


@runtime_checkable
class Carrier(Protocol):
    """Anything in which a record remains: index, buffer, adapter, checkpoint, weights."""

    name: str
    needs_content: bool

    def erase(self, records: Sequence[Record]) -> list[Check]: ...
