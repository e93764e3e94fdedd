"""A bucket as a place of packs. The index of a pack never changes, so it is fetched once and kept on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from clew.core.errors import Corrupt
from clew.store.objects.bucket import Bucket
from clew.store.objects.disk import Draft
from clew.store.objects.folder import OpenFile, OpenFiles
from clew.store.objects.pack import index_start

__all__ = ["BucketPacks"]

_HEAD_BYTES = 16
_TAIL_BYTES = 256 << 10


class BucketPacks:
    """`clew.store.objects.place.PackPlace` in a bucket, below a prefix.

    Args:
        bucket: where the packs are.
        prefix: of their keys, without a slash at its end.
        kept: a local folder for indices. Anything in it may be removed at any time.
    """

    def __init__(self, bucket: Bucket, prefix: str, kept: Path) -> None:
        self._bucket, self._prefix, self._kept = bucket, prefix, kept
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._files = OpenFiles()

    def list(self) -> list[str]:
        found = {each.key: each.size for each in self._bucket.list(self._prefix) if each.key.endswith(".pack")}
        with self._lock:
            self._sizes.update(found)
        return sorted(found)

    def size(self, path: str) -> int:
        with self._lock:
            found = self._sizes.get(path)
        return self._bucket.size(path) if found is None else found

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        size = self.size(path)
        if offset + length > size:
            raise Corrupt(f"{self._bucket.address}/{path} is cut short")
        kept = self._end(path, size)
        start = size - (os.fstat(kept.fd).st_size - _HEAD_BYTES)
        if offset + length <= _HEAD_BYTES:
            return os.pread(kept.fd, length, offset)
        if offset >= start:
            return os.pread(kept.fd, length, offset - start + _HEAD_BYTES)
        return self._bucket.read_at(path, offset, length)

    def forget(self, path: str) -> None:
        with self._lock:
            self._sizes.pop(path, None)
        self._files.forget(str(self._file(path)))
        self._file(path).unlink(missing_ok=True)

    def holds(self, path: str) -> bool:
        return self._bucket.holds(path)

    def publish(self, drafts: Iterable[tuple[Draft, str]]) -> None:
        for draft, name in drafts:
            path = f"{self._prefix}/{name}"
            self._bucket.write(path, Path(draft.path))
            self.forget(path)  # it may have replaced a damaged pack of the same entries

    def remove(self, path: str) -> None:
        self._bucket.remove([path])
        self.forget(path)

    def settle(self) -> None:
        """Nothing to do: a bucket has answered for what others can see."""

    def _end(self, path: str, size: int) -> OpenFile:
        """The head of a pack and its index, one behind the other, as an open file of this machine."""
        file = self._file(path)
        try:
            found = self._files.get(str(file))
        except FileNotFoundError:
            self._kept.mkdir(parents=True, exist_ok=True)
            with Draft(self._kept, mode=0o666) as draft:
                draft.write(self._fetch(path, size))
                draft.publish(file)
            found = self._files.get(str(file))
        return found

    def _fetch(self, path: str, size: int) -> bytes:
        """Two requests, and a third where a pack has many objects."""
        head = self._bucket.read_at(path, 0, min(_HEAD_BYTES, size))
        first = max(size - _TAIL_BYTES, 0)
        tail = self._bucket.read_at(path, first, size - first)
        start = index_start(tail, size)
        if start < first:
            tail = self._bucket.read_at(path, start, first - start) + tail
            first = start
        return head + tail[start - first :]

    def _file(self, path: str) -> Path:
        return self._kept / f"{path.rpartition('/')[2]}.index"
