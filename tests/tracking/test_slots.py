"""The bytes of a segment: what is written is read, and anything else is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import Corrupt
from clew.tracking.slots import (
    FLOAT_STEP,
    HEADER_BYTES,
    INT_STEP,
    SLOT_BYTES,
    Header,
    name_slots,
    pack_float_step,
    pack_header,
    pack_int_step,
    parse_header,
    parse_slots,
)

HEADER = Header("ab" * 16, "cd" * 16, 3, 77, 1000, True, 4242, 1_700_000_000_000_000_000)


def point(step: int | float, time_ns: int, value: float, key: int) -> bytes:
    slot = bytearray(SLOT_BYTES)
    if isinstance(step, int):
        pack_int_step(slot, 0, step, time_ns, value, INT_STEP | key)
    else:
        pack_float_step(slot, 0, step, time_ns, value, FLOAT_STEP | key)
    return bytes(slot)


def test_a_header_comes_back() -> None:
    assert len(pack_header(HEADER)) == HEADER_BYTES
    assert parse_header(pack_header(HEADER), "x") == HEADER
    assert parse_header(bytes(HEADER_BYTES), "x") is None
    assert parse_header(b"clewjrnl", "x") is None


@given(at=st.integers(0, HEADER_BYTES - 1), bit=st.integers(1, 255))
def test_a_damaged_header_is_corrupt(at: int, bit: int) -> None:
    data = bytearray(pack_header(HEADER))
    data[at] ^= bit
    with pytest.raises(Corrupt):
        parse_header(bytes(data), "x")


def test_a_newer_version_is_refused_with_advice() -> None:
    import zlib

    data = bytearray(pack_header(HEADER))
    data[8] = 1
    data[124:] = struct.pack("<I", zlib.crc32(data[:124]))
    with pytest.raises(Corrupt, match="newer clew"):
        parse_header(bytes(data), "x")


@given(name=st.text(min_size=1, max_size=330).filter(lambda t: t.isprintable() and len(t.encode()) <= 1000))
def test_names_of_every_length_come_back(name: str) -> None:
    data = name_slots(7, name.encode()) + point(1, 2000, 0.5, 7)
    slots = parse_slots(data, 100, "x")
    assert slots.names == {7: name}
    assert slots.numbers.tolist() == [100 + len(data) // SLOT_BYTES - 1]


def test_points_keep_order_steps_and_holes_leave_gaps() -> None:
    name = name_slots(0, b"loss")
    data = name + point(-1, 5999, -0.0, 0) + bytes(SLOT_BYTES) + point(2.5, 7000, 1.0, 0) + b"torn"
    slots = parse_slots(data, 10, "x")
    assert slots.numbers.tolist() == [11, 13]
    assert slots.times_us.tolist() == [5, 7]
    assert slots.float_step.tolist() == [False, True]
    assert (int(slots.steps[0]), float(slots.steps.view("<f8")[1])) == (-1, 2.5)
    assert slots.values.tobytes() == struct.pack("<dd", -0.0, 1.0)


def test_a_name_without_all_of_its_parts_names_nothing() -> None:
    parts = name_slots(0, b"n" * 50)
    assert parse_slots(parts[: 2 * SLOT_BYTES], 0, "x").names == {}
    with pytest.raises(Corrupt, match="does not name"):
        parse_slots(parts[: 2 * SLOT_BYTES] + point(1, 2, 3.0, 0), 0, "x")


def test_points_may_use_names_of_an_earlier_part() -> None:
    assert parse_slots(point(1, 2, 3.0, 5), 0, "x", {5: "acc"}).names == {5: "acc"}


@pytest.mark.parametrize(
    "head", [4 << 56, 255 << 56, 7, 1 << 32, INT_STEP | 1 << 40, INT_STEP | 99], ids=lambda h: f"{h:x}"
)
def test_unknown_heads_are_corrupt(head: int) -> None:
    with pytest.raises(Corrupt):
        parse_slots(name_slots(0, b"loss") + struct.pack("<qqdQ", 1, 2, 3.0, head), 0, "x")


def test_names_that_are_no_text_are_corrupt() -> None:
    with pytest.raises(Corrupt, match="UTF-8"):
        parse_slots(name_slots(0, b"\xff\xfe"), 0, "x")


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=SLOT_BYTES * 6))
def test_any_bytes_are_points_or_corrupt(data: bytes) -> None:
    try:
        slots = parse_slots(data, 0, "x", {0: "a"})
    except Corrupt:
        return
    assert len(slots.numbers) <= len(data) // SLOT_BYTES
