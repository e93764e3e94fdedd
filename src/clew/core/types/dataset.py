"""Datasets: named lines of immutable versions, and the batches of append-only ones."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.ids import Digest

__all__ = ["Dataset", "DatasetKind", "DatasetVersion", "LogBatch"]


class DatasetKind(StrEnum):
    """What a dataset holds."""

    FILES = "files"
    TABLE = "table"
    LOG = "log"


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A named line of versions."""

    id: str
    project: str
    name: str
    kind: DatasetKind
    created_us: int
    description: str = ""


class DatasetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable version of a dataset of kind files or table.

    `digest` names the content: equal content, equal digest. `manifest` is the object that lists the parts.
    `schema` maps column to type for a table and is empty for files; `rows` counts rows, or files.
    One with `deleted_us` lies in the trash; of one with `purged_us` this row is all that is left, as a record.
    """

    id: str
    dataset: str
    name: str
    kind: DatasetKind
    number: int
    digest: Digest
    manifest: Digest
    rows: int
    size_bytes: int
    created_us: int
    created_by: str
    message: str = ""
    schema: dict[str, str] = {}
    key: list[str] = []
    run: str = ""
    deleted_us: int = 0
    purged_us: int = 0

    @property
    def reference(self) -> str:
        """`name@number`."""
        return f"{self.name}@{self.number}"


class LogBatch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch of a dataset of kind log: an object of rows with the ranges that find it.

    `position` counts batches from 1; a version of a log is a position. `source` names what was drained (a journal and
    an offset, `journal@start`): the same source is added once; `source_end` is the offset behind it. `profile` is the
    object with the counts of the batch by model version and hour (prediction logs only).
    """

    dataset: str
    position: int
    object: Digest
    rows: int
    size_bytes: int
    time_low_us: int
    time_high_us: int
    id_low: str
    id_high: str
    created_us: int
    source: str
    source_end: int = 0
    profile: Digest = Digest("")
