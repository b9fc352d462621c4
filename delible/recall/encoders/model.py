"""What a sentence-transformers folder says of its model, read without any of its packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from delible.core.errors import InvalidInput

Precision = Literal["int8", "float32"]
Pooling = Literal["mean", "cls"]

BUILD = 2
"""Number of our way to build the graph: part of an encoder's version, raised when vectors change."""


@dataclass(frozen=True)
class Shape:
    """What the graph is built from, besides the weights."""

    layers: int
    heads: int
    width: int
    epsilon: float
    pooling: Pooling


@dataclass(frozen=True)
class Model:
    """A folder with a BERT encoder: shape, pieces it reads at once (`window`), prompts put before a text by role."""

    folder: Path
    shape: Shape
    window: int
    prompts: Mapping[str, str] = field(default_factory=dict)

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"


def read_model(folder: Path) -> Model:
    """Raises InvalidInput in one line that says what is missing or cannot be opened this way."""
    for name in ("config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"):
        if not (folder / name).is_file():
            raise InvalidInput(
                f"{str(folder)!r} is no sentence-transformers folder of a BERT encoder: it has no {name}"
            )
    config = _object(folder / "config.json")
    kind, activation = config.get("model_type"), config.get("hidden_act", "gelu")
    if kind != "bert" or activation != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
        raise InvalidInput(
            f"{folder.name!r} holds a model of type {kind!r} ({activation!r}); BERT with gelu and absolute positions "
            f"can be opened this way, others with 'st:{folder}'"
        )
    modules = _listing(folder / "modules.json")
    extra = [m for m in modules if m not in ("Transformer", "Pooling", "Normalize")]
    if extra:
        raise InvalidInput(f"{folder.name!r} has a module {extra[0]!r} behind its pooling; open it with 'st:{folder}'")
    try:
        shape = Shape(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            width=int(config["hidden_size"]),
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
            pooling=_pooling(folder),
        )
        limit = int(config["max_position_embeddings"])
        window = int(_object(folder / "sentence_bert_config.json").get("max_seq_length") or limit)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"config.json of {folder.name!r} lacks a number it needs ({error})") from error
    prompts = _object(folder / "config_sentence_transformers.json").get("prompts") or {}
    by_role = {"query": prompts.get("query", ""), "passage": prompts.get("passage") or prompts.get("document") or ""}
    return Model(folder, shape, min(window, limit), {role: text for role, text in by_role.items() if text})


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pooling(folder: Path) -> Pooling:
    config = _object(folder / "1_Pooling" / "config.json")
    modes = {name for name, on in config.items() if name.startswith("pooling_mode_") and on is True}
    named = config.get("pooling_mode")
    if modes == {"pooling_mode_mean_tokens"} or (not modes and named == "mean"):
        return "mean"
    if modes == {"pooling_mode_cls_token"} or (not modes and named == "cls"):
        return "cls"
    raise InvalidInput(f"{folder.name!r} pools by {sorted(modes) or named}; mean or cls can be opened this way")


def _object(path: Path) -> dict:  # type: ignore[type-arg]
    """A JSON object, empty where there is no such file."""
    value = _json(path)
    return value if isinstance(value, dict) else {}


def _listing(path: Path) -> list[str]:
    value = _json(path)
    return (
        [str(m.get("type", "")).rsplit(".", 1)[-1] for m in value if isinstance(m, dict)]
        if isinstance(value, list)
        else []
    )


def _json(path: Path) -> object:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path.name} in {path.parent.name!r} cannot be read as JSON") from error
