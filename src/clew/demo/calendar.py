"""The days of the replay: whole days in UTC, because windows, trials and the value contract count those.

The model goes live with the first flight of February in New York. A label is known a day after scheduled departure,
so that at the end of each day the flights of the day before get theirs, and two days follow the last flight.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from clew.core.errors import Invalid
from clew.demo.flights import LABEL_DELAY_US, month_start_us

__all__ = ["DAY_US", "Day", "days_of", "last_moment_us", "live_from_us"]

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Day:
    """A day of the replay: the flights to serve in it, and those whose labels are posted at its end.

    Flights are served when `low_us ≤ time < high_us`, which is the whole day but for the first and the last. `end_us`
    is the moment at which labels are told and the day is judged.
    """

    low_us: int
    high_us: int
    end_us: int

    @property
    def start_us(self) -> int:
        """The beginning of the day in UTC."""
        return self.end_us - DAY_US

    @property
    def labelled_us(self) -> int:
        """Labels are known at its end for flights before this moment."""
        return self.end_us - LABEL_DELAY_US


@cache
def live_from_us() -> int:
    """When the endpoint gets its first request."""
    return month_start_us(2)


def days_of(until_month: int = 12) -> list[Day]:
    """The days of the replay in order.

    Args:
        until_month: the last month to replay. Before December it ends with the last whole day in UTC, and the labels
            of that day are still to come; after December the two days are added in which the last labels arrive.

    Raises:
        Invalid: nothing is replayed until then.
    """
    if not 2 <= until_month <= 12:
        raise Invalid(f"the replay cannot end with month {until_month}", hint="it goes from February (2) to 12")
    start_us, end_us = live_from_us(), month_start_us(until_month + 1)
    stop_us = last_moment_us() if until_month == 12 else _floor(end_us)
    return [
        Day(max(at, start_us), min(at + DAY_US, end_us), at + DAY_US) for at in range(_floor(start_us), stop_us, DAY_US)
    ]


def last_moment_us() -> int:
    """When the labels of the last flights are in, and the year is judged for the last time."""
    return _floor(month_start_us(13) - 1) + DAY_US + LABEL_DELAY_US


def _floor(at_us: int) -> int:
    return at_us // DAY_US * DAY_US
