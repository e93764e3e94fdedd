"""An interval holds its ends, and knows how wide it is."""

from __future__ import annotations

from clew.core.types.interval import Interval


def test_an_interval_holds_its_ends_and_nothing_beyond() -> None:
    found = Interval(value=2.0, low=1.0, high=4.0, level=0.95, units=9, method="m")
    assert found.width == 3.0
    assert [found.holds(x) for x in (0.999, 1.0, 2.0, 4.0, 4.001)] == [False, True, True, True, False]
