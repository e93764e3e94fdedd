"""Sums up the year from labelled decisions and what the ledger counts: pure, and quick enough for every look.

The words "loop" and "static", and the days that are counted, are explained in `clew.demo.result`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from clew.core.clock import format_us
from clew.core.types.endpoint import Window
from clew.demo.chapters import Chapter, Deed
from clew.demo.drifts import Cell, episodes_in
from clew.demo.flights import FALSE_ALARM_COST, MISSED_COST
from clew.demo.result import Curves, DayCost, Month, Result, TimeBin, WeekSkill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["Counts", "costed", "curves_of", "result_of"]

_MONTHS = ("", *(f"{date(2013, month, 1):%B}" for month in range(1, 13)))
_LEVEL = 0.95
_BINS_A_DECADE = 12


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger counts. `scored_later` are decisions that the baseline did not see in shadow, because a replica
    was killed at that moment, and scored afterwards from the logged inputs."""

    flights_served: int
    predictions_logged: int
    events: int
    scored_later: int
    complete: bool


def result_of(
    rows: pl.DataFrame,
    counts: Counts,
    *,
    windows: Sequence[Window],
    chapters: Sequence[Chapter],
    numbers: Mapping[str, int],
    times_ms: NDArray[np.float64],
) -> Result:
    """Sum up the year.

    Args:
        rows: labelled decisions, as `Account.refresh` gives them.
        counts: what the ledger counts.
        windows: of the endpoint.
        chapters: what the loop did.
        numbers: of model versions, by id.
        times_ms: of requests, as the caller saw them.
    """
    import polars as pl

    table = costed(rows)
    asked = rows.group_by("request").agg(pl.len().alias("rows"), pl.col("latency_us").first())
    sizes = asked["rows"].to_numpy()
    inner = asked["latency_us"].to_numpy() / 1e3
    cost_loop, cost_static = float(table["cost_loop"].sum()), float(table["cost_static"].sum())
    late = int(table["late"].sum())
    deeds = [chapter.deed for chapter in chapters]
    return Result(
        complete=counts.complete,
        flights_served=counts.flights_served,
        predictions_logged=counts.predictions_logged,
        labels_joined=rows.height,
        requests=asked.height,
        single_share=float((sizes == 1).mean()),
        largest_request=int(sizes.max()),
        request_p50_ms=_quantile(times_ms, 0.5),
        request_p99_ms=_quantile(times_ms, 0.99),
        endpoint_p50_ms=_quantile(inner, 0.5),
        endpoint_p99_ms=_quantile(inner, 0.99),
        retrainings=deeds.count(Deed.RETRAINED),
        promotions=deeds.count(Deed.PROMOTED),
        rejections=deeds.count(Deed.REJECTED),
        cost_loop=cost_loop,
        cost_static=cost_static,
        saved=cost_static - cost_loop,
        saved_interval=_interval(table),
        saved_share=(cost_static - cost_loop) / cost_static if cost_static else 0.0,
        cost_never=late * MISSED_COST,
        cost_always=(table.height - late) * FALSE_ALARM_COST,
        days=table["date"].n_unique(),
        scored_later=counts.scored_later,
        events=counts.events,
        months=_months(table, windows, chapters, numbers),
        chapters=list(chapters),
    )


def curves_of(rows: pl.DataFrame, *, cells: Sequence[Cell], times_ms: NDArray[np.float64]) -> Curves:
    """What the charts show: costs by day, skill by week, drift by column and week, times of requests."""
    import polars as pl

    table = costed(rows)
    daily = table.group_by("date").agg(pl.len().alias("flights"), pl.col("cost_loop", "cost_static").sum()).sort("date")
    days = [DayCost(**{**row, "date": row["date"].isoformat()}) for row in daily.iter_rows(named=True)]
    weekly = table.with_columns(week=pl.col("date").dt.truncate("1w")).partition_by("week", as_dict=True)
    weeks = [
        WeekSkill(date=week.isoformat(), flights=part.height, late_share=_mean(part["late"]), **_skills(part))
        for (week,), part in sorted(weekly.items(), key=lambda item: str(item[0][0]))
    ]
    return Curves(days=days, weeks=weeks, cells=list(cells), times=_times(times_ms))


