"""Windows of an endpoint's life: closed, counted, compared, and valued as labels come.

A window is judged when it has closed, and anew when labels for it may have come. Counting reads what compaction has
counted; only labels make it read rows. Alerts and what follows from them are elsewhere (`clew.loop.watch`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.ids import Digest
from clew.core.types.endpoint import Endpoint, Window
from clew.core.types.package import FileRole, Package
from clew.core.types.profile import HourCounts, Profile
from clew.core.types.signature import Scale, Task
from clew.core.types.value import BinaryValue, ValueContract, plain_value
from clew.monitoring.drift import LONGEST_WINDOWS, DriftReport, look_at_windows
from clew.monitoring.logged import read_decisions, read_labels, with_truth
from clew.monitoring.profile import add_counts, decode_hours, decode_profile, encode_hours
from clew.monitoring.report import WindowReport, report_of
from clew.policy.value import cost_per_row
from clew.registry.package import load_package

if TYPE_CHECKING:
    import polars as pl

    from clew.settings import MonitorSettings

__all__ = ["Decider", "Deciders", "judge_windows", "window_start"]

_DAY_US = 86_400_000_000
_LENGTH_US = {"hour": 3_600_000_000, "day": _DAY_US, "week": 7 * _DAY_US}
_MONDAY_US = 4 * _DAY_US
"""The first Monday after 1970-01-01, from which weeks are counted."""

_LABEL_HORIZON_US = 60 * _DAY_US
"""How long after a window labels are still waited for."""

_EARLY_LABEL_US = 7 * _DAY_US
"""How long before a decision its label may have come."""


class Decider(msgspec.Struct, frozen=True):
    """A model version that decided, with what it takes to judge it."""

    package: Package
    profile: Profile | None


class Deciders:
    """Model versions by id, each read once."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._known: dict[str, Decider] = {}

    def __call__(self, version: str) -> Decider:
        if version not in self._known:
            with self._stores.ledger.read() as tx:
                digest = tx.models.version(version).package
            package = load_package(self._stores.objects, digest)
            file = package.find(FileRole.PROFILE)
            profile = decode_profile(self._stores.objects.get(file.digest)) if file else None
            self._known[version] = Decider(package, profile)
        return self._known[version]


def window_start(at_us: int, length: str) -> int:
    """The start of the window that a moment lies in; weeks begin on Monday."""
    offset = _MONDAY_US if length == "week" else 0
    return (at_us - offset) // _LENGTH_US[length] * _LENGTH_US[length] + offset


def judge_windows(
    stores: Stores,
    endpoint: Endpoint,
    *,
    until_us: int,
    settings: MonitorSettings,
    contract: ValueContract | None,
    deciders: Deciders,
    tell: Callable[[Window, Window | None], None],
) -> list[Window]:
    """Judge every window that has closed by `until_us` and is new, or may have new labels.

    Args:
        stores: the project.
        endpoint: whose windows.
        until_us: now, in event time.
        settings: how the endpoint is watched.
        contract: what its decisions are worth; without one, every mistake costs 1.
        deciders: model versions by id.
        tell: called with each judged window and what it was before, None when it is new.

    Returns:
        The windows that were judged, oldest first.
    """
    with stores.ledger.read() as tx:
        known = tx.windows.list(endpoint.id, low_us=until_us - _LABEL_HORIZON_US)
        newest_label = tx.logs.position(endpoint.labels)
    judged = []
    for window in known:
        if window.labels < window.rows and report_of(window).judged_labels < newest_label:
            fresh = _valued(stores, endpoint, window, contract, deciders, newest_label=newest_label)
            judged.append(fresh)
            tell(fresh, window)
    newest_end = max((window.end_us for window in known), default=None)
    for start_us, counts in _closed(stores, endpoint, newest_end, until_us, settings.window.value):
        for version, hours in sorted(counts.items()):
            window = _opened(stores, endpoint, version, start_us, hours, settings, deciders)
            window = _valued(stores, endpoint, window, contract, deciders, newest_label=newest_label)
            judged.append(window)
            tell(window, None)
    return judged


def _closed(
    stores: Stores, endpoint: Endpoint, from_us: int | None, until_us: int, length: str
) -> list[tuple[int, dict[str, dict[str, list[int]]]]]:
    """Closed windows behind the last judged one that have decisions: start, and counts by version and column."""
    low_us = from_us if from_us is not None else 0
    high_us = window_start(until_us, length)
    with stores.ledger.read() as tx:
        batches = tx.logs.between(endpoint.predictions, low_us, high_us)
    windows: dict[int, dict[str, list[dict[str, list[int]]]]] = {}
    for batch in batches:
        if not batch.profile:
            continue
        counted = decode_hours(stores.objects.get(batch.profile))
        for hour_us, columns in counted.hours.items():
            if low_us <= hour_us < high_us:
                start_us = window_start(hour_us, length)
                windows.setdefault(start_us, {}).setdefault(counted.decider, []).append(columns)
    return [
        (start_us, {version: add_counts(parts) for version, parts in by_version.items()})
        for start_us, by_version in sorted(windows.items())
    ]


