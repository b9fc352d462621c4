"""The BERT encoder as an ONNX graph, built from its weights (Devlin et al. 2018; MiniLM: Wang et al. 2020).

    x = norm(word + position + type);  per layer: x = norm(x + attention(x)),  x = norm(x + down(gelu(up(x))))
    vector = unit(mean of x over real tokens)   or   unit(x of [CLS]);   centred: unit(vector - mean of all vectors)

Built by hand and not exported: an exporter got positions and mask wrong here. Inputs: ids, mask int64 (B, T). Outputs:
vectors float32 (B, D), states float32 (B, T, D), both of unit length in their last axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from delible.core.errors import InvalidInput
from delible.recall.encoders import balance
from delible.recall.encoders.balance import Sizes
from delible.recall.encoders.model import Precision, Shape

Array = NDArray[np.float32]

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators


class Builder:
    """Nodes and constants under way; `linear` is where int8 and float32 differ."""

    def __init__(self, precision: Precision, sizes: Sizes):
        self.precision = precision
        self.sizes = sizes
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def add(self, kind: str, inputs: list[str], name: str, domain: str = "", **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def linear(self, x: str, weight: Array, bias: Array, name: str) -> str:
        """x @ weight.T + bias; weight (out, in) as torch keeps it."""
        offset = self.constant(f"{name}.bias", bias)
        if self.precision == "float32":
            product = self.add("MatMul", [x, self.constant(f"{name}.weight", weight.T)], f"{name}.product")
            return self.add("Add", [product, offset], name)
        if x in self.sizes:
            factors = balance.factors(self.sizes[x], weight)
            x = self.add("Mul", [x, self.constant(f"{name}.balance", 1 / factors)], f"{name}.balanced")
            weight = weight * factors
        return self.rows(x, weight, offset, name)

    def rows(self, x: str, weight: Array, offset: str, name: str) -> str:
        """Int8 product with one scale for each row of activations and each output channel of the weights.

        Row by row, for a text's vector must not depend on its neighbours: one scale a batch moved it (cosine .981).
        """
        values, scales = int8_rows(weight)
        size = self.add("ReduceMax", [self.add("Abs", [x], f"{name}.sizes")], f"{name}.size", axes=[-1], keepdims=1)
        scale = self.add("Max", [size, "tiny"], f"{name}.scale")
        whole = self.add(
            "QuantizeLinear", [self.add("Div", [x, scale], f"{name}.scaled"), "1/127", "128"], f"{name}.whole"
        )
        weights = [self.constant(f"{name}.weight", values), "1/127", self.constant(f"{name}.scales", scales)]
        inputs = [whole, *weights, "128"]
        product = self.add("MatMulIntegerToFloat", inputs, f"{name}.product", MICROSOFT)
        return self.add("Add", [self.add("Mul", [product, scale], f"{name}.back"), offset], name)

    def norm(self, x: str, weight: Array, bias: Array, epsilon: float, name: str) -> str:
        inputs = [x, self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)]
        return self.add("LayerNormalization", inputs, name, axis=-1, epsilon=epsilon)

    def skip(self, x: str, y: str, weight: Array, bias: Array, epsilon: float, name: str) -> str:
        """norm(x + y). Two operators: the fused SkipLayerNormalization of ONNX Runtime measured ten times slower."""
        return self.norm(self.add("Add", [x, y], f"{name}.sum"), weight, bias, epsilon, name)

    def unit(self, x: str, name: str) -> str:
        """x / |x| along the last axis."""
        return self.add("LpNormalization", [x], name, axis=-1, p=2)


def int8_rows(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """One scale per output channel: int8 (in, out), scales (out,)."""
    scales = np.abs(weight).max(axis=1) / 127
    safe = np.where(scales == 0, 1, scales).astype(np.float32)
    return np.rint(weight / safe[:, None]).astype(np.int8).T, safe


def build(
    weights: Mapping[str, NDArray[Any]],
    shape: Shape,
    precision: Precision,
    sizes: Sizes | None = None,
    watch: bool = False,
) -> bytes:
    """The graph as bytes. Raises InvalidInput where the weights are not those of a BERT encoder.

    `watch`: show the outputs of layer norms too, for `balance.sizes`; `sizes`: what that gave, for int8.
    """
    try:
        return _build(weights, shape, precision, sizes or {}, watch)
    except KeyError as error:
        raise InvalidInput(f"this model has no weight {error}: only BERT encoders can be opened this way") from error


def _blocks(b: Builder, blocks: NDArray[np.uint8]) -> str:
    """Embeddings of 4 bits, kept so: blocks (V, D / 32, 18) of a float16 scale and the halves of 16 bytes."""
    halves = blocks[:, :, 2:] ^ 0x88  # 0..15 around 8 becomes the two's complement around 0
    ordered = np.concatenate([halves & 15, halves >> 4], axis=2).reshape(len(blocks), -1)
    table = helper.make_tensor(
        "words",
        TensorProto.INT4,
        ordered.shape,
        (ordered[:, ::2] | ordered[:, 1::2] << 4).tobytes(),
        raw=True,
    )
    b.constants.append(table)
    scales = b.constant("words.scales", blocks[:, :, :2].copy().view("<f2")[:, :, 0])
    half = b.add(
        "GatherBlockQuantized", ["words", "ids", scales], "word.half", MICROSOFT, block_size=32, quantize_axis=1
    )
    return b.add("Cast", [half], "word", to=TensorProto.FLOAT)


def _build(w: Mapping[str, NDArray[Any]], shape: Shape, precision: Precision, sizes: Sizes, watch: bool) -> bytes:
    b = Builder(precision, sizes)
    watched = ["x.0", *(f"layer.{i}.{norm}" for i in range(shape.layers) for norm in ("middle", "out"))][:-1]
    if precision == "int8":
        b.constant("1/127", np.float32(1 / 127))
        b.constant("tiny", np.float32(1e-9))
        b.constant("128", np.uint8(128))
    eps, width, heads = shape.epsilon, shape.width, shape.heads
    small = b.constant

    # Every token is of type 0: its embedding joins the positions'.
    places = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
    if "embeddings.word_embeddings.blocks" in w:
        word = _blocks(b, w["embeddings.word_embeddings.blocks"])
    elif precision == "int8":  # half the file: 11 bits of an embedding are more than int8 products keep
        table = small("words", w["embeddings.word_embeddings.weight"].astype(np.float16))
        word = b.add("Cast", [b.add("Gather", [table, "ids"], "word.half")], "word", to=TensorProto.FLOAT)
    else:
        word = b.add("Gather", [small("words", w["embeddings.word_embeddings.weight"]), "ids"], "word")
    zero, one = small("zero", np.array([0], np.int64)), small("one", np.array([1], np.int64))
    size = b.add("Shape", ["ids"], "size")
    length = b.add("Slice", [size, one, small("two", np.array([2], np.int64)), zero], "length")
    place = b.add("Slice", [small("places", places), zero, length, zero], "place")
    x = b.norm(
        b.add("Add", [word, place], "embedded"),
        w["embeddings.LayerNorm.weight"],
        w["embeddings.LayerNorm.bias"],
        eps,
        "x.0",
    )

    real = b.add("Cast", ["mask"], "real", to=TensorProto.FLOAT)  # (B, T): 1 token, 0 padding
    there = b.add("Cast", ["mask"], "there", to=TensorProto.INT32)
    for i in range(shape.layers):
        at, name = f"encoder.layer.{i}.", f"layer.{i}."
        parts = ("query", "key", "value")
        qkv = b.linear(
            x,
            np.concatenate([w[f"{at}attention.self.{p}.weight"] for p in parts]),
            np.concatenate([w[f"{at}attention.self.{p}.bias"] for p in parts]),
            f"{name}qkv",
        )
        three = [f"{name}{part}" for part in parts]
        b.nodes.append(helper.make_node("Split", [qkv], three, name=f"{name}cut", axis=-1))
        # One operator for what were thirteen nodes: at the length of a question, half the time goes by in between.
        seen = b.add("MultiHeadAttention", [*three, "", there], f"{name}seen", MICROSOFT, num_heads=heads)
        heard = b.linear(
            seen,
            w[f"{at}attention.output.dense.weight"],
            w[f"{at}attention.output.dense.bias"],
            f"{name}attention",
        )
        norm = f"{at}attention.output.LayerNorm."
        x = b.skip(x, heard, w[f"{norm}weight"], w[f"{norm}bias"], eps, f"{name}middle")
        up = b.linear(x, w[f"{at}intermediate.dense.weight"], w[f"{at}intermediate.dense.bias"], f"{name}up")
        active = b.add("Gelu", [up], f"{name}active", MICROSOFT)  # the exact one, by erf
        down = b.linear(active, w[f"{at}output.dense.weight"], w[f"{at}output.dense.bias"], f"{name}down")
        x = b.skip(x, down, w[f"{at}output.LayerNorm.weight"], w[f"{at}output.LayerNorm.bias"], eps, f"{name}out")

    if shape.pooling == "mean":
        column = b.add("Unsqueeze", [real, small("last", np.array([2], np.int64))], "column")
        pooled = b.add("ReduceSum", [b.add("Mul", [x, column], "present"), one], "pooled", keepdims=0)
    else:
        pooled = b.add("Gather", [x, small("first", np.int64(0))], "pooled", axis=1)
    for values, name in ((pooled, "vectors"), (x, "states")):  # a sum points where the mean of its rows points
        if f"means.{name}" in w:
            long = b.unit(values, f"{name}.long")
            values = b.add("Sub", [long, small(f"{name}.mean", w[f"means.{name}"])], f"{name}.centred")
        b.unit(values, name)

    graph = helper.make_graph(
        b.nodes,
        "bert",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "T"]) for n in ("ids", "mask")],
        [
            helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["B", width]),
            helper.make_tensor_value_info("states", TensorProto.FLOAT, ["B", "T", width]),
            *(helper.make_tensor_value_info(n, TensorProto.FLOAT, ["B", "T", width]) for n in watched if watch),
        ],
        b.constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="delible")
    return bytes(model.SerializeToString())
