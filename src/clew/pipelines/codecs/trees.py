"""Values made of values: tuples, sets, dicts with any keys, dataclasses, structs, enums, times, with frames and arrays
in them. One MessagePack document, in which whatever is not a plain value stands behind a tag.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from clew.core.canonical import canonical
from clew.core.errors import Corrupt, Invalid
from clew.pipelines.codecs.codec import Codec, Files
from clew.pipelines.codecs.named import class_name, find_class

__all__ = ["TreeCodec", "leaves"]

_SAFE_INT = 2**63
_DEPTH = 200

_TEXT: dict[type, tuple[Callable[[Any], str], Callable[[str], object]]] = {
    datetime.datetime: (lambda value: value.isoformat(), datetime.datetime.fromisoformat),
    datetime.date: (lambda value: value.isoformat(), datetime.date.fromisoformat),
    datetime.time: (lambda value: value.isoformat(), datetime.time.fromisoformat),
    decimal.Decimal: (str, decimal.Decimal),
    uuid.UUID: (str, uuid.UUID),
    pathlib.PurePosixPath: (str, pathlib.PurePosixPath),
}
_TEXT_BY_NAME = {kind.__name__: read for kind, (_, read) in _TEXT.items()}


class TreeCodec:
    """Containers and plain objects of everything that has a codec."""

    name = "tree"

    def encode(self, value: object, files: Files) -> bytes:
        return canonical(_write(value, files, 0))

    def decode(self, data: bytes, files: Files) -> object:
        try:
            return _read(msgspec.msgpack.decode(data), files)
        except (msgspec.DecodeError, ValueError, TypeError, KeyError, IndexError) as error:
            raise Corrupt(f"a step's output is no tree of values: {error}") from error


def _write(value: Any, files: Files, depth: int) -> object:
    kind = type(value)
    if depth > _DEPTH:
        raise Invalid(f"a value is nested deeper than {_DEPTH} levels, or contains itself")
    if value is None or kind in (bool, float, bytes):
        return value
    if kind is int:
        return value if -_SAFE_INT <= value < _SAFE_INT else ["int", str(value)]
    if kind is str:
        return _write_text(value)
    if kind in _TEXT:
        return _write_simple(kind, value)
    if kind in (list, tuple):
        return [kind.__name__, *(_write(item, files, depth + 1) for item in value)]
    if kind in (set, frozenset):
        items = [_write(item, files, depth + 1) for item in value]
        return [kind.__name__, *sorted(items, key=canonical)]
    if kind is dict:
        return ["dict", *(_write(part, files, depth + 1) for pair in value.items() for part in pair)]
    return _write_object(value, files, depth)


def _write_text(value: str) -> object:
    try:
        value.encode()
    except UnicodeEncodeError:
        return ["str", value.encode("utf-8", "surrogatepass")]
    return value


def _write_simple(kind: type, value: Any) -> object:
    if kind is datetime.datetime and value.tzinfo is not None and not isinstance(value.tzinfo, datetime.timezone):
        zone = getattr(value.tzinfo, "key", None)
        if zone is None:
            raise Invalid(f"the time {value} has a {type(value.tzinfo).__name__}", hint="use zoneinfo or UTC")
        return ["zoned", value.replace(tzinfo=None).isoformat(), zone, value.fold]
    return [kind.__name__, _TEXT[kind][0](value)]


def _write_object(value: Any, files: Files, depth: int) -> object:
    kind = type(value)
    if kind is complex:
        return ["complex", value.real, value.imag]
    if kind is bytearray:
        return ["bytearray", bytes(value)]
    if kind is datetime.timedelta:
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if isinstance(value, enum.Enum) and value._name_ is not None:
        return ["enum", class_name(kind), value._name_]
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return ["namedtuple", class_name(kind), *(_write(item, files, depth + 1) for item in value)]
    if isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(kind):
        fields = _fields(kind)
        return [
            "object",
            class_name(kind),
            fields,
            *(_write(getattr(value, name), files, depth + 1) for name in fields),
        ]
    codec = _leaf(value)
    return ["leaf", codec.name, codec.encode(value, files)]


def _leaf(value: object) -> Codec:
    from clew.pipelines.codecs.registry import find_codec

    found = find_codec(value)
    if found.name == TreeCodec.name:
        raise Invalid(f"no codec for a {type(value).__qualname__}")
    return found


def _fields(kind: Any) -> list[str]:
    if issubclass(kind, msgspec.Struct):
        return list(kind.__struct_fields__)
    return [field.name for field in dataclasses.fields(kind)]


def leaves(data: bytes) -> list[tuple[str, bytes]]:
    """The values with codecs of their own within the bytes of a tree: name of the codec, and bytes."""
    found: list[tuple[str, bytes]] = []
    todo = [msgspec.msgpack.decode(data)]
    while todo:
        node = todo.pop()
        if isinstance(node, list) and node and node[0] == "leaf":
            found.append((node[1], node[2]))
        elif isinstance(node, list):
            todo.extend(node)
    return found


def _read(node: Any, files: Files) -> Any:
    if not isinstance(node, list):
        return node
    tag, *rest = node
    if tag in _SEVERAL:
        return _SEVERAL[tag](_read(item, files) for item in rest)
    if tag == "dict":
        flat = [_read(item, files) for item in rest]
        return dict(zip(flat[::2], flat[1::2], strict=True))
    if tag == "leaf":
        from clew.pipelines.codecs.registry import codec_named

        return codec_named(rest[0]).decode(rest[1], files)
    if tag in _TEXT_BY_NAME:
        return _TEXT_BY_NAME[tag](rest[0])
    if tag in _READ:
        return _READ[tag](rest)
    parts = [_read(item, files) for item in rest[2 if tag == "object" else 1 :]]
    if tag == "namedtuple":
        return find_class(rest[0])(*parts)
    if tag == "object":
        return _object(find_class(rest[0]), dict(zip(rest[1], parts, strict=True)))
    raise ValueError(f"unknown tag {tag!r}")


def _object(kind: type, values: dict[str, object]) -> object:
    """A dataclass or struct with these fields; the `__init__` of a dataclass does not run."""
    if not (dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct)) or _fields(kind) != list(values):
        raise ValueError(f"{kind.__qualname__} has other fields now")
    if issubclass(kind, msgspec.Struct):
        return kind(**values)
    made = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def _zoned(rest: list[Any]) -> datetime.datetime:
    import zoneinfo

    at = datetime.datetime.fromisoformat(rest[0])
    return at.replace(tzinfo=zoneinfo.ZoneInfo(rest[1]), fold=rest[2])


def _member(rest: list[Any]) -> object:
    kind = find_class(rest[0])
    if not issubclass(kind, enum.Enum):
        raise Corrupt(f"{rest[0]} is no enum")
    return kind[rest[1]]


_SEVERAL: dict[str, Callable[[Any], object]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_READ: dict[str, Callable[[list[Any]], object]] = {
    "int": lambda rest: int(rest[0]),
    "str": lambda rest: rest[0].decode("utf-8", "surrogatepass"),
    "complex": lambda rest: complex(rest[0], rest[1]),
    "bytearray": lambda rest: bytearray(rest[0]),
    "timedelta": lambda rest: datetime.timedelta(rest[0], rest[1], rest[2]),
    "zoned": _zoned,
    "enum": _member,
}
