"""One look at an endpoint: everything acknowledged into the logs, closed windows judged, alerts raised, a trial
continued, and a retraining asked for when one is due.

It may be done at any time and as often as one likes: what was done is not done again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clew.core.clock import format_us
from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Endpoint, Severity, Trial, TrialState, Window
from clew.loop.promotion import Promote
from clew.loop.trial import continue_trial, running_trial
from clew.loop.trigger import Reason, due
from clew.loop.windows import Deciders, judge_windows
from clew.monitoring.alerts import raise_alert
from clew.monitoring.profile import counts_by_hour, encode_hours
from clew.monitoring.report import report_of
from clew.serving.compaction import Compacted, compact

if TYPE_CHECKING:
    import polars as pl

    from clew.settings import Settings

__all__ = ["Watched", "compact_endpoint", "watch_endpoint"]


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What one look did. `retrain` says why a retraining is due, and is None when none is."""

    predictions: int
    labels: int
    windows: int
    alerts: int
    trial: Trial | None = None
    retrain: Reason | None = None


def compact_endpoint(stores: Stores, endpoint: Endpoint, deciders: Deciders) -> Compacted:
    """Move everything acknowledged into the logs, counted in the bins of the versions that decided."""

    def profile_of(version: str, rows: pl.DataFrame) -> bytes | None:
        profile = deciders(version).profile
        return None if profile is None else encode_hours(counts_by_hour(version, rows, profile))

    return compact(
        stores, endpoint, signature_of=lambda version: deciders(version).package.signature, profile_of=profile_of
    )


def watch_endpoint(
    stores: Stores,
    endpoint: Endpoint,
    *,
    now_us: int,
    settings: Settings,
    deciders: Deciders,
    promote: Promote,
) -> Watched:
    """Look at an endpoint.

    Args:
        stores: the project.
        endpoint: what to look at.
        now_us: now, in event time.
        settings: of the project.
        deciders: model versions by id, kept between looks.
        promote: gives the endpoint's alias to a version, through the gate.
    """
    moved = compact_endpoint(stores, endpoint, deciders)
    with stores.ledger.read() as tx:
        model = tx.models.get(endpoint.model).name
    contract = settings.value.get(model)
    watched = settings.monitor_of(endpoint.name)
    alerts = 0

    def tell(window: Window, before: Window | None) -> None:
        nonlocal alerts
        if before is None:
            alerts += _alert_drift(stores, endpoint, window, webhook=watched.webhook)

    windows = judge_windows(
        stores, endpoint, until_us=now_us, settings=watched, contract=contract, deciders=deciders, tell=tell
    )
    retrain = settings.retrain.get(model)
    trial = running_trial(stores, endpoint)
    if trial is not None and retrain is not None:
        trial = continue_trial(
            stores,
            endpoint,
            trial,
            now_us=now_us,
            settings=retrain.promotion,
            contract=contract,
            deciders=deciders,
            promote=promote,
        )
    busy = trial is not None and trial.state is TrialState.RUNNING
    reason = None
    if retrain is not None and not busy:
        reason = due(stores, endpoint, retrain, now_us=now_us, deciders=deciders)
        if reason is not None:
            alerts += raise_alert(
                stores,
                endpoint,
                key=f"retrain/{reason.kind}/{reason.at_us}",
                severity=Severity.NOTE,
                at_us=now_us,
                text=f"retraining {model}: {reason.text}",
                facts=msgspec.to_builtins(reason),
                webhook=watched.webhook,
            )
    return Watched(
        predictions=moved.predictions,
        labels=moved.labels,
        windows=len(windows),
        alerts=alerts,
        trial=trial,
        retrain=reason,
    )


def _alert_drift(stores: Stores, endpoint: Endpoint, window: Window, *, webhook: str) -> int:
    """One alert for each column of a version, when it drifts for the first time."""
    drift = report_of(window).drift
    raised = 0
    for column in drift.columns if drift is not None else ():
        if column.alarm:
            raised += raise_alert(
                stores,
                endpoint,
                key=f"drift/{window.version}/{column.column}",
                severity=Severity.WARN,
                at_us=window.end_us,
                text=(
                    f"{column.column} has drifted: distance {column.effect:.2f} over the last {column.windows} "
                    f"windows up to {format_us(window.end_us)}"
                ),
                facts={"version": window.version, **msgspec.to_builtins(column)},
                webhook=webhook,
            )
    return raised
