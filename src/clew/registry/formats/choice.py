"""Which format a model is written in, and the format behind a name."""

from __future__ import annotations

from clew.core.errors import Invalid
from clew.core.types.package import ModelFormat
from clew.registry.formats.format import Format
from clew.registry.formats.onnx import OnnxFormat, is_onnx
from clew.registry.formats.pickle import PickleFormat
from clew.registry.formats.skops import SkopsFormat

__all__ = ["choose_format", "format_named"]

_FORMATS: dict[ModelFormat, Format] = {
    ModelFormat.SKOPS: SkopsFormat(),
    ModelFormat.ONNX: OnnxFormat(),
    ModelFormat.PICKLE: PickleFormat(),
}


def choose_format(model: object) -> ModelFormat:
    """The safest format for a model; whether it can hold it shows when it is written. Never pickle.

    Raises:
        Invalid: it is neither ONNX nor something with `predict`.
    """
    if is_onnx(model):
        return ModelFormat.ONNX
    if hasattr(model, "predict"):
        return ModelFormat.SKOPS
    name = f"{type(model).__module__}.{type(model).__qualname__}"
    raise Invalid(f"{name} is no model: it has no predict", hint="give a fitted scikit-learn pipeline or an ONNX model")


def format_named(name: ModelFormat) -> Format:
    """The format with this name.

    Raises:
        Invalid: files of this format hold no models.
    """
    if name not in _FORMATS:
        raise Invalid(f"format {name!r} holds no models", hint=f"known: {', '.join(_FORMATS)}")
    return _FORMATS[name]
