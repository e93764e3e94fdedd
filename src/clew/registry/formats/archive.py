"""The archive that skops writes, as clew stores and reads it: one byte string for one model, and nothing hidden in it.

skops names things by their memory address and stamps the time, so that two dumps of one model never agree. Here names
are numbered by first use, sets are sorted, entries are stored uncompressed in order, and the number of threads at
fitting is left out. Reading checks everything that must hold before any of it is built. Nothing here imports skops.
Layout and threats: docs/design/package.md.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

from clew.core.errors import Corrupt

__all__ = ["Archive", "canonical_archive", "read_archive"]

_SCHEMA = "schema.json"
_STAMP = (1980, 1, 1, 0, 0, 0)
_MAX_DEPTH = 200
_SHARED = {"ObjectNode", "NdArrayNode", "DictNode", "ListNode", "TreeNode", "LossNode"}
"""Kinds of nodes that are mutable, so that it can matter that two places hold the same one."""
_SPEED = {("sklearn.ensemble._hist_gradient_boosting.binning", "_BinMapper"): {"n_threads": "1"}}
"""Attributes that say how fast something was fitted, not what came out."""
_NOTHING = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null", "is_json": True}

Node = dict[str, Any]


class Archive:
    """The parts of an archive: the tree of nodes, and the arrays by file name."""

    def __init__(self, schema: Node, files: dict[str, bytes]) -> None:
        self.schema, self.files = schema, files

    def nodes(self) -> Iterator[Node]:
        """Every node, parents before children, each as often as it stands there."""
        return _nodes(self.schema)

    def types(self) -> list[str]:
        """The dotted names of everything that loading would look up, sorted."""
        return sorted({f"{node['__module__']}.{node['__class__']}" for node in self.nodes()})


def read_archive(content: bytes) -> Archive:
    """Take an archive apart.

    Raises:
        Corrupt: it is no archive of skops, is compressed (it could swell without bounds), is nested too deeply, or
            says two things under one id.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as source:
            entries = source.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise Corrupt("this model's archive is compressed, which clew never writes")
            if len({entry.filename for entry in entries}) < len(entries):
                raise Corrupt("this model's archive holds two files of one name")
            files = {entry.filename: source.read(entry) for entry in entries}
        schema = json.loads(files.pop(_SCHEMA))
        archive = Archive(schema, files)
        _check(archive)
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, RecursionError, NotImplementedError) as error:
        raise Corrupt(f"this model is no readable skops archive: {error}") from error
    return archive


def canonical_archive(content: bytes) -> bytes:
    """The canonical form of what `skops.io.dumps` returned: it depends on the model alone."""
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        files = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(files.pop(_SCHEMA))
    archive = Archive(schema, {name: _without_padding(name, file) for name, file in files.items()})
    for node in archive.nodes():
        _settle(node)
    names = _rename(archive)
    ordered = [(_SCHEMA, json.dumps(schema, separators=(",", ":")).encode())]
    ordered += [(new, archive.files[old]) for old, new in names.items()]
    return _write(ordered)


def _write(entries: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name, content in entries:
            target.writestr(zipfile.ZipInfo(name, _STAMP), content)
    return buffer.getvalue()


def _nodes(value: Any, depth: int = 0) -> Iterator[Node]:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        if "__loader__" in value:
            yield value
        for child in list(value.values()):
            yield from _nodes(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child, depth + 1)


def _check(archive: Archive) -> None:
    first: dict[int, Node] = {}
    for node in archive.nodes():
        if not (isinstance(node["__class__"], str) and isinstance(node["__module__"], str)):
            raise ValueError("a node without a type")
        if node["__loader__"] == "CachedNode":
            raise ValueError("a node that stands for another one")
        if "__id__" in node and first.setdefault(node["__id__"], node) != node:
            raise ValueError("two different nodes under one id")


def _settle(node: Node) -> None:
    """Take out what varies between dumps of one model but does not change it."""
    speed = _SPEED.get((node["__module__"], node["__class__"]))
    if speed and node["__loader__"] == "ObjectNode":
        for name, value in speed.items():
            node["content"]["content"][name]["content"] = value
    if node["__loader__"] == "PartialNode" and node["content"]["namespace"].get("content") == {}:
        node["content"]["namespace"] = dict(_NOTHING)  # a partial that somebody has looked into
    if node["__loader__"] == "SetNode":
        node["content"].sort(key=lambda child: json.dumps(_bare(child), sort_keys=True))


def _without_padding(name: str, content: bytes) -> bytes:
    """An array of records has gaps between its fields, with whatever was in memory: make them zero."""
    if not name.endswith(".npy"):
        return content
    import numpy as np

    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, dtype=array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(child) for key, child in value.items() if key != "__id__"}
    return [_bare(child) for child in value] if isinstance(value, list) else value


def _rename(archive: Archive) -> dict[str, str]:
    """Number ids and files by first use; an id that nothing shares goes. Returns new file names by old ones."""
    nodes = list(archive.nodes())
    uses = Counter(node["__id__"] for node in nodes if "__id__" in node)
    ids: dict[int, int] = {}
    names: dict[str, str] = {}
    contents: dict[tuple[str, bytes], str] = {}
    for node in nodes:
        old = node.pop("__id__", None)
        if old is not None and uses[old] > 1 and node["__loader__"] in _SHARED:
            node["__id__"] = ids.setdefault(old, len(ids) + 1)
        file = node.get("file")
        if isinstance(file, str):
            suffix = file[file.rindex(".") :]
            fresh = contents.setdefault((suffix, archive.files[file]), f"{len(contents) + 1}{suffix}")
            names.setdefault(file, fresh)
            node["file"] = fresh
    kept: dict[str, str] = {}
    for old_name, new_name in names.items():
        if new_name not in kept.values():
            kept[old_name] = new_name
    return kept
