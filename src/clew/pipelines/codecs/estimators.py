"""scikit-learn estimators in the skops format, never pickled, and always as the same bytes.

skops names parts by their address in memory and stamps its archive with the time, so the archive is written again:
parts are numbered in the order in which they come, entries are sorted and carry no time. The types that the format
asks to be trusted are those that the encoding process held; they are kept beside the archive.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import msgspec

from clew.core.errors import Corrupt, Invalid
from clew.core.extras import require
from clew.pipelines.codecs.arrays import ArrayCodec
from clew.pipelines.codecs.codec import NO_FILES, Files

__all__ = ["EstimatorCodec"]

_NEVER = (1980, 1, 1, 0, 0, 0)


class EstimatorCodec:
    """`sklearn.base.BaseEstimator`: pipelines, transformers, models, and what follows its rules."""

    name = "skops"

    def encode(self, value: object, files: Files) -> bytes:  # noqa: ARG002
        sio = require("skops.io")
        try:
            raw = sio.dumps(value)
        except (TypeError, AttributeError, ValueError) as error:
            raise Invalid(
                f"the estimator {type(value).__name__} cannot be stored as skops: {error}",
                hint="give the step a codec= of its own, or save the model as a file and return its path",
            ) from error
        trusted = sorted(sio.get_untrusted_types(data=raw))
        return msgspec.msgpack.encode([trusted, _stable(raw)])

    def decode(self, data: bytes, files: Files) -> object:  # noqa: ARG002
        sio = require("skops.io")
        try:
            trusted, raw = msgspec.msgpack.decode(data, type=tuple[list[str], bytes])
            return sio.loads(raw, trusted=trusted)
        except (msgspec.DecodeError, zipfile.BadZipFile, KeyError, ValueError) as error:
            raise Corrupt(f"a step's output is no estimator: {error}") from error


def _stable(raw: bytes) -> bytes:
    """The same archive without addresses and times."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        schema = json.loads(archive.read("schema.json"))
        numbers: dict[int, int] = {}
        names: dict[str, str] = {}
        _number(schema, numbers, names)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as stable:
            _write(stable, "schema.json", json.dumps(schema, indent=None).encode())
            for old, new in names.items():
                _write(stable, new, _clean(old, archive.read(old)))
    return out.getvalue()


def _clean(name: str, data: bytes) -> bytes:
    """An array's bytes without what lies between its fields: the nodes of a tree have gaps."""
    if not name.endswith(".npy") or b"'descr': [" not in data[:64]:
        return data
    codec = ArrayCodec()
    return codec.encode(codec.decode(data, NO_FILES), NO_FILES)


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _NEVER), data, zipfile.ZIP_DEFLATED, 1)


def _number(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Number the parts of a skops schema in place, in the order in which they come."""
    if isinstance(node, list):
        for item in node:
            _number(item, numbers, names)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("__id__"), int):
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
    file = node.get("file")
    if isinstance(file, str) and "__loader__" in node:
        suffix = file.rpartition(".")[2]
        node["file"] = names.setdefault(file, f"{len(names) + 1}.{suffix}")
    for item in node.values():
        _number(item, numbers, names)
