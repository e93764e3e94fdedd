"""What earlier snapshots found in files that have not changed since: digest and secrets, by stat.

A cache, and no more: losing it costs time. An entry counts only when the file was left alone for two seconds before
it was looked at, because a change within one tick of the clock leaves no trace in its stat.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from clew.core.ids import Digest

__all__ = ["Seen"]

_SETTLED_NS = 2_000_000_000
_MOST = 50_000
_Key = tuple[int, int, int, int]
_Entry = tuple[_Key, str, str]
_decoder = msgspec.msgpack.Decoder(dict[str, _Entry])


class Seen:
    """A cache of file digests in a file.

    Args:
        path: where it lies; a damaged or missing one is an empty one.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._now_ns = time.time_ns()
        self._changed = False
        self._entries: dict[str, _Entry] = {}
        try:
            self._entries = _decoder.decode(path.read_bytes()) if path is not None else {}
        except (OSError, msgspec.DecodeError):
            return

    def find(self, path: str, info: os.stat_result) -> tuple[Digest, str] | None:
        """Digest and secret of a file, if it is as it was."""
        entry = self._entries.get(path)
        if entry is None or tuple(entry[0]) != _key(info):
            return None
        return Digest(entry[1]), entry[2]

    def learn(self, path: str, info: os.stat_result, digest: Digest, secret: str) -> None:
        """Keep what was found, for a file that had settled."""
        if max(info.st_mtime_ns, info.st_ctime_ns) < self._now_ns - _SETTLED_NS:
            self._entries[path] = (_key(info), digest, secret)
            self._changed = True

    def save(self) -> None:
        """Keep it for the next process; a disk that does not want it is no error."""
        if self._path is None or not self._changed:
            return
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        kept = dict(list(self._entries.items())[-_MOST:])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.msgpack.encode(kept))
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)


def _key(info: os.stat_result) -> _Key:
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino
