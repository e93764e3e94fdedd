"""Windows against the training profile: what chance does is left alone, and what is new is named."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from clew.core.types.profile import Profile
from clew.monitoring.drift import LONGEST_WINDOWS, compare_counts, look_at_windows
from clew.monitoring.profile import count_rows, learn_profile

Counts = dict[str, list[int]]


def rows(seed: int, *, count: int = 200, shift: float = 0.0, carriers: str = "ABC") -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"wind": rng.normal(shift, 1.0, count), "carrier": rng.choice(list(carriers), count)})


@pytest.fixture(scope="module")
def profile() -> Profile:
    table = rows(0, count=3000)
    return learn_profile(table, None, units=[i % 30 for i in range(3000)], unit="day")


def fifty(rng: np.random.Generator, days: int, *, drift: str = "") -> pl.DataFrame:
    """Days of a thousand rows in 50 columns; `drift` says what is different in one of them."""
    count = days * 1000
    numbers = {f"n{i}": rng.normal(i, 1 + i, count) for i in range(40)}
    if drift == "shift":
        numbers["n7"] += 0.2 * 8
    for i in range(30, 40):
        numbers[f"n{i}"][rng.random(count) < (0.05 if drift == "nulls" and i == 33 else 0.01)] = np.nan
    common = np.array([0.4, 0.3, 0.15, 0.08, 0.04, 0.02, 0.01])
    swapped = common[[0, 2, 1, 3, 4, 5, 6]]
    texts = {
        f"c{i}": rng.choice(list("ABCDEFG"), count, p=swapped if drift == "swap" and i == 3 else common)
        for i in range(10)
    }
    return pl.DataFrame({**numbers, **texts})


def learn_fifty(rng: np.random.Generator) -> Profile:
    return learn_profile(fifty(rng, 30), None, units=np.repeat(np.arange(30), 1000).tolist(), unit="day")


def alarms_of(profile: Profile, rng: np.random.Generator, days: int, *, drift: str = "") -> list[str]:
    """What is alarmed first in some days of looking every day: from rows to counts to looks."""
    lived: list[Counts] = []
    for look in range(1, days + 1):
        lived.append(count_rows(fifty(rng, 1, drift=drift), None, profile))
        if alarmed := look_at_windows(profile, lived, look, thresholds={}).alarmed:
            return alarmed
    return []


def test_a_hundred_days_of_fifty_columns_without_drift_raise_nothing() -> None:
    """The whole way; more runs, on counts: tests/stats/test_alarms.py."""
    rng = np.random.default_rng(1)
    assert alarms_of(learn_fifty(rng), rng, 100) == []


@pytest.mark.parametrize(("drift", "column"), [("shift", "n7"), ("swap", "c3"), ("nulls", "n33")])
def test_a_planted_drift_in_one_of_fifty_columns_is_found_within_five_days(drift: str, column: str) -> None:
    rng = np.random.default_rng(2)
    profile = learn_fifty(rng)
    found = [alarms_of(profile, rng, 5, drift=drift) for _ in range(20)]
    assert sum(alarmed == [column] for alarmed in found) >= 18


def windows(profile: Profile, *shifts: float, seed: int = 100) -> list[Counts]:
    return [count_rows(rows(seed + at, shift=shift), None, profile) for at, shift in enumerate(shifts)]


def test_no_drift_no_alarm(profile: Profile) -> None:
    lived = windows(profile, *[0.0] * 40)
    for look in range(1, 41):
        assert look_at_windows(profile, lived[:look], look, thresholds={}).alarmed == []


def test_a_shift_is_alarmed_at_once(profile: Profile) -> None:
    report = look_at_windows(profile, windows(profile, 0, 0, 0, 1.0), 4, thresholds={})
    assert report.alarmed == ["wind"]
    wind, carrier = report.columns
    assert (wind.column, wind.windows, wind.rows, wind.alarm) == ("wind", 1, 200, True)
    assert wind.effect > carrier.effect
    assert wind.p_value <= report.spent < carrier.p_value
    assert (report.look, carrier.alarm) == (4, False)


def test_a_small_shift_is_found_over_many_windows(profile: Profile) -> None:
    lived = windows(profile, *[0.15] * LONGEST_WINDOWS)
    assert look_at_windows(profile, lived[:1], 1, thresholds={}).alarmed == []
    report = look_at_windows(profile, lived, LONGEST_WINDOWS, thresholds={})
    assert report.alarmed == ["wind"]
    assert report.columns[0].windows > 1


def test_only_the_newest_windows_are_looked_at(profile: Profile) -> None:
    old = windows(profile, *[3.0] * 5)
    lived = windows(profile, *[0.0] * LONGEST_WINDOWS)
    assert look_at_windows(profile, old + lived, 33, thresholds={}) == look_at_windows(
        profile, lived, 33, thresholds={}
    )


def test_what_is_new_and_what_is_missing_is_told(profile: Profile) -> None:
    table = rows(1).with_columns(
        wind=pl.when(pl.int_range(200) < 50).then(None).otherwise("wind"),
        carrier=pl.when(pl.int_range(200) < 20).then(pl.lit("Z")).otherwise("carrier"),
    )
    report = look_at_windows(profile, [count_rows(table, None, profile)], 1, thresholds={})
    found = {column.column: column for column in report.columns}
    assert (found["wind"].missing, found["wind"].novel) == (0.25, 0.0)
    assert (found["carrier"].missing, found["carrier"].novel) == (0.0, 0.1)
    assert set(report.alarmed) == {"wind", "carrier"}


def test_thresholds_of_the_user_stand_in_place_of_chance(profile: Profile) -> None:
    lived = windows(profile, 1.0)
    assert look_at_windows(profile, lived, 1, thresholds={"wind": 0.99}).alarmed == []
    assert set(look_at_windows(profile, lived, 1, thresholds={"carrier": 0.0}).alarmed) == {"wind", "carrier"}


def test_columns_without_rows_are_left_out(profile: Profile) -> None:
    [window] = windows(profile, 0.0)
    report = look_at_windows(profile, [{"wind": window["wind"]}], 1, thresholds={})
    assert [column.column for column in report.columns] == ["wind"]
    nothing = {"wind": [0] * len(window["wind"])}
    assert look_at_windows(profile, [nothing], 1, thresholds={}).columns == []


def test_a_single_comparison(profile: Profile) -> None:
    [window] = windows(profile, 1.0)
    wind, carrier = compare_counts(profile, window)
    assert (wind.column, carrier.column) == ("wind", "carrier")
    assert wind.p_value < 1e-6 < carrier.p_value
    assert (wind.windows, wind.alarm) == (1, False)
    assert 0 <= carrier.effect < wind.effect <= 1
