"""Series blocks in SQL. SQLite has no NaN: it stores NULL, which reads back as NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from clew.core.hashing import hash_bytes
from clew.core.types.series import FULL_BLOCK, LastPoint, Series, SeriesBlock
from clew.store.ledger.sql.connection import Connection, Row, rows_among
from clew.store.ledger.sql.search_index import SqlSearchIndex
from clew.store.ledger.sql.summary import SUMMARY, first_of, joined, nan, null, row_of, summary_of

__all__ = ["SqlSeriesBlocks"]

_BLOCK = (
    "run, key, source, count, nans, low, high, total, first, last, last_step, last_time_us, "
    "step_low, step_high, time_low_us, time_high_us, points"
)
_GROW = (
    f"INSERT INTO series ({SUMMARY}, blocks) VALUES ({'?, ' * 11}?) "
    "ON CONFLICT (run, key) DO UPDATE SET blocks = excluded.blocks, count = excluded.count, "
    "nans = excluded.nans, low = excluded.low, high = excluded.high, total = excluded.total, "
    "last = excluded.last, last_step = excluded.last_step, last_time_us = excluded.last_time_us"
)
_AT_ONCE = 500


class _Grown(NamedTuple):
    """A series with the blocks that it has."""

    summary: Series
    merged: bool
    blocks: int


class SqlSeriesBlocks:
    """`clew.core.contracts.ledger.SeriesBlocks`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def append(self, blocks: Sequence[SeriesBlock]) -> int:
        known = self._known(sorted({(block.run, block.key) for block in blocks}))
        there = self._there(blocks)
        rows: list[tuple[object, ...]] = []
        changed: dict[tuple[str, str], _Grown] = {}
        for block in blocks:
            name, source = (block.run, block.key), (block.run, block.key, block.source)
            before = known.get(name)
            if source in there or (before is not None and before.merged and self._was_merged(block)):
                continue
            there.add(source)
            summary = joined(before.summary, block) if before is not None else first_of(block)
            position, merged = (before.blocks + 1, before.merged) if before is not None else (1, False)
            known[name] = changed[name] = _Grown(summary, merged, position)
            rows.append((*_block_row(block), position))
        self._c.change_many(f"INSERT INTO series_blocks ({_BLOCK}, position) VALUES ({'?, ' * 17}?)", rows)
        self._c.change_many(_GROW, [(*row_of(series.summary), series.blocks) for _, series in sorted(changed.items())])
        SqlSearchIndex(self._c).measure(series.summary for series in changed.values())
        return len(rows)

    def remove(self, run: str) -> None:
        keys = [row[0] for row in self._c.rows("SELECT key FROM series WHERE run = ?", (run,))]
        for table in ("series_blocks", "series"):
            self._c.change(f"DELETE FROM {table} WHERE run = ?", (run,))
        SqlSearchIndex(self._c).forget(run, keys)

    def _known(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], _Grown]:
        """The series of these runs and keys that are there."""
        found: dict[tuple[str, str], _Grown] = {}
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            sql = (
                f"{_wanted(2, some)} SELECT {SUMMARY}, merged, blocks FROM wanted CROSS JOIN series "
                "WHERE run = v1 AND key = v2"
            )
            for row in self._c.rows(sql, [value for name in some for value in name]):
                found[row[0], row[1]] = _Grown(summary_of(row), bool(row[-2]), int(row[-1]))
        return found

    def _there(self, blocks: Sequence[SeriesBlock]) -> set[tuple[str, str, str]]:
        """Run, key and source of those of these blocks that are there."""
        found: set[tuple[str, str, str]] = set()
        for start in range(0, len(blocks), _AT_ONCE):
            some = blocks[start : start + _AT_ONCE]
            sql = (
                f"{_wanted(3, some)} SELECT run, key, source FROM wanted CROSS JOIN series_blocks "
                "WHERE run = v1 AND key = v2 AND source = v3"
            )
            rows = self._c.rows(sql, [value for block in some for value in (block.run, block.key, block.source)])
            found.update((row[0], row[1], row[2]) for row in rows)
        return found

    def _was_merged(self, block: SeriesBlock) -> bool:
        digest = _digest(block.run, block.key, block.source)
        return bool(self._c.rows("SELECT 1 FROM series_sources WHERE digest = ?", (digest,)))

    def crumbled(self, run: str) -> list[str]:
        sql = f"SELECT key FROM series WHERE run = ? AND blocks > 2 * (count / {FULL_BLOCK} + 1) ORDER BY key"
        return [row[0] for row in self._c.rows(sql, (run,))]

    def merge(self, run: str, key: str, sources: Sequence[str], blocks: Sequence[SeriesBlock]) -> bool:
        sql = "SELECT source FROM series_blocks WHERE run = ? AND key = ? ORDER BY position"
        if [row[0] for row in self._c.rows(sql, (run, key))] != list(sources):
            return False
        self._c.change("DELETE FROM series_blocks WHERE run = ? AND key = ?", (run, key))
        self._c.change_many(
            f"INSERT INTO series_blocks ({_BLOCK}, position) VALUES ({'?, ' * 17}?)",
            [(*_block_row(block), position) for position, block in enumerate(blocks, start=1)],
        )
        gone = set(sources) - {block.source for block in blocks}
        self._c.change_many(
            "INSERT INTO series_sources (digest) VALUES (?) ON CONFLICT DO NOTHING",
            [(_digest(run, key, source),) for source in sorted(gone)],
        )
        self._c.change("UPDATE series SET merged = 1, blocks = ? WHERE run = ? AND key = ?", (len(blocks), run, key))
        return True

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        only = f" AND key IN ({', '.join('?' * len(keys))})" if keys else ""
        sql = f"SELECT {SUMMARY} FROM series WHERE run IN ({{0}}){only} ORDER BY run, key"
        return [summary_of(row) for row in rows_among(self._c, sql, sorted(set(runs)), after=keys)]

    def lasts(self, runs: Sequence[str]) -> list[LastPoint]:
        sql = "SELECT run, key, last, last_step, last_time_us FROM series WHERE run IN ({0}) ORDER BY run, key"
        rows = rows_among(self._c, sql, sorted(set(runs)))
        return [
            LastPoint(run, key, math.nan if value is None else value, step, time_us)
            for run, key, value, step, time_us in rows
        ]

    def blocks(self, run: str, key: str, *, after: int = 0, limit: int | None = None) -> list[SeriesBlock]:
        most = "" if limit is None else f" LIMIT {int(limit)}"
        sql = f"SELECT {_BLOCK} FROM series_blocks WHERE run = ? AND key = ? AND position > ? ORDER BY position{most}"
        return [_block(row) for row in self._c.rows(sql, (run, key, after))]


def _digest(run: str, key: str, source: str) -> str:
    """What is kept of a source whose block was merged: 32 hex digits."""
    return hash_bytes(f"{run}\0{key}\0{source}".encode())[:32]


def _wanted(size: int, values: Sequence[object]) -> str:
    """Tuples to look up one by one, by an index: SQLite goes through the whole table for a list of them in `IN`."""
    columns = ", ".join(f"v{number}" for number in range(1, size + 1))
    row = f"({', '.join('?' * size)})"
    return f"WITH wanted ({columns}) AS (VALUES {', '.join([row] * len(values))})"


def _block_row(b: SeriesBlock) -> tuple[object, ...]:
    values = (b.low, b.high, b.total, b.first, b.last)
    return (
        *(b.run, b.key, b.source, b.count, b.nans),
        *map(null, values),
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
        low=nan(low),
        high=nan(high),
        total=nan(total),
        first=nan(first),
        last=nan(last),
        last_step=last_step,
        last_time_us=last_time_us,
        step_low=step_low,
        step_high=step_high,
        time_low_us=time_low_us,
        time_high_us=time_high_us,
        points=bytes(points),
    )
