"""What a parameter may be: flat names, plain values. Not where parameters are kept (`runs`)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import Enum

from clew.core.errors import Invalid
from clew.core.types.run import Scalar

__all__ = ["flat_params", "scalar_of", "scalar_of_text", "text_of"]

_LONGEST_TEXT = 8_000
_DEEPEST = 20
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_WORDS: dict[str, Scalar] = {"True": True, "False": False, "None": None}


def flat_params(params: Mapping[str, object], *, prefix: str = "", depth: int = 0) -> dict[str, Scalar]:
    """Parameters with plain values; nested mappings become dotted names.

    Raises:
        Invalid: a name is no printable text, or the nesting has no end.
    """
    if depth > _DEEPEST:
        raise Invalid(f"parameter {prefix[:40]!r} is nested too deeply")
    flat: dict[str, Scalar] = {}
    for key, value in params.items():
        if not isinstance(key, str) or not key or not key.isprintable():
            raise Invalid(f"{key!r} cannot name a parameter", hint="use printable text")
        if isinstance(value, Mapping):
            flat.update(flat_params(value, prefix=f"{prefix}{key}.", depth=depth + 1))
        else:
            flat[prefix + key] = scalar_of(value)
    return flat


def scalar_of(value: object) -> Scalar:
    """A parameter's value as it is kept: text for what is no number, truth or None."""
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str | int | float | None) and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 63 else str(value)
    text = str(value)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def scalar_of_text(text: str) -> Scalar:
    """The number, truth or None that Python writes as this text; the text itself where it writes another one.

    So `param.depth > 3` can be asked of runs of a tracker that only knows texts, and `text_of` gives back what it said.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text) and text != "-0":
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) and repr(number) == text else text


def text_of(value: Scalar) -> str:
    """A parameter's value as text, as Python writes it."""
    return value if isinstance(value, str) else str(value)
