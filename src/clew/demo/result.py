"""What came of the year: the nouns. How they are computed: `clew.demo.sums`.

"Loop" is the endpoint as it was, with every promotion; "static" is version 1, which is never retrained and scored the
same flights in shadow. Days and months are those of New York, from the flight's own date: an evening and its storm
belong to one day, which is the unit of the interval.
"""

from __future__ import annotations

import msgspec

from clew.demo.chapters import Chapter
from clew.demo.drifts import Cell

__all__ = ["Curves", "DayCost", "Month", "Result", "TimeBin", "WeekSkill"]


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """One month. Costs are in the units of the value contract; `alerts` is how many drifts began, one for each column
    and version, and `drifted` names the columns that were drifted on more than half of its days."""

    month: int
    name: str
    days: int
    flights: int
    late_share: float
    auc_loop: float | None
    auc_static: float | None
    cost_loop: float
    cost_static: float
    saved: float
    alerts: int
    drifted: list[str]
    versions: list[int]
    retrainings: int
    promotions: int
    rejections: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The year. `saved_interval` holds the limits of a 95 % interval over days, paired by day; `cost_never` and
    `cost_always` are what no alarm at all, and an alarm for each flight, would have cost."""

    complete: bool
    flights_served: int
    predictions_logged: int
    labels_joined: int
    requests: int
    single_share: float
    largest_request: int
    request_p50_ms: float
    request_p99_ms: float
    endpoint_p50_ms: float
    endpoint_p99_ms: float
    retrainings: int
    promotions: int
    rejections: int
    cost_loop: float
    cost_static: float
    saved: float
    saved_interval: list[float]
    saved_share: float
    cost_never: float
    cost_always: float
    days: int
    scored_later: int
    events: int
    months: list[Month]
    chapters: list[Chapter]


class DayCost(msgspec.Struct, frozen=True, kw_only=True):
    """One day in New York."""

    date: str
    flights: int
    cost_loop: float
    cost_static: float


class WeekSkill(msgspec.Struct, frozen=True, kw_only=True):
    """One week from Monday on: how well both tell late flights from punctual ones."""

    date: str
    flights: int
    late_share: float
    auc_loop: float | None
    auc_static: float | None


class TimeBin(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests took at least `low_ms` and less than `high_ms`."""

    low_ms: float
    high_ms: float
    requests: int


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """What the charts of the report show."""

    days: list[DayCost]
    weeks: list[WeekSkill]
    cells: list[Cell]
    times: list[TimeBin]
