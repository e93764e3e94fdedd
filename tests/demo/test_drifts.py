"""Drift by week: the week's flights as a whole, beside the alerts of the monitor and the days of drift."""

from __future__ import annotations

from clew.core.types.profile import SCORE
from clew.demo.drifts import weekly_drift
from clew.testing.life import Life


def test_a_week_that_is_unlike_the_training_stands_out(life: Life) -> None:
    for day in range(14):
        life.decide(day, 72, shift=0.0 if day < 7 else 4.0)
        life.watch(day + 1)
    cells = {(cell.column, cell.week): cell for cell in weekly_drift(life.stores, life.windows)}
    assert {week for _, week in cells} == {"2013-02-11", "2013-02-18"}
    assert {column for column, _ in cells} == {"hour", "wind", SCORE}
    calm, storm = cells["wind", "2013-02-11"], cells["wind", "2013-02-18"]
    assert calm.effect < 0.3 < storm.effect
    assert (calm.alerts, calm.drifted_days, cells["hour", "2013-02-18"].drifted_days) == (0, 0, 0)
    assert storm.alerts == 1
    assert 2 <= storm.drifted_days <= 7


def test_nothing_was_served_yet(life: Life) -> None:
    assert weekly_drift(life.stores, []) == []
