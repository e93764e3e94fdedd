"""Drift by column and week: all flights of a week against the training data of the version that answered most of them.

The monitor itself looks every day, and at windows of several lengths; its alarms are counted here, and its daily
distances are not shown: a single day differs from a month in its weekday and its weather without anything being new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from clew.core.clock import format_us
from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Window
from clew.loop.monitor import Deciders
from clew.monitoring.drift import compare_counts
from clew.monitoring.profile import add_counts, decode_hours
from clew.monitoring.report import report_of

__all__ = ["Cell", "weekly_drift"]

_DAY_US = 86_400_000_000


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One column in one week, from Monday on: the Jensen–Shannon distance (0 to 1), and on how many days the monitor
    alarmed it."""

    column: str
    week: str
    effect: float
    alarms: int


def weekly_drift(stores: Stores, windows: Sequence[Window]) -> list[Cell]:
    """The cells of a map, by column and week.

    Args:
        stores: the project.
        windows: of the endpoint, a day each.
    """
    deciders = Deciders(stores)
    weeks: dict[int, list[Window]] = defaultdict(list)
    for window in windows:
        weeks[_monday_us(window.start_us)].append(window)
    cells = []
    for start_us, week in sorted(weeks.items()):
        version = max({window.version for window in week}, key=lambda v: sum(w.rows for w in week if w.version == v))
        profile = deciders(version).profile
        if profile is None:
            continue
        mine = [window for window in week if window.version == version]
        counts = add_counts(
            [hour for window in mine for hour in decode_hours(stores.objects.get(window.profile)).hours.values()]
        )
        alarms = _alarms(week)
        cells += [
            Cell(
                column=found.column,
                week=format_us(start_us)[:10],
                effect=found.effect,
                alarms=alarms.get(found.column, 0),
            )
            for found in compare_counts(profile, counts, units=len(mine))
        ]
    return cells


def _alarms(week: Sequence[Window]) -> dict[str, int]:
    """On how many days each column was alarmed."""
    days: dict[str, set[int]] = defaultdict(set)
    for window in week:
        drift = report_of(window).drift
        for column in drift.alarmed if drift is not None else ():
            days[column].add(window.start_us)
    return {column: len(found) for column, found in days.items()}


def _monday_us(at_us: int) -> int:
    """The start of the week; 1970 began on a Thursday."""
    return ((at_us // _DAY_US + 3) // 7 * 7 - 3) * _DAY_US
