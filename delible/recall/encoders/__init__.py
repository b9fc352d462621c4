"""Encoders: what turns texts into unit vectors. Opened by name; nothing is imported before it is used."""

from delible.core.lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "open_encoder": "delible.recall.encoders.opening",
        "BertEncoder": "delible.recall.encoders.bert",
        "HashEncoder": "delible.recall.encoders.hashing",
        "EndpointEncoder": "delible.recall.encoders.endpoint",
        "SentenceTransformerEncoder": "delible.recall.encoders.sentence_transformer",
        "unit_rows": "delible.recall.encoders.rows",
    },
)
