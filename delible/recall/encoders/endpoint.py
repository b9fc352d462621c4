"""Vectors from an OpenAI-compatible endpoint (`POST {base}/embeddings`), named `http://host/v1#model`.

The standard library's client is enough: JSON in, JSON out. The key comes from DELIBLE_API_KEY, else OPENAI_API_KEY, and
is never part of a name, a message or a redirected request.
"""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from delible.core.errors import EncoderFailed, InvalidInput
from delible.core.records import Item
from delible.core.shapes import Role
from delible.recall.encoders.rows import texts_only, unit_rows

if TYPE_CHECKING:
    from http.client import HTTPMessage

    from numpy.typing import NDArray

BATCH = 64  # texts of one request; ours
TRIES = 3
BUSY = frozenset({429, 502, 503, 504})  # answers that are worth another try
LONGEST_ANSWER = 64 * 2**20  # bytes


class EndpointEncoder:
    """An encoder at the other end of a wire. Its dimension is found by one probe, when first asked."""

    accepts = frozenset({"text"})

    def __init__(self, base: str, model: str, key: str | None = None, timeout: float = 30.0, pause: float = 0.5):
        self.name, self.version = f"{base}#{model}", model
        self._address, self._model, self._key = f"{base}/embeddings", model, key
        self._timeout, self._pause = timeout, pause
        self._lock = threading.Lock()
        self._dimension: int | None = None
        self._opener = urllib.request.build_opener(_NoRedirect)

    def __repr__(self) -> str:
        return f"EndpointEncoder({self.name!r})"

    @property
    def dimension(self) -> int:
        """Width of its vectors. Raises EncoderFailed where the endpoint does not answer."""
        with self._lock:
            if self._dimension is None:
                self._dimension = len(self._ask(["dimension"])[0])
            return self._dimension

    def encode(self, items: Sequence[Item], role: Role = "passage") -> NDArray[np.float32]:
        """Float32 (N, D), unit rows. Raises EncoderFailed: no answer, a wrong count or width, NaN."""
        texts = texts_only(items, self.name)
        rows: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            rows += self._ask(texts[start : start + BATCH])
        return unit_rows(rows, len(texts), self.dimension, self.name)

    def _ask(self, texts: list[str]) -> list[list[float]]:
        answer = self._post({"model": self._model, "input": texts, "encoding_format": "float"})
        try:
            items = sorted(answer["data"], key=lambda item: int(item["index"]))
            rows = [[float(x) for x in item["embedding"]] for item in items]
            places = [int(item["index"]) for item in items]
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderFailed(
                f"{self.name} did not answer in the shape of OpenAI embeddings; nothing was written"
            ) from error
        if places != list(range(len(texts))):
            raise EncoderFailed(f"{self.name} gave {len(rows)} vectors for {len(texts)} texts; nothing was written")
        if len({len(row) for row in rows}) != 1 or not rows[0]:
            raise EncoderFailed(f"{self.name} gave vectors of different widths; nothing was written")
        return rows

    def _post(self, question: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json", "User-Agent": "delible"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        for left in reversed(range(TRIES)):
            request = urllib.request.Request(self._address, json.dumps(question).encode(), headers)
            try:
                with self._opener.open(request, timeout=self._timeout) as response:
                    body = response.read(LONGEST_ANSWER + 1)
                break
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in BUSY or not left:
                    advice = "; set DELIBLE_API_KEY" if error.code in (401, 403) else ""
                    raise EncoderFailed(f"{self.name} answered {error.code}{advice}; nothing was written") from None
                time.sleep(self._pause * (TRIES - left))
            except (OSError, ValueError) as error:
                why = getattr(error, "reason", error)
                raise EncoderFailed(
                    f"{self.name} does not answer ({type(why).__name__}); nothing was written. Is the server running?"
                ) from error
        if len(body) > LONGEST_ANSWER:
            raise EncoderFailed(f"{self.name} answered with more than {LONGEST_ANSWER:,} bytes; nothing was written")
        try:
            return json.loads(body)
        except ValueError as error:
            raise EncoderFailed(f"{self.name} did not answer with JSON; nothing was written") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key and the texts to another host: it is an answer like any other."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def open_endpoint(spec: str) -> EndpointEncoder:
    """From 'http://host/v1#model'. Raises InvalidInput."""
    try:
        parts = urlsplit(spec)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput("an endpoint is written 'http://host/v1#model'") from error
    if parts.username or parts.password:
        raise InvalidInput("an endpoint's address holds no password: set DELIBLE_API_KEY")
    if not host or not parts.fragment or parts.query:
        raise InvalidInput(f"an endpoint is written 'http://host/v1#model', with the model's name, not {spec[:80]!r}")
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return EndpointEncoder(base, parts.fragment, os.environ.get("DELIBLE_API_KEY") or os.environ.get("OPENAI_API_KEY"))
