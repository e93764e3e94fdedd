"""ONNX as the model itself, for models that were converted or trained elsewhere. Reading one runs no code.

Not the compiled graph that clew makes of a scikit-learn model (`clew.serving.convert`).
"""

from __future__ import annotations

from pathlib import Path

from clew.core.errors import Corrupt, Invalid
from clew.registry.formats.format import Dump, Trust

__all__ = ["OnnxFormat", "OnnxModel", "is_onnx"]


class OnnxModel:
    """The bytes of an ONNX file that is the model."""

    def __init__(self, content: bytes) -> None:
        self.content = content


class OnnxFormat:
    """ONNX files without external data."""

    def dump(self, model: object, trust: Trust) -> Dump:
        """The bytes of an `onnx.ModelProto`, of a path to a file, or of an `OnnxModel`."""
        del trust
        if isinstance(model, OnnxModel):
            return Dump(content=model.content)
        if isinstance(model, Path):
            try:
                return Dump(content=model.read_bytes())
            except OSError as error:
                raise Invalid(f"cannot read the ONNX file {model}: {error.strerror}") from error
        serialize = getattr(model, "SerializeToString", None)
        if serialize is None:
            raise Invalid(f"a {type(model).__name__} is no ONNX model", hint="give an onnx.ModelProto or a path")
        return Dump(content=serialize(deterministic=True))

    def load(self, content: bytes, trust: Trust) -> object:
        """The bytes again: what runs them is `clew.serving.runtime`."""
        del trust
        if not content:
            raise Corrupt("the ONNX file of this model is empty")
        return OnnxModel(content)


def is_onnx(model: object) -> bool:
    """Whether a model is ONNX: a `ModelProto`, an `OnnxModel`, or the path of a file that ends in `.onnx`."""
    if isinstance(model, Path):
        return model.suffix == ".onnx"
    return isinstance(model, OnnxModel) or type(model).__name__ == "ModelProto"
