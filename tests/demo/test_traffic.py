"""Requests of a day: every flight once, in the order of time, and the same ones whenever they are composed."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.types.signature import Dtype, Field, Scale, Signature, Task
from clew.demo.calendar import DAY_US, Day, live_from_us
from clew.demo.flights import CATEGORIES, INPUTS, KEY, LABEL, LABEL_DELAY_US, NUMBERS
from clew.demo.traffic import MOST_ROWS, Year
from clew.serving.protocol_json import PredictReader
from clew.serving.request import ColumnCheck

MINUTE_US = 60_000_000
START_US = live_from_us() // DAY_US * DAY_US
DAY = Day(START_US, START_US + DAY_US, START_US + DAY_US)


def year_of(minutes: list[int]) -> Year:
    """Flights at these minutes of the first day; every third lacks its weather."""
    minutes = sorted(minutes)
    rows = pl.DataFrame({KEY: [f"flight {at}" for at in range(len(minutes))]}).with_columns(
        time_us=START_US + pl.Series(minutes, dtype=pl.Int64) * MINUTE_US,
        **{name: pl.lit("AA") for name in CATEGORIES},
        **{
            name: pl.Series([None if at % 3 == 0 else at / 7 for at in range(len(minutes))], dtype=pl.Float32)
            for name in NUMBERS
        },
    )
    truth = rows.select(KEY, pl.lit(True).alias(LABEL), known_us=pl.col("time_us") + LABEL_DELAY_US)
    return Year(rows.select(KEY, "time_us", *INPUTS), truth)


minutes_of_a_day = st.lists(st.integers(0, 1439), max_size=400)


@given(minutes_of_a_day)
def test_every_flight_is_asked_about_once_in_the_order_of_time(minutes: list[int]) -> None:
    year = year_of(minutes)
    asks = year.asks(DAY)
    assert Counter(key for ask in asks for key in ask.keys) == Counter(year.table[KEY].to_list())
    assert [ask.time_us for ask in asks] == sorted(ask.time_us for ask in asks)
    assert len({ask.id for ask in asks}) == len(asks)
    scheduled = dict(zip(year.table[KEY], year.table["time_us"], strict=True))
    for ask in asks:
        assert 1 <= len(ask.keys) <= MOST_ROWS
        assert all(0 <= scheduled[key] - ask.time_us < 60 * MINUTE_US for key in ask.keys), "nothing is asked too late"


@given(minutes_of_a_day, st.integers(0, 23))
def test_the_requests_of_an_hour_depend_on_its_own_flights_alone(minutes: list[int], hour: int) -> None:
    inside = [minute for minute in minutes if minute // 60 == hour]
    whole = [ask for ask in year_of(minutes).asks(DAY) if (ask.time_us - START_US) // (60 * MINUTE_US) == hour]
    alone = year_of(inside).asks(DAY)
    assert [(ask.id, ask.time_us, len(ask.keys)) for ask in whole] == [(a.id, a.time_us, len(a.keys)) for a in alone]


def test_a_fifth_of_the_requests_or_more_are_for_one_flight() -> None:
    asks = year_of([minute % 1440 for minute in range(0, 1440 * 5, 3)]).asks(DAY)
    assert sum(len(ask.keys) == 1 for ask in asks) >= len(asks) / 5
    assert max(len(ask.keys) for ask in asks) > 1


def test_another_seed_composes_other_requests() -> None:
    year = year_of(list(range(0, 1440, 2)))
    assert [ask.keys for ask in year.asks(DAY, seed=1)] != [ask.keys for ask in year.asks(DAY)]


def test_the_endpoint_reads_what_is_sent_with_nulls_as_nulls() -> None:
    ask = max(year_of([0] * 30).asks(DAY), key=lambda ask: len(ask.keys))
    inputs = tuple(Field(name=name, dtype=Dtype.STRING) for name in CATEGORIES)
    inputs += tuple(Field(name=name, dtype=Dtype.FLOAT32, nullable=True) for name in NUMBERS)
    signature = Signature(inputs=inputs, outputs=(), task=Task.BINARY, scale=Scale.PROBABILITY, classes=(False, True))
    request = PredictReader(signature, ColumnCheck(signature))(ask.body())
    assert (request.keys, request.time_us, request.id) == (ask.keys, ask.time_us, ask.id)
    assert request.columns["temp"].count(None) == sum(row["temp"] is None for row in ask.rows) > 0


def test_training_data_are_the_flights_whose_labels_are_known() -> None:
    year = year_of([0, 10, 20])
    known = year.training(START_US + LABEL_DELAY_US + 10 * MINUTE_US)
    assert known[KEY].to_list() == ["flight 0", "flight 1"]
    assert known.columns == [KEY, "time_us", *INPUTS, LABEL]


def test_flights_between_two_moments() -> None:
    year = year_of([0, 10, 20])
    assert year.keys(START_US + 10 * MINUTE_US, START_US + 20 * MINUTE_US) == ["flight 1"]
    assert year.keys(START_US + 20 * MINUTE_US, START_US) == []
    assert pytest.approx(1) == sum(year.outcomes.values()) / 3
