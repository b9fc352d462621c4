"""What reaches across rooms: erasure everywhere, receipts, and their checks."""

from delible.core.lazy import found

__getattr__, __dir__ = found(__name__)
