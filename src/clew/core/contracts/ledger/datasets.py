"""Datasets of every kind: versions of files and tables, batches of logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetVersion, LogBatch

__all__ = ["Datasets", "Logs"]


class Datasets(Protocol):
    """Datasets of kind files and table, and their versions."""

    def add(self, dataset: Dataset) -> None: ...
    def find(self, project: str, name: str) -> Dataset | None: ...
    def get(self, id: str) -> Dataset: ...
    def add_version(self, version: DatasetVersion) -> None:
        """`Conflict` unless `number` is one more than the newest: another writer was first."""
        ...

    def put_version(self, version: DatasetVersion) -> None:
        """Replace the version of the same dataset, number and id. `NotFound` when there is none."""
        ...

    def version(self, id: str) -> DatasetVersion:
        """A version by its id."""
        ...

    def find_version(self, dataset: str, number: int) -> DatasetVersion | None: ...
    def newest(self, dataset: str, *, until_us: int | None = None) -> DatasetVersion | None:
        """The newest version, or the newest one created at `until_us` or before."""
        ...

    def versions(self, dataset: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]: ...
    def list(self, project: str) -> list[Dataset]:
        """All of them, by name."""
        ...


class Logs(Protocol):
    """Batches of datasets of kind log."""

    def append(self, batches: Sequence[LogBatch]) -> list[LogBatch]:
        """Add batches, giving them the next positions; those whose source is there already are skipped.

        `position` of what is handed in is ignored. Returns those that were added, in the order of `batches`, with
        their positions.
        """
        ...

    def between(self, dataset: str, low_us: int, high_us: int) -> list[LogBatch]:
        """Batches that may hold rows with `low_us ≤ time < high_us`, by position."""
        ...

    def holding(self, dataset: str, id: str) -> list[LogBatch]:
        """Batches whose id range includes `id`."""
        ...

    def drained(self, dataset: str, journal: str) -> int:
        """The offset up to which a journal is in the log: the greatest `source_end` of sources `journal@…`, or 0."""
        ...

    def position(self, dataset: str) -> int:
        """The last position; 0 for an empty log."""
        ...

    def rows(self, dataset: str) -> int:
        """Rows over all batches."""
        ...

    def list(self, dataset: str, *, after: int = 0, until: int | None = None) -> list[LogBatch]:
        """Batches by position, those behind `after` up to and including `until`."""
        ...
