"""Compressed files that can be read from the middle: zstd frames of 1 MiB with a table of their sizes at the end.

This is Zstandard's own "seekable format", so `zstd -d` reads the files too. Layout: docs/design/objects.md.
"""

from __future__ import annotations

import io
import struct
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from clew.core.errors import Corrupt

if TYPE_CHECKING:
    import zstandard
    from _typeshed import WriteableBuffer

__all__ = ["FRAME_BYTES", "FrameFile", "Frames", "frames", "shrink", "unshrink", "worth_shrinking"]

FRAME_BYTES = 1 << 20
_SAMPLE_MIN_BYTES = 1 << 10
_SAMPLE_MAX_BYTES = 1 << 16
_SKIPPABLE = 0x184D2A5E
_SEEKABLE = 0x8F92EAB1
_ENTRY = struct.Struct("<II")
_TAIL = struct.Struct("<IBI")
_ADDED_BYTES = 8 + _TAIL.size
_local = threading.local()


def shrink(data: bytes | memoryview) -> bytes | None:
    """One zstd frame of the bytes, or None when that would save less than an eighth."""
    if len(data) < 64 or not worth_shrinking(data):
        return None
    packed = _compressor().compress(data)
    return packed if len(packed) <= len(data) - len(data) // 8 else None


def worth_shrinking(data: bytes | memoryview) -> bool:
    """Whether a sample from the middle of the bytes shrinks at all; True for short ones."""
    if len(data) < 2 * _SAMPLE_MIN_BYTES:
        return True
    length = min(max(len(data) // 4, _SAMPLE_MIN_BYTES), _SAMPLE_MAX_BYTES)
    start = (len(data) - length) // 2
    return len(_compressor().compress(data[start : start + length])) < length - length // 32


def unshrink(packed: bytes, size: int) -> bytes:
    """The `size` bytes in one zstd frame.

    Raises:
        Corrupt: the frame is damaged or holds another number of bytes.
    """
    import zstandard

    try:
        if zstandard.frame_content_size(packed) != size:  # before memory is taken on a damaged header's word
            raise Corrupt("a compressed frame holds another number of bytes than its index says")
        data = _decompressor().decompress(packed)
    except zstandard.ZstdError as error:
        raise Corrupt(f"a compressed frame cannot be read ({error})") from error
    if len(data) != size:
        raise Corrupt("a compressed frame holds another number of bytes than its index says")
    return data


def frames(chunks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """The compressed file of chunks, none of which is longer than `FRAME_BYTES`, piece by piece."""
    table = bytearray()
    compressor = _compressor()
    for chunk in chunks:
        packed = compressor.compress(chunk)
        table += _ENTRY.pack(len(packed), len(chunk))
        yield packed
    count = len(table) // _ENTRY.size
    yield struct.pack("<II", _SKIPPABLE, len(table) + _TAIL.size) + table + _TAIL.pack(count, 0, _SEEKABLE)


class Frames:
    """The frames of a compressed file.

    Args:
        read_at: gives `n` bytes at an offset, or fewer at the end of the file.
        stored_bytes: the length of the compressed file.

    Raises:
        Corrupt: the table at the end is damaged.
    """

    def __init__(self, read_at: Callable[[int, int], bytes], stored_bytes: int) -> None:
        self._read_at = read_at
        entries = self._entries(stored_bytes)
        self._sizes = [size for _, size in entries]
        self._offsets = list(accumulate((stored for stored, _ in entries), initial=0))
        self.starts = list(accumulate(self._sizes, initial=0))
        if self._offsets[-1] + _ADDED_BYTES + len(entries) * _ENTRY.size != stored_bytes:
            raise Corrupt("a compressed file's table does not add up to its length")
        if any(not 0 < size <= FRAME_BYTES for size in self._sizes):
            raise Corrupt("a compressed file's table names a frame of an impossible size")

    @property
    def size(self) -> int:
        """Bytes in all frames, uncompressed."""
        return self.starts[-1]

    def __len__(self) -> int:
        return len(self._sizes)

    def read(self, index: int) -> bytes:
        """The bytes of one frame, checked against the frame's own checksum."""
        start, end = self._offsets[index], self._offsets[index + 1]
        return unshrink(self._read_at(start, end - start), self._sizes[index])

    def _entries(self, stored_bytes: int) -> list[tuple[int, int]]:
        tail = self._read_at(max(stored_bytes - _TAIL.size, 0), _TAIL.size)
        if stored_bytes < _ADDED_BYTES or len(tail) != _TAIL.size:
            raise Corrupt("a compressed file is too short")
        count, descriptor, magic = _TAIL.unpack(tail)
        length = count * _ENTRY.size
        if magic != _SEEKABLE or descriptor != 0 or length + _ADDED_BYTES > stored_bytes:
            raise Corrupt("a compressed file does not end with its table")
        head = self._read_at(stored_bytes - length - _ADDED_BYTES, length + 8)
        if len(head) != length + 8 or head[:8] != struct.pack("<II", _SKIPPABLE, length + _TAIL.size):
            raise Corrupt("a compressed file's table is damaged")
        return list(_ENTRY.iter_unpack(head[8:]))


class FrameFile(io.RawIOBase):
    """A seekable, read-only file over frames; wrap it in `io.BufferedReader`."""

    def __init__(self, frames: Frames, close: Callable[[], None]) -> None:
        self._frames, self._close = frames, close
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._frames.size}[whence]
        if origin + offset < 0:
            raise ValueError(f"cannot seek to {origin + offset}")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self._at >= self._frames.size:
            return 0
        index = bisect_right(self._frames.starts, self._at) - 1
        if self._held[0] != index:
            self._held = (index, self._frames.read(index))
        start = self._at - self._frames.starts[index]
        view = memoryview(buffer).cast("B")
        piece = memoryview(self._held[1])[start : start + len(view)]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._close()
        super().close()


def _compressor() -> zstandard.ZstdCompressor:
    """This thread's compressor: they hold state and must not be shared."""
    found: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if found is None:
        import zstandard

        found = _local.compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    found: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if found is None:
        import zstandard

        found = _local.decompressor = zstandard.ZstdDecompressor()
    return found
