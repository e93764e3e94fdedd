"""Series blocks in SQL. SQLite has no NaN: it stores NULL, which reads back as NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clew.core.types.series import Series, SeriesBlock
from clew.store.ledger.sql.connection import Connection, Row

__all__ = ["SqlSeriesBlocks"]

_SUMMARY = "run, key, count, nans, low, high, total, first, last, last_step, last_time_us"
_BLOCK = (
    "run, key, source, count, nans, low, high, total, first, last, last_step, last_time_us, "
    "step_low, step_high, time_low_us, time_high_us, points"
)


class SqlSeriesBlocks:
    """`clew.core.contracts.ledger.SeriesBlocks`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def append(self, blocks: Sequence[SeriesBlock]) -> int:
        return sum(self._append(block) for block in blocks)

    def _append(self, block: SeriesBlock) -> int:
        rows = self._c.rows(f"SELECT {_SUMMARY}, blocks FROM series WHERE run = ? AND key = ?", (block.run, block.key))
        position = int(rows[0][-1]) + 1 if rows else 1
        added = self._c.change(
            f"INSERT INTO series_blocks ({_BLOCK}, position) VALUES ({'?, ' * 17}?) "
            "ON CONFLICT (run, key, source) DO NOTHING",
            (*_block_row(block), position),
        )
        if added:
            summary = joined(_summary(rows[0]), block) if rows else first_of(block)
            self._c.change(
                f"INSERT INTO series ({_SUMMARY}, blocks) VALUES ({'?, ' * 11}?) "
                "ON CONFLICT (run, key) DO UPDATE SET blocks = excluded.blocks, count = excluded.count, "
                "nans = excluded.nans, low = excluded.low, high = excluded.high, total = excluded.total, "
                "last = excluded.last, last_step = excluded.last_step, last_time_us = excluded.last_time_us",
                (*_summary_row(summary), position),
            )
        return added

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        only = f" AND key IN ({_marks(keys)})" if keys else ""
        found: list[Series] = []
        for start in range(0, len(runs), 500):
            some = runs[start : start + 500]
            sql = f"SELECT {_SUMMARY} FROM series WHERE run IN ({_marks(some)}){only} ORDER BY run, key"
            rows = self._c.rows(sql, (*some, *keys))
            found += [_summary(row) for row in rows]
        return found

    def blocks(self, run: str, key: str, *, after: int = 0, limit: int | None = None) -> list[SeriesBlock]:
        most = "" if limit is None else f" LIMIT {int(limit)}"
        sql = f"SELECT {_BLOCK} FROM series_blocks WHERE run = ? AND key = ? AND position > ? ORDER BY position{most}"
        return [_block(row) for row in self._c.rows(sql, (run, key, after))]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


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


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _summary_row(s: Series) -> tuple[object, ...]:
    values = (s.low, s.high, s.total, s.first, s.last)
    return (s.run, s.key, s.count, s.nans, *map(_null, values), s.last_step, s.last_time_us)


def _summary(row: Row) -> Series:
    run, key, count, nans, low, high, total, first, last, last_step, last_time_us = row[:11]
    return Series(
        run=run,
        key=key,
        count=count,
        nans=nans,
        low=_nan(low),
        high=_nan(high),
        total=_nan(total),
        first=_nan(first),
        last=_nan(last),
        last_step=last_step,
        last_time_us=last_time_us,
    )


def _block_row(b: SeriesBlock) -> tuple[object, ...]:
    values = (b.low, b.high, b.total, b.first, b.last)
    return (
        *(b.run, b.key, b.source, b.count, b.nans),
        *map(_null, values),
        *(b.last_step, b.last_time_us, b.step_low, b.step_high, b.time_low_us, b.time_high_us, b.points),
    )


def _block(row: Row) -> SeriesBlock:
    run, key, source, count, nans, low, high, total, first, last, last_step, last_time_us = row[:12]
    step_low, step_high, time_low_us, time_high_us, points = row[12:]
    return SeriesBlock(
        run=run,
        key=key,
        source=source,
        count=count,
        nans=nans,
        low=_nan(low),
        high=_nan(high),
        total=_nan(total),
        first=_nan(first),
        last=_nan(last),
        last_step=last_step,
        last_time_us=last_time_us,
        step_low=step_low,
        step_high=step_high,
        time_low_us=time_low_us,
        time_high_us=time_high_us,
        points=bytes(points),
    )
