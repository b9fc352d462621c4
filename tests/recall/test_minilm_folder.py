"""Any sentence-transformers folder with a BERT encoder, against the same maths in plain numpy."""

import json
import math

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from delible.core.errors import EncoderFailed, InvalidInput
from delible.recall.encoders import open_encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "##e", ".", "query", ":"]
LAYERS, HEADS, WIDTH, INNER, PLACES = 2, 4, 32, 96, 24


def tiny(folder, pooling="mean", seed=0, prompts=None, **config):
    """A small random BERT with its folder; returns the weights."""
    rng = np.random.default_rng(seed)
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": (PLACES, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    linears, norms = {}, ["embeddings.LayerNorm"]
    for i in range(LAYERS):
        at = f"encoder.layer.{i}."
        linears |= {f"{at}attention.self.{n}": (WIDTH, WIDTH) for n in ("query", "key", "value")}
        linears |= {f"{at}attention.output.dense": (WIDTH, WIDTH)}
        linears |= {f"{at}intermediate.dense": (INNER, WIDTH), f"{at}output.dense": (WIDTH, INNER)}
        norms += [f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm"]
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    for name, (rows, columns) in linears.items():
        weights |= {f"{name}.weight": rng.normal(size=(rows, columns)) / 5, f"{name}.bias": rng.normal(size=rows) / 5}
    for name in norms:
        weights |= {f"{name}.weight": 1 + rng.normal(size=WIDTH) / 5, f"{name}.bias": rng.normal(size=WIDTH) / 5}
    weights = {name: value.astype(np.float32) for name, value in weights.items()}

    (folder / "1_Pooling").mkdir(parents=True)
    save_file(weights, folder / "model.safetensors")
    settings = {
        "model_type": "bert", "hidden_act": "gelu", "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "hidden_size": WIDTH, "layer_norm_eps": 1e-12, "max_position_embeddings": PLACES,
    } | config  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings))
    kind = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}[pooling]
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{kind}": True}))
    if prompts:
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=20)  # as MiniLM's own file does: it must not matter
    tokenizer.save(str(folder / "tokenizer.json"))
    return weights


def by_hand(w, ids, pooling):
    """The forward of one text of token ids, as the papers write it."""
    erf = np.vectorize(math.erf)

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    w = {name: value.astype(np.float64) for name, value in w.items()}
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for i in range(LAYERS):
        at = f"encoder.layer.{i}."
        q, k, v = (
            linear(x, f"{at}attention.self.{n}").reshape(len(ids), HEADS, -1).swapaxes(0, 1)
            for n in ("query", "key", "value")
        )
        scores = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(WIDTH // HEADS))
        seen = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(ids), WIDTH)
        x = norm(x + linear(seen, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        up = linear(x, f"{at}intermediate.dense")
        x = norm(x + linear(up * (1 + erf(up / math.sqrt(2))) / 2, f"{at}output.dense"), f"{at}output.LayerNorm")
    vector = x.mean(0) if pooling == "mean" else x[0]
    return vector / np.linalg.norm(vector)


TEXTS = {
    "a": [4],
    "b c d . a": [5, 6, 7, 9, 4],
    "ae": [4, 8],
    "": [],
    "d " * 22: [7] * 22,
    "d " * 60: [7] * 22,
    "zz c": [1, 6],
}


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_float32_is_the_maths_of_the_paper_on_a_ragged_batch(tmp_path, pooling):
    weights = tiny(tmp_path / "model", pooling)
    encoder = open_encoder(f"{tmp_path / 'model'}:float32", cache=tmp_path / "cache", threads=1)
    expected = np.array([by_hand(weights, [2, *ids, 3], pooling) for ids in TEXTS.values()])
    np.testing.assert_allclose(encoder.encode(list(TEXTS)), expected, atol=2e-6)
    assert encoder.dimension == WIDTH and encoder.name == "model"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_int8_comes_close(tmp_path, pooling):
    weights = tiny(tmp_path / "model", pooling)
    encoder = open_encoder(str(tmp_path / "model"), cache=tmp_path / "cache", threads=1)
    expected = np.array([by_hand(weights, [2, *ids, 3], pooling) for ids in TEXTS.values()])
    assert (encoder.encode(list(TEXTS)) * expected).sum(axis=1).min() > 0.999


def test_a_prompt_of_the_folder_is_put_before_questions(tmp_path):
    weights = tiny(tmp_path / "model", prompts={"query": "query: "})
    encoder = open_encoder(f"{tmp_path / 'model'}:float32", cache=tmp_path / "cache")
    vectors, (tokens,) = encoder.late(["b"], "query")
    np.testing.assert_allclose(vectors[0], by_hand(weights, [2, 10, 11, 5, 3], "mean"), atol=2e-6)
    assert tokens.words == ("b",)
    np.testing.assert_allclose(encoder.encode(["b"])[0], by_hand(weights, [2, 5, 3], "mean"), atol=2e-6)


def test_other_weights_are_another_version(tmp_path):
    tiny(tmp_path / "one", seed=1)
    tiny(tmp_path / "two", seed=2)
    one, two = (open_encoder(str(tmp_path / name), cache=tmp_path / "cache") for name in ("one", "two"))
    assert one.version != two.version
    assert open_encoder(str(tmp_path / "one"), cache=tmp_path / "cache").version == one.version


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "roberta"}, "'roberta'"),
        ({"hidden_act": "relu"}, "gelu"),
        ({"num_hidden_layers": 3}, "no weight"),
        ({"num_hidden_layers": None}, "lacks a number"),
        ({"pooling": "max"}, "mean or cls"),
    ],
)
def test_a_model_of_another_kind_is_refused_in_one_line(tmp_path, change, said):
    tiny(tmp_path / "model", **change)
    with pytest.raises(InvalidInput, match=said) as refused:
        open_encoder(str(tmp_path / "model"), cache=tmp_path / "cache").encode(["a"])
    assert "\n" not in str(refused.value)


def test_a_folder_that_lacks_a_file_is_refused(tmp_path):
    tiny(tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").unlink()
    with pytest.raises(InvalidInput, match=r"has no tokenizer\.json"):
        open_encoder(str(tmp_path / "model"), cache=tmp_path / "cache")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_a_typed_error(tmp_path, name):
    tiny(tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(b"{not it")
    with pytest.raises(EncoderFailed, match="cannot be read"):
        open_encoder(str(tmp_path / "model"), cache=tmp_path / "cache").encode(["a"])


def test_a_damaged_config_is_a_typed_error(tmp_path):
    tiny(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match="cannot be read as JSON"):
        open_encoder(str(tmp_path / "model"), cache=tmp_path / "cache")
