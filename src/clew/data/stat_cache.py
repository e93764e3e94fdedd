"""What a working folder looked like when its content was last known, so that what looks the same is not read again.

A cache may be lost or damaged at any time: then everything is read again. Reasoning: docs/design/data.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.data.scan import Found, FoundFolder
from clew.store.objects.disk import Draft, disk_errors

__all__ = ["FolderState", "StatCache", "filesystem_now_ns", "load", "looks", "real", "save", "signature"]

_VERSION = 0
_CHECK_BYTES = 64
_MARGIN_NS = 100_000_000
_COARSE_MARGIN_NS = 2_000_000_000
_encoder = msgspec.msgpack.Encoder()


class FolderState(msgspec.Struct, frozen=True, array_like=True):
    """One folder: how it looked, and the object that it was then."""

    look: bytes
    digest: bytes
    size_bytes: int
    files: int


class StatCache(msgspec.Struct, frozen=True, kw_only=True):
    """A working folder. `references` are the versions that its content is from: two while a checkout goes on."""

    root: bytes
    references: list[str]
    digest: Digest
    folders: dict[bytes, FolderState]
    version: int = _VERSION


_decoder = msgspec.msgpack.Decoder(StatCache)


def signature(folder: FoundFolder, *, racy_from_ns: int | None = None) -> bytes:
    """How a folder looks, as bytes to compare.

    Args:
        folder: what was found in it.
        racy_from_ns: files changed at this time or later are written down as never looking the same: they could
            change again within the same tick of the file system's clock.
    """
    files = folder.files
    if racy_from_ns is not None:
        files = [_never(file) if _is_racy(file, racy_from_ns) else file for file in files]
    return _encoder.encode((files, folder.folders))


def looks(state: FolderState) -> dict[bytes, Found]:
    """The files of a folder as they looked, by name."""
    files, _ = msgspec.msgpack.decode(state.look, type=tuple[list[Found], list[bytes]])
    return {file.name: file for file in files}


def load(folder: Path, root: Path) -> StatCache | None:
    """The cache of a working folder; None when there is none that can be read."""
    try:
        data = _path(folder, real(root)).read_bytes()
    except OSError:
        return None
    check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if hash_bytes(body).encode() != check:
        return None
    try:
        cache = _decoder.decode(body)
    except msgspec.MsgspecError:
        return None
    return cache if cache.version == _VERSION and cache.root == real(root) else None


def save(folder: Path, cache: StatCache) -> None:
    """Keep a cache, replacing the one of the same working folder. It need not survive a loss of power."""
    body = _encoder.encode(cache)
    path = _path(folder, cache.root)
    with disk_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with Draft(path.parent, mode=0o600) as draft:
            draft.write(hash_bytes(body).encode() + body)
            draft.publish(path)


def filesystem_now_ns(folder: Path) -> int:
    """The time that the file system would give a file that is written now."""
    with disk_errors(f"write in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        with Draft(folder, mode=0o600) as draft:
            return os.fstat(draft.fd).st_mtime_ns


def real(root: Path) -> bytes:
    """The path by which a working folder is known, whichever way one came to it."""
    return os.fsencode(os.path.realpath(root))


def _path(folder: Path, root: bytes) -> Path:
    return folder / "stat" / hash_bytes(root)[:32]


def _is_racy(file: Found, from_ns: int) -> bool:
    changed_ns = max(file.mtime_ns, file.ctime_ns)
    coarse = changed_ns % 1_000_000_000 == 0  # a file system that knows seconds only
    return changed_ns >= from_ns - (_COARSE_MARGIN_NS if coarse else _MARGIN_NS)


def _never(file: Found) -> Found:
    return file._replace(ctime_ns=-1)
