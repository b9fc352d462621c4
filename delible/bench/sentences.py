"""Conversation made by rule: what benches store and ask, the same on every machine for the same seed.

Templates filled with words whose frequency falls as 1/rank (Zipf), some 28 words a text. Each names one rare surname
and one reference of its own, as talk about real things does, so no text occurs twice. With them go given vectors: unit,
384 wide, around common centres, so that each text has near and far neighbours and its question lies near it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMENSION = 384
CENTRES = 300
BLOCK = 1000  # vectors are drawn block by block, so any range can be made alone


def _words(text: str) -> list[str]:
    return text.split()


PEOPLE = _words("""
    Anna Ben Carla David Elena Farid Grace Hugo Ines Jonas Kira Liam Maya Noah Olga Pablo Quinn Rosa Samir Tara Uma
    Victor Wanda Xenia Yusuf Zoe Amara Boris Chloe Dmitri Esther Felix Gita Hans Ivy Jamal Keiko Lars Mei Nadia Priya
""")
PLACES = _words("""
    Lisbon Oslo Kyoto Bergen Porto Vienna Leeds Nairobi Quito Hanoi Gdansk Malaga Turin Bristol Cork Izmir Lima Perth
    Riga Seville Tartu Uppsala Varna Zagreb Accra Bruges Calgary Denver Essen Fes Ghent Halifax Ipoh Jaipur Kigali
""")
THINGS = _words("""
    meeting project house garden report car train kitchen budget contract school concert recipe camera bicycle doctor
    birthday holiday flight server invoice painting guitar novel lecture dentist apartment marathon museum roof printer
    passport ladder tournament vaccine mortgage orchard lantern telescope harbour violin workshop ferry glacier bakery
    festival locksmith archive greenhouse sculpture treaty saddle compass quarry lighthouse tapestry monastery
""")
QUALITIES = _words("""
    new old small large early late quiet busy cheap broken shared local careful bright wooden narrow urgent annual
    private famous modest stubborn elegant frozen hollow crooked velvet amber brittle
""")
ACTS = _words("""
    booked finished sold painted repaired visited cancelled planned moved praised borrowed measured photographed rebuilt
    postponed inspected donated translated restored auctioned
""")
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
SYLLABLES = _words("ba do ka le mi no pa ri so ta ve wi zu hal mor fen gar lin ros tor")

TEMPLATES = (
    "{who} said that {other} {surname} {act} the {quality} {thing} in {place} on {day}, and that it cost about "
    "{amount} euros more than the {thing2} did last year, reference {reference}.",
    "I talked to {who} about the {thing} again: {other} {surname} wants the {quality} one near {place}, has {act} it "
    "twice, and will call back on {day} with number {reference}.",
    "Before the {thing2} starts, {who} {surname} must be told that the {quality} {thing} from {place} was {act} by "
    "{other}; the note of {day} has the reference {reference}.",
    "{other} and {who} {surname} {act} a {quality} {thing} together while they lived in {place}, which they still "
    "remember every {day}, as the letter {reference} about the {thing2} shows.",
    "Honestly the {thing} in {place} was too {quality} for {who} {surname}, so {other} {act} the {thing2} instead and "
    "wrote {reference} on the form that we need next {day}.",
    "On {day} the {quality} {thing} arrives from {place}; {who} {surname} pays {amount} euros under {reference}, "
    "unless {other} has {act} the {thing2} by then, which nobody expects.",
)
QUESTIONS = (
    "What did {who} say about the {quality} {thing} in {place} that has to do with {surname}?",
    "Who is {surname}, and what happened to the {thing} in {place}?",
    "Which {thing} near {place} did {who} and {surname} talk about?",
)


class Sentence(NamedTuple):
    """A text to keep and a question that it answers."""

    text: str
    question: str


def sentence(row: int, seed: int = 0) -> Sentence:
    """The text of this number."""
    random = Random(f"delible {seed} {row}")
    slots = {
        "who": _zipf(PEOPLE, random),
        "other": _zipf(PEOPLE, random),
        "surname": "".join(random.choice(SYLLABLES) for _ in range(3)).capitalize(),
        "act": _zipf(ACTS, random),
        "quality": _zipf(QUALITIES, random),
        "thing": _zipf(THINGS, random),
        "thing2": _zipf(THINGS, random),
        "place": _zipf(PLACES, random),
        "day": random.choice(DAYS),
        "amount": f"{random.randrange(20, 9000):,}",
        # A prime step spreads the numbers, so that neighbours share no long piece.
        "reference": f"{(row * 7_368_787 + seed) % 99_999_989:08d}",
    }
    return Sentence(random.choice(TEMPLATES).format(**slots), random.choice(QUESTIONS).format(**slots))


def sentences(start: int, stop: int, seed: int = 0) -> Iterator[Sentence]:
    """Texts `start` to `stop`."""
    return (sentence(row, seed) for row in range(start, stop))


def given_vectors(start: int, stop: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors of the texts and of their questions: float32 (stop - start, 384) each, unit rows."""
    centres = np.random.default_rng([seed, 0]).standard_normal((CENTRES, DIMENSION), np.float32)
    texts, questions = [], []
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        random = np.random.default_rng([seed, 1, block])
        centre = centres[random.integers(0, CENTRES, BLOCK)]
        text = _unit(centre + random.standard_normal((BLOCK, DIMENSION), np.float32))
        # .7 of noise: a question's cosine with its own text is about .82, with others of the centre about .41.
        question = _unit(text + 0.7 * _unit(random.standard_normal((BLOCK, DIMENSION), np.float32)))
        rows = slice(max(start - block * BLOCK, 0), min(stop - block * BLOCK, BLOCK))
        texts.append(text[rows])
        questions.append(question[rows])
    return np.concatenate(texts), np.concatenate(questions)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _zipf(words: list[str], random: Random) -> str:
    weights = _weights(len(words))
    return words[bisect(weights, random.random() * weights[-1])]


def _weights(size: int, _known: dict[int, list[float]] = {}) -> list[float]:  # noqa: B006
    if size not in _known:
        _known[size] = list(accumulate(1 / (rank + 1) for rank in range(size)))
    return _known[size]
