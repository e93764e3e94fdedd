"""JSON values as JSON: what a person can read in the ledger. Tuples, sets and other keys than text are `trees`."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from clew.core.errors import Corrupt
from clew.pipelines.codecs.codec import Files

__all__ = ["JsonCodec", "is_json"]

_SAFE_INT = 2**63
_DEPTH = 64


class JsonCodec:
    """None, booleans, integers of 64 bits, finite floats, text, and lists and dicts of them."""

    name = "json"

    def encode(self, value: object, files: Files) -> bytes:  # noqa: ARG002
        return msgspec.json.encode(value)

    def decode(self, data: bytes, files: Files) -> object:  # noqa: ARG002
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError as error:
            raise Corrupt(f"a step's output is no JSON: {error}") from error


def is_json(value: Any, depth: int = 0) -> bool:
    """Whether a value survives JSON with all its types."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii()) or _is_unicode(value)
    if kind is int:
        return bool(-_SAFE_INT <= value < _SAFE_INT)
    if kind is float:
        return math.isfinite(value)
    if value is None or kind is bool:
        return True
    if depth > _DEPTH:
        return False
    if kind is list:
        return all(is_json(item, depth + 1) for item in value)
    if kind is dict:
        return all(type(key) is str and is_json(key) and is_json(item, depth + 1) for key, item in value.items())
    return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
