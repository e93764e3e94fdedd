"""What one call of a runtime costs on this machine. Not a benchmark: those are in `benchmarks/`."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from clew.core.types.package import RuntimeCost
from clew.registry.columns import Columns
from clew.serving.runtime import Runtime

__all__ = ["cost_of"]

_WARM_UP = 2


def cost_of(runtime: Runtime, rows: Columns, *, turns: int, batch: int) -> RuntimeCost:
    """The median microseconds of one row, and of a batch.

    Args:
        runtime: what is measured.
        rows: rows to score, repeated where there are fewer than `batch`.
        turns: how often one row is scored; a batch, a quarter as often.
        batch: rows in a batch.
    """
    one, many = rows.take([0]).values, rows.take([at % rows.rows for at in range(batch)]).values
    return RuntimeCost(
        runtime=runtime.kind,
        name=runtime.id,
        row_us=_median_us(lambda: runtime.predict(one), turns),
        batch_us=_median_us(lambda: runtime.predict(many), max(turns // 4, 3)),
    )


def _median_us(call: Callable[[], object], turns: int) -> float:
    taken = []
    for turn in range(turns + _WARM_UP):
        started = time.perf_counter_ns()
        call()
        if turn >= _WARM_UP:  # the first ones fill caches
            taken.append((time.perf_counter_ns() - started) / 1000)
    return round(median(taken), 2)
