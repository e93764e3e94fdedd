"""Bodies and query strings of requests as structs, read as tolerantly as MLflow's own server reads them.

Unknown fields are ignored, numbers may come as texts, `NaN` as a bare word, and a body may be JSON within JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol, TypeVar, get_origin, get_type_hints
from urllib.parse import parse_qs

import msgspec

from clew.server.mlflow.limits import bad_value
from clew.server.mlflow.refusal import invalid

__all__ = ["MORE", "KeyValue", "by_key", "need", "read_body", "read_query", "run_id_of"]

S = TypeVar("S", bound=msgspec.Struct)
MORE = " See the API docs for more information about request parameters."
_WHERE = re.compile(r"at `\$\.([a-z_]+)")


class KeyValue(msgspec.Struct, frozen=True):
    """A parameter or a tag."""

    key: str = ""
    value: str = ""


def by_key(values: Iterable[KeyValue]) -> dict[str, str]:
    """Parameters or tags that came as a list."""
    return {each.key: each.value for each in values}


@cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)


def read_body(kind: type[S], body: bytes) -> S:
    """The struct of a body; an empty one has its defaults.

    Raises:
        Refusal: it is no JSON, or a field is of another type.
    """
    try:
        told: S = _decoder(kind).decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_loosely(kind, body)
    return told


def _read_loosely(kind: type[S], body: bytes) -> S:
    """What a strict reader of JSON refuses: bare NaN, nulls, JSON in a text; or the reason for refusing it too."""
    try:
        told = json.loads(body)
        told = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError):
        told = {}  # what is no JSON counts as empty, and fails for what is required
    if not isinstance(told, dict):
        told = {}
    return _convert(kind, {key: value for key, value in told.items() if value is not None})


def read_query(kind: type[S], query: str) -> S:
    """The struct of a query string; fields that are lists take all values of their name."""
    values = parse_qs(query, keep_blank_values=True)
    told = {name: given if name in _lists(kind) else given[0] for name, given in values.items()}
    return _convert(kind, told)


def _convert(kind: type[S], told: dict[str, Any]) -> S:
    try:
        return msgspec.convert(told, kind, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        found = _WHERE.search(str(error))
        if found is None:
            raise invalid(f"Invalid request: {error}") from None
        value = told.get(found[1])
        hint = f" Hint: Value was of type '{type(value).__name__}'."
        raise invalid(bad_value(found[1], value, hint) + MORE) from None


@cache
def _lists(kind: type[msgspec.Struct]) -> frozenset[str]:
    hints = get_type_hints(kind)
    return frozenset(name for name, hint in hints.items() if get_origin(hint) is list)


class _OfRun(Protocol):
    """A request about a run, whose id old clients send under its old name."""

    @property
    def run_id(self) -> str: ...
    @property
    def run_uuid(self) -> str: ...


def run_id_of(asked: _OfRun) -> str:
    """The id of the run that a request is about.

    Raises:
        Refusal: it names none.
    """
    found = asked.run_id or asked.run_uuid
    need(run_id=found)
    return found


def need(**fields: object) -> None:
    """Refuse a request that leaves out what it must say."""
    for name, value in fields.items():
        if value is None or value == "":
            raise invalid(f"Missing value for required parameter '{name}'.{MORE}")
