"""Plain data that every room shares: records, verdicts, receipts, shapes, errors, settings, times. No torch."""

from delible.core.lazy import found

__getattr__, __dir__ = found(__name__)
