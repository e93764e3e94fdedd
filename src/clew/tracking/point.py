"""What a metric point may be: its name, its value, its step. Not where it is kept (`journal`, `series`)."""

from __future__ import annotations

import math
import operator
from typing import Any

from clew.core.errors import Invalid
from clew.tracking.slots import NAME_BYTES

__all__ = ["Step", "check_key", "check_step", "check_value"]

_LONGEST_SHOWN = 80

Step = int | float
"""Where on its axis a point stands; finite, and within 64 bits when it is an integer."""


def check_key(key: object) -> str:
    """A metric's name, if it is one.

    Raises:
        Invalid: it is empty, too long, or not printable text.
    """
    if not isinstance(key, str) or not key or not key.isprintable() or len(key.encode()) > NAME_BYTES:
        raise Invalid(f"{_short(key)} cannot name a metric", hint=f"use printable text of at most {NAME_BYTES} bytes")
    return key


def _short(given: object) -> str:
    text = repr(given)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def check_value(key: str, value: Any) -> float:
    """The float that a value stands for; NaN and infinities are values too.

    Raises:
        Invalid: it has none.
    """
    if value is None or isinstance(value, str | bytes | complex):  # NumPy's complex numbers have a float value
        hint = "log text as a tag" if isinstance(value, str | bytes) else "log one number a name"
        raise Invalid(f"metric {key!r} has the value {_short(value)}, which is no number", hint=hint)
    try:
        return float(value)
    except Exception as error:  # noqa: BLE001 - a value of anybody's: PyTorch raises RuntimeError for two numbers
        raise Invalid(
            f"metric {key!r} has a value of type {type(value).__name__}: {error}", hint="log one number a name"
        ) from None


def check_step(step: Any) -> Step:
    """The integer or float that a step stands for.

    Raises:
        Invalid: it is no number, not finite, or does not fit into 64 bits.
    """
    try:
        number = operator.index(step)
    except Exception:  # noqa: BLE001 - as of values
        return _float_step(step)
    if -(1 << 63) <= number < 1 << 63:
        return number
    raise Invalid(f"step {number} does not fit into 64 bits")


def _float_step(step: Any) -> float:
    try:
        real = float(step)
    except Exception:  # noqa: BLE001 - as of values
        raise Invalid(f"step {_short(step)} is no number", hint="give a whole number or a float") from None
    if math.isfinite(real):
        return real
    raise Invalid(f"step {real} is not finite", hint="a value may be NaN or infinite, a step may not")
