"""The bytes of a block: columns of 64-bit numbers, made small. Layout: docs/design/series.md."""

from __future__ import annotations

import struct
import threading
import zlib
from typing import TYPE_CHECKING, Any

from clew.core.errors import Corrupt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["MOST_POINTS", "decode_block", "encode_block"]

MOST_POINTS = 1 << 20
_HEAD = struct.Struct("<BBHI")
_COLUMN = struct.Struct("<BBHI")
_DICTIONARY = 16
_SAMPLE = 512
_DISTINCT = 4096
_here = threading.local()
"""Of each thread: one decompressor, because making one takes longer than using it."""


def encode_block(steps: NDArray[Any], times_us: Ints, values: NDArray[np.float64]) -> bytes:
    """The bytes of a block of 1 to `MOST_POINTS` points; steps are int64 or float64."""
    import numpy as np
    import zstandard

    packer = zstandard.ZstdCompressor(level=1, write_content_size=True)
    real = steps.dtype == np.float64
    bits = np.ascontiguousarray(steps).view(np.int64)
    parts = [
        _HEAD.pack(0, int(real), 0, len(values)),
        _encode_column(bits, packer, form=None if real else 1),
        _encode_column(np.ascontiguousarray(times_us), packer, form=1),
        _encode_column(np.ascontiguousarray(values).view(np.int64), packer, form=None),
    ]
    data = b"".join(parts)
    return data + struct.pack("<I", zlib.crc32(data))


def decode_block(data: bytes, *, times: bool = True) -> tuple[NDArray[Any], Ints, NDArray[np.float64]]:
    """Steps, times and values of a block; zeros for times that are not wanted.

    Raises:
        Corrupt: the bytes are no block of this version.
    """
    import numpy as np

    if len(data) < _HEAD.size + 4 or struct.unpack("<I", data[-4:])[0] != zlib.crc32(data[:-4]):
        raise Corrupt(f"a block of {len(data)} bytes does not match its checksum")
    version, kind, zero, count = _HEAD.unpack_from(data)
    if version != 0 or kind > 1 or zero or not 1 <= count <= MOST_POINTS:
        raise Corrupt(f"a block of version {version} with {count} points: this clew reads version 0")
    at, columns = _HEAD.size, []
    for each in range(3):
        column, at = _decode_column(data, at, count) if times or each != 1 else _skip_column(data, at, count)
        columns.append(column)
    if at != len(data) - 4:
        raise Corrupt("a block has bytes behind its columns")
    steps, when, values = columns
    return (steps.view(np.float64) if kind else steps), when, values.view(np.float64)


def _encode_column(bits: Ints, packer: Any, *, form: int | None) -> bytes:
    if form is None:
        form = _choose(bits, packer)
    raw = _transform(bits, form)
    packed = packer.compress(raw)
    stored = len(packed) >= len(raw)
    body = raw if stored else packed
    return _COLUMN.pack(form, 0 if stored else 1, 0, len(body)) + body


