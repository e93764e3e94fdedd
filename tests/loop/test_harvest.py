"""Labelled decisions become training rows: each once, in the table's own types, with the thread kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from clew.core.errors import Conflict, Invalid, Unavailable
from clew.core.types.dataset import DatasetVersion
from clew.core.types.edge import node
from clew.data.add_table import TableRules, add_table
from clew.data.origin import Origin
from clew.data.table import read_manifest, scan_table
from clew.loop import harvest as harvesting
from clew.loop.harvest import harvest
from clew.loop.monitor import Monitor
from clew.loop.watch import compact_endpoint
from clew.settings import HarvestSettings
from clew.testing.faults import FaultyLedger, FaultyObjects, Plan, When
from clew.testing.life import START_US, Life, flights

DAY_US = 86_400_000_000
SETTINGS = HarvestSettings(dataset="flights", label="late", key="flight", time="time_us")


def table_of(life: Life, frame: pl.DataFrame, *, key: str | None = "flight") -> DatasetVersion:
    rules = TableRules(key=[key]) if key else TableRules()
    return add_table(life.workspace.site, "flights", frame, rules=rules, origin=Origin(message="as it began")).version


def before() -> pl.DataFrame:
    """Flights of the month before the endpoint lived."""
    table = flights(60, seed=5)
    return table.with_columns(flight=pl.format("old {}", pl.int_range(table.height)))


def reap(life: Life, day: float, settings: HarvestSettings = SETTINGS) -> DatasetVersion | None:
    compact_endpoint(life.monitor)
    return harvest(life.monitor, settings, until_us=START_US + int(day * DAY_US))


def rows_of(life: Life, version: DatasetVersion) -> pl.DataFrame:
    return scan_table(life.stores.objects, read_manifest(life.stores.objects, version.manifest)).collect()


def live(life: Life, days: range, **more: Any) -> list[str]:
    names: list[str] = []
    for day in days:
        names += life.decide(day, 24, **more)
        life.label(names[-24:], day=day + 1)
    return names


def test_labelled_decisions_are_appended_as_they_were_asked(life: Life) -> None:
    table_of(life, before())
    names = live(life, range(2))
    life.decide(2, 24)
    version = reap(life, 3)
    assert version is not None
    assert (version.number, version.rows, version.message) == (2, 60 + 48, "48 labelled decisions of late")
    rows = rows_of(life, version)
    fresh = rows.filter(~pl.col("flight").str.starts_with("old"))
    assert sorted(fresh["flight"]) == sorted(names)
    assert dict(fresh.select("flight", "late").iter_rows()) == {name: life.truths[name] for name in names}
    asked = pl.concat([flights(24, seed=int(day * 24) + 1000) for day in range(2)])
    assert sorted(fresh["wind"]) == sorted(asked["wind"])
    assert sorted(set(fresh["time_us"])) == [START_US + hour * 3_600_000_000 for hour in range(48)]
    assert rows.schema == before().select(rows.columns).schema


def test_no_row_comes_twice(life: Life) -> None:
    table_of(life, before())
    live(life, range(2))
    assert reap(life, 2) is not None
    assert reap(life, 2) is None
    live(life, range(2, 3))
    again = reap(life, 3)
    assert again is not None
    assert (again.number, again.rows) == (3, 60 + 72)


def test_labels_that_come_later_are_harvested_later(life: Life) -> None:
    table_of(life, before())
    names = life.decide(0, 24)
    life.label(names[:10], day=1)
    life.label(names[10:], day=20)
    first, second = reap(life, 19.9), reap(life, 20)
    assert first is not None
    assert second is not None
    assert (first.rows, second.rows) == (70, 84)


def test_labels_of_the_future_are_not_known_yet(life: Life) -> None:
    table_of(life, before())
    life.label(life.decide(0, 24), day=3)
    assert reap(life, 2) is None


def test_the_thread_leads_to_the_table_before_and_to_the_endpoint(life: Life) -> None:
    first = table_of(life, before())
    live(life, range(1))
    version = reap(life, 1)
    assert version is not None
    with life.stores.ledger.read() as tx:
        sources = {edge.source for edge in tx.edges.up(node("data", version.id), depth=1)}
    assert sources == {node("data", first.id), node("endpoint", life.endpoint.id)}


def test_a_decision_without_a_key_goes_by_its_id(life: Life) -> None:
    table_of(life, before())
    names = life.decide(0, 24, keys=False)
    life.label(names, day=1, by_id=True)
    version = reap(life, 1)
    assert version is not None
    assert set(names) <= set(rows_of(life, version)["flight"])
    assert reap(life, 1.5) is None


def test_decisions_of_several_versions(life: Life) -> None:
    table_of(life, before())
    names = live(life, range(1)) + live(life, range(1, 2), by=2)
    version = reap(life, 2)
    assert version is not None
    assert set(names) <= set(rows_of(life, version)["flight"])


@pytest.mark.parametrize(
    ("label", "time"),
    [
        (pl.Int64, pl.Datetime("us")),
        (pl.Float64, pl.Datetime("ms")),
        (pl.Boolean, pl.Datetime("ns", "UTC")),
        (pl.Int8, pl.Int64),
    ],
)
def test_values_take_the_types_of_the_table(life: Life, label: Any, time: Any) -> None:
    at: Any = pl.col("time_us")
    if time != pl.Int64:
        zone = getattr(time, "time_zone", None)
        at = pl.from_epoch("time_us", "us").dt.replace_time_zone(zone).cast(time)
    frame = before().with_columns(pl.col("late").cast(label), pl.col("wind").cast(pl.Float32), at)
    table_of(life, frame)
    names = live(life, range(1))
    version = reap(life, 1)
    assert version is not None
    rows = rows_of(life, version)
    assert rows.schema == frame.select(rows.columns).schema
    fresh = rows.filter(pl.col("flight").is_in(names))
    times = fresh["time_us"] if time == pl.Int64 else fresh["time_us"].dt.epoch("us")
    assert sorted(set(times)) == [START_US + hour * 3_600_000_000 for hour in range(24)]
    assert reap(life, 1.5) is None


def test_columns_that_decisions_do_not_have(life: Life) -> None:
    table_of(life, before().with_columns(tail=pl.lit("N1")))
    live(life, range(1))
    with pytest.raises(Invalid, match="columns that decisions do not: tail"):
        reap(life, 1)


@pytest.mark.parametrize("name", ["late", "flight", "time_us"])
def test_a_column_that_the_settings_name_and_the_table_lacks(life: Life, name: str) -> None:
    table_of(life, before().rename({name: "other"}), key="other" if name == "flight" else "flight")
    live(life, range(1))
    with pytest.raises(Invalid, match=f"no column '{name}'"):
        reap(life, 1)


def test_keys_that_do_not_fit_the_table(life: Life) -> None:
    table_of(life, before().with_columns(flight=pl.int_range(60)))
    live(life, range(1))
    with pytest.raises(Invalid, match="do not fit the table 'flights'"):
        reap(life, 1)


def test_without_a_key_nothing_is_appended(life: Life) -> None:
    table_of(life, before())
    live(life, range(1))
    with pytest.raises(Invalid, match="appended twice"):
        reap(life, 1, HarvestSettings(dataset="flights", label="late"))


def test_a_table_that_is_not_there(life: Life) -> None:
    with pytest.raises(Invalid, match="no table 'flights'"):
        reap(life, 1)


def test_times_that_are_none(life: Life) -> None:
    table_of(life, before().with_columns(time_us=pl.lit("today")))
    live(life, range(1))
    with pytest.raises(Invalid, match="holds no times"):
        reap(life, 1)


def test_a_version_that_somebody_adds_meanwhile_is_not_lost(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    table_of(life, before())
    live(life, range(1))
    read = harvesting._labelled

    def meanwhile(*args: Any) -> Any:
        table_of(life, before().head(50))
        return read(*args)

    monkeypatch.setattr(harvesting, "_labelled", meanwhile)
    with pytest.raises(Conflict, match="another version"):
        reap(life, 1)
    monkeypatch.undo()
    version = reap(life, 1)
    assert version is not None
    assert (version.number, version.rows) == (3, 74)


def test_numbers_are_not_rounded() -> None:
    with pytest.raises(Invalid, match="whole numbers only"):
        harvesting._as(pl.Series("late", [1.0, 2.5]), pl.Int64())
    assert harvesting._as(pl.Series("late", [1.0, None, 3.0]), pl.Int64()).to_list() == [1, None, 3]


@pytest.mark.parametrize("when", When)
def test_a_harvest_over_stores_that_fail_is_finished_by_the_next(life: Life, when: When) -> None:
    table_of(life, before())
    sound = life.stores
    for at in range(1, 4):
        live(life, range(at - 1, at))
        compact_endpoint(life.monitor)
        plan = Plan(at, when)
        life.stores = replace(
            sound, ledger=FaultyLedger(sound.ledger, plan), objects=FaultyObjects(sound.objects, plan)
        )
        monitor = Monitor.of(
            life.stores, life.workspace.settings, life.endpoint, deciders=life.deciders, logs=life.logs
        )
        with pytest.raises(Unavailable, match="a test lets"):
            harvest(monitor, SETTINGS, until_us=START_US + at * DAY_US)
        life.stores = sound
        reap(life, at)
        newest = life.workspace.datasets.resolve("flights@latest")
        assert (newest.number, newest.rows) == (at + 1, 60 + 24 * at)
