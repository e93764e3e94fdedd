"""Which codec takes a value, by its type. Libraries are looked for only among what is loaded already."""

from __future__ import annotations

import dataclasses
import enum
import pathlib
import sys
from functools import cache
from importlib import import_module

import msgspec

from clew.core.errors import Corrupt, Invalid
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.pipelines.codecs.codec import NO_FILES, Codec, Files
from clew.pipelines.codecs.json_values import JsonCodec, is_json
from clew.pipelines.codecs.trees import TreeCodec, leaves

__all__ = ["codec_named", "content_digest", "decode", "encode", "find_codec", "objects_of", "register"]

_LATE = {
    "bytes": ("raw", "BytesCodec"),
    "json": ("json_values", "JsonCodec"),
    "numpy": ("arrays", "ArrayCodec"),
    "numpy-scalar": ("arrays", "ScalarCodec"),
    "pandas": ("pandas_frames", "PandasFrameCodec"),
    "pandas-series": ("pandas_frames", "PandasSeriesCodec"),
    "path": ("paths", "PathCodec"),
    "polars": ("frames", "FrameCodec"),
    "polars-series": ("frames", "SeriesCodec"),
    "skops": ("estimators", "EstimatorCodec"),
    "tree": ("trees", "TreeCodec"),
}
_BY_TYPE = {
    "builtins.bytes": "bytes",
    "numpy.ndarray": "numpy",
    "polars.dataframe.frame.DataFrame": "polars",
    "polars.series.series.Series": "polars-series",
    "pandas.DataFrame": "pandas",
    "pandas.core.frame.DataFrame": "pandas",
    "pandas.Series": "pandas-series",
    "pandas.core.series.Series": "pandas-series",
}
_CONTAINERS = (tuple, list, set, frozenset, dict, str, int, float, complex, bytearray)
_registered: dict[type, Codec] = {}


def register(kind: type, codec: Codec) -> None:
    """Have a codec take the values of exactly this type."""
    _registered[kind] = codec


@cache
def codec_named(name: str) -> Codec:
    """The codec that an entry names.

    Raises:
        Corrupt: there is none of this name.
    """
    found = next((codec for codec in _registered.values() if codec.name == name), None)
    if found is not None:
        return found
    if name not in _LATE:
        raise Corrupt(f"no codec named {name!r}", hint="import the module that registers it")
    module, attribute = _LATE[name]
    made: Codec = getattr(import_module(f"clew.pipelines.codecs.{module}"), attribute)()
    return made


def find_codec(value: object) -> Codec:
    """The codec that takes a value.

    Raises:
        Invalid: there is none.
    """
    kind = type(value)
    if is_json(value):
        return codec_named(JsonCodec.name)
    if kind in _registered:
        return _registered[kind]
    name = _BY_TYPE.get(f"{kind.__module__}.{kind.__qualname__}") or _by_base(value)
    if name is None:
        raise Invalid(
            f"there is no codec for a {kind.__module__}.{kind.__qualname__}",
            hint="return a frame, an array, plain values, a dataclass, an estimator or a Path; or give the step a "
            "codec= with name, encode and decode",
        )
    return codec_named(name)


def _by_base(value: object) -> str | None:
    kind = type(value)
    if isinstance(value, pathlib.Path):
        return "path"
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return "numpy-scalar"
    estimators = sys.modules.get("sklearn.base")
    if estimators is not None and isinstance(value, estimators.BaseEstimator):
        return "skops"
    if kind in _CONTAINERS or kind.__module__ in ("datetime", "decimal", "uuid"):
        return TreeCodec.name
    if isinstance(value, (enum.Enum, msgspec.Struct)) or dataclasses.is_dataclass(kind):
        return TreeCodec.name
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return TreeCodec.name
    return None


def encode(value: object, files: Files) -> tuple[str, bytes]:
    """The name of the codec that takes a value, and the value's bytes.

    Raises:
        Invalid: no codec takes it, or a part of it.
    """
    codec = find_codec(value)
    return codec.name, codec.encode(value, files)


def decode(name: str, data: bytes, files: Files) -> object:
    """The value of some bytes.

    Raises:
        Corrupt: they are not what this codec wrote.
    """
    return codec_named(name).decode(data, files)


def objects_of(name: str, data: bytes) -> list[Digest]:
    """The objects that some bytes name, beside which they are worth nothing: what garbage collection has to keep.

    Raises:
        Corrupt: they are not what this codec wrote.
    """
    if name == "path":
        from clew.pipelines.codecs.paths import objects_of_path

        return objects_of_path(data)
    if name == TreeCodec.name:
        return [digest for codec, inner in leaves(data) for digest in objects_of(codec, inner)]
    return []


def content_digest(value: object) -> tuple[str, Digest] | None:
    """Codec and digest of the bytes of an array, a frame or an estimator; None when it is none of these.

    An estimator may hold functions, which its codec knows by name alone: look for them besides.
    """
    kind = type(value)
    name = _BY_TYPE.get(f"{kind.__module__}.{kind.__qualname__}") or _by_base(value)
    if name is None or name not in _CONTENT:
        return None
    try:
        return name, hash_bytes(codec_named(name).encode(value, NO_FILES))
    except Invalid:
        return None


_CONTENT = frozenset({"numpy", "numpy-scalar", "pandas", "pandas-series", "polars", "polars-series", "skops"})
