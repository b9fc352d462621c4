"""Embedding: a folder's own encoder, opened when first needed; while a folder changes its model, both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import apsw
import numpy as np

from delible.core.errors import CorruptStore, DelibleError, EncoderFailed, EncoderMismatch, InvalidInput
from delible.core.progress import Progress, silent
from delible.core.shapes import Encoder, Tokens
from delible.recall.encoders import open_encoder
from delible.recall.late import packed
from delible.recall.passages import passages
from delible.store import encoders, ledger
from delible.store.encoders import Known
from delible.store.sqlite import SQLite
from delible.store.writing import Draft, Embedded, add_vectors

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

log = logging.getLogger(__name__)
DEFAULT = "minilm"
BATCH = 256  # texts encoded between two transactions of a re-embedding


def spoken(text: str, author: str | None) -> str:
    """What the encoder sees of a passage: who said it, and what."""
    return f"{author}: {text}" if author else text


def checked_vectors(encoder: Encoder, X: NDArray[float32], count: int) -> NDArray[float32]:
    """Unit rows (count, D). Raises EncoderFailed for another shape, for NaN, and for rows that cannot be made unit."""
    try:
        X = np.asarray(X, np.float32)
    except (TypeError, ValueError) as error:
        raise EncoderFailed(f"encoder {encoder.name!r} gave what is no matrix; nothing was written") from error
    if X.shape != (count, encoder.dimension):
        raise EncoderFailed(
            f"encoder {encoder.name!r} gave vectors of shape {X.shape}, not ({count}, {encoder.dimension}); nothing was"
            " written"
        )
    norms = np.linalg.norm(X.astype(np.float64), axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 1e-6).all()):
        raise EncoderFailed(
            f"encoder {encoder.name!r} gave a vector that is zero, infinite or not a number; nothing was written"
        )
    unit: NDArray[float32] = (X / norms).astype(np.float32)
    return unit


def encoded(encoder: Encoder, texts: Sequence[str]) -> NDArray[float32]:
    """The unit vectors (N, D) of passages; of none, none. Raises EncoderFailed."""
    if not texts:
        return np.zeros((0, encoder.dimension), np.float32)
    return checked_vectors(encoder, encoder.encode(texts, role="passage"), len(texts))


def embedded(
    encoder: Encoder, passages: Sequence[tuple[str, str | None]]
) -> tuple[NDArray[float32], list[bytes] | None]:
    """The unit vectors (N, D) of passages and their authors, and their tokens as stored, if the encoder gives any."""
    texts = [spoken(text, author).strip() for text, author in passages]
    tokens_of: Callable[..., tuple[NDArray[float32], list[Tokens]]] | None = getattr(encoder, "late", None)
    if tokens_of is None or not texts:
        return encoded(encoder, texts), None
    X, tokens = tokens_of(texts, role="passage")
    skips = [len(spoken("", author)) if author else 0 for _, author in passages]
    return checked_vectors(encoder, X, len(texts)), packed(tokens, texts, skips)


class Embedding:
    """The encoders of one open folder."""

    def __init__(self, store: SQLite, given: str | Encoder | None, threads: int = 0):
        self._store = store
        self._threads = threads
        self._open: dict[str, Encoder] = {}
        self._lock = threading.Lock()
        self._given: Encoder | None = None if given is None or isinstance(given, str) else open_encoder(given)
        self._spec = given if isinstance(given, str) else None
        with store.reading() as connection:
            known = encoders.known(connection)
        if known is None or (self._given is None and self._spec in (None, known.spec)):
            return
        # Another model than the folder's own is asked for: say so now, not at the first write.
        asked = self._given or self._opened(str(self._spec))
        if not known.made_by(asked):
            raise EncoderMismatch(_other(known, asked, self._spec))
        self._open[known.spec] = asked

    def _opened(self, spec: str) -> Encoder:
        with self._lock:
            if spec not in self._open:
                self._open[spec] = open_encoder(spec, threads=self._threads)
            return self._open[spec]

    def encoder(self, known: Known | None) -> Encoder:
        """The encoder that made a folder's vectors, or for a new folder the one asked for."""
        if known is None:
            return self._given or self._opened(self._spec or DEFAULT)
        if self._given is not None and known.made_by(self._given):
            return self._given
        try:
            encoder = self._opened(known.spec)
        except InvalidInput as error:  # it was given as an object, or its folder is gone
            raise EncoderMismatch(
                f"this folder's vectors were made by {known.name} {known.version}, which cannot be opened by the name"
                f" {known.spec!r:.80}: open the memory with encoder=, or change the model: delible encoder use SPEC."
                " Nothing was changed"
            ) from error
        if not known.made_by(encoder):
            raise EncoderMismatch(_other(known, encoder, known.spec))
        return encoder

    def roles(self) -> tuple[Known | None, Known | None]:
        """The folder's own encoder and the one that it is changing to."""
        with self._store.reading() as connection:
            return encoders.known(connection), encoders.known(connection, "encoder_next")

    def settle(self) -> tuple[Known, Known | None]:
        """The same, a new folder's encoder being written down first."""
        own, coming = self.roles()
        if own is None:
            encoder = self.encoder(None)
            spec = self._spec or (DEFAULT if self._given is None else encoder.name)
            with self._store.writing() as connection:
                if encoders.known(connection) is None:
                    encoders.use(connection, "encoder", encoders.register(connection, encoder, spec))
                own = encoders.known(connection)
            if own is None:
                raise CorruptStore("the folder's table of encoders is damaged; run: delible verify")
            if not own.made_by(encoder):  # another process was first, with another model
                raise EncoderMismatch(_other(own, encoder, spec))
        return own, coming

    def embed(self, drafts: Sequence[Draft]) -> tuple[Known, Known | None]:
        """Give drafts their vectors, by every encoder that the folder uses now; those encoders."""
        own, coming = self.settle()
        for draft in drafts:
            draft.embedded = []  # of a try before, the folder may have changed its model since
        self._add_vectors(drafts, own)
        if coming is not None:
            try:
                self._add_vectors(drafts, coming)
            except DelibleError as error:
                # The change itself will come to this record; a model that is not in use yet refuses no write.
                log.warning("%s gave no vectors for what was just written: %s", coming.name, type(error).__name__)
        return own, coming

    def _add_vectors(self, drafts: Sequence[Draft], known: Known) -> None:
        encoder = self.encoder(known)
        cuts = {at: passages(draft.text, encoder) for at, draft in enumerate(drafts) if draft.text.strip()}
        X, tokens = embedded(
            encoder,
            [(drafts[at].text[start:stop], drafts[at].author) for at, found in cuts.items() for start, stop in found],
        )
        done = 0
        for at, found in cuts.items():
            draft = drafts[at]
            here = slice(done, done + len(found))
            draft.embedded.append(Embedded(known.number, found, X[here], tokens and tokens[here]))
            done += len(found)
            note = f"the last {found.rest:,} characters have no vectors; they are found by words only"
            if found.rest and note not in draft.notes:
                draft.notes.append(note)

    def changed(self, connection: apsw.Connection, own: Known, coming: Known | None) -> bool:
        """Whether, seen in a write transaction, the folder uses other encoders than those that gave the vectors."""
        return (encoders.known(connection), encoders.known(connection, "encoder_next")) != (own, coming)

    def counter(self) -> Callable[[str], int]:
        """Counts tokens as the folder's encoder does; words and a third where it does not say."""
        counts: Callable[[str], int] | None = getattr(self.encoder(self.roles()[0]), "count_tokens", None)
        return counts or (lambda text: -(-4 * len(text.split()) // 3))

    def describe(self) -> dict[str, Any]:
        """The folder's encoder, and how far a change to another got."""
        own, coming = self.roles()
        found: dict[str, Any] = {"name": None, "version": None, "dimension": None, "spec": self._spec or DEFAULT}
        if own is not None:
            found = {"name": own.name, "version": own.version, "dimension": own.dimension, "spec": own.spec}
        if coming is not None:
            with self._store.reading() as connection:
                left = encoders.count_without_vectors(connection, coming.number)
            found["changing_to"] = {"name": coming.name, "version": coming.version, "records_left": left}
        if left := self.without_tokens():
            found["records_without_tokens"] = left
        return found

    def question(self, text: str, known: Known) -> tuple[NDArray[float32], Tokens | None]:
        """The unit vector (D,) of a question, and its tokens if the encoder gives any."""
        encoder = self.encoder(known)
        tokens_of: Callable[..., tuple[NDArray[float32], list[Tokens]]] | None = getattr(encoder, "late", None)
        if tokens_of is None:
            return checked_vectors(encoder, encoder.encode([text], role="query"), 1)[0], None
        X, (tokens,) = tokens_of([text], role="query")
        return checked_vectors(encoder, X, 1)[0], tokens

    def change(self, spec: str | Encoder, actor: str, progress: Progress = silent) -> int:
        """Re-embed every record with another model; recall stays on the old one until the last has its new vector.

        Killed in the middle, the next call goes on. With the folder's own model, only what is missing or damaged is
        made. The number of records that got new vectors or tokens.
        """
        encoder = open_encoder(spec, threads=self._threads) if isinstance(spec, str) else open_encoder(spec)
        name = spec if isinstance(spec, str) else encoder.name
        encoded(encoder, ["a word before anything is changed"])
        with self._store.writing() as connection:
            own = encoders.known(connection)
            number = encoders.register(connection, encoder, name)
            same = own is not None and own.number == number
            encoders.use(connection, "encoder_next", None if same else number)
        if same:
            self._drop_others()
            return self._mend(encoder, number, actor, progress)
        self._open[name] = encoder
        done = 0
        while True:
            done += self._catch_up(encoder, number, progress)
            if self._finish(number, actor, done):
                return done

    def fill(self, progress: Progress = silent) -> int:
        """Give vectors and tokens of the folder's encoder to records that came without (by an archive, or from an
        older schema); how many."""
        own, _ = self.roles()
        return 0 if own is None else self._complete(self.encoder(own), own.number, progress)

    def _complete(self, encoder: Encoder, number: int, progress: Progress) -> int:
        return self._catch_up(encoder, number, progress) + self._give_tokens(encoder, number, progress)

    def _mend(self, encoder: Encoder, number: int, actor: str, progress: Progress) -> int:
        """Make anew what is missing or damaged of the folder's own vectors; of how many records."""
        with self._store.reading() as connection:
            found = encoders.checked(connection, number, encoder.dimension)
        with self._store.writing() as connection:
            encoders.drop_damaged(connection, number, found)
        done = self._complete(encoder, number, progress)
        if done:
            with self._store.writing() as connection:
                ledger.append(connection, self._store.key, actor, "re-embed", counts={"records": done})
        return done

    def without_tokens(self) -> int:
        """How many records have vectors without tokens, though the folder's encoder could give them."""
        own, _ = self.roles()
        try:
            if own is None or getattr(self.encoder(own), "late", None) is None:
                return 0
        except DelibleError:  # whoever only looks needs no encoder
            return 0
        with self._store.reading() as connection:
            return encoders.count_without_tokens(connection, own.number)

    def _give_tokens(self, encoder: Encoder, number: int, progress: Progress) -> int:
        """Make the tokens of vectors that have none, group by group; of how many records."""
        if getattr(encoder, "late", None) is None:
            return 0
        rows: set[int] = set()
        after = 0
        with self._store.reading() as connection:
            total = encoders.count_without_tokens(connection, number)
        while True:
            with self._store.reading() as connection:
                todo = encoders.without_tokens(connection, number, after, BATCH)
            if not todo:
                return len(rows)
            _, tokens = embedded(encoder, [(each.text, each.author) for each in todo])
            with self._store.writing() as connection:
                for each, made in zip(todo, tokens or (), strict=True):
                    encoders.give_tokens(connection, each.vector, made)
            rows.update(each.row for each in todo)
            after = todo[-1].vector
            progress("making tokens", len(rows), total)

    def _catch_up(self, encoder: Encoder, number: int, progress: Progress) -> int:
        """Embed all records that lack a vector of this encoder, group by group; how many there were."""
        done = after = 0
        with self._store.reading() as connection:
            total = connection.execute("SELECT count(*) FROM texts").get
        while True:
            with self._store.reading() as connection:
                todo = encoders.without_vectors(connection, number, after, BATCH)
                authors = {
                    row: connection.execute("SELECT author FROM records WHERE row = ?", (row,)).get for row, _ in todo
                }
            if not todo:
                return done
            cuts = [passages(text, encoder) for _, text in todo]
            texts = [
                (text[start:stop], authors[row])
                for (row, text), found in zip(todo, cuts, strict=True)
                for start, stop in found
            ]
            X, tokens = embedded(encoder, texts)
            at = 0
            with self._store.writing() as connection:
                for (row, _), found in zip(todo, cuts, strict=True):
                    if encoders.lacks(connection, number, row):  # it may have been forgotten meanwhile
                        here = slice(at, at + len(found))
                        add_vectors(connection, row, Embedded(number, found, X[here], tokens and tokens[here]))
                        done += 1
                    at += len(found)
            after = todo[-1][0]
            progress("re-embedding", min(after, total), total)

    def _finish(self, number: int, actor: str, done: int) -> bool:
        """Switch over in one transaction, if every record has its new vector; then drop the old ones, piece by
        piece."""
        with self._store.writing() as connection:
            if encoders.without_vectors(connection, number, 0, 1):
                return False
            encoders.use(connection, "encoder", number)
            encoders.use(connection, "encoder_next", None)
            ledger.append(connection, self._store.key, actor, "re-embed", counts={"records": done})
        self._drop_others()
        self._spec = None
        self._given = None
        return True

    def _drop_others(self) -> None:
        """Delete the vectors of every encoder that is not in use: the old one's, and what was left half changed."""
        gone = True
        while gone:
            with self._store.writing() as connection:
                gone = bool(encoders.drop_unused(connection, 500))


def _other(known: Known, asked: Encoder, spec: str | None) -> str:
    return (
        f"this folder's vectors were made by {known.name} {known.version}, not by {asked.name} {asked.version}; "
        f"to change the model: delible encoder use {spec or asked.name}. Nothing was changed"
    )
