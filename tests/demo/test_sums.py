"""The sums of the year, by hand: costs, months, the interval by day, and what the charts show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.types.endpoint import Window
from clew.demo.chapters import Chapter, Deed
from clew.demo.sums import Counts, costed, curves_of, result_of
from clew.stats.intervals import mean_by_unit

COUNTS = Counts(flights_served=8, predictions_logged=8, events=5, scored_later=0, complete=False)
MARCH_US = 1_362_096_000_000_000
WHAT = [  # date, decision, static decision, late: cost of the loop, cost of static
    ("2013-02-01", True, True, True),  # 0, 0
    ("2013-02-01", True, False, True),  # 0, 50
    ("2013-02-01", False, True, True),  # 50, 0
    ("2013-02-02", False, False, True),  # 50, 50
    ("2013-02-02", True, False, False),  # 10, 0
    ("2013-03-01", False, True, False),  # 0, 10
    ("2013-03-01", False, False, False),  # 0, 0
    ("2013-03-02", False, True, False),  # 0, 10
]


def rows(what: list[tuple[str, bool, bool, bool]] = WHAT) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"{at:032x}" for at in range(len(what))],
            "request": [f"r{at // 3}" for at in range(len(what))],
            "key": [f"{date}-UA-{at}-EWR" for at, (date, *_) in enumerate(what)],
            "time_us": list(range(len(what))),
            "latency_us": [100 * (at // 3 + 1) for at in range(len(what))],
            "version": ["a" if date < "2013-02-02" else "b" for date, *_ in what],
            "score": [0.9 if decision else 0.1 for _, decision, _, _ in what],
            "decision": [decision for _, decision, _, _ in what],
            "static_score": [0.8 if static else 0.2 for _, _, static, _ in what],
            "static_decision": [static for _, _, static, _ in what],
            "late": [late for *_, late in what],
        }
    )


def window(start_us: int, *alarmed: str, alarms: int = 1, quiet: int = 0) -> Window:
    episodes = {name: {"since_us": MARCH_US, "alarms": alarms, "quiet": quiet} for name in alarmed}
    columns = [
        {"column": name, "effect": 0.3, "p_value": 0.0, "windows": 1, "rows": 9, "missing": 0.0, "novel": 0.0}
        | {"alarm": name in alarmed}
        for name in ("temp", "hour")
    ]
    report: dict[str, object] = {"drift": {"look": 1, "spent": 0.01, "columns": columns, "episodes": episodes}}
    return Window(
        endpoint="e", version="a", start_us=start_us, end_us=start_us, rows=9, labels=9, profile="", report=report,
        revision=1, judged_us=0,
    )  # fmt: skip


def test_the_year_in_numbers() -> None:
    chapters = [
        Chapter(at_us=MARCH_US - 1, deed=Deed.RETRAINED, version=2),
        Chapter(at_us=MARCH_US, deed=Deed.PROMOTED, version=2),
    ]
    found = result_of(
        rows(),
        COUNTS,
        windows=[
            window(MARCH_US - 10),
            window(MARCH_US, "temp", "hour"),
            window(MARCH_US + 10, "temp", alarms=2),
            window(MARCH_US + 20, "temp", alarms=2, quiet=1),
            window(MARCH_US + 30, "temp", alarms=2, quiet=7),
        ],
        chapters=chapters,
        numbers={"a": 1, "b": 2},
        times_ms=np.array([1.0, 2.0, 9.0]),
    )
    assert (found.cost_loop, found.cost_static, found.saved) == (110.0, 120.0, 10.0)
    assert found.saved_share == pytest.approx(10 / 120)
    assert (found.cost_never, found.cost_always) == (200.0, 40.0)
    assert (found.flights_served, found.predictions_logged, found.labels_joined, found.events) == (8, 8, 8, 5)
    assert (found.requests, found.largest_request, found.single_share) == (3, 3, 0.0)
    assert (found.request_p50_ms, found.endpoint_p50_ms) == (2.0, pytest.approx(0.2))
    assert (found.retrainings, found.promotions, found.rejections, found.days) == (1, 1, 0, 4)
    february, march = found.months
    assert (february.name, february.flights, february.days, february.versions) == ("February", 5, 2, [1, 2])
    assert (february.cost_loop, february.cost_static, february.saved) == (110.0, 100.0, -10.0)
    assert (february.late_share, february.retrainings, february.promotions) == (0.8, 1, 0)
    assert (february.auc_loop, february.auc_static) == (0.25, 0.75)
    assert (march.auc_loop, march.auc_static) == (None, None), "nobody was late"
    assert (march.alerts, march.drifted, march.promotions) == (2, ["temp"], 1)
    assert (february.alerts, february.drifted) == (0, [])


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans(), st.booleans()), min_size=8, max_size=60))
def test_the_interval_is_that_of_what_each_day_saved(what: list[tuple[int, bool, bool, bool]]) -> None:
    table = rows([(f"2013-04-0{day}", *rest) for day, *rest in what])  # type: ignore[misc]
    if table["key"].str.slice(0, 10).n_unique() < 2:
        return
    found = result_of(table, COUNTS, windows=[], chapters=[], numbers={"a": 1, "b": 2}, times_ms=np.array([1.0]))
    daily = costed(table).group_by("date").agg(pl.len(), (pl.col("cost_static") - pl.col("cost_loop")).sum().alias("s"))
    direct = mean_by_unit(daily["s"].to_numpy(), daily["len"].to_numpy())
    assert found.saved_interval == pytest.approx([direct.low * table.height, direct.high * table.height], abs=1e-6)
    assert found.saved_interval[0] - 1e-6 <= found.saved <= found.saved_interval[1] + 1e-6


def test_one_day_has_no_interval() -> None:
    found = result_of(rows(WHAT[:3]), COUNTS, windows=[], chapters=[], numbers={"a": 1}, times_ms=np.array([1.0]))
    assert found.saved_interval == [found.saved, found.saved] == [0.0, 0.0]


def test_the_charts_have_days_and_weeks_in_order() -> None:
    curves = curves_of(rows(), cells=[], times_ms=np.array([0.5, 0.5, 20.0]))
    assert [(day.date, day.flights, day.cost_loop, day.cost_static) for day in curves.days] == [
        ("2013-02-01", 3, 50.0, 50.0),
        ("2013-02-02", 2, 60.0, 50.0),
        ("2013-03-01", 2, 0.0, 10.0),
        ("2013-03-02", 1, 0.0, 10.0),
    ]
    assert [(week.date, week.flights) for week in curves.weeks] == [("2013-01-28", 5), ("2013-02-25", 3)]
    assert sum(bar.requests for bar in curves.times) == 3
    assert curves.times[0].low_ms <= 0.5 < curves.times[0].high_ms
    assert curves.times[-1].low_ms <= 20.0 < curves.times[-1].high_ms
    assert all(a.high_ms == b.low_ms for a, b in pairwise(curves.times))


def test_without_requests_there_is_no_time_to_show() -> None:
    assert curves_of(rows(), cells=[], times_ms=np.empty(0)).times == []
