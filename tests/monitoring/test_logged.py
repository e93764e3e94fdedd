"""Reading logs: the right rows in the right order, each batch once, and the truth about them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from clew.core.types.signature import Scale, Signature, Task
from clew.loop.watch import compact_endpoint
from clew.monitoring import logged
from clew.monitoring.logged import LogReader, labels_in, read_decisions, read_labels, with_truth
from clew.testing.life import INPUTS, START_US, Life

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000


def signature(*classes: Any) -> Signature:
    task = Task.REGRESSION if not classes else Task.BINARY if len(classes) == 2 else Task.MULTICLASS
    return Signature(inputs=(), outputs=(), task=task, scale=Scale.VALUE, classes=classes)


def decisions(*rows: tuple[str, str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["id", "key", "decision"], orient="row")


def labels(*rows: tuple[str, str, int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["id", "key", "received_us", "label"], orient="row")


@pytest.fixture
def reader(life: Life) -> LogReader:
    for day in range(3):
        life.label(life.decide(day, 24, shadows=[2]), day=day + 1)
        compact_endpoint(life.monitor)
    return LogReader(life.stores)


def test_decisions_between_two_times(life: Life, reader: LogReader) -> None:
    rows = reader.decisions(life.endpoint, START_US + 5 * HOUR_US, START_US + 25 * HOUR_US)
    assert rows is not None
    assert rows["time_us"].to_list() == [START_US + hour * HOUR_US for hour in range(5, 25)]
    assert reader.decisions(life.endpoint, START_US + 3 * DAY_US, START_US + 4 * DAY_US) is None
    assert reader.decisions(life.endpoint, START_US, START_US + DAY_US, version="nobody") is None
    seen = reader.decisions(life.endpoint, START_US, START_US + 3 * DAY_US, until=2)
    assert seen is not None
    assert seen.height == 48


def test_decisions_with_what_was_asked(life: Life, reader: LogReader) -> None:
    rows = reader.decisions(life.endpoint, START_US, START_US + DAY_US, version=life.version(1).id, inputs=True)
    assert rows is not None
    assert rows["inputs"].struct.fields == INPUTS


def test_shadows_and_labels(life: Life, reader: LogReader) -> None:
    rows = reader.shadows(life.endpoint, START_US, START_US + DAY_US, version=life.version(2).id)
    assert rows is not None
    assert rows.columns == ["id", "time_us", "version", "score", "decision"]
    assert reader.shadows(life.endpoint, START_US, START_US + DAY_US, version=life.version(1).id) is None
    told = reader.labels(life.endpoint, START_US + 2 * DAY_US)
    assert told is not None
    assert told.height == 48
    assert sum(part.height for part in reader.labels_behind(life.endpoint, 1, 2)) == 24
    assert list(reader.labels_behind(life.endpoint, 3, 3)) == []


def test_functions_read_what_a_reader_reads(life: Life, reader: LogReader) -> None:
    rows = read_decisions(life.stores, life.endpoint, START_US, START_US + DAY_US)
    assert rows is not None
    assert rows.equals(reader.decisions(life.endpoint, START_US, START_US + DAY_US))  # type: ignore[arg-type]
    told = read_labels(life.stores, life.endpoint, START_US, START_US + DAY_US + 1)
    assert told is not None
    assert told.height == 24


def test_a_batch_is_read_once_while_there_is_room(
    life: Life, reader: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    get = life.stores.objects.get
    monkeypatch.setattr(life.stores.objects, "get", lambda digest: read.append(digest) or get(digest))

    def everything(some: LogReader) -> int:
        read.clear()
        rows = some.decisions(life.endpoint, START_US, START_US + 3 * DAY_US)
        assert rows is not None
        assert rows.height == 72
        return len(read)

    assert [everything(reader), everything(reader)] == [3, 0]
    small = LogReader(life.stores, most_bytes=1)
    assert [everything(small), everything(small)] == [3, 3]
    assert small._size_bytes == 0


def test_small_batches_are_read_together_and_large_ones_apart(
    life: Life, reader: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = reader.batches(life.endpoint.predictions, START_US, START_US + 3 * DAY_US)
    assert [part.height for part in reader.names(batches)] == [72]
    monkeypatch.setattr(logged, "_PIECE_ROWS", 40)
    assert [part.height for part in reader.names(batches)] == [48, 24]


def test_labels_join_by_id_and_by_key() -> None:
    rows = decisions(("i1", "k1", True), ("i2", "k2", True), ("i3", "", False), ("i4", "k2", False))
    told = labels(("i1", "", 1, "false"), ("", "k2", 1, "true"), ("", "", 1, "true"), ("i9", "", 1, "true"))
    found = with_truth(rows, told, signature(False, True))
    assert found["id"].to_list() == ["i1", "i2", "i3", "i4"]
    assert found["truth"].to_list() == [0, 1, None, 1]
    assert found["decided"].to_list() == [1, 1, 0, 0]


def test_the_label_received_last_counts_whichever_way_it_came() -> None:
    rows = decisions(("i1", "k1", True), ("i2", "k2", True))
    told = labels(
        ("i1", "", 5, "true"),
        ("", "k1", 6, "false"),
        ("i2", "", 9, "true"),
        ("", "k2", 3, "false"),
        ("i2", "", 8, "false"),
    )
    assert with_truth(rows, told, signature(False, True))["truth"].to_list() == [0, 1]


def test_a_label_that_is_none_does_not_undo_one() -> None:
    told = labels(("i1", "", 1, "true"), ("i1", "", 2, '"maybe"'), ("i1", "", 3, "null"))
    assert with_truth(decisions(("i1", "", False)), told, signature(False, True))["truth"].to_list() == [1]


@pytest.mark.parametrize("none", [None, labels().cast({"id": pl.String, "key": pl.String, "label": pl.String})])
@pytest.mark.parametrize("classes", [(False, True), ("a", "b", "c"), ()])
def test_no_labels(none: pl.DataFrame | None, classes: tuple[Any, ...]) -> None:
    said = classes[0] if classes else 1.5
    found = with_truth(decisions(("i1", "", said)), none, signature(*classes))
    assert found["truth"].to_list() == [None]
    assert found["truth"].dtype == found["decided"].dtype


@pytest.mark.parametrize(
    ("classes", "texts", "places"),
    [
        ((False, True), ["true", "false", "1", "0", "1.0"], [1, 0, 1, 0, 1]),
        ((False, True), ['"True"', '"false"', "2", "null", '"yes"'], [1, 0, None, None, None]),
        ((0, 1), ["0", "1.0", "true", '"1"', "2"], [0, 1, 1, 1, None]),
        ((1, 2, 3), ["2", "3.0", "true", '"2"'], [1, 2, 0, 1]),
        (("1", "2"), ["1", '"2"', "3"], [0, 1, None]),
        (("late", "on time"), ['"late"', '"on time"', "late?"], [0, 1, None]),
        ((0.5, 1.0), ["0.5", "1", "1.0"], [0, 1, 1]),
    ],
)
def test_labels_as_the_model_knows_them(classes: tuple[Any, ...], texts: list[str], places: list[int | None]) -> None:
    assert labels_in(pl.Series(texts), signature(*classes)).to_list() == places


def test_labels_of_a_regression_are_numbers() -> None:
    assert labels_in(pl.Series(["1.5", "2", '"x"', "null"]), signature()).to_list() == [1.5, 2.0, None, None]
