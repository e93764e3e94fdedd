"""The body of a request as JSON: everything that its text can be wrong in is the caller's mistake, and said so.

Not what the request means (`protocol_json`, `_v2`, `_mlflow`), nor whether it fits the model (`request`). Of two keys
with one name most readers take the last: whoever checks a request before it comes here may have seen the first. So they
are refused, at the price of counting colons: as many as there are keys in what was read, and no key came twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from clew.core.errors import Invalid

__all__ = ["read_body", "refuse_repeated_keys"]

T = TypeVar("T")


def read_body(decoder: msgspec.json.Decoder[T], body: bytes, *, kind: str, hint: str) -> T:
    """Decode a body.

    Args:
        decoder: what it should hold.
        body: as it came.
        kind: what it should be, for the error (`no request`).
        hint: what to send.

    Raises:
        Invalid: it is no JSON, of another form, no UTF-8, or nested too deeply.
    """
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Invalid(f"the body {kind}: {error}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise Invalid(f"the body {kind}: byte {error.start} of a text is not UTF-8", hint=hint) from error
    except RecursionError as error:
        raise Invalid(f"the body {kind}: it is nested too deeply", hint=hint) from error


def refuse_repeated_keys(body: bytes, keys: int, texts: Callable[[], Iterable[str]]) -> None:
    """Refuse a body in which an object has a key twice.

    Args:
        body: as it came; known to be JSON.
        keys: how many keys there are in what was read of it.
        texts: every text in what was read of it, names included.

    Raises:
        Invalid: a key comes twice, or a name that is not ours is not UTF-8.
    """
    colons = body.count(b":")
    if colons == keys:
        return
    if b"\\" not in body and colons == keys + sum(text.count(":") for text in texts()):
        return
    try:
        json.loads(body, object_pairs_hook=_once, parse_int=_skip, parse_float=_skip)
    except RecursionError as error:
        raise Invalid("the body is nested too deeply") from error
    except UnicodeDecodeError as error:  # in a name that is not ours, which nobody else has looked at
        raise Invalid(f"the body is no JSON: byte {error.start} is not UTF-8") from error


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise Invalid(f"the body has the key {key!r} twice in one object", hint="send each key once")
        seen.add(key)


def _skip(_: str) -> None:
    return None
