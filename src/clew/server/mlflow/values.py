"""Parameters that come as text, as the values they stand for, where the text can be had back exactly."""

from __future__ import annotations

import math
import re

from clew.core.types.run import Scalar

__all__ = ["scalar_of_text"]

_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_WORDS: dict[str, Scalar] = {"True": True, "False": False, "None": None}


def scalar_of_text(text: str) -> Scalar:
    """The number, truth or None that Python writes as this text; the text itself where it writes another one.

    So `param.depth > 3` can be asked of runs whose client only sends texts.
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
