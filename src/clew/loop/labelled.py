"""Which windows new labels are about: found by prediction id or by the caller's key, whenever the labels come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clew.core.types.dataset import LogBatch
from clew.loop.monitor import Monitor

if TYPE_CHECKING:
    import polars as pl

__all__ = ["holding", "labelled_windows"]


def labelled_windows(monitor: Monitor, batches: Sequence[LogBatch], after: int, until: int) -> set[tuple[int, str]]:
    """The windows, by start and version, with decisions that labels are about.

    Args:
        monitor: of the endpoint.
        batches: of the prediction log, to look in.
        after: position in the label log behind which labels are new.
        until: position up to which they are looked at.
    """
    import polars as pl

    found = set()
    for labels in monitor.logs.labels_behind(monitor.endpoint, after, until):
        by_id = labels.filter(pl.col("id") != "").select("id")
        by_key = labels.filter((pl.col("id") == "") & (pl.col("key") != "")).select("key")
        near = batches if by_key.height else holding(batches, by_id)
        for decisions in monitor.logs.names(near):
            for names in (by_id, by_key):
                rows = decisions.join(names, on=names.columns, how="semi").select("time_us", "version").unique()
                found |= {(monitor.start_of(at_us), version) for at_us, version in rows.iter_rows()}
    return found


def holding(batches: Sequence[LogBatch], ids: pl.DataFrame) -> list[LogBatch]:
    """The batches whose range of ids says that they may hold one of some."""
    if not ids.height:
        return []
    low, high = str(ids["id"].min()), str(ids["id"].max())
    return [batch for batch in batches if batch.id_low <= high and batch.id_high >= low]