def _opened(
    stores: Stores,
    endpoint: Endpoint,
    version: str,
    start_us: int,
    counts: dict[str, list[int]],
    settings: MonitorSettings,
    deciders: Deciders,
) -> Window:
    """A window that has just closed, compared with the training profile."""
    rows = max((sum(bins) for bins in counts.values()), default=0)
    digest = stores.objects.put(encode_hours(HourCounts(decider=version, hours={start_us: counts})))
    report = WindowReport(drift=_drift(stores, endpoint, version, start_us, counts, settings, deciders))
    return Window(
        endpoint=endpoint.id,
        version=version,
        start_us=start_us,
        end_us=start_us + _LENGTH_US[settings.window.value],
        rows=rows,
        labels=0,
        profile=digest,
        report=msgspec.to_builtins(report),
        revision=0,
        judged_us=stores.clock.now_us(),
    )


def _drift(
    stores: Stores,
    endpoint: Endpoint,
    version: str,
    start_us: int,
    counts: dict[str, list[int]],
    settings: MonitorSettings,
    deciders: Deciders,
) -> DriftReport | None:
    profile = deciders(version).profile
    if profile is None:
        return None
    with stores.ledger.read() as tx:
        earlier = tx.windows.list(endpoint.id, high_us=start_us, version=version)
    recent = [_counts_of(stores, window.profile) for window in earlier[-(LONGEST_WINDOWS - 1) :]]
    return look_at_windows(profile, [*recent, counts], len(earlier) + 1, thresholds=settings.thresholds)


def _counts_of(stores: Stores, digest: Digest) -> dict[str, list[int]]:
    return add_counts(list(decode_hours(stores.objects.get(digest)).hours.values()))


def _valued(
    stores: Stores,
    endpoint: Endpoint,
    window: Window,
    contract: ValueContract | None,
    deciders: Deciders,
    *,
    newest_label: int,
) -> Window:
    """The window with what its decisions were worth, stored."""
    import polars as pl

    package = deciders(window.version).package
    decisions = read_decisions(stores, endpoint, window.start_us, window.end_us)
    report = msgspec.structs.replace(report_of(window), judged_labels=newest_label)
    labels = 0
    if decisions is not None:
        mine = decisions.filter(pl.col("version") == window.version)
        low_us, high_us = window.start_us - _EARLY_LABEL_US, window.end_us + _LABEL_HORIZON_US
        known = read_labels(stores, endpoint, low_us, high_us)
        rows = with_truth(mine, known, package.signature)
        labelled = rows.drop_nulls("truth")
        labels = labelled.height
        worth = contract or plain_value(package.signature.task, package.signature.classes)
        report = _worth(report, rows, labelled, worth, package)
    fresh = msgspec.structs.replace(
        window,
        labels=labels,
        report=msgspec.to_builtins(report),
        revision=window.revision + 1,
        judged_us=stores.clock.now_us(),
    )
    with stores.ledger.write() as tx:
        tx.windows.put(fresh)
    return fresh


def _worth(
    report: WindowReport, rows: pl.DataFrame, labelled: pl.DataFrame, contract: ValueContract, package: Package
) -> WindowReport:
    classes = package.signature.classes
    estimated = None
    if isinstance(contract, BinaryValue) and package.signature.scale is Scale.PROBABILITY:
        from clew.stats.value import expected_costs

        scores, decided = rows["score"].to_numpy(), rows["decided"].to_numpy()
        estimated = float(expected_costs(scores, decided, contract.matrix(classes)).sum())
    if not labelled.height:
        return msgspec.structs.replace(report, estimated_cost=estimated)
    truth, decided = labelled["truth"].to_numpy(), labelled["decided"].to_numpy()
    binary = package.signature.task is Task.BINARY
    return msgspec.structs.replace(
        report,
        cost=float(cost_per_row(contract, truth, decided, classes).sum()),
        estimated_cost=estimated,
        auc=_auc(labelled) if binary else None,
        cases=float(truth.mean()) if binary else None,
        alarms=float(decided.mean()) if binary else None,
    )


def _auc(labelled: pl.DataFrame) -> float | None:
    from clew.stats.auc import auc

    truth = labelled["truth"].to_numpy()
    if truth.min() == truth.max():
        return None
    value = auc(labelled["score"].to_numpy(), truth)
    return None if math.isnan(value) else float(value)
