"""How far a journal is drained, and which slots were sent last: kept beside it, so that who adopts it sends the same.

A batch that was on its way when its process died may arrive later than the one who looks for it. Cut in the same place
it is the same batch, which is stored once. Layout: docs/design/journal.md.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import NamedTuple

__all__ = ["Cut", "CutFile", "cut_path", "read_cut"]

_LAYOUT = struct.Struct("<QQ")


class Cut(NamedTuple):
    """Slots below `drained` are stored; from there to below `taken` they were sent."""

    drained: int
    taken: int


def cut_path(folder: Path, journal: str) -> Path:
    """Where the cut of a journal is kept."""
    return folder / f"{journal}.cut"


class CutFile:
    """The file of a cut, written in place. Where the disk does not take it there is none: who adopts asks the ledger.

    Args:
        path: made by the first write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd, self._broken = -1, False

    def write(self, cut: Cut) -> bool:
        """Keep a cut; it survives *kill*. False where the disk does not take it."""
        if self._broken:
            return False
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._fd, _LAYOUT.pack(*cut), 0)
        except OSError:
            self._broken = True
            self.close(delete=True)
        return not self._broken

    def close(self, *, delete: bool) -> None:
        """Let go of the file."""
        if delete:
            with contextlib.suppress(OSError):
                self._path.unlink()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_cut(path: Path) -> Cut | None:
    """The cut that a process left; None where there is none."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return Cut(*_LAYOUT.unpack(data)) if len(data) == _LAYOUT.size else None
