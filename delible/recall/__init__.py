"""Finding what answers: encoders, words, bits and their fusion."""

from delible.core.lazy import found

__getattr__, __dir__ = found(__name__)
