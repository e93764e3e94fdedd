"""Drift by column and week: all flights of a week against the training data of the version that answered most of them.

The monitor itself looks every day, and at windows of several lengths; its alerts and episodes are counted here, and its
daily distances are not shown: a single day differs from a month in its weekday and its weather without anything being
new.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from clew.core.clock import format_us
from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Window
from clew.loop.monitor import Deciders
from clew.monitoring.drift import compare_counts
from clew.monitoring.episodes import EpisodeState
from clew.monitoring.profile import add_counts, decode_hours
from clew.monitoring.report import report_of

__all__ = ["Cell", "episodes_in", "weekly_drift"]

_DAY_US = 86_400_000_000


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One column in one week, from Monday on: the Jensen–Shannon distance (0 to 1), how many alerts the monitor raised,
    and on how many days the column was within an episode of drift."""

    column: str
    week: str
    effect: float
    alerts: int
    drifted_days: int


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
        alerts, days = episodes_in(week)
        cells += [
            Cell(
                column=found.column,
                week=format_us(start_us)[:10],
                effect=found.effect,
                alerts=alerts[found.column],
                drifted_days=len(days[found.column]),
            )
            for found in compare_counts(profile, counts, units=len(mine))
        ]
    return cells


def episodes_in(windows: Sequence[Window]) -> tuple[Counter[str], dict[str, set[int]]]:
    """How many episodes of each column began in some windows, and on which days each was within one."""
    begun: Counter[str] = Counter()
    days: dict[str, set[int]] = defaultdict(set)
    for window in windows:
        drift = report_of(window).drift
        if drift is not None:
            begun.update(name for name, each in drift.episodes.items() if each.state is EpisodeState.RAISED)
            for column in drift.drifted:
                days[column].add(window.start_us)
    return begun, days


def _monday_us(at_us: int) -> int:
    """The start of the week; 1970 began on a Thursday."""
    return ((at_us // _DAY_US + 3) // 7 * 7 - 3) * _DAY_US
