"""What a metric point may be: its name, its value, its step. Not where it is kept (`journal`, `series`)."""

from __future__ import annotations

import math
import operator
from typing import Any

from clew.core.errors import Invalid
from clew.tracking.slots import NAME_BYTES

__all__ = ["Step", "check_key", "check_step", "check_value"]

Step = int | float
"""Where on its axis a point stands; finite, and within 64 bits when it is an integer."""


def check_key(key: object) -> str:
    """A metric's name, if it is one.

    Raises:
        Invalid: it is empty, too long, or not printable text.
    """
    if not isinstance(key, str) or not key or not key.isprintable() or len(key.encode()) > NAME_BYTES:
        raise Invalid(f"{key!r} cannot name a metric", hint=f"use printable text of at most {NAME_BYTES} bytes")
    return key


def check_value(key: str, value: Any) -> float:
    """The float that a value stands for; NaN and infinities are values too.

    Raises:
        Invalid: it has none.
    """
    if isinstance(value, str | bytes | None):
        raise Invalid(f"metric {key!r} has the value {value!r}, which is no number", hint="log text as a tag")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
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
    except TypeError:
        return _float_step(step)
    if -(1 << 63) <= number < 1 << 63:
        return number
    raise Invalid(f"step {number} does not fit into 64 bits")


def _float_step(step: Any) -> float:
    try:
        real = float(step)
    except (TypeError, ValueError):
        raise Invalid(f"step {step!r} is no number", hint="give a whole number or a float") from None
    if math.isfinite(real):
        return real
    raise Invalid(f"step {real} is not finite", hint="a value may be NaN or infinite, a step may not")
