"""Screens: what may be written, recalled or acted upon, and why not."""

from delible.core.lazy import found

__getattr__, __dir__ = found(__name__)
