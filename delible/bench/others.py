"""Rankings of a talk's turns beside ours: FTS5's own BM25, sentence vectors, mem0 over these very vectors."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw
import numpy as np

from delible.bench.conversations import Item
from delible.bench.environments import NotInstalled, python_of, variables
from delible.bench.measured import WORKER, Failed, Measured, Stopped
from delible.bench.results import say
from delible.core.errors import DelibleError
from delible.core.settings import settings
from delible.memory import Memory
from delible.recall.embedding import spoken

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from delible.bench.evidence import Trial

PEER_CODE = ("delible.bench.peers.worker", "delible.bench.peers.mem0")  # the code hash follows the names
NOTE = (
    "mem0 is what `pip install mem0ai` gives, called with infer=False, so without a language model; without its extras"
    " (fastembed, spaCy) it ranks by vectors alone, and drops what lies under its threshold of .1."
)
ALLOWED_SECONDS = 3600.0  # of mem0 for a set
Rank = Callable[["Trial"], Sequence[str]]


class PeerFailed(DelibleError):
    """A system beside ours cannot be measured."""

    exit_code = 1


class Vectors(NamedTuple):
    """The question's vectors (N, D), as the trials stand; of each space the rows and their vectors (n, D)."""

    questions: NDArray[float32]
    turns: dict[str, tuple[list[int], NDArray[float32]]]


def told(turn: Item) -> Item:
    """A turn with what its photo shows."""
    caption = turn["meta"].get("caption")
    return turn | {"text": f"{turn['text']} [photo: {caption}]"} if caption else turn


def fts5(found: Sequence[Trial]) -> Rank:
    """Turns by FTS5's own bm25() over all words of the question."""
    connection = apsw.Connection(":memory:")
    tables: dict[int, str] = {}
    for trial in found:
        if id(trial.talk) not in tables:
            name = tables[id(trial.talk)] = f"talk{len(tables)}"
            connection.execute(f"CREATE VIRTUAL TABLE {name} USING fts5(text)")
            connection.executemany(
                f"INSERT INTO {name}(rowid, text) VALUES (?, ?)",
                [(at, told(turn)["text"]) for at, turn in enumerate(trial.talk.turns)],
            )

    def rank(trial: Trial) -> list[str]:
        name = tables[id(trial.talk)]
        asked = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", trial.asked.question))
        lines = connection.execute(f"SELECT rowid FROM {name} WHERE {name} MATCH ? ORDER BY rank, rowid", (asked,))
        order = trial.talk.order
        return [order[row] for (row,) in lines]

    return rank


def vectors_of(memory: Memory, found: Sequence[Trial]) -> Vectors:
    """The turns' vectors as stored: of a long turn the mean of its passages'.

    (BEAM, MAP: mean .476, first passage .474, best passage .411; encoded again as a whole, cut at the window, .500.)
    """
    encoder = memory._embedding.encoder(memory._embedding.roles()[0])
    questions = encoder.encode([trial.asked.question for trial in found], role="query")
    stored: dict[str, tuple[list[int], NDArray[float32]]] = {}
    with memory._store.reading() as connection:
        for space in dict.fromkeys(trial.space for trial in found):
            lines = connection.execute(
                "SELECT v.row, v.value FROM vectors v JOIN records r ON r.row = v.row JOIN spaces s ON s.space ="
                " r.space WHERE s.path = ? ORDER BY v.row, v.part",
                (space,),
            ).fetchall()
            rows, of = np.unique([row for row, _ in lines], return_inverse=True)
            values = np.frombuffer(b"".join(value for _, value in lines), "<f2").reshape(len(lines), -1)
            means = np.zeros((len(rows), values.shape[1]), np.float32)
            np.add.at(means, of, values.astype(np.float32))
            stored[space] = rows.tolist(), means / np.linalg.norm(means, axis=1, keepdims=True)
    return Vectors(np.asarray(questions, np.float32), stored)


def sentence_vectors(found: Sequence[Trial], vectors: Vectors) -> Rank:
    """Turns by the cosine of the question's vector and theirs."""
    place = {id(trial): at for at, trial in enumerate(found)}

    def rank(trial: Trial) -> list[str]:
        rows, turns = vectors.turns[trial.space]
        cosine = turns @ vectors.questions[place[id(trial)]]
        return [trial.reference[rows[at]] for at in np.argsort(-cosine, kind="stable")]

    return rank


def mem0_command() -> list[str]:
    """What starts mem0's worker, its environment made when missing. Raises PeerFailed."""
    try:
        python = python_of("mem0", settings().cache / "bench" / "peers")
    except NotInstalled as error:
        raise PeerFailed(f"mem0 cannot be installed ({error}); run without --peers. Nothing was measured") from error
    return [str(python), str(WORKER), "mem0"]


def mem0(found: Sequence[Trial], vectors: Vectors, command: Sequence[str]) -> Rank:
    """Turns as mem0 ranks them: a store for each talk, every turn of it asked for. `command` starts the worker.

    Raises PeerFailed.
    """
    ranked: dict[int, list[str]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        starts = _lay(folder / "corpus", found, vectors)
        try:
            with Measured(command, variables(folder / "home"), ALLOWED_SECONDS) as worker:
                for number, (space, (rows, _)) in enumerate(vectors.turns.items(), 1):
                    start, here = starts[space], [at for at, trial in enumerate(found) if trial.space == space]
                    worker.ask("open", folder=str(folder / f"store{number}"), corpus=str(folder / "corpus"))
                    worker.ask("fill", start=start, stop=start + len(rows))
                    answer = worker.ask("rank", rows=here, k=len(rows))["ranked"]
                    for at, places in zip(here, answer, strict=True):
                        trial = found[at]
                        ranked[id(trial)] = [trial.reference[rows[place - start]] for place in places]
                    say(f"mem0: {number} of {len(vectors.turns)} talks asked", sys.stderr)
                worker.ask("close")
        except (Failed, Stopped) as error:
            raise PeerFailed(f"mem0 failed ({error}); no figure was recorded") from error
    return lambda trial: ranked[id(trial)]


def _lay(folder: Path, found: Sequence[Trial], vectors: Vectors) -> dict[str, int]:
    """The corpus of the worker, of texts and questions with their vectors; the first row of each space."""
    folder.mkdir(parents=True)
    texts: list[str] = []
    starts: dict[str, int] = {}
    for space in vectors.turns:
        talk = next(trial.talk for trial in found if trial.space == space)
        starts[space] = len(texts)
        texts += [_said(told(turn)) for turn in talk.turns]
    questions = [trial.asked.question.strip() for trial in found]
    blocks = np.concatenate([turns for _, turns in vectors.turns.values()])
    count = max(len(texts), len(questions))
    pairs = zip(*((one + [""] * count)[:count] for one in (texts, questions)), strict=True)
    (folder / "texts.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs), "utf-8")
    for name, values in (("texts", blocks), ("questions", vectors.questions)):
        np.save(folder / f"{name}.npy", values)
    return starts


def _said(turn: dict[str, Any]) -> str:
    return spoken(turn["text"], turn.get("author")).strip()
