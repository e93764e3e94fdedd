"""Time: microseconds since 1970 UTC in code and storage, ISO 8601 with `Z` at the doors."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "SystemClock", "format_us", "parse_us"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Where time comes from. Tests hold a `clew.testing.ManualClock`."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC. May step backwards: never order by it alone."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000


def format_us(us: int) -> str:
    """`2013-02-01T05:00:00Z`, with as many decimals as are needed."""
    text = (_EPOCH + timedelta(microseconds=us)).isoformat()
    return text.replace("+00:00", "Z")


def parse_us(text: str) -> int:
    """Microseconds of an ISO 8601 time; one without a zone is UTC.

    Raises:
        ValueError: the text is no time.
    """
    at = datetime.fromisoformat(text)
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} lies outside of the years 1 to 9999") from error
    return (at - _EPOCH) // timedelta(microseconds=1)
