"""Profiles and counts: the same bins for a table and for what is logged, exact sums, stable bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Corrupt, Invalid
from clew.core.hashing import hash_bytes
from clew.core.types.profile import SCORE, ColumnProfile, HourCounts, Profile, ProfileKind
from clew.monitoring.profile import (
    HOUR_US,
    add_counts,
    count_rows,
    counts_by_hour,
    decode_hours,
    decode_profile,
    encode_hours,
    encode_profile,
    learn_profile,
    rows_by_hour,
)


def table(rows: int = 200, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "wind": pl.Series(rng.normal(size=rows)).set(pl.Series(rng.random(rows) < 0.1), None),
            "hour": rng.integers(0, 24, rows),
            "carrier": pl.Series(rng.choice(["UA", "AA", "B6"], rows)).set(pl.Series(rng.random(rows) < 0.1), None),
            "open": rng.random(rows) < 0.5,
        }
    )


def logged(rows: pl.DataFrame, times: list[int]) -> pl.DataFrame:
    scores = np.linspace(0, 1, rows.height)
    return pl.DataFrame({"time_us": times, "score": scores, "inputs": rows.to_struct("inputs")})


def test_every_row_stands_in_one_bin_of_every_column() -> None:
    rows = table()
    profile = learn_profile(rows, np.linspace(0, 1, 200), units=None, unit="row")
    assert [column.name for column in profile.columns] == ["wind", "hour", "carrier", "open", SCORE]
    assert (profile.rows, profile.units) == (200, 200)
    for column in profile.columns:
        assert sum(column.counts) == 200
        bins = len(column.edges) + 1 if column.kind is ProfileKind.NUMBER else len(column.categories) + 1
        assert len(column.counts) == bins + 1
    by_name = {column.name: column for column in profile.columns}
    assert by_name["carrier"].categories == ("AA", "B6", "UA")
    assert by_name["open"].categories == ("false", "true")
    assert by_name["wind"].counts[-1] == rows["wind"].null_count()
    assert by_name["carrier"].counts[-1] == rows["carrier"].null_count()


def test_the_rows_of_training_count_as_the_profile_says() -> None:
    rows, scores = table(), np.linspace(0, 1, 200)
    profile = learn_profile(rows, scores, units=None, unit="row")
    counts = count_rows(rows, pl.Series(scores), profile)
    assert counts == {column.name: list(column.counts) for column in profile.columns}


def test_what_training_never_saw_is_news() -> None:
    profile = learn_profile(table(), None, units=None, unit="row")
    fresh = pl.DataFrame({"wind": [9e9, -9e9], "hour": [99, 3], "carrier": ["XX", "UA"], "open": [None, True]})
    counts = count_rows(fresh, None, profile)
    assert counts["carrier"] == [0, 0, 1, 1, 0]
    assert counts["open"] == [0, 1, 0, 1]
    assert (counts["wind"][0], counts["wind"][-2]) == (1, 1)


def test_many_categories_share_a_bin() -> None:
    rows = pl.DataFrame({"tail": [f"N{i:03}" for i in range(300)] + ["N007"] * 5})
    [column] = learn_profile(rows, None, units=None, unit="row").columns
    assert len(column.categories) == 64
    assert "N007" in column.categories
    assert sum(column.counts) == 305


def test_units_teach_how_alike_their_rows_are() -> None:
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(30), 20)
    rows = pl.DataFrame({"alike": rng.normal(size=30)[day] + 0.1 * rng.normal(size=600), "free": rng.normal(size=600)})
    alike, free = learn_profile(rows, None, units=day.tolist(), unit="day").columns
    assert alike.design is not None
    assert free.design is not None
    assert alike.design.effect > 5 > free.design.effect


@pytest.mark.parametrize(("rows", "units"), [(0, None), (5, ["a", "b"])])
def test_tables_that_teach_nothing(rows: int, units: list[str] | None) -> None:
    with pytest.raises(Invalid):
        learn_profile(table(10).head(rows), None, units=units, unit="day")


@given(
    times=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=40),
    seed=st.integers(0, 20),
)
def test_counts_by_hour_add_up_to_the_counts_of_the_rows(times: list[int], seed: int) -> None:
    profile = learn_profile(table(), np.linspace(0, 1, 200), units=None, unit="row")
    rows = table(len(times), seed)
    at = [time * 60_000_000 for time in times]
    found = counts_by_hour("v1", logged(rows, at), profile)
    assert set(found.hours) == {time // HOUR_US * HOUR_US for time in at}
    whole = count_rows(rows, pl.Series(np.linspace(0, 1, rows.height)), profile)
    assert add_counts(list(found.hours.values())) == whole
    halves = [
        counts_by_hour("v1", part, profile) for part in (logged(rows, at)[:7], logged(rows, at)[7:]) if part.height
    ]
    assert add_counts([counts for half in halves for counts in half.hours.values()]) == whole


def test_a_version_without_a_profile_counts_its_rows() -> None:
    rows = logged(table(5), [0, 1, HOUR_US, HOUR_US + 5, -1])
    found = rows_by_hour("v1", rows)
    assert found.hours == {-HOUR_US: {SCORE: [1]}, 0: {SCORE: [2]}, HOUR_US: {SCORE: [2]}}


def test_a_column_that_the_log_lacks() -> None:
    profile = learn_profile(table(), None, units=None, unit="row")
    with pytest.raises(Invalid, match="'wind'"):
        count_rows(table().drop("wind"), None, profile)
    with pytest.raises(Invalid, match="'wind'"):
        counts_by_hour("v1", logged(table(3).drop("wind"), [0, 0, 0]), profile)


def test_bytes_come_back_as_they_were() -> None:
    profile = learn_profile(table(), np.linspace(0, 1, 200), units=[i % 9 for i in range(200)], unit="day")
    assert decode_profile(encode_profile(profile)) == profile
    hours = counts_by_hour("v1", logged(table(50), list(range(0, 50 * HOUR_US, HOUR_US))), profile)
    assert decode_hours(encode_hours(hours)) == hours
    assert encode_hours(hours) == encode_hours(
        HourCounts(decider="v1", hours=dict(reversed(list(hours.hours.items()))))
    )


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00\xff"])
def test_bytes_that_are_none(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode_hours(data)
    with pytest.raises(Corrupt):
        decode_profile(data)


def test_format_version_0_is_frozen() -> None:
    column: dict[str, Any] = {"name": "wind", "kind": ProfileKind.NUMBER, "counts": (1, 2, 0), "edges": (0.5,)}
    profile = Profile(rows=3, unit="day", units=2, columns=(ColumnProfile(**column),))
    assert hash_bytes(encode_profile(profile))[:16] == "44404e82e30fbfc8"
    hours = HourCounts(decider="v1", hours={0: {"wind": [1, 0, 2]}})
    assert hash_bytes(zstandard.ZstdDecompressor().decompress(encode_hours(hours)))[:16] == "d388a81ded45003e"
