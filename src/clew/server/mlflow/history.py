"""All points of a metric, in the order of MLflow: by time, step and value, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clew.server.mlflow.answers import LARGEST, Json
from clew.server.mlflow.body import MORE, need, run_id_of
from clew.server.mlflow.call import Call, run_of
from clew.server.mlflow.page import offset_of, token_of
from clew.server.mlflow.refusal import invalid
from clew.tracking.series import join, points_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clew.core.contracts.ledger import Transaction

__all__ = ["get_history", "get_history_bulk", "get_history_bulk_interval"]

_MOST_RUNS, _MOST_BULK, _MOST_INTERVAL = 100, 25_000, 2_500


class History(msgspec.Struct, frozen=True):
    run_id: str = ""
    run_uuid: str = ""
    metric_key: str = ""
    max_results: int | None = None
    page_token: str = ""


class Bulk(msgspec.Struct, frozen=True):
    run_id: list[str] = []
    metric_key: str | None = None
    max_results: int = _MOST_BULK


class Interval(msgspec.Struct, frozen=True):
    run_ids: list[str] = []
    metric_key: str = ""
    start_step: int | None = None
    end_step: int | None = None
    max_results: int = _MOST_INTERVAL


def get_history(call: Call, asked: History) -> Json:
    """The points of one metric, all or a page of them."""
    run_id = run_id_of(asked)
    need(metric_key=asked.metric_key)
    most = asked.max_results
    if most is not None and most <= 0:
        raise invalid(f"Invalid value {most} for parameter 'max_results' supplied. It must be a positive integer.")
    start = offset_of(asked.page_token)
    with call.stores.ledger.read() as tx:
        run_of(tx, call, run_id)
        table = _table(tx, run_id, asked.metric_key)
    stop = len(table) if most is None else start + most
    told: Json = {"metrics": _tell(asked.metric_key, table[start:stop])}
    if stop < len(table):
        told["next_page_token"] = token_of(stop)
    return told


def get_history_bulk(call: Call, asked: Bulk) -> Json:
    """The points of one metric of several runs."""
    what = "GetMetricHistoryBulk request"
    if not asked.run_id:
        raise invalid(f"{what} must specify at least one run_id.")
    if len(asked.run_id) > _MOST_RUNS:
        raise invalid(f"{what} cannot specify more than {_MOST_RUNS} run_ids. Received {len(asked.run_id)} run_ids.")
    if asked.metric_key is None:
        raise invalid(f"{what} must specify a metric_key.")
    most = min(asked.max_results, _MOST_BULK)
    found: list[Json] = []
    with call.stores.ledger.read() as tx:
        for run_id in sorted(set(asked.run_id)):
            run_of(tx, call, run_id)
            found += _tell(asked.metric_key, _table(tx, run_id, asked.metric_key)[: most - len(found)], run=run_id)
    return {"metrics": found}


def get_history_bulk_interval(call: Call, asked: Interval) -> Json:
    """An even sample of the points of one metric of several runs, the last one always among them."""
    need(run_ids=asked.run_ids or None, metric_key=asked.metric_key)
    if len(asked.run_ids) > _MOST_RUNS:
        raise invalid(
            f"GetMetricHistoryBulkInterval request must specify at most {_MOST_RUNS} run_ids. "
            f"Received {len(asked.run_ids)} run_ids.{MORE}"
        )
    if not 1 <= asked.max_results <= _MOST_INTERVAL:
        raise invalid(f"max_results must be between 1 and {_MOST_INTERVAL}.{MORE}")
    low, high = asked.start_step, asked.end_step
    if (low is None) != (high is None):
        raise invalid("If either start step or end step are specified, both must be specified.")
    if low is not None and high is not None and low > high:
        raise invalid(f"end_step must be greater than start_step. Found start_step={low} and end_step={high}.")
    found: list[Json] = []
    with call.stores.ledger.read() as tx:
        for run_id in asked.run_ids:
            run_of(tx, call, run_id)
            table = _by_step(_table(tx, run_id, asked.metric_key), low, high)
            found += _tell(asked.metric_key, _sample(table, asked.max_results), run=run_id)
    return {"metrics": found}


def _table(tx: Transaction, run: str, key: str) -> NDArray[np.void]:
    """Time in ms, step, whether it is NaN, and value of all points, in MLflow's order, each once."""
    import numpy as np

    points = join(points_of(block) for block in tx.series.blocks(run, key))
    kinds = [("time", np.int64), ("step", np.int64), ("nan", np.bool_), ("value", np.float64)]
    table = np.zeros(len(points.values), dtype=kinds)
    if not len(table):
        return table
    table["time"], table["step"] = points.times_us // 1000, points.steps.astype(np.int64)
    table["nan"] = np.isnan(points.values)
    table["value"] = np.clip(np.where(table["nan"], 0.0, points.values), -LARGEST, LARGEST)
    table = table[np.lexsort((table["nan"], table["value"], table["step"], table["time"]))]
    fresh = np.ones(len(table), dtype=np.bool_)
    fresh[1:] = table[1:] != table[:-1]
    once: NDArray[np.void] = table[fresh]
    return once


def _by_step(table: NDArray[np.void], low: int | None, high: int | None) -> NDArray[np.void]:
    import numpy as np

    if low is not None and high is not None:
        table = table[(table["step"] >= low) & (table["step"] <= high)]
    by_step: NDArray[np.void] = table[np.lexsort((table["nan"], table["value"], table["time"], table["step"]))]
    return by_step


def _sample(table: NDArray[np.void], most: int) -> NDArray[np.void]:
    """The first of `most` even parts each, and the last point of all."""
    import numpy as np

    size = len(table)
    if size <= most:
        return table
    short, longer = divmod(size, most)
    firsts = np.array([part * short + min(part, longer) for part in range(most)])
    if firsts[-1] != size - 1:
        firsts[-1] = size - 1
    sampled: NDArray[np.void] = table[firsts]
    return sampled


def _tell(key: str, table: NDArray[np.void], *, run: str = "") -> list[Json]:
    times, steps, nans, values = (table[name].tolist() for name in ("time", "step", "nan", "value"))
    whose: dict[str, object] = {"run_id": run} if run else {}
    return [
        {"key": key, "value": "NaN" if nan else value, "timestamp": time, "step": step, **whose}
        for time, step, nan, value in zip(times, steps, nans, values, strict=True)
    ]
