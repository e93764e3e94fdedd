"""Time goes out as ISO 8601 and comes back to the microsecond."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.clock import SystemClock, format_us, parse_us


def test_the_clock_of_the_machine_tells_microseconds() -> None:
    before, now, after = time.time_ns() // 1000, SystemClock().now_us(), time.time_ns() // 1000
    assert before <= now <= after


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_times_come_back(us: int) -> None:
    assert parse_us(format_us(us)) == us
    assert format_us(us).endswith("Z")


def test_times_as_people_write_them() -> None:
    assert format_us(1_359_694_800_000_000) == "2013-02-01T05:00:00Z"
    assert format_us(1_500_000) == "1970-01-01T00:00:01.500000Z"
    assert parse_us("1970-01-01") == parse_us("1970-01-01T00:00") == parse_us("1970-01-01T02:00+02:00") == 0
    with pytest.raises(ValueError, match="tomorrow"):
        parse_us("tomorrow")
