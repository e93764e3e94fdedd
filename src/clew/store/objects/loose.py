"""Objects that are one file each: as they are, or compressed when that saves something.

A file that is stored as it is can be handed out by path. Layout: docs/design/objects.md.
"""

# A Path object per call would double the cost of a small object.
# ruff: noqa: PTH103, PTH108, PTH113, PTH116, PTH123, PTH208

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from clew.core.errors import Corrupt
from clew.core.hashing import Hasher
from clew.core.ids import Digest
from clew.store.objects.disk import Draft, sync_folder
from clew.store.objects.frames import FRAME_BYTES, FrameFile, Frames
from clew.store.objects.names import is_digest

__all__ = ["Loose", "LooseObject"]

_SUFFIX = ".zst"
_CHUNK_BYTES = 4 << 20
_REMEMBERED = 4096


class _State(NamedTuple):
    """What a file looked like when it was verified; another look means another verification."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, fd: int) -> _State:
        stat = os.fstat(fd)
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class _Verified:
    """Which files this process has verified since they last changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: OrderedDict[str, _State] = OrderedDict()

    def holds(self, path: str, state: _State) -> bool:
        with self._lock:
            return self._states.get(path) == state

    def add(self, path: str, state: _State) -> None:
        with self._lock:
            self._states[path] = state
            self._states.move_to_end(path)
            if len(self._states) > _REMEMBERED:
                self._states.popitem(last=False)


@dataclass(frozen=True)
class LooseObject:
    """One object in one file."""

    digest: Digest
    file: str
    verified: _Verified

    @property
    def compressed(self) -> bool:
        """Whether the file holds zstd frames."""
        return self.file.endswith(_SUFFIX)

    @property
    def size(self) -> int:
        """Uncompressed bytes."""
        if not self.compressed:
            return os.stat(self.file).st_size
        with open(self.file, "rb") as file:
            return _frames(file).size

    @property
    def path(self) -> Path | None:
        """The file, verified, if it holds just the object's bytes."""
        if self.compressed:
            return None
        self.verify()
        return Path(self.file)

    def verify(self) -> None:
        """Read everything against the digest, unless this process has done so since the file last changed.

        Raises:
            Corrupt: it does not match.
        """
        with open(self.file, "rb") as file:
            self._verify(file)

    def read(self) -> bytes:
        """The verified bytes."""
        with open(self.file, "rb") as file:
            data = b"".join(self._chunks(file)) if self.compressed else file.read()
        if Hasher(data, max_threads=Hasher.AUTO).hexdigest() != self.digest:
            raise self._mismatch()
        return data

    def head(self, length: int) -> bytes:
        """The first bytes, unverified."""
        with open(self.file, "rb") as file:
            return _frames(file).read(0)[:length] if self.compressed else file.read(length)

    def open(self) -> BinaryIO:
        """A seekable handle, verified now."""
        file = open(self.file, "rb")  # noqa: SIM115 - the caller closes it
        try:
            self._verify(file)
            file.seek(0)
            if not self.compressed:
                return file
            return io.BufferedReader(FrameFile(_frames(file), file.close), FRAME_BYTES)
        except BaseException:
            file.close()
            raise

    def copy_to(self, draft: Draft) -> None:
        """Write the verified bytes: as a reflink where the file system can."""
        hasher = Hasher()
        with open(self.file, "rb") as file:
            if not self.compressed and draft.clone(file):
                hasher.update_mmap(draft.path)
            else:
                for chunk in self._chunks(file):
                    hasher.update(chunk)
                    draft.write(chunk)
        if hasher.hexdigest() != self.digest:
            raise self._mismatch()

    def _verify(self, file: BinaryIO) -> None:
        state = _State.of(file.fileno())
        if self.verified.holds(self.file, state):
            return
        hasher = Hasher(max_threads=Hasher.AUTO)
        for chunk in self._chunks(file):
            hasher.update(chunk)
        if hasher.hexdigest() != self.digest:
            raise self._mismatch()
        self.verified.add(self.file, state)

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        if self.compressed:
            frames = _frames(file)
            for index in range(len(frames)):
                yield frames.read(index)
        else:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    def _mismatch(self) -> Corrupt:
        return Corrupt(f"object {self.digest} in {self.file} does not match its name")


class Loose:
    """The loose objects of a folder: `ab/abcd…` as they are, `ab/abcd….zst` compressed."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self._verified = _Verified()
        self._durable: set[str] = set()

    def find(self, digest: Digest) -> Iterator[LooseObject]:
        """The files under this name: none, one, or one of each form."""
        path = f"{self.folder}/{digest[:2]}/{digest}"
        for file in (path, path + _SUFFIX):
            if os.path.isfile(file):
                yield LooseObject(digest, file, self._verified)

    def holds(self, digest: Digest) -> bool:
        """Whether a sound file has this name, so that the object need not be stored again."""
        return any(_is_sound(found) for found in self.find(digest))

    def publish(self, draft: Draft, digest: Digest, *, compressed: bool) -> None:
        """Give a whole, synchronised draft its name, durably."""
        shard = self._shard(digest)
        file = f"{shard}/{digest}{_SUFFIX if compressed else ''}"
        draft.publish(file)
        sync_folder(shard)

    def settle(self, digest: Digest) -> None:
        """Make sure that a name that another process just gave survives a loss of power."""
        sync_folder(self._shard(digest))

    def shards(self) -> set[str]:
        """The two-digit folders that exist."""
        with suppress(FileNotFoundError):
            return set(os.listdir(self.folder))
        return set()

    def list(self, *, after: str = "") -> Iterator[Digest]:
        """Every digest behind another one, once and in order; a folder of them is held at a time."""
        for shard in sorted(self.shards()):
            if shard >= after[:2]:
                yield from sorted(digest for digest in self._names(shard) if digest > after)

    def remove(self, digest: Digest) -> None:
        """Unlink the files under this name."""
        for found in self.find(digest):
            with suppress(FileNotFoundError):
                os.unlink(found.file)

    def _names(self, shard: str) -> set[Digest]:
        """The digests in a folder; one may lie there in both forms."""
        with suppress(NotADirectoryError, FileNotFoundError):
            names = {name.removesuffix(_SUFFIX) for name in os.listdir(f"{self.folder}/{shard}")}
            return {Digest(name) for name in names if name[:2] == shard and is_digest(name)}
        return set()

    def _shard(self, digest: Digest) -> str:
        """The folder of a digest, which exists durably."""
        shard = f"{self.folder}/{digest[:2]}"
        if shard not in self._durable:
            os.makedirs(shard, exist_ok=True)
            sync_folder(self.folder)
            self._durable.add(shard)
        return shard


def _is_sound(found: LooseObject) -> bool:
    try:
        found.verify()
    except (Corrupt, FileNotFoundError):
        return False
    return True


def _frames(file: BinaryIO) -> Frames:
    fd = file.fileno()
    return Frames(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size)