def costed(rows: pl.DataFrame) -> pl.DataFrame:
    """Labelled decisions with their local `date`, and what both decisions cost: `cost_loop`, `cost_static`."""
    import polars as pl

    def cost(decision: str) -> pl.Expr:
        missed = pl.col("late") & ~pl.col(decision)
        false_alarm = ~pl.col("late") & pl.col(decision)
        return missed * MISSED_COST + false_alarm * FALSE_ALARM_COST

    return rows.with_columns(
        date=pl.col("key").str.slice(0, 10).str.to_date("%Y-%m-%d"),
        cost_loop=cost("decision"),
        cost_static=cost("static_decision"),
    )


def _months(
    table: pl.DataFrame, windows: Sequence[Window], chapters: Sequence[Chapter], numbers: Mapping[str, int]
) -> list[Month]:
    import polars as pl

    parts = table.with_columns(month=pl.col("date").dt.month()).partition_by("month", as_dict=True)
    found = []
    for (number,), part in sorted(parts.items(), key=lambda item: int(str(item[0][0]))):
        month = int(str(number))
        deeds = [chapter.deed for chapter in chapters if _month_of(chapter.at_us) == month]
        judged = [window for window in windows if _month_of(window.start_us) == month]
        cost_loop, cost_static = float(part["cost_loop"].sum()), float(part["cost_static"].sum())
        found.append(
            Month(
                month=month,
                name=_MONTHS[month],
                days=part["date"].n_unique(),
                flights=part.height,
                late_share=_mean(part["late"]),
                **_skills(part),
                cost_loop=cost_loop,
                cost_static=cost_static,
                saved=cost_static - cost_loop,
                **_drift(judged),
                versions=sorted(numbers[version] for version in part["version"].unique().to_list()),
                retrainings=deeds.count(Deed.RETRAINED),
                promotions=deeds.count(Deed.PROMOTED),
                rejections=deeds.count(Deed.REJECTED),
            )
        )
    return found


def _month_of(at_us: int) -> int:
    """Of a moment, in UTC: judged windows are whole days there."""
    return int(format_us(at_us)[5:7])


def _drift(windows: Sequence[Window]) -> dict[str, Any]:
    """How many drifts began, and the columns that lastingly drifted, whichever version answered."""
    begun, days = episodes_in(windows)
    lived = len({window.start_us for window in windows})
    lasting = [column for column, found in days.items() if 2 * len(found) > lived]
    return {"alerts": begun.total(), "drifted": sorted(lasting, key=lambda column: (-len(days[column]), column))}


def _times(times_ms: NDArray[np.float64]) -> list[TimeBin]:
    """Bins of equal width on a logarithmic axis, from the first to the last that holds a request."""
    import numpy as np

    if not len(times_ms):
        return []
    places = np.floor(np.log10(np.maximum(times_ms, 1e-3)) * _BINS_A_DECADE).astype(int)
    low, counts = int(places.min()), np.bincount(places - places.min())
    edges = [10.0 ** ((low + at) / _BINS_A_DECADE) for at in range(len(counts) + 1)]
    pairs = zip(edges, edges[1:], counts.tolist(), strict=False)
    return [TimeBin(low_ms=first, high_ms=second, requests=count) for first, second, count in pairs]


def _skills(part: pl.DataFrame) -> dict[str, Any]:
    from clew.stats.auc import auc

    late = part["late"].to_numpy()
    if late.all() or not late.any():
        return {"auc_loop": None, "auc_static": None}
    return {"auc_loop": auc(part["score"].to_numpy(), late), "auc_static": auc(part["static_score"].to_numpy(), late)}


def _interval(table: pl.DataFrame) -> list[float]:
    """What was saved in all, at least and at most: 95 %, paired by day. Both are the sum itself with a single day."""
    import polars as pl

    from clew.stats.intervals import paired_by_unit

    daily = table.group_by("date").agg(pl.len().alias("flights"), pl.col("cost_loop", "cost_static").sum()).sort("date")
    if daily.height < 2:
        saved = float((table["cost_static"] - table["cost_loop"]).sum())
        return [saved, saved]
    flights = daily["flights"].to_numpy()
    found = paired_by_unit(
        (daily["cost_static"].to_numpy(), flights), (daily["cost_loop"].to_numpy(), flights), level=_LEVEL
    )
    return [found.low * table.height, found.high * table.height]


def _mean(column: pl.Series) -> float:
    mean = column.mean()
    return mean if isinstance(mean, float) else 0.0


def _quantile(values: NDArray[np.float64], share: float) -> float:
    import numpy as np

    return float(np.quantile(values, share)) if len(values) else 0.0
