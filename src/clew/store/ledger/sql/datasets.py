"""Datasets, their versions, and the batches of logs in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.errors import Conflict, NotFound
from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetVersion, LogBatch
from clew.store.ledger.sql.connection import Connection, Document
from clew.store.ledger.sql.named import Named
from clew.store.ledger.sql.versions import page_of_versions

__all__ = ["SqlDatasets", "SqlLogs"]

_dataset = Document(Dataset)
_version = Document(DatasetVersion)
_batch = Document(LogBatch)


class SqlDatasets(Named[Dataset]):
    """`clew.core.contracts.ledger.Datasets`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, table="datasets", noun="dataset", document=_dataset)

    def add_version(self, version: DatasetVersion) -> None:
        added = self._c.change(
            "INSERT INTO dataset_versions (dataset, number, id, created_us, document) SELECT ?, ?, ?, ?, ? "
            "WHERE ? = (SELECT COALESCE(MAX(number), 0) + 1 FROM dataset_versions WHERE dataset = ?) "
            "ON CONFLICT DO NOTHING",
            (
                version.dataset,
                version.number,
                version.id,
                version.created_us,
                _version.text(version),
                version.number,
                version.dataset,
            ),
        )
        if not added:
            raise Conflict(
                f"{version.reference} cannot be added: another writer added a version of {version.name!r} meanwhile",
                hint="repeat the command",
            )

    def put_version(self, version: DatasetVersion) -> None:
        changed = self._c.change(
            "UPDATE dataset_versions SET created_us = ?, document = ? WHERE dataset = ? AND number = ? AND id = ?",
            (version.created_us, _version.text(version), version.dataset, version.number, version.id),
        )
        if not changed:
            raise NotFound("dataset version", version.id)

    def version(self, id: str) -> DatasetVersion:
        rows = self._c.rows("SELECT document FROM dataset_versions WHERE id = ?", (id,))
        return _version.get(rows, "dataset version", id)

    def find_version(self, dataset: str, number: int) -> DatasetVersion | None:
        sql = "SELECT document FROM dataset_versions WHERE dataset = ? AND number = ?"
        return _version.one(self._c.rows(sql, (dataset, number)))

    def newest(self, dataset: str, *, until_us: int | None = None) -> DatasetVersion | None:
        limit, params = ("", [dataset]) if until_us is None else (" AND created_us <= ?", [dataset, until_us])
        sql = f"SELECT document FROM dataset_versions WHERE dataset = ?{limit} ORDER BY number DESC LIMIT 1"
        return _version.one(self._c.rows(sql, params))

    def versions(self, dataset: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]:
        return page_of_versions(
            self._c, _version, table="dataset_versions", owner=("dataset", dataset), limit=limit, after=after
        )


class SqlLogs:
    """`clew.core.contracts.ledger.Logs`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def append(self, batches: Sequence[LogBatch]) -> list[LogBatch]:
        last = {dataset: self.position(dataset) for dataset in {batch.dataset for batch in batches}}
        added: list[LogBatch] = []
        for batch in batches:
            placed = msgspec.structs.replace(batch, position=last[batch.dataset] + 1)
            if self._insert(placed):
                last[batch.dataset] += 1
                added.append(placed)
        return added

    def _insert(self, batch: LogBatch) -> int:
        return self._c.change(
            "INSERT INTO log_batches "
            "(dataset, position, source, source_end, rows, time_low_us, time_high_us, id_low, id_high, document) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dataset, source) DO NOTHING",
            (
                batch.dataset,
                batch.position,
                batch.source,
                batch.source_end,
                batch.rows,
                batch.time_low_us,
                batch.time_high_us,
                batch.id_low,
                batch.id_high,
                _batch.text(batch),
            ),
        )

    def between(self, dataset: str, low_us: int, high_us: int) -> list[LogBatch]:
        sql = (
            "SELECT document FROM log_batches WHERE dataset = ? AND time_low_us < ? AND time_high_us >= ? "
            "ORDER BY position"
        )
        return _batch.all(self._c.rows(sql, (dataset, high_us, low_us)))

    def holding(self, dataset: str, id: str) -> list[LogBatch]:
        sql = "SELECT document FROM log_batches WHERE dataset = ? AND id_low <= ? AND id_high >= ? ORDER BY position"
        return _batch.all(self._c.rows(sql, (dataset, id, id)))

    def drained(self, dataset: str, journal: str) -> int:
        sql = "SELECT COALESCE(MAX(source_end), 0) FROM log_batches WHERE dataset = ? AND source >= ? AND source < ?"
        return int(self._c.rows(sql, (dataset, f"{journal}@", f"{journal}A"))[0][0])

    def position(self, dataset: str) -> int:
        sql = "SELECT COALESCE(MAX(position), 0) FROM log_batches WHERE dataset = ?"
        return int(self._c.rows(sql, (dataset,))[0][0])

    def rows(self, dataset: str) -> int:
        sql = "SELECT COALESCE(SUM(rows), 0) FROM log_batches WHERE dataset = ?"
        return int(self._c.rows(sql, (dataset,))[0][0])

    def list(self, dataset: str, *, after: int = 0, until: int | None = None) -> list[LogBatch]:
        limit, params = ("", [dataset, after]) if until is None else (" AND position <= ?", [dataset, after, until])
        sql = f"SELECT document FROM log_batches WHERE dataset = ? AND position > ?{limit} ORDER BY position"
        return _batch.all(self._c.rows(sql, params))
