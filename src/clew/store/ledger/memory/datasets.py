"""Datasets, their versions, and batches of logs, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.errors import Conflict, NotFound
from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetVersion, LogBatch
from clew.store.ledger.memory.named import NamedRows
from clew.store.ledger.memory.tables import Tables
from clew.store.ledger.memory.versions import page_of_versions

__all__ = ["MemoryDatasets", "MemoryLogs"]


class MemoryDatasets(NamedRows[Dataset]):
    """`clew.core.contracts.ledger.Datasets`."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.datasets, "dataset")
        self._versions = tables.dataset_versions

    def _newest_first(self, dataset: str) -> list[DatasetVersion]:
        found = [version for version in self._versions.values() if version.dataset == dataset]
        return sorted(found, key=lambda version: -version.number)

    def add_version(self, version: DatasetVersion) -> None:
        newest = self.newest(version.dataset)
        if version.number != (newest.number if newest else 0) + 1:
            raise Conflict(
                f"{version.reference} cannot be added: another writer added a version of {version.name!r} meanwhile",
                hint="repeat the command",
            )
        self._versions[version.dataset, version.number] = version

    def put_version(self, version: DatasetVersion) -> None:
        there = self.find_version(version.dataset, version.number)
        if there is None or there.id != version.id:
            raise NotFound("dataset version", version.id)
        self._versions[version.dataset, version.number] = version

    def version(self, id: str) -> DatasetVersion:
        for version in self._versions.values():
            if version.id == id:
                return version
        raise NotFound("dataset version", id)

    def find_version(self, dataset: str, number: int) -> DatasetVersion | None:
        return self._versions.get((dataset, number))

    def newest(self, dataset: str, *, until_us: int | None = None) -> DatasetVersion | None:
        versions = self._newest_first(dataset)
        return next((each for each in versions if until_us is None or each.created_us <= until_us), None)

    def versions(self, dataset: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]:
        return page_of_versions(self._newest_first(dataset), limit=limit, after=after)


class MemoryLogs:
    """`clew.core.contracts.ledger.Logs`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.batches

    def append(self, batches: Sequence[LogBatch]) -> list[LogBatch]:
        added = []
        for batch in batches:
            if any(each.source == batch.source for each in self.list(batch.dataset)):
                continue
            placed = msgspec.structs.replace(batch, position=self.position(batch.dataset) + 1)
            self._rows[placed.dataset, placed.position] = placed
            added.append(placed)
        return added

    def between(self, dataset: str, low_us: int, high_us: int) -> list[LogBatch]:
        return [each for each in self.list(dataset) if each.time_low_us < high_us and each.time_high_us >= low_us]

    def holding(self, dataset: str, id: str) -> list[LogBatch]:
        return [each for each in self.list(dataset) if each.id_low <= id <= each.id_high]

    def drained(self, dataset: str, journal: str) -> int:
        found = [each for each in self.list(dataset) if each.source.startswith(f"{journal}@")]
        return max((each.source_end for each in found), default=0)

    def position(self, dataset: str) -> int:
        return max((position for owner, position in self._rows if owner == dataset), default=0)

    def rows(self, dataset: str) -> int:
        return sum(each.rows for each in self.list(dataset))

    def list(self, dataset: str, *, after: int = 0, until: int | None = None) -> list[LogBatch]:
        found = [each for each in self._rows.values() if each.dataset == dataset and each.position > after]
        kept = [each for each in found if until is None or each.position <= until]
        return sorted(kept, key=lambda each: each.position)
