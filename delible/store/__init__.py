"""Records on disk: SQLite as the only truth, its schema, history, ledger and what is derived from it."""

from delible.core.lazy import found

__getattr__, __dir__ = found(__name__)
