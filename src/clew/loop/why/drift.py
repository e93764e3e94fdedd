"""How the endpoint's inputs and scores stood against the training profile when a decision was made.

From the counts by hour that compaction leaves beside each batch: no logged row is read. One look at one moment, for a
person to judge a decision by; the alarms of a whole life are the monitors' (`clew.monitoring`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.types.dataset import LogBatch
from clew.core.types.endpoint import Endpoint, Window
from clew.core.types.package import FileRole, Package
from clew.core.types.profile import Profile
from clew.loop.why.prediction import LoggedPrediction
from clew.monitoring.drift import ColumnDrift, compare_counts
from clew.monitoring.profile import HOUR_US, add_counts, decode_hours, decode_profile

__all__ = ["FALSE_DISCOVERY_RATE", "DriftThen", "SpanDrift", "drift_then"]

DAY_US = 24 * HOUR_US
FALSE_DISCOVERY_RATE = 0.05

Counts = dict[str, list[int]]


class SpanDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of one version in `[start_us, end_us)` of event time, columns with the greatest effect first.

    P-values are adjusted for the number of columns, and `drifted` names those at or below 0.05: of these, at most one
    in twenty by chance.
    """

    start_us: int
    end_us: int
    rows: int
    columns: list[ColumnDrift]
    drifted: list[str]


class DriftThen(msgspec.Struct, frozen=True, kw_only=True):
    """The hour of a decision, the 24 hours that end with it, and what a monitor reported of a window around it."""

    hour: SpanDrift
    day: SpanDrift
    window: Window | None = None


def drift_then(stores: Stores, endpoint: Endpoint, prediction: LoggedPrediction, package: Package) -> DriftThen | None:
    """Drift at the time of a decision; None when the model has no training profile.

    Args:
        stores: the project.
        endpoint: that decided.
        prediction: the decision.
        package: of the version that decided.
    """
    file = package.find(FileRole.PROFILE)
    if file is None:
        return None
    profile = decode_profile(stores.objects.get(file.digest))
    hour_us = prediction.time_us // HOUR_US * HOUR_US
    start_us, end_us = hour_us + HOUR_US - DAY_US, hour_us + HOUR_US
    with stores.ledger.read() as tx:
        batches = tx.logs.between(endpoint.predictions, start_us, end_us)
        window = _window(tx, endpoint, prediction)
    hours = _counts(stores, batches, prediction.version)
    return DriftThen(
        hour=_span(profile, hours, hour_us, end_us),
        day=_span(profile, hours, start_us, end_us),
        window=window,
    )


def _counts(stores: Stores, batches: Sequence[LogBatch], version: str) -> list[tuple[int, Counts]]:
    """Counts of one version by hour; an hour may stand there several times."""
    counted = [decode_hours(stores.objects.get(batch.profile)) for batch in batches if batch.profile]
    return [pair for each in counted if each.decider == version for pair in each.hours.items()]


def _span(profile: Profile, hours: Sequence[tuple[int, Counts]], start_us: int, end_us: int) -> SpanDrift:
    """A span counts as one unit, such as a day, however it lies across midnight."""
    counts = add_counts([bins for hour_us, bins in hours if start_us <= hour_us < end_us])
    columns = _adjusted(compare_counts(profile, counts))
    return SpanDrift(
        start_us=start_us,
        end_us=end_us,
        rows=max((sum(bins) for bins in counts.values()), default=0),
        columns=sorted(columns, key=lambda each: (-each.effect, each.column)),
        drifted=[each.column for each in columns if each.alarm],
    )


def _adjusted(columns: list[ColumnDrift]) -> list[ColumnDrift]:
    from clew.stats.fdr import benjamini_hochberg

    if not columns:
        return []
    p_values: list[float] = benjamini_hochberg([each.p_value for each in columns]).tolist()
    return [
        msgspec.structs.replace(each, p_value=p_value, alarm=p_value <= FALSE_DISCOVERY_RATE)
        for each, p_value in zip(columns, p_values, strict=True)
    ]


def _window(tx: Transaction, endpoint: Endpoint, prediction: LoggedPrediction) -> Window | None:
    """The last window that a monitor judged of this version and that the decision lies in."""
    windows = tx.windows.list(endpoint.id, version=prediction.version, high_us=prediction.time_us + 1)
    return next((window for window in reversed(windows) if window.end_us > prediction.time_us), None)
