"""Compressed files in frames: read from the middle, and damage is told."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable

import pytest

from clew.core.errors import Corrupt
from clew.store.objects.frames import (
    _ADDED_BYTES,
    _SAMPLE_MIN_BYTES,
    FRAME_BYTES,
    FrameFile,
    Frames,
    frames,
    shrink,
    unshrink,
    worth_shrinking,
)

CHUNKS = [b"a" * 1000, os.urandom(100), b"b" * FRAME_BYTES]
WHOLE = b"".join(CHUNKS)
FILE = b"".join(frames(CHUNKS))


def of(data: bytes) -> Frames:
    return Frames(lambda offset, length: data[offset : offset + length], len(data))


def test_small_and_random_bytes_are_left_alone() -> None:
    assert shrink(b"a" * 63) is None
    assert shrink(b"a" * 64) is not None
    assert shrink(os.urandom(10_000)) is None
    assert shrink(os.urandom(1000)) is None


def test_a_frame_must_save_an_eighth() -> None:
    found = [(size, shrink(os.urandom(size) + b"\0" * (1000 - size))) for size in range(700, 1000, 5)]
    assert all(packed is None or len(packed) <= 875 for _, packed in found)
    assert found[0][1] is not None
    assert found[-1][1] is None


def test_long_bytes_are_judged_by_their_middle() -> None:
    noise = os.urandom(100_000)
    assert worth_shrinking(os.urandom(2 * _SAMPLE_MIN_BYTES - 1))
    assert not worth_shrinking(os.urandom(2 * _SAMPLE_MIN_BYTES))
    assert not worth_shrinking(noise)
    assert not worth_shrinking(b"\0" * 10_000 + noise + b"\0" * 10_000)
    assert worth_shrinking(noise[:10_000] + b"\0" * 100_000 + noise[:10_000])


def test_frames_come_back_with_their_size_only() -> None:
    packed = shrink(b"a" * 1000)
    assert packed is not None
    assert unshrink(packed, 1000) == b"a" * 1000
    for size in (0, 999, 1001):
        with pytest.raises(Corrupt, match="another number of bytes"):
            unshrink(packed, size)
    for damaged in (b"no frame at all", packed[:-1], packed[:-6] + b"XXXXXX", b""):
        with pytest.raises(Corrupt):
            unshrink(damaged, 1000)


def test_a_frame_that_does_not_tell_its_size_is_refused() -> None:
    import zstandard

    packer = zstandard.ZstdCompressor(write_content_size=False)
    with pytest.raises(Corrupt):
        unshrink(packer.compress(b"a" * 1000), 1000)


def test_a_file_is_read_from_anywhere() -> None:
    found = of(FILE)
    assert (len(found), found.size) == (3, len(WHOLE))
    assert [found.read(index) for index in range(3)] == CHUNKS
    closed: list[bool] = []
    file = FrameFile(found, lambda: closed.append(True))
    assert file.readable()
    assert file.seekable()
    for at in (0, 999, 1000, 1001, 1099, 1100, len(WHOLE) - 1):
        assert file.seek(at) == file.tell() == at
        assert file.read(1) == WHOLE[at : at + 1]
    assert file.seek(-5, io.SEEK_END) == len(WHOLE) - 5
    assert file.read(100) == WHOLE[-5:]
    assert file.read(1) == b""
    assert file.seek(0) == 0
    with pytest.raises(ValueError, match="cannot seek to -1"):
        file.seek(-1, io.SEEK_CUR)
    assert io.BufferedReader(file).read() == WHOLE
    file.close()
    file.close()
    assert closed == [True]


def test_a_file_of_nothing() -> None:
    empty = b"".join(frames([]))
    assert len(empty) == _ADDED_BYTES
    assert (of(empty).size, FrameFile(of(empty), lambda: None).read(1)) == (0, b"")


def with_sizes(*sizes: int) -> bytes:
    """A table that adds up, of empty frames of impossible sizes."""
    table = b"".join(struct.pack("<II", 0, size) for size in sizes)
    return struct.pack("<II", 0x184D2A5E, len(table) + 9) + table + struct.pack("<IBI", len(sizes), 0, 0x8F92EAB1)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda: FILE[:-1], "does not end|damaged"),
        (lambda: FILE[: _ADDED_BYTES - 1], "too short"),
        (lambda: b"", "too short"),
        (lambda: FILE[:-4] + b"XXXX", "does not end"),
        (lambda: FILE[:-5] + b"\1" + FILE[-4:], "does not end"),
        (lambda: FILE[:-9] + struct.pack("<I", 10**6) + FILE[-5:], "does not end"),
        (lambda: FILE[:-9] + struct.pack("<I", 2) + FILE[-5:], "damaged"),
        (lambda: b"x" + FILE, "does not add up"),
        (lambda: with_sizes(0), "impossible size"),
        (lambda: with_sizes(FRAME_BYTES + 1), "impossible size"),
    ],
)
def test_a_damaged_table_is_refused(damage: Callable[[], bytes], why: str) -> None:
    with pytest.raises(Corrupt, match=why):
        of(damage())


def test_a_frame_of_the_full_size_is_possible() -> None:
    assert of(with_sizes(FRAME_BYTES, 1)).size == FRAME_BYTES + 1


def test_a_file_that_is_cut_while_it_is_read_is_refused() -> None:
    with pytest.raises(Corrupt):
        Frames(lambda offset, length: FILE[offset : offset + length][:-1], len(FILE))
    with pytest.raises(Corrupt, match="damaged"):
        Frames(lambda offset, length: FILE[offset : offset + length][: max(9, length - 1)], len(FILE))