def _choose(bits: Ints, packer: Any) -> int:
    """The form that makes a sample smallest."""
    import numpy as np

    sample = bits[:_SAMPLE]
    if len(sample) < 4:
        return 1
    sizes = {form: len(packer.compress(_planes(_difference(sample, form), form))) for form in range(5)}
    best = min(sizes, key=lambda form: sizes[form])
    if len(bits) < 64 or len(np.unique(sample)) * 2 > len(sample) or sizes[best] * 4 < len(sample):
        return best
    distinct = len(np.unique(bits))
    return _DICTIONARY if distinct <= min(len(bits) // 4, _DISTINCT) else best


def _transform(bits: Ints, form: int) -> bytes:
    if form == _DICTIONARY:
        return _index(bits)
    return _planes(_difference(bits, form), form)


def _difference(bits: Ints, order: int) -> Ints:
    import numpy as np

    for _ in range(order):
        before, bits = bits, np.empty_like(bits)
        bits[0] = before[0]
        np.subtract(before[1:], before[:-1], out=bits[1:])
    return bits


def _planes(bits: Ints, order: int) -> bytes:
    import numpy as np

    if order:
        bits = (bits << 1) ^ (bits >> 63)
    return bits.astype("<i8", copy=False).view(np.uint8).reshape(-1, 8).T.tobytes()


def _index(bits: Ints) -> bytes:
    import numpy as np

    distinct, index = np.unique(bits, return_inverse=True)
    narrow = np.uint8 if len(distinct) <= 256 else np.dtype("<u2")
    head = struct.pack("<H", len(distinct) - 1)
    return head + distinct.astype("<i8").tobytes() + index.reshape(-1).astype(narrow).tobytes()


def _skip_column(data: bytes, at: int, count: int) -> tuple[Ints, int]:
    import numpy as np

    _, _, start, length = _head_of(data, at)
    return np.zeros(count, dtype=np.int64), start + length


def _head_of(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Form and packing of a column, where its bytes start, and how many they are."""
    if at + _COLUMN.size > len(data) - 4:
        raise Corrupt("a block ends within its columns")
    form, packing, zero, length = _COLUMN.unpack_from(data, at)
    start = at + _COLUMN.size
    if zero or packing > 1 or not (form <= 4 or form == _DICTIONARY) or start + length > len(data) - 4:
        raise Corrupt(f"a column of form {form} and packing {packing} is unknown, or too long")
    return form, packing, start, length


def _decode_column(data: bytes, at: int, count: int) -> tuple[Ints, int]:
    form, packing, start, length = _head_of(data, at)
    body = data[start : start + length]
    limit = 8 * count if form <= 4 else 2 + 8 * _DISTINCT + 2 * count
    raw = body if packing == 0 else _unpack(body, limit)
    if form == _DICTIONARY:
        return _look_up(raw, count), start + length
    return _undo(raw, form, count), start + length


def _unpack(body: bytes, limit: int) -> bytes:
    import zstandard

    try:
        if not 0 <= zstandard.frame_content_size(body) <= limit:
            raise Corrupt("a column does not say its size, or is larger than its points allow")
        unpacker = getattr(_here, "unpacker", None)
        if unpacker is None:
            unpacker = _here.unpacker = zstandard.ZstdDecompressor()
        return unpacker.decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Corrupt(f"a column cannot be unpacked: {error}") from None


def _undo(raw: bytes, order: int, count: int) -> Ints:
    import numpy as np

    if len(raw) != 8 * count:
        raise Corrupt(f"a column of {len(raw)} bytes cannot hold {count} numbers")
    planes = np.frombuffer(raw, dtype=np.uint8).reshape(8, count)
    if not planes[1:].any():  # steps that count, as nearly all do
        bits: NDArray[np.uint64] = planes[0].astype(np.uint64)
    else:
        bits = np.array(planes.T, order="C").view("<u8").reshape(count).astype(np.uint64, copy=False)
    if order:
        sign = np.negative(bits & 1)
        bits >>= 1
        bits ^= sign
    for _ in range(order):
        np.cumsum(bits, out=bits)
    return bits.view(np.int64)


def _look_up(raw: bytes, count: int) -> Ints:
    import numpy as np

    size = struct.unpack_from("<H", raw)[0] + 1 if len(raw) >= 2 else 0
    width = 1 if size <= 256 else 2
    if not size or len(raw) != 2 + 8 * size + width * count:
        raise Corrupt("a column's dictionary does not fit its points")
    distinct = np.frombuffer(raw, dtype="<i8", count=size, offset=2)
    index = np.frombuffer(raw, dtype=np.uint8 if width == 1 else "<u2", offset=2 + 8 * size)
    if int(index.max()) >= size:
        raise Corrupt("a column points outside of its dictionary")
    numbers: Ints = distinct.astype(np.int64)[index]
    return numbers
