"""Needles: keyed digests of every 16-byte piece of what is forgotten, to look for the bytes once the content is gone.

A piece is found exactly, in whatever alignment it lies, and still the file is not hashed at each of its offsets: any
16 bytes hold one whole 8-byte word that starts at a multiple of 8. So all words of the needles are kept (24 bits of a
digest each), the file is probed at every 8th byte, and the 16-byte windows around a known word are compared in full.
(Windows alone would have to be probed at every byte, eight times as often, to find the same; at a stride of k without
the words, pieces shorter than 15 + k bytes would be missed.) Forms shorter than a piece are looked for whole: by 4-byte
words, the file probed at every third byte, so from 6 bytes on; their first 6 bytes then tell which lengths to compare.

What fewer than 6 bytes other than zero can say is found by chance everywhere (every free page holds sixteen zeros).
Such a piece is no needle; a field that has no other is not looked for, and counted in `bare`.

Stored needles hold digests, not content: SipHash-2-4 of the windows, 24 bits of a mixed word. Who has the folder *and*
its key can test a guess, and having guessed 16 bytes (of a word: 8) can go on byte by byte, for the pieces overlap. So
they live only from the erasure to its confirmation, in a row that `secure_delete` overwrites.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from delible.core.errors import CorruptStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Halves = NDArray[np.uint32]
    Longs = NDArray[np.uint64]
    Places = NDArray[np.int64]

PIECE = 16  # bytes of a window
LEAST = 6  # bytes other than zero that a window must have to say anything
WORD, SHORT_WORD = 8, 4  # bytes of the words by which the windows, and the whole forms shorter than a window, are found
# Of the probes. A form of n bytes holds a whole word at one of them if word + stride - 1 <= n.
STRIDE, SHORT_STRIDE = WORD, 3
HEAD = (1 << 8 * LEAST) - 1  # of the bytes of a word, the first 6
WORD_BITS = 24

# Format, lengths, bytes of an owner, fields, bare, digests, words, short words, heads, tag.
_HEADER = struct.Struct("<4sHHIIIIII8s")
_FORMAT = b"DNe1"


def windows(field: bytes) -> Iterator[bytes]:
    """Every 16-byte piece of a field, or it whole where it is shorter; none that says too little. The plain form."""
    for at in range(max(1, len(field) - PIECE + 1)):
        piece = field[at : at + PIECE]
        if len(piece) - piece.count(0) >= LEAST:
            yield piece


def text_forms(text: str) -> tuple[bytes, ...]:
    """The bytes in which a text may lie in a file: as stored (UTF-8), UTF-16, and escaped for JSON where it differs."""
    forms = [text.encode(), text.encode("utf-16-le")]
    forms += [json.dumps(text, ensure_ascii=ascii)[1:-1].encode() for ascii in (True, False)]
    return tuple(dict.fromkeys(forms))


def vector_forms(value: bytes) -> tuple[bytes, ...]:
    """The bytes in which a float16 vector may lie in a file: as stored, and as float32."""
    return value, np.frombuffer(value, "<f2").astype("<f4").tobytes()


@dataclass(frozen=True)
class Mixer:
    """The two hashes of a folder: of a word, fast; of a window, keyed so that only who has the key can test a guess."""

    seeds: tuple[int, ...] = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> Mixer:
        """From the folder's key (32 bytes)."""
        return cls(struct.unpack("<8Q", blake2b(key=key, person=b"delible needles").digest()))

    def words(self, words: Longs) -> Longs:
        """24 bits of each 8-byte word (n,)."""
        _, _, add, first, second, *_ = self.seeds
        mixed = words ^ np.uint64(add)
        mixed *= np.uint64(first | 1)
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(second | 1)
        mixed >>= np.uint64(64 - WORD_BITS)
        return mixed

    def short_words(self, words: Halves) -> Halves:
        """24 bits of each 4-byte word (n,)."""
        add, first, second = (seed & 0xFFFFFFFF for seed in self.seeds[5:])
        mixed = words ^ np.uint32(add)
        mixed *= np.uint32(first | 1)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(second | 1)
        mixed >>= np.uint32(32 - WORD_BITS)
        return mixed

    def windows(self, low: Longs, high: Longs, lengths: Longs | int) -> Longs:
        """SipHash-2-4 of windows (n,) given as their bytes 0-7 and 8-15, zero beyond their length."""
        k0, k1 = (np.uint64(seed) for seed in self.seeds[:2])
        last = np.broadcast_to(np.asarray(lengths, np.uint64) << np.uint64(56), low.shape)
        a = np.full(low.shape, k0 ^ np.uint64(0x736F6D6570736575))
        b = np.full(low.shape, k1 ^ np.uint64(0x646F72616E646F6D))
        c = np.full(low.shape, k0 ^ np.uint64(0x6C7967656E657261))
        d = np.full(low.shape, k1 ^ np.uint64(0x7465646279746573))
        spare = np.empty_like(a)
        for block in (low, high, last):
            d ^= block
            _rounds(a, b, c, d, spare, 2)
            a ^= block
        c ^= np.uint64(0xFF)
        _rounds(a, b, c, d, spare, 4)
        return a ^ b ^ c ^ d


