"""Text as it is taken in: kept byte for byte, refused where it cannot be, normalised for comparison only."""

from __future__ import annotations

import re
import unicodedata

from delible.core.errors import InvalidInput

LONGEST = 10_000_000  # characters of one record; ours

_word = re.compile(r"\w+", re.UNICODE)


def checked(text: object, what: str = "text", empty: bool = False) -> str:
    """The text itself, where it can be stored and given back as it is. Raises InvalidInput."""
    if not isinstance(text, str):
        raise InvalidInput(f"{what} must be a string, not {type(text).__name__}; nothing was written")
    if not empty and not text.strip():
        raise InvalidInput(f"{what} is empty; nothing was written")
    if "\x00" in text:
        raise InvalidInput(f"{what} holds a NUL character at {text.index(chr(0))}; nothing was written")
    if len(text) > LONGEST:
        raise InvalidInput(f"{what} has {len(text):,} characters, more than {LONGEST:,}; split it. Nothing was written")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} holds a lone surrogate at {error.start}; nothing was written") from None
    return text


def normalised(text: str) -> str:
    """Compatibility form, case folded, white space single: what two writings of the same thing share."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def count_words(text: str) -> int:
    """Number of runs of word characters."""
    return len(_word.findall(text))
