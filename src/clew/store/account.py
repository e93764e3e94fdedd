"""What events say of the rows they tell of: digests, by which an edited row is found. Design: docs/design/events.md.

Rows that are too many for an event each (batches of a log, blocks of a metric) are accounted for together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import msgspec

from clew.core.canonical import canonical, digest_of
from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.hashing import Hasher
from clew.core.ids import Digest
from clew.core.types.dataset import LogBatch
from clew.core.types.edge import node
from clew.core.types.run import Run
from clew.core.types.series import Series, SeriesBlock

__all__ = ["account_of_run", "append_batches", "artifacts_digest", "row_digest", "series_digest", "series_digests"]

_BLOCKS_AT_ONCE = 64
_FLOATS = frozenset(("low", "high", "total", "first", "last", "last_step", "step_low", "step_high"))
_NONE = object()


def row_digest(row: msgspec.Struct) -> Digest:
    """The digest of a row as its document has it; fields that have their default are left out.

    So a field that a later clew adds, with a default, changes no digest.
    """
    told = msgspec.json.decode(msgspec.json.encode(row))
    plain = _defaults(type(row))
    return digest_of("clew.row/1", {name: value for name, value in told.items() if plain.get(name, _NONE) != value})


@cache
def _defaults(kind: type[msgspec.Struct]) -> dict[str, object]:
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        if field.default is not msgspec.NODEFAULT:
            found[field.encode_name] = msgspec.to_builtins(field.default)
        elif field.default_factory is not msgspec.NODEFAULT:
            found[field.encode_name] = msgspec.to_builtins(field.default_factory())
    return found


def append_batches(stores: Stores, tx: Transaction, batches: Sequence[LogBatch]) -> list[LogBatch]:
    """Add batches to their logs, with one event for each log that grew.

    Returns:
        Those that were added; a batch whose source is there is skipped.
    """
    added = tx.logs.append(batches)
    for dataset in sorted({batch.dataset for batch in added}):
        mine = [batch for batch in added if batch.dataset == dataset]
        facts = {"first": mine[0].position, "rows": [row_digest(batch) for batch in mine]}
        stores.tell(tx, "log.appended", node("dataset", dataset), facts)
    return added


def account_of_run(tx: Transaction, run: Run) -> dict[str, object]:
    """What a run that ends has recorded, as facts of its event: the row itself, its series and its artifacts."""
    return {
        "row": row_digest(run),
        "series": series_digests(tx, run.id),
        "artifacts": artifacts_digest(tx, run.id),
    }


def artifacts_digest(tx: Transaction, run: str) -> Digest:
    """The digest of all files that a run kept; empty when it kept none."""
    rows = [row_digest(artifact) for artifact in tx.artifacts.list(run)]
    return digest_of("clew.artifacts/1", rows) if rows else Digest("")


def series_digests(tx: Transaction, run: str) -> dict[str, Digest]:
    """The digest of each series of a run, by key: its summary, and every byte of its blocks in their order."""
    return {series.key: series_digest(tx, series) for series in tx.series.summaries([run])}


def series_digest(tx: Transaction, series: Series) -> Digest:
    """The digest of one series."""
    hasher = Hasher(b"clew.series/1\0" + canonical(_numbers(series)))
    start = 0
    while blocks := tx.series.blocks(series.run, series.key, after=start, limit=_BLOCKS_AT_ONCE):
        for block in blocks:
            hasher.update(canonical(_numbers(block)))
        start += len(blocks)
    return Digest(hasher.hexdigest())


def _numbers(row: Series | SeriesBlock) -> list[object]:
    """The fields of a row in their order. Databases keep one kind of NaN, and numbers of a column as floats."""
    values: list[object] = []
    for name, value in zip(row.__struct_fields__, msgspec.structs.astuple(row), strict=True):
        if name in _FLOATS:
            value = math.nan if math.isnan(value) else float(value)
        values.append(value)
    return values
