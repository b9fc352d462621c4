"""What every encoder promises: texts in, one finite unit row of float32 each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from delible.core.errors import EncoderFailed, InvalidInput
from delible.core.records import Item

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def texts_only(items: Sequence[Item], encoder: str) -> list[str]:
    """The items, all of them texts. Raises InvalidInput."""
    if isinstance(items, str):
        raise InvalidInput("encode takes a list of texts, not one text: encode([text])")
    for item in items:
        if not isinstance(item, str):
            kind = getattr(item, "type", type(item).__name__)
            raise InvalidInput(f"the encoder {encoder!r} takes text only, not {kind}; nothing was encoded")
    return [str(item) for item in items]


def unit_rows(values: ArrayLike, count: int, dimension: int, encoder: str) -> NDArray[np.float32]:
    """Float32 (count, dimension) of unit length. Raises EncoderFailed where that cannot be had."""
    try:
        rows = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EncoderFailed(f"the encoder {encoder!r} gave something that is no matrix; nothing was written") from error
    if count == 0:
        return np.zeros((0, dimension), np.float32)
    if rows.shape != (count, dimension):
        raise EncoderFailed(
            f"the encoder {encoder!r} gave vectors of shape {rows.shape} where ({count}, {dimension}) was due; "
            "nothing was written"
        )
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths < 1e-12).any():
        raise EncoderFailed(f"the encoder {encoder!r} gave a vector that is not finite or zero; nothing was written")
    unit: NDArray[np.float32] = (rows / lengths).astype(np.float32)
    return unit