def _rounds(a: Longs, b: Longs, c: Longs, d: Longs, spare: Longs, times: int) -> None:
    def turn(x: Longs, bits: int) -> None:
        np.right_shift(x, np.uint64(64 - bits), out=spare)
        x <<= np.uint64(bits)
        x |= spare

    for _ in range(times):
        a += b
        turn(b, 13)
        b ^= a
        turn(a, 32)
        c += d
        turn(d, 16)
        d ^= c
        a += d
        turn(d, 21)
        d ^= a
        c += b
        turn(b, 17)
        b ^= c
        turn(c, 32)


@dataclass(frozen=True, eq=False)
class Needles:
    """What to look for. `len()`: distinct pieces; `window` i of a find is `digests[i]`, from field `owners[i]`."""

    key: bytes = field(repr=False)
    digests: Longs = field(repr=False)  # sorted, distinct
    owners: Halves = field(repr=False)  # number of the first field that has the piece
    words: Halves = field(repr=False)  # sorted, distinct; of whole windows
    short_words: Halves = field(repr=False)  # of the first 6 bytes of the forms shorter than a window
    heads: Halves = field(repr=False)  # of the same: length << 24 | 24 bits of those 6 bytes together
    lengths: tuple[int, ...]  # the lengths that occur, ascending
    fields: int  # given
    bare: int  # fields without one piece of their own form

    @classmethod
    def build(
        cls, key: bytes, texts: Iterable[str] = (), vectors: Iterable[bytes] = (), blobs: Iterable[bytes] = ()
    ) -> Needles:
        """Needles of texts (text, meta as JSON, key, reference, author, hold reason), of float16 vectors as stored, and
        of bytes as stored (sign bits, token bits); what is empty is no field. `key`: the folder's, 32 bytes."""
        forms = [text_forms(text) for text in texts if text]
        forms += [vector_forms(value) for value in vectors if value]
        forms += [(blob,) for blob in blobs if blob]
        return cls.of_forms(key, forms)

    @classmethod
    def of_forms(cls, key: bytes, fields: Sequence[Sequence[bytes]]) -> Needles:
        """Needles of fields, each given in the forms in which it may lie in a file, its own form first."""
        mixer = Mixer.of(key)
        telling = [number for number, forms in enumerate(fields) if next(windows(forms[0]), None) is not None]
        flat = [
            (form, number) for number in telling for form in fields[number] if next(windows(form), None) is not None
        ]
        digests, owners, words = _pieces(mixer, [entry for entry in flat if len(entry[0]) >= PIECE])
        shorts = [entry for entry in flat if len(entry[0]) < PIECE]
        small, small_owners, short_words, heads = _wholes(mixer, shorts)
        # Of a piece that several fields have, the first is the owner.
        digests, first = np.unique(np.concatenate([digests, small]), return_index=True)
        owners = np.concatenate([owners, small_owners])[first]
        lengths = tuple(sorted({min(len(form), PIECE) for form, _ in flat}))
        return cls(key, digests, owners, words, short_words, heads, lengths, len(fields), len(fields) - len(telling))

    @classmethod
    def merge(cls, parts: Sequence[Needles]) -> Needles:
        """All in one, to be looked for in one pass. At least one; all of one key."""
        if any(part.key != parts[0].key for part in parts):
            raise ValueError("needles of different keys cannot be merged")
        before = np.cumsum([0] + [part.fields for part in parts])
        owners = [part.owners + np.uint32(start) for part, start in zip(parts, before, strict=False)]
        digests, first = np.unique(np.concatenate([part.digests for part in parts]), return_index=True)
        return cls(
            parts[0].key,
            digests,
            np.concatenate(owners)[first],
            _distinct(np.concatenate([part.words for part in parts])),
            _distinct(np.concatenate([part.short_words for part in parts])),
            _distinct(np.concatenate([part.heads for part in parts])),
            tuple(sorted({length for part in parts for length in part.lengths})),
            int(before[-1]),
            sum(part.bare for part in parts),
        )

    def select(self, kept: Bools) -> Needles:
        """Those pieces only: a mask (len,). The words stay: they can cost time, never find anything."""
        return replace(self, digests=self.digests[kept], owners=self.owners[kept])

    def bared(self, left: Needles) -> int:
        """How many fields have no piece in `left`, part of these needles, but had some. Equal fields are one."""
        gone = np.zeros(self.fields, bool)
        gone[self.owners] = True
        gone[left.owners] = False
        return int(gone.sum())

    def __len__(self) -> int:
        return len(self.digests)

    @cached_property
    def mixer(self) -> Mixer:
        return Mixer.of(self.key)

    def to_bytes(self) -> bytes:
        """To be stored: digests, no content; some 12 bytes a piece."""
        size = 1 if self.fields <= 1 << 8 else 2 if self.fields <= 1 << 16 else 4
        body = self.digests.astype("<u8").tobytes() + self.owners.astype(f"<u{size}").tobytes()
        body += _packed(self.words) + _packed(self.short_words) + self.heads.astype("<u4").tobytes()
        counts = (len(self.digests), len(self.words), len(self.short_words), len(self.heads))
        lengths = sum(1 << (length - 1) for length in self.lengths)
        head = (_FORMAT, lengths, size, self.fields, self.bare, *counts)
        return _HEADER.pack(*head, _tag(self.key, repr(head).encode() + body)) + body

    @classmethod
    def from_bytes(cls, stored: bytes, key: bytes) -> Needles:
        """Restored. Raises CorruptStore where the bytes were changed or the key is another: that would find nothing."""
        try:
            *head, tag = _HEADER.unpack_from(stored)
        except struct.error:
            head, tag = [b""] * 9, b""
        body = stored[_HEADER.size :]
        form, lengths, size, fields, bare, digests, words, short_words, heads = head
        if form != _FORMAT or tag != _tag(key, repr(tuple(head)).encode() + body):
            raise CorruptStore("the stored needles of a receipt are damaged or of another key; forget the same again")
        cuts = np.cumsum([0, 8 * digests, size * digests, 3 * words, 3 * short_words, 4 * heads])
        parts = [body[start:stop] for start, stop in pairwise(cuts.tolist())]
        return cls(
            key,
            np.frombuffer(parts[0], "<u8").astype(np.uint64),
            np.frombuffer(parts[1], f"<u{size}").astype(np.uint32),
            _unpacked(parts[2]),
            _unpacked(parts[3]),
            np.frombuffer(parts[4], "<u4").astype(np.uint32),
            tuple(bit + 1 for bit in range(PIECE) if lengths >> bit & 1),
            fields,
            bare,
        )


