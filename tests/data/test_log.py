from __future__ import annotations

import polars as pl
import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.types.dataset import DatasetKind
from clew.data.add_table import add_table
from clew.data.log import Log, LogColumns, make_log, open_log
from clew.data.site import Site


def batch(first: int, count: int, **more: object) -> pl.DataFrame:
    ids = [f"{at:04}" for at in range(first, first + count)]
    times = [1000 * at for at in range(first, first + count)]
    return pl.DataFrame({"id": ids, "time_us": times}).with_columns(
        **{name: pl.lit(value) for name, value in more.items()}
    )


@pytest.fixture
def log(stores: Stores) -> Log:
    log = make_log(stores, "decisions")
    assert log.append([(batch(0, 10, x=1), "journal@0"), (batch(10, 10, x=2), "journal@10")]) == 2
    return log


def test_rows_are_read_by_time(log: Log) -> None:
    assert log.read(3000, 5000).collect()["id"].to_list() == ["0003", "0004"]
    assert log.read(9000, 11_000).collect()["x"].to_list() == [1, 2]
    assert log.read(0, 10**9).collect().height == 20
    with pytest.raises(NotFound):
        log.read(10**9, 10**10)


def test_a_row_is_found_by_its_id(log: Log) -> None:
    assert log.find("0013") == {"id": "0013", "time_us": 13_000, "x": 2}
    assert log.find("0013x") is None
    assert log.find("9999") is None


def test_a_source_is_added_once(log: Log, stores: Stores) -> None:
    assert log.append([(batch(10, 10, x=2), "journal@10"), (batch(20, 5, x=3), "journal@20")]) == 1
    assert (log.position(), log.rows()) == (3, 25)
    assert make_log(stores, "decisions").dataset == log.dataset
    assert open_log(stores, "decisions").rows() == 25


def test_batches_of_other_columns_are_put_below(log: Log) -> None:
    more = batch(20, 2, y="new").with_columns(inputs=pl.struct(a=pl.lit(1.5)))
    log.append([(more, "journal@20"), (batch(22, 1).with_columns(inputs=pl.struct(b=pl.lit("b"))), "journal@22")])
    rows = log.read(19_000, 10**6).collect()
    assert rows["x"].to_list() == [2, None, None, None]
    assert rows["inputs"].to_list() == [None, {"a": 1.5, "b": None}, {"a": 1.5, "b": None}, {"a": None, "b": "b"}]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (batch(0, 0), "no rows"),
        (batch(0, 1).drop("id"), "'id' of String"),
        (batch(0, 1).with_columns(pl.col("time_us").cast(pl.Float64)), "'time_us' of Int64"),
        (batch(0, 2).with_columns(id=pl.Series(["a", None])), "without nulls"),
    ],
)
def test_a_batch_needs_ids_and_times(log: Log, frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        log.append([(frame, "s")])
    assert log.position() == 2


def test_columns_may_have_other_names(stores: Stores) -> None:
    log = make_log(stores, "events", columns=LogColumns(id="key", time_us="at"))
    log.append([(batch(0, 3).rename({"id": "key", "time_us": "at"}), "s")])
    assert log.find("0002") == {"key": "0002", "at": 2000}
    assert log.read(0, 1000).collect().height == 1


def test_what_is_no_log(stores: Stores, site: Site) -> None:
    add_table(site, "t", batch(0, 1))
    with pytest.raises(Invalid, match="is no log"):
        make_log(stores, "t")
    with pytest.raises(NotFound, match="clew data list"):
        open_log(stores, "absent")
    with pytest.raises(Invalid):
        make_log(stores, "a/b")
    made = make_log(stores, "new").dataset
    assert made.kind is DatasetKind.LOG
    with stores.ledger.read() as tx:
        assert tx.events.list("test", kind="dataset.added").items[0].facts == {"name": "new", "kind": "log"}
