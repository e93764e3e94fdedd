"""The content of files, hashed once for as long as their stat does not change.

A file that changed within two seconds before it was hashed is hashed again each time: file systems count time in
steps, and a second write within one step leaves no other trace (what git calls racily clean).
"""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator
from pathlib import Path

from clew.core.hashing import hash_bytes, hash_file

__all__ = ["Stamp", "digest_of_file", "digest_of_glob", "digest_of_listing", "presence", "stamp"]

Stamp = tuple[int, int, int, int, int]
"""Modification time, change time, size, inode and device of a file."""

_RACY_NS = 2_000_000_000
_held: dict[str, tuple[Stamp, int, str]] = {}

MISSING = "missing"


def stamp(path: str) -> Stamp | None:
    """What tells one state of a file or folder from another; None when there is nothing."""
    try:
        at = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return (at.st_mtime_ns, at.st_ctime_ns, at.st_size, at.st_ino, at.st_dev)


def presence(path: str) -> str:
    """What there is at a path: `file`, `folder`, `other` or `missing`."""
    if os.path.isfile(path):  # noqa: PTH113
        return "file"
    if os.path.isdir(path):  # noqa: PTH112
        return "folder"
    return "other" if os.path.lexists(path) else MISSING


def digest_of_file(path: str) -> str:
    """The digest of a file's bytes, of everything below a folder, or `missing`."""
    path = os.path.abspath(path)  # noqa: PTH100
    now = stamp(path)
    if now is None:
        return MISSING
    if os.path.isdir(path):  # noqa: PTH112
        return _digest_of_folder(path)
    held = _held.get(path)
    if held is not None and held[0] == now and held[1] - max(now[0], now[1]) > _RACY_NS:
        return held[2]
    at = time.time_ns()
    try:
        digest = hash_file(Path(path)) if now[2] else hash_bytes(b"")
    except (OSError, ValueError):
        return "unreadable"
    _held[path] = (now, at, digest)
    return digest


def _digest_of_folder(path: str) -> str:
    parts = [f"{name}\0{digest_of_file(os.path.join(path, name))}\0" for name in sorted(_below(path))]  # noqa: PTH118
    return hash_bytes("".join(parts).encode("utf-8", "surrogateescape"))


def _below(path: str) -> Iterator[str]:
    for folder, _, names in os.walk(path):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), path)  # noqa: PTH118


def digest_of_listing(path: str) -> str:
    """The digest of the names in a folder, or `missing`."""
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208
    except OSError:
        return MISSING
    return hash_bytes("\0".join(names).encode("utf-8", "surrogateescape"))


def digest_of_glob(pattern: str) -> str:
    """The digest of the files that a pattern matches, with their names."""
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    parts = [f"{name}\0{digest_of_file(name)}\0" for name in found]
    return hash_bytes("".join(parts).encode("utf-8", "surrogateescape"))
