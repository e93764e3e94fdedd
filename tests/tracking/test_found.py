"""Runs that were found tell their series, and become tables for other programs."""

from __future__ import annotations

import csv
import math
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, Unavailable
from clew.testing.runs import a_block, a_run
from clew.tracking.export import write
from clew.tracking.found import RunList, each_found, find_runs
from clew.tracking.runs import LedgerRuns
from clew.tracking.series import Points, block_of
from clew.tracking.where import parse_field


@pytest.fixture
def found(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> RunList:
    monkeypatch.setattr("clew.tracking.found._PAGE", 2)
    runs = LedgerRuns(stores)
    for number in range(5):
        run = a_run(
            f"{number:032x}",
            name=f"run, {number}",
            created_us=number * 1_000_000,
            params={"depth": number, "mixed": number if number % 2 else "text", "flag": number > 2},
            tags={"team": "risk"} if number else {},
        )
        runs.create(run, experiment="e")
        if number:
            runs.append([a_block("j:0-0", run=run.id, last=math.inf if number == 4 else number / 4)])
    return find_runs(runs, stores.objects, sort="param.depth", limit=None)


def test_pages_join_up_to_the_limit(found: RunList, stores: Stores) -> None:
    assert [run.params["depth"] for run in found] == [0, 1, 2, 3, 4]
    some = each_found(LedgerRuns(stores), where="tag.team = risk", sort="-param.depth", limit=3)
    assert [one.run.params["depth"] for one in some] == [4, 3, 2]
    assert found[1].metrics == {"loss": 0.25}
    assert (found[1].experiment, found[1].status, found[1].tags) == ("e", "running", {"team": "risk"})


def test_series_are_read_when_they_are_asked_for(found: RunList, stores: Stores) -> None:
    points = Points(np.array([3, 1]), np.array([10, 20]), np.array([0.5, math.nan]))
    LedgerRuns(stores).append([block_of(found[0].id, "acc", "j:0-1", points)])
    series = found[0].series("acc")
    assert series.points().values.tobytes() == points.values.tobytes()
    sample = series.sample(width=10)
    assert sample is not None
    assert (sample.steps, sample.exact) == ([1.0, 3.0], True)
    assert found[0].series("none").sample() is None
    frame = series.frame()
    assert frame["step"].to_list() == [3, 1]
    assert frame["time"][0] == datetime(1970, 1, 1, 0, 0, 0, 10, tzinfo=UTC)


def test_runs_become_a_frame(found: RunList) -> None:
    frame = found.frame()
    assert frame["param.depth"].to_list() == [0, 1, 2, 3, 4]
    assert frame["param.mixed"].to_list() == ["text", "1", "text", "3", "text"]
    assert frame["metric.loss"].to_list() == [None, 0.25, 0.5, 0.75, math.inf]
    assert frame["created"].dtype == pl.Datetime("us", "UTC")
    assert found.frame(["name", "metric.loss.max"]).columns == ["name", "metric.loss.max"]
    assert RunList([]).frame(["name"]).height == 0


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_runs_become_files(found: RunList, format: str, tmp_path: Path) -> None:
    path, some = tmp_path / "runs", [run.found for run in found]
    write(format, some, [], path)
    if format == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["name"] for row in rows] == [f"run, {number}" for number in range(5)]
        assert (rows[4]["created"], rows[0]["metric.loss"], rows[4]["metric.loss"]) == (
            "1970-01-01T00:00:04Z",
            "",
            "inf",
        )
    elif format == "jsonl":
        lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        assert [line.get("metric.loss") for line in lines] == [None, 0.25, 0.5, 0.75, "inf"]
        assert [line["param.flag"] for line in lines] == [False, False, False, True, True]
    else:
        assert pl.read_parquet(path).equals(found.frame())
    write(format, some, [parse_field("name")], path)
    with pytest.raises(Unavailable, match="cannot be written"):
        write(format, some, [], tmp_path / "no" / "folder")


def test_a_file_stays_where_runs_do_not_fit_into_it(found: RunList, tmp_path: Path) -> None:
    path, some = tmp_path / "runs", [run.found for run in found]
    path.write_bytes(b"the last export")
    big = msgspec.structs.replace(some[0].run, params={"seed": 1 << 200})
    with pytest.raises(Invalid, match="fits no column"):
        write("parquet", [msgspec.structs.replace(some[0], run=big)], [], path)
    assert path.read_bytes() == b"the last export"
