"""A file or a folder that a step made: its bytes, kept by digest, and the path to put it back at.

Reading the value brings the file back where it was when it is missing or changed; other files beside it stay.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from clew.core.errors import Corrupt, Invalid
from clew.core.hashing import hash_file
from clew.core.ids import Digest
from clew.pipelines.codecs.codec import Files

__all__ = ["PathCodec", "objects_of_path"]


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """One file: its path below the folder (empty for a single file), its digest, and whether it can be executed."""

    name: str
    digest: Digest
    executable: bool


class _Tree(msgspec.Struct, frozen=True, array_like=True):
    path: str
    folder: bool
    folders: list[str]
    entries: list[_Entry]


class PathCodec:
    """`pathlib.Path` of a file or a folder that exists."""

    name = "path"

    def encode(self, value: object, files: Files) -> bytes:
        assert isinstance(value, Path)
        if not value.exists():
            raise Invalid(f"the path {str(value)!r} leads to nothing", hint="return the path of what the step wrote")
        return msgspec.msgpack.encode(_tree(value, files))

    def decode(self, data: bytes, files: Files) -> Path:
        try:
            tree = msgspec.msgpack.decode(data, type=_Tree)
        except msgspec.DecodeError as error:
            raise Corrupt(f"a step's output is no path: {error}") from error
        root = Path(tree.path)
        if tree.folder:
            root.mkdir(parents=True, exist_ok=True)
        for name in tree.folders:
            _below(root, name).mkdir(parents=True, exist_ok=True)
        for entry in tree.entries:
            _restore(_below(root, entry.name) if tree.folder else root, entry, files)
        return root


def objects_of_path(data: bytes) -> list[Digest]:
    """The objects that a path's bytes name."""
    return [entry.digest for entry in msgspec.msgpack.decode(data, type=_Tree).entries]


def _tree(path: Path, files: Files) -> _Tree:
    if not path.is_dir():
        return _Tree(str(path), False, [], [_entry(path, "", files)])
    names = sorted(_names(path, PurePosixPath()))
    folders = [name for name in names if (path / name).is_dir()]
    found = [_entry(path / name, name, files) for name in names if (path / name).is_file()]
    return _Tree(str(path), True, folders, found)


def _names(folder: Path, below: PurePosixPath) -> Iterator[str]:
    """Everything below a folder; links to folders are not entered, so that a cycle ends."""
    for each in os.scandir(folder):
        name = below / each.name
        if each.is_dir(follow_symlinks=False):
            yield str(name)
            yield from _names(Path(each.path), name)
        elif each.is_file():
            yield str(name)


def _entry(path: Path, name: str, files: Files) -> _Entry:
    return _Entry(name, files.put_file(path), os.access(path, os.X_OK))


def _below(root: Path, name: str) -> Path:
    """A path below a folder; one that leads out of it was never written by this codec."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise Corrupt(f"a step's output names the path {name!r} outside of its folder")
    return root.joinpath(*parts)


def _restore(path: Path, entry: _Entry, files: Files) -> None:
    if path.is_file() and hash_file(path) == entry.digest:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    files.save(entry.digest, path)
    if entry.executable:
        path.chmod(path.stat().st_mode | 0o111)
