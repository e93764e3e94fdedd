"""Blocks keep every bit of every point, and refuse what they did not write."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import Corrupt, Invalid
from clew.tracking.series import BLOCK_POINTS, Points, block_of, cut, join, points_of

BITS = st.integers(-(1 << 63), (1 << 63) - 1)
ODD = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308]
NAN_PAYLOADS = [0x7FF8_0000_0000_1234, -0x0007_0000_0000_0000 - 1, 0x7FF0_0000_0000_0001]


def points(values: np.ndarray, steps: np.ndarray | None = None, times: np.ndarray | None = None) -> Points:
    count = len(values)
    steps = np.arange(count) if steps is None else steps
    times = np.arange(count) * 1000 + 1_700_000_000_000_000 if times is None else times
    return Points(steps, times, values)


def same_bits(left: Points, right: Points) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(left, right, strict=True))


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(BITS, BITS, st.one_of(BITS, st.sampled_from(NAN_PAYLOADS))), min_size=1, max_size=90),
    repeat=st.integers(1, 8),
)
def test_every_bit_of_integer_steps_and_values_comes_back(rows: list[tuple[int, int, int]], repeat: int) -> None:
    table = np.array(rows * repeat, dtype=np.int64)
    before = Points(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy().view(np.float64))
    assert same_bits(points_of(block_of("r", "k", "s", before)), before)


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    value=st.sampled_from(ODD),
)
def test_float_steps_come_back(steps: list[float], value: float) -> None:
    before = points(np.full(len(steps), value), steps=np.array(steps))
    assert same_bits(points_of(block_of("r", "k", "s", before)), before)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).random(BLOCK_POINTS),
        np.exp(-np.arange(BLOCK_POINTS) / 1000),
        np.random.default_rng(2).integers(0, 300, BLOCK_POINTS) / 317,
        np.random.default_rng(3).integers(0, 3000, BLOCK_POINTS * 4) / 3001,
        np.ones(BLOCK_POINTS),
    ],
    ids=["random", "smooth", "few distinct", "many distinct", "constant"],
)
def test_each_form_comes_back(values: np.ndarray) -> None:
    assert same_bits(points_of(block_of("r", "k", "s", points(values))), points(values))


def test_sizes_hold_what_the_design_promises() -> None:
    rng = np.random.default_rng(0)
    at = np.arange(BLOCK_POINTS)
    jitter = np.cumsum(rng.integers(1, 2000, BLOCK_POINTS)) + 1_700_000_000_000_000
    for values, limit in [
        (rng.random(BLOCK_POINTS), 10),
        (rng.normal(size=BLOCK_POINTS), 10),
        (np.exp(-at / 1000), 5),
        (np.log1p(at), 5),
    ]:
        block = block_of("r", "k", "s", points(values, times=jitter))
        assert len(block.points) / BLOCK_POINTS <= limit


def test_summary_leaves_nan_out_and_keeps_infinities() -> None:
    block = block_of("r", "k", "s", points(np.array([2.0, math.nan, -1.0, 4.0])))
    assert (block.count, block.nans, block.low, block.high, block.total) == (4, 1, -1.0, 4.0, 5.0)
    assert (block.first, block.last, block.last_step) == (2.0, 4.0, 3.0)
    endless = block_of("r", "k", "s", points(np.array([math.inf, -math.inf])))
    assert (endless.low, endless.high) == (-math.inf, math.inf)
    assert math.isnan(endless.total)
    empty = block_of("r", "k", "s", points(np.array([math.nan])))
    assert math.isnan(empty.low)
    assert math.isnan(empty.total)


def test_last_is_the_greatest_step_then_time_then_arrival() -> None:
    steps, times = np.array([5, 9, 9, 9, 9, 1]), np.array([1, 7, 8, 8, 6, 99])
    block = block_of("r", "k", "s", points(np.arange(6.0), steps=steps, times=times))
    assert (block.last, block.last_step, block.last_time_us) == (3.0, 9.0, 8)
    assert (block.time_low_us, block.time_high_us, block.step_low, block.step_high) == (1, 99, 1.0, 9.0)


def test_points_join_in_order() -> None:
    left, right = points(np.array([1.0])), points(np.array([2.0]), steps=np.array([0.5]))
    assert join([left, right]).steps.tolist() == [0.0, 0.5]
    assert len(join([]).values) == 0


@pytest.mark.parametrize("steps", [np.array([math.nan]), np.array([math.inf])])
def test_steps_that_are_not_finite_are_refused(steps: np.ndarray) -> None:
    with pytest.raises(Invalid):
        block_of("r", "k", "s", points(np.array([1.0]), steps=steps))


def test_mixed_steps_become_floats_where_that_is_exact_and_are_cut_where_not() -> None:
    real = np.array([False, True, False])
    exact = np.array([1, np.float64(1.5).view(np.int64), 3], dtype=np.int64)
    assert [s.tolist() for _, s in cut(exact, real)] == [[1.0, 1.5, 3.0]]
    large = np.array([(1 << 60) + 1, np.float64(1.5).view(np.int64), 3], dtype=np.int64)
    assert [(p.start, p.stop, s.tolist()) for p, s in cut(large, real)] == [
        (0, 1, [(1 << 60) + 1]),
        (1, 2, [1.5]),
        (2, 3, [3]),
    ]


def test_long_batches_are_cut_into_blocks() -> None:
    count = BLOCK_POINTS * 2 + 1
    parts = [(p.start, p.stop) for p, _ in cut(np.arange(count), np.zeros(count, dtype=bool))]
    assert parts == [(0, BLOCK_POINTS), (BLOCK_POINTS, 2 * BLOCK_POINTS), (2 * BLOCK_POINTS, count)]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_corrupt(data: st.DataObject) -> None:
    whole = block_of("r", "k", "s", points(np.random.default_rng(0).random(40))).points
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), whole[:at], whole + b"x"):
        with pytest.raises(Corrupt):
            points_of(_with_points(damaged))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_hostile_bytes_with_a_right_checksum_are_corrupt_or_points(data: st.DataObject) -> None:
    import zlib

    values = data.draw(st.sampled_from([np.random.default_rng(0).random(40), np.arange(256.0) % 3]))
    body = bytearray(block_of("r", "k", "s", points(values)).points[:-4])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    hostile = bytes(body) + struct.pack("<I", zlib.crc32(bytes(body)))
    try:
        found = points_of(_with_points(hostile))
    except Corrupt:
        return
    assert len(found.steps) == len(found.times_us) == len(found.values) <= 1 << 20


def test_the_format_is_frozen() -> None:
    whole = bytes.fromhex(
        "000000000200000001000000"
         "10000000" + "0202" + "00" * 14
        + "01000000" + "10000000" + "1002" + "00" * 14
        + "00000000" + "10000000" + struct.pack("<dd", 0.5, -0.0).hex()
    )  # fmt: skip
    planes = np.frombuffer(struct.pack("<dd", 0.5, -0.0), np.uint8).reshape(2, 8).T.tobytes()
    import zlib

    whole = whole[:-16] + planes
    found = points_of(_with_points(whole + struct.pack("<I", zlib.crc32(whole))))
    assert found.steps.tolist() == [1, 2]
    assert found.times_us.tolist() == [8, 9]
    assert found.values.tobytes() == struct.pack("<dd", 0.5, -0.0)


def _with_points(data: bytes):
    import msgspec

    return msgspec.structs.replace(block_of("r", "k", "s", points(np.array([1.0]))), points=data)
