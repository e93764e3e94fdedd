"""Series in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clew.core.types.series import FULL_BLOCK, LastPoint, Series, SeriesBlock
from clew.store.ledger.memory.tables import Tables, add_row

__all__ = ["MemorySeriesBlocks"]


class MemorySeriesBlocks:
    """`clew.core.contracts.ledger.SeriesBlocks`."""

    def __init__(self, tables: Tables) -> None:
        self._rows, self._merged = tables.blocks, tables.merged

    def append(self, blocks: Sequence[SeriesBlock]) -> int:
        before = len(self._rows)
        for block in blocks:
            if (block.run, block.key, block.source) not in self._merged:
                add_row(self._rows, (block.run, block.key, block.source), block)
        return len(self._rows) - before

    def remove(self, run: str) -> None:
        for key in [key for key in self._rows if key[0] == run]:
            del self._rows[key]

    def crumbled(self, run: str) -> list[str]:
        whole = {each.key: each.count for each in self.summaries([run])}
        return [key for key, count in whole.items() if len(self.blocks(run, key)) > 2 * (count // FULL_BLOCK + 1)]

    def merge(self, run: str, key: str, sources: Sequence[str], blocks: Sequence[SeriesBlock]) -> bool:
        if [block.source for block in self.blocks(run, key)] != list(sources):
            return False
        for source in sources:
            self._merged[run, key, source] = True
            del self._rows[run, key, source]
        for block in blocks:
            self._rows[run, key, block.source] = block
        return True

    def blocks(self, run: str, key: str, *, after: int = 0, limit: int | None = None) -> list[SeriesBlock]:
        found = [block for block in self._rows.values() if (block.run, block.key) == (run, key)]
        return found[after:] if limit is None else found[after : after + limit]

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        wanted = {(block.run, block.key) for block in self._rows.values() if block.run in runs}
        return [_summary_of(self.blocks(run, key)) for run, key in sorted(wanted) if not keys or key in keys]

    def lasts(self, runs: Sequence[str]) -> list[LastPoint]:
        return [
            LastPoint(each.run, each.key, each.last, each.last_step, each.last_time_us) for each in self.summaries(runs)
        ]


def _summary_of(blocks: list[SeriesBlock]) -> Series:
    def numbers(name: str) -> list[float]:
        values: list[float] = [getattr(block, name) for block in blocks]
        return [value for value in values if not math.isnan(value)] or [math.nan]

    last = max(range(len(blocks)), key=lambda i: (blocks[i].last_step, blocks[i].last_time_us, i))
    return Series(
        run=blocks[0].run,
        key=blocks[0].key,
        count=sum(block.count for block in blocks),
        nans=sum(block.nans for block in blocks),
        low=min(numbers("low")),
        high=max(numbers("high")),
        total=sum(numbers("total")),
        first=blocks[0].first,
        last=blocks[last].last,
        last_step=blocks[last].last_step,
        last_time_us=blocks[last].last_time_us,
    )
