"""Summaries of series as rows, and how a block joins one. SQLite stores NaN as NULL, which reads back as NaN."""

from __future__ import annotations

import math

from clew.core.types.series import Series, SeriesBlock
from clew.store.ledger.sql.connection import Row

__all__ = ["SUMMARY", "first_of", "joined", "nan", "null", "row_of", "summary_of"]

SUMMARY = "run, key, count, nans, low, high, total, first, last, last_step, last_time_us"

_NAN = math.nan


def first_of(block: SeriesBlock) -> Series:
    """The summary of a series that has one block."""
    return Series(
        run=block.run,
        key=block.key,
        count=block.count,
        nans=block.nans,
        low=block.low,
        high=block.high,
        total=block.total,
        first=block.first,
        last=block.last,
        last_step=block.last_step,
        last_time_us=block.last_time_us,
    )


def joined(series: Series, block: SeriesBlock) -> Series:
    """The summary of a series with one block more."""
    later = (block.last_step, block.last_time_us) >= (series.last_step, series.last_time_us)
    return Series(
        run=series.run,
        key=series.key,
        count=series.count + block.count,
        nans=series.nans + block.nans,
        low=_extreme(min, series.low, block.low),
        high=_extreme(max, series.high, block.high),
        total=_added(series.total, block.total),
        first=series.first,
        last=block.last if later else series.last,
        last_step=block.last_step if later else series.last_step,
        last_time_us=block.last_time_us if later else series.last_time_us,
    )


def _extreme(pick: object, a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return b if math.isnan(a) else a
    return min(a, b) if pick is min else max(a, b)


def _added(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return b if math.isnan(a) else a
    return a + b


def null(value: float) -> float | None:
    """NaN as it is stored."""
    return None if math.isnan(value) else value


def nan(value: float | None) -> float:
    """A number as it was before it was stored."""
    return math.nan if value is None else float(value)


def row_of(s: Series) -> tuple[object, ...]:
    """The columns of a summary."""
    values = (s.low, s.high, s.total, s.first, s.last)
    return (s.run, s.key, s.count, s.nans, *map(null, values), s.last_step, s.last_time_us)


def summary_of(row: Row) -> Series:
    """The summary of a row whose first columns are `SUMMARY`."""
    run, key, count, nans, low, high, total, first, last, last_step, last_time_us = row[:11]
    return Series(
        run=run,
        key=key,
        count=count,
        nans=nans,
        low=_NAN if low is None else low,  # written out: a page of runs has a thousand of them
        high=_NAN if high is None else high,
        total=_NAN if total is None else total,
        first=_NAN if first is None else first,
        last=_NAN if last is None else last,
        last_step=last_step,
        last_time_us=last_time_us,
    )
