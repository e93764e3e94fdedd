"""What the decisions of a window were worth, as far as labels have come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from clew.core.types.endpoint import Window
from clew.core.types.package import Package
from clew.core.types.signature import Scale, Task
from clew.core.types.value import RegressionValue, ValueContract
from clew.loop.monitor import EARLY_LABEL_US, Monitor
from clew.monitoring.logged import with_truth
from clew.monitoring.report import WindowReport, report_of
from clew.policy.value import cost_per_row

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["with_worth"]

Key = tuple[int, str]


def with_worth(monitor: Monitor, windows: Mapping[Key, Window], decisions: int, labels: int) -> dict[Key, Window]:
    """Windows with their labels counted and their decisions valued.

    Args:
        monitor: of the endpoint.
        windows: by start and version.
        decisions: position in the prediction log up to which there is something to know.
        labels: the same in the label log.
    """
    if not windows:
        return {}
    low_us = min(window.start_us for window in windows.values())
    high_us = max(window.end_us for window in windows.values())
    known = monitor.logs.labels(monitor.endpoint, low_us - EARLY_LABEL_US, until=labels)
    valued = {}
    for version in {version for _, version in windows}:
        several = monitor.deciders(version).package.signature.task is Task.MULTICLASS
        rows = monitor.logs.decisions(
            monitor.endpoint, low_us, high_us, version=version, until=decisions, classes=several
        )
        if rows is None:
            continue
        package, contract = monitor.deciders(version).package, monitor.contract_of(version)
        for start_us, part in _by_window(monitor, with_truth(rows, known, package.signature)):
            if window := windows.get((start_us, version)):
                report = _worth(report_of(window), part, contract, package)
                count = part.height - part["truth"].null_count()
                valued[window.start_us, version] = msgspec.structs.replace(
                    window, labels=count, report=msgspec.to_builtins(report)
                )
    return {**windows, **valued}


def _by_window(monitor: Monitor, rows: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    import polars as pl

    origin_us, length_us = monitor.start_of(0), monitor.length_us
    number = (pl.col("time_us") - origin_us).floordiv(length_us).alias("window")
    for (at,), part in rows.with_columns(number).partition_by("window", as_dict=True).items():
        yield origin_us + int(str(at)) * length_us, part


def _worth(report: WindowReport, rows: pl.DataFrame, contract: ValueContract, package: Package) -> WindowReport:
    classes = package.signature.classes
    estimated = _estimated(rows, contract, package)
    labelled = rows.drop_nulls("truth")
    if not labelled.height:
        return msgspec.structs.replace(report, estimated_cost=estimated)
    truth, decided = labelled["truth"].to_numpy(), labelled["decided"].to_numpy()
    task = package.signature.task
    binary = task is Task.BINARY
    return msgspec.structs.replace(
        report,
        cost=float(cost_per_row(contract, truth, decided, classes).sum()),
        estimated_cost=estimated,
        auc=_auc(labelled) if binary else _auc_of_classes(labelled) if task is Task.MULTICLASS else None,
        cases=float(truth.mean()) if binary else None,
        alarms=float(decided.mean()) if binary else None,
    )


def _estimated(rows: pl.DataFrame, contract: ValueContract, package: Package) -> float | None:
    """What the decisions should have cost if the scores are calibrated; None where they are no probabilities."""
    from clew.stats.value import expected_costs

    classes, decided = package.signature.classes, rows["decided"].to_numpy()
    if isinstance(contract, RegressionValue) or package.signature.scale is not Scale.PROBABILITY:
        return None
    scores = _class_scores(rows) if package.signature.task is Task.MULTICLASS else rows["score"].to_numpy()
    return None if scores is None else float(expected_costs(scores, decided, contract.matrix(classes)).sum())


def _class_scores(rows: pl.DataFrame) -> NDArray[np.float64] | None:
    """The scores of all classes, (rows, classes); None where those of some rows were not logged."""
    scores = rows["scores"]
    return None if scores.null_count() or not rows.height else scores.explode().to_numpy().reshape(rows.height, -1)


def _auc_of_classes(labelled: pl.DataFrame) -> float | None:
    from clew.stats.auc import auc_one_vs_rest

    scores = _class_scores(labelled)
    if scores is None or labelled["truth"].n_unique() < 2:
        return None
    return auc_one_vs_rest(scores, labelled["truth"].to_numpy())


def _auc(labelled: pl.DataFrame) -> float | None:
    from clew.stats.auc import auc

    truth = labelled["truth"].to_numpy()
    if truth.min() == truth.max():
        return None
    value = auc(labelled["score"].to_numpy(), truth)
    return None if math.isnan(value) else float(value)
