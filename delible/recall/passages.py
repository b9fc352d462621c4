"""Long text in overlapping passages, cut at sentences; offsets are characters of the text as it is."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from delible.core.shapes import Encoder

SIZE, OVERLAP = 200, 40  # pieces of a passage, and how many of them the next one repeats
LIMIT = 64  # passages of one record; 64 took 2 s to encode on two busy cores (once), which is what a write may wait
WINDOW = 256  # pieces that an encoder reads, where it does not say
SPECIAL = 2  # of them, [CLS] and [SEP]
CHUNK = 8_192  # characters tokenised together: 10 MB at once would need gigabytes


class Cut(NamedTuple):
    """text[start:stop]."""

    start: int
    stop: int


class Passages(list[Cut]):
    """Passages in order; `rest`: characters behind the last one, which words alone will find."""

    def __init__(self, cuts: list[Cut], rest: int = 0):
        super().__init__(cuts)
        self.rest = rest


def passages(text: str, encoder: Encoder, limit: int = LIMIT) -> Passages:
    """The whole text where the encoder reads it at once, else at most `limit` passages of SIZE pieces."""
    window = int(getattr(encoder, "window", WINDOW)) - SPECIAL
    if len(text) <= window and text.isascii():  # no piece is less than a character
        return Passages([Cut(0, len(text))])
    stream = _pieces(text, getattr(encoder, "pieces", None) or _approximate)
    pieces = list(islice(stream, window + 1))
    if len(pieces) <= window:
        return Passages([Cut(0, len(text))])
    size = min(SIZE, window)
    overlap = size * OVERLAP // SIZE
    pieces += islice(stream, size + (limit - 1) * size)  # no passage moves on by more than its own size
    starts = [start for start, _ in pieces]
    more = next(stream, None) is not None
    cuts: list[Cut] = []
    first = 0
    while len(cuts) < limit:
        last = min(first + size, len(pieces))
        if last == len(pieces) and not more:
            cuts.append(Cut(pieces[first][0] if cuts else 0, len(text)))
            return Passages(cuts)
        begin, end = pieces[first][0] if cuts else 0, pieces[last - 1][1]
        known = sentences(text[begin:end])
        # The last sentence may be cut by the window itself: the end of the one before it is a real one.
        ends = [begin + stop for _, stop in known[:-1]]
        stop = ends[-1] if ends and ends[-1] > pieces[first + size // 2][0] else _word_end(text, pieces, first, last)
        cuts.append(Cut(begin, stop))
        after = bisect_left(starts, stop)
        heads = [begin + start for start, _ in known]
        head = bisect_right(heads, pieces[max(first + 1, after - overlap)][0] - 1)
        # Whole sentences where one begins within the overlap; else as many pieces as were asked for.
        if head < len(heads) and heads[head] < stop:
            following = bisect_left(starts, heads[head])
        else:
            following = _word_start(text, starts, after - overlap)
        first = max(first + 1, following)
    return Passages(cuts, len(text) - cuts[-1].stop)


def _pieces(text: str, cut: Callable[[str], list[tuple[int, int]]]) -> Iterator[tuple[int, int]]:
    """Offsets of the pieces of a text of any length, chunk by chunk."""
    at = 0
    while at < len(text):
        end = min(at + CHUNK, len(text))
        if end < len(text):  # at white space, where there is some
            space = max(text.rfind(mark, at + CHUNK // 2, end) for mark in " \n\t")
            end = space if space > at else end
        for start, stop in cut(text[at:end]):
            yield at + start, at + stop
        at = end


_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_piece = re.compile(rf"[{_CJK}]|[^\W{_CJK}]{{1,6}}|[^\w\s]")


def _approximate(text: str) -> list[tuple[int, int]]:
    """Pieces as a word-piece tokenizer might make them, for encoders that do not tell theirs."""
    return [match.span() for match in _piece.finditer(text)]


def _word_end(text: str, pieces: list[tuple[int, int]], first: int, last: int) -> int:
    """End of the last whole word of pieces[first:last]; of the last piece where a word has over 20."""
    for i in range(last, max(first + 1, last - 20), -1):
        end = pieces[i - 1][1]
        if end >= len(text) or text[end].isspace():
            return end
    return pieces[last - 1][1]


def _word_start(text: str, starts: list[int], place: int) -> int:
    """The place, or up to 20 pieces before it, at which a word begins."""
    for i in range(place, max(0, place - 20), -1):
        if text[starts[i] - 1].isspace():
            return i
    return place


# Ends of sentences. A full stop needs white space and no small letter behind it ("approx. five", "3.5", "e.g. this").
_end = re.compile(
    r"""(?P<stop>\.+)["'”’)\]»]*(?=\s+(?P<next>\S)|\s*\Z)"""
    r"""|[?!…]+["'”’)\]»]*(?=\s|\Z)"""
    r"""|[。！？｡]+[”’」』）】]*"""
    r"""|[।॥؟۔]+(?=\s|\Z)"""
    r"""|\n"""
)
# fmt: off
_numbered = frozenset({
    "no", "nos", "fig", "figs", "eq", "vol", "ch", "sec", "pp", "p", "jan", "feb", "mar", "apr", "jun", "jul", "aug",
    "sep", "sept", "oct", "nov", "dec",
})  # no sentence ends between these and a number
_short = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "mt", "vs", "al", "approx", "dept", "est", "cf", "e.g", "i.e",
    "gen", "col", "sgt", "capt", "lt", "rev", "hon", "gov", "sen", "rep",
})
# fmt: on
_last_word = re.compile(r"[\w.]*\w\Z")


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of every sentence, without the white space around it; a line break ends one too."""
    found: list[tuple[int, int]] = []
    start = 0
    for match in _end.finditer(text):
        if match["stop"] and not _ends(text, start, match):
            continue
        _append(found, text, start, match.end())
        start = match.end()
    _append(found, text, start, len(text))
    return found


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether this full stop ends a sentence rather than an abbreviation."""
    following = match["next"]
    if following is None or len(match["stop"]) > 1:
        return True
    if following.islower():
        return False
    before = _last_word.search(text[max(start, match.start() - 20) : match.start()])
    word = before.group() if before else ""
    if len(word) == 1 and word.isupper() and word != "I":
        return False  # the initial of a name
    low = word.lower()
    return low not in _short and not (low in _numbered and following.isdigit())


def _append(found: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    stripped = piece.strip()
    if stripped:
        found.append((start + left, start + left + len(stripped)))