def _pieces(mixer: Mixer, forms: Sequence[tuple[bytes, int]]) -> tuple[Longs, Halves, Halves]:
    """Digests and owners of the windows of forms of 16 bytes and more, and the words of these windows."""
    buffer = b"".join(form for form, _ in forms) + bytes(PIECE)
    sizes = np.array([len(form) for form, _ in forms], np.int64)
    ends = np.repeat(np.cumsum(sizes), sizes)
    said = np.cumsum(np.frombuffer(b"\x00" + buffer, np.uint8) != 0, dtype=np.int64)
    says = said[PIECE : PIECE + len(ends)] - said[: len(ends)] >= LEAST
    starts = np.flatnonzero(says & (np.arange(len(ends)) + PIECE <= ends))
    at_each = np.ndarray((len(buffer) - WORD + 1,), "<u8", buffer, 0, (1,))
    digests = mixer.windows(at_each[starts], at_each[starts + WORD], PIECE)
    owners = np.repeat(np.array([number for _, number in forms], np.uint32), sizes)[starts]
    in_windows = np.zeros(len(buffer), bool)
    for step in range(PIECE - WORD + 1):
        in_windows[starts + step] = True
    words = mixer.words(at_each[np.flatnonzero(in_windows)]).astype(np.uint32)
    return digests, owners, _distinct(words)


def _wholes(mixer: Mixer, forms: Sequence[tuple[bytes, int]]) -> tuple[Longs, Halves, Halves, Halves]:
    """Digests, owners, words and heads of forms shorter than a window."""
    padded = np.frombuffer(b"".join(form.ljust(PIECE, b"\x00") for form, _ in forms), "<u8").reshape(-1, 2)
    sizes = np.array([len(form) for form, _ in forms], np.uint64)
    digests = mixer.windows(padded[:, 0].astype(np.uint64), padded[:, 1].astype(np.uint64), sizes)
    words = {form[at : at + SHORT_WORD] for form, _ in forms for at in range(SHORT_STRIDE)}
    short_words = _distinct(mixer.short_words(np.frombuffer(b"".join(words), "<u4").astype(np.uint32)))
    heads = mixer.words(padded[:, 0] & np.uint64(HEAD)) | sizes << np.uint64(WORD_BITS)
    owners = np.array([number for _, number in forms], np.uint32)
    return digests, owners, short_words, _distinct(heads.astype(np.uint32))


def _distinct(words: Halves) -> Halves:
    # Not np.unique, which took 20 times as long on millions (m, numpy 2.4).
    words = np.sort(words)
    fresh: Bools = np.ones(len(words), bool)
    fresh[1:] = words[1:] != words[:-1]
    return words[fresh]


def _packed(words: Halves) -> bytes:
    return words.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _unpacked(stored: bytes) -> Halves:
    wide = np.zeros((len(stored) // 3, 4), np.uint8)
    wide[:, :3] = np.frombuffer(stored, np.uint8).reshape(-1, 3)
    return wide.view("<u4").ravel().astype(np.uint32)


def _tag(key: bytes, body: bytes) -> bytes:
    return blake2b(body, key=key, digest_size=8, person=b"needles stored").digest()
