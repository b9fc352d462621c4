"""Measurements: one file a public data set or a comparison with peers; figures are written by commands."""

from delible.core.lazy import found

__getattr__, __dir__ = found(__name__)
