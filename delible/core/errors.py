"""Every error a user can meet: typed, one line, says what to do, loses nothing.

`exit_code` is the command line's (1: something does not hold; 2: refused, nothing changed), `http_status` the server's.
No message ever holds the text of a record.
"""

from __future__ import annotations


class DelibleError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 2
    http_status = 400


class InvalidInput(DelibleError, ValueError):
    """What was given cannot be stored or asked as it is."""

    http_status = 422


class UnknownField(InvalidInput):
    """A filter, option or setting names something that does not exist; the message has the nearest name."""


class UnknownId(DelibleError, LookupError):
    """No record (or receipt) of this id lies in a space that this handle sees."""

    http_status = 404

    def __init__(self, ids: str | list[str] | tuple[str, ...], what: str = "record"):
        named = [ids] if isinstance(ids, str) else list(ids)
        shown = ", ".join(repr(str(i)[:60]) for i in named[:3]) + (
            f" and {len(named) - 3} more" if len(named) > 3 else ""
        )
        super().__init__(f"no {what} {shown} in a space this handle sees; nothing was changed")


class SpaceRefused(DelibleError, PermissionError):
    """This handle was opened for another space."""

    http_status = 403


class KeyTaken(DelibleError):
    """A living record of the space has this key already."""

    http_status = 409


class Suppressed(DelibleError):
    """An equal record was forgotten; it is not taken back until its entry is released."""

    http_status = 409

    def __init__(self, receipt: str, day: str):
        self.receipt = receipt
        super().__init__(
            f"an equal record was forgotten on {day} (receipt {receipt}); nothing was written. "
            f"To allow it again: release({receipt!r}, reason=...)"
        )


class Blocked(DelibleError):
    """A guard blocked the write."""

    http_status = 409


class Pinned(DelibleError):
    """A legal hold keeps the record; release it first."""

    http_status = 423


class StalePreview(DelibleError):
    """What would be forgotten changed since the preview."""

    http_status = 409


class RollbackRefused(DelibleError):
    """Going back would overwrite a key that is taken now."""

    http_status = 409


class NotAStore(DelibleError):
    """The path is a file, or a folder that holds somebody else's files."""


class ReadOnlyStore(DelibleError):
    """The folder or its file system does not take writes."""

    http_status = 403


class StoreLocked(DelibleError):
    """Another process holds the write lock for longer than the timeout."""

    http_status = 503


class DiskFull(DelibleError):
    """The disk has no room; the transaction was undone."""

    http_status = 507


class CorruptStore(DelibleError):
    """The file is not a whole SQLite database of ours."""

    exit_code = 1
    http_status = 500


class NewerSchema(DelibleError):
    """The folder was written by a newer Delible."""


class Closed(DelibleError):
    """The handle was closed."""


class EncoderMissing(DelibleError):
    """The default encoder's files are not on this machine."""

    http_status = 501


class EncoderMismatch(DelibleError):
    """The folder's vectors were made by another encoder than the one given."""

    http_status = 409


class EncoderFailed(DelibleError):
    """An encoder gave something that is no set of unit vectors, or its endpoint did not answer."""

    http_status = 502


class ArchiveRefused(DelibleError):
    """An archive is unsafe, damaged or of a newer format."""


class MissingExtra(DelibleError, ImportError):
    """A part needs an optional dependency."""

    http_status = 501

    def __init__(self, part: str, extra: str):
        super().__init__(f"{part} needs an extra: pip install 'delible[{extra}]'. Nothing was changed")
