"""A log: an append-only dataset whose rows come in batches, each an object that is found by time or by id.

Every row has an id and a time. The prediction log of an endpoint is one; its batches are written by what compacts the
journals, and this is how they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.extras import require
from clew.core.types.dataset import Dataset, DatasetKind, LogBatch
from clew.core.types.edge import node
from clew.core.types.reference import checked_name
from clew.data.reference import unknown_dataset
from clew.data.table import encode_part, scan_parts
from clew.store.account import append_batches

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Log", "LogColumns", "make_log", "open_log"]


class LogColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Which columns of a log hold the id (text) and the time (microseconds since 1970 UTC) of a row."""

    id: str = "id"
    time_us: str = "time_us"


def make_log(stores: Stores, name: str, *, description: str = "", columns: LogColumns | None = None) -> Log:
    """Open a log; it is made when there is none.

    Raises:
        Invalid: the name cannot be used, or belongs to a dataset of another kind.
    """
    checked_name("dataset", name)
    now_us = stores.clock.now_us()
    with stores.ledger.write() as tx:
        found = tx.datasets.find(stores.project, name)
        if found is None:
            found = Dataset(
                id=stores.ids(),
                project=stores.project,
                name=name,
                kind=DatasetKind.LOG,
                created_us=now_us,
                description=description,
            )
            tx.datasets.add(found)
            facts = {"name": name, "kind": found.kind.value}
            stores.tell(tx, "dataset.added", node("dataset", found.id), facts)
    return Log(stores, found, columns=columns)


def open_log(stores: Stores, name: str, *, columns: LogColumns | None = None) -> Log:
    """Open a log by its name.

    Raises:
        NotFound: there is none.
        Invalid: the dataset of this name is no log.
    """
    with stores.ledger.read() as tx:
        found = tx.datasets.find(stores.project, name)
        if found is None:
            raise unknown_dataset(tx, stores.project, name)
    return Log(stores, found, columns=columns)


class Log:
    """One log, to append to and to read.

    Args:
        stores: where its batches are.
        dataset: of kind log.
        columns: which columns hold id and time.

    Raises:
        Invalid: the dataset is no log.
    """

    def __init__(self, stores: Stores, dataset: Dataset, *, columns: LogColumns | None = None) -> None:
        if dataset.kind is not DatasetKind.LOG:
            raise Invalid(f"dataset {dataset.name!r} holds {dataset.kind.value} and is no log")
        self._stores, self.dataset = stores, dataset
        self._columns = columns or LogColumns()

    def append(self, batches: Sequence[tuple[pl.DataFrame, str]]) -> int:
        """Add batches of rows, each with its source; survives *power*. Sources that are there are skipped.

        Returns:
            How many batches were added.

        Raises:
            Invalid: a batch is empty, lacks id or time, or holds nulls in them.
        """
        rows = [self._batch(frame, source) for frame, source in batches]
        with self._stores.ledger.write() as tx:
            return len(append_batches(self._stores, tx, rows))

    def read(self, low_us: int, high_us: int) -> pl.LazyFrame:
        """The rows with `low_us ≤ time < high_us`; batches of different columns are put below each other.

        Raises:
            NotFound: there are none in this time.
        """
        require("polars")
        import polars as pl

        with self._stores.ledger.read() as tx:
            found = tx.logs.between(self.dataset.id, low_us, high_us)
        if not found:
            raise NotFound("batch", f"{self.dataset.name} from {low_us} to {high_us} µs", hint="choose another time")
        time_us = pl.col(self._columns.time_us)
        return self._scan(found).filter((time_us >= low_us) & (time_us < high_us))

    def find(self, id: str) -> dict[str, object] | None:
        """The first row with an id, column to value, if there is one."""
        require("polars")
        import polars as pl

        with self._stores.ledger.read() as tx:
            found = tx.logs.holding(self.dataset.id, id)
        for batch in found:
            rows = self._scan([batch]).filter(pl.col(self._columns.id) == id).head(1).collect()
            if rows.height:
                return rows.row(0, named=True)
        return None

    def position(self) -> int:
        """How many batches there are: a version of a log is a position."""
        with self._stores.ledger.read() as tx:
            return tx.logs.position(self.dataset.id)

    def rows(self) -> int:
        """Rows over all batches."""
        with self._stores.ledger.read() as tx:
            return tx.logs.rows(self.dataset.id)

    def _scan(self, batches: Sequence[LogBatch]) -> pl.LazyFrame:
        import polars as pl

        frames = [scan_parts(self._stores.objects, [batch.object]) for batch in batches]
        return pl.concat(frames, how="diagonal_relaxed")

    def _batch(self, frame: pl.DataFrame, source: str) -> LogBatch:
        ids, times = (
            self._column(frame, self._columns.id, "String"),
            self._column(frame, self._columns.time_us, "Int64"),
        )
        content = encode_part(frame)
        return LogBatch(
            dataset=self.dataset.id,
            position=0,
            object=self._stores.objects.put(content),
            rows=frame.height,
            size_bytes=len(content),
            time_low_us=int(times.min()),  # type: ignore[arg-type]  # of Int64 without nulls
            time_high_us=int(times.max()),  # type: ignore[arg-type]
            id_low=str(ids.min()),
            id_high=str(ids.max()),
            created_us=self._stores.clock.now_us(),
            source=source,
        )

    def _column(self, frame: pl.DataFrame, name: str, dtype: str) -> pl.Series:
        if frame.height == 0:
            raise Invalid(f"a batch of {self.dataset.name!r} holds no rows")
        if str(frame.schema.get(name)) != dtype or frame[name].null_count():
            raise Invalid(f"a batch of {self.dataset.name!r} needs a column {name!r} of {dtype} without nulls")
        return frame[name]
