"""A folder of this machine as a place of packs: the files that were read last are kept open."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from clew.core.errors import Corrupt
from clew.store.objects.disk import Draft, sync_folder

__all__ = ["OpenFile", "OpenFiles", "PackFolder"]


class PackFolder:
    """`clew.store.objects.place.PackPlace` in a folder.

    Packs are read, not mapped: a mapped file that is cut short, or whose disk fails, kills the process instead of
    raising.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self._files = OpenFiles()

    def list(self) -> list[str]:
        with suppress(FileNotFoundError):
            names = os.listdir(self.folder)  # noqa: PTH208 - at every miss
            return [f"{self.folder}/{name}" for name in sorted(names) if name.endswith(".pack")]
        return []

    def size(self, path: str) -> int:
        return os.fstat(self._files.get(path).fd).st_size

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        file = self._files.get(path)
        data = os.pread(file.fd, length, offset)
        while len(data) < length:
            more = os.pread(file.fd, length - len(data), offset + len(data))
            if not more:
                raise Corrupt(f"{path} is cut short")
            data += more
        return data

    def forget(self, path: str) -> None:
        self._files.forget(path)

    def holds(self, path: str) -> bool:
        return Path(path).exists()

    def publish(self, drafts: Iterable[tuple[Draft, str]]) -> None:
        for draft, name in drafts:
            path = f"{self.folder}/{name}"
            draft.publish(path)
            self.forget(path)  # it may have replaced a damaged pack of the same entries
        self.settle()

    def remove(self, path: str) -> None:
        Path(path).unlink()
        self.settle()

    def settle(self) -> None:
        sync_folder(self.folder)


class OpenFile:
    """A descriptor that closes when the last thread that reads it lets go."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)


class OpenFiles:
    """The files that were read last, kept open, and no more than `limit` of them."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._files: OrderedDict[str, OpenFile] = OrderedDict()

    def get(self, path: str) -> OpenFile:
        """The open file; hold the object for as long as its descriptor is used."""
        with self._lock:
            file = self._files.get(path)
            if file is None:
                file = self._files[path] = OpenFile(path)
                if len(self._files) > self._limit:
                    self._files.popitem(last=False)
            else:
                self._files.move_to_end(path)
            return file

    def forget(self, path: str) -> None:
        """Close a file once nobody reads it any more."""
        with self._lock:
            self._files.pop(path, None)
