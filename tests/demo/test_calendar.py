"""The days of the replay: every flight is served on one day and gets its label on one."""

from __future__ import annotations

from itertools import pairwise

import pytest

from clew.core.clock import format_us
from clew.core.errors import Invalid
from clew.demo.calendar import DAY_US, days_of, last_moment_us, live_from_us
from clew.demo.flights import LABEL_DELAY_US, month_start_us


def test_the_days_are_the_year_without_a_gap() -> None:
    days = days_of()
    assert (days[0].low_us, format_us(days[0].end_us)) == (live_from_us(), "2013-02-02T00:00:00Z")
    for before, after in pairwise(days):
        assert after.start_us == before.end_us
        assert min(before.high_us, month_start_us(13)) == min(after.low_us, month_start_us(13))
    assert days[-1].end_us == last_moment_us()


def test_no_flight_has_its_label_before_a_day_has_passed_nor_much_later() -> None:
    days = days_of()
    for at_us in range(live_from_us(), month_start_us(13), 3_599_000_000):
        first = next(day for day in days if at_us < day.labelled_us)
        assert 0 <= first.end_us - (at_us + LABEL_DELAY_US) <= DAY_US


def test_an_earlier_end_is_a_beginning_of_the_whole_year() -> None:
    for month in range(2, 12):
        part = days_of(month)
        assert part == days_of()[: len(part)]
        assert month_start_us(month + 1) - DAY_US < part[-1].end_us <= month_start_us(month + 1)


@pytest.mark.parametrize("month", [0, 1, 13])
def test_a_month_without_traffic_is_refused(month: int) -> None:
    with pytest.raises(Invalid, match=f"month {month}"):
        days_of(month)
