"""A clock that tests set."""

from __future__ import annotations

__all__ = ["ManualClock"]


class ManualClock:
    """A `clew.core.clock.Clock` that stands still until it is told to move.

    Args:
        us: microseconds since 1970 UTC.
    """

    def __init__(self, us: int = 1_767_225_600_000_000) -> None:
        self.us = us

    def now_us(self) -> int:
        return self.us

    def advance(self, us: int) -> None:
        """Move on by so many microseconds, or back."""
        self.us += us
