"""When a retraining is due: drift predicts that one may pay, lost value says that one is needed, a cool-down keeps
both from asking every day.

Not whether the new version is better: that is for its trial to say.
"""

from __future__ import annotations

import math

import msgspec

from clew.core.numbers import number, span
from clew.core.types.endpoint import Alert, Trial, TrialState, Window
from clew.core.types.evaluation import Evaluation
from clew.loop.monitor import DAY_US, Monitor
from clew.monitoring.report import WindowReport, report_of
from clew.registry.package import evaluation_of
from clew.settings import RetrainSettings, Trigger

__all__ = ["RETRAIN", "Reason", "due"]

RETRAIN = "retrain"
"""The kind of the alerts that say that a retraining was asked for. The newest one begins the cool-down: also a
retraining that failed, or gave no new model, is not repeated before it is over."""

_REACH_US = 60 * DAY_US
_VALUE_WINDOWS = 28
"""Over how many of the newest labelled windows value is compared with the evaluation."""

_FEWEST_WINDOWS = 7
_CONFIDENCE = 0.99
_MANY = 100_000


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a retraining is due; `kind` is `periodic`, `drift` or `value`, `at_us` the event time that it speaks of."""

    kind: str
    at_us: int
    text: str


def due(monitor: Monitor, settings: RetrainSettings, *, now_us: int) -> Reason | None:
    """Why the endpoint's model should be trained again now, or None.

    Args:
        monitor: of the endpoint.
        settings: what triggers a retraining.
        now_us: now, in event time.
    """
    if settings.trigger is Trigger.NEVER:
        return None
    last_us = _last(monitor, settings, now_us)
    if settings.trigger is Trigger.PERIODIC:
        return _periodic(monitor, settings, last_us, now_us)
    if last_us is not None and now_us < last_us + settings.cooldown_days * DAY_US:
        return None
    windows = _windows_of_champion(monitor, now_us)
    if not windows:
        return None
    reason = None
    if settings.trigger in (Trigger.VALUE, Trigger.ANY):
        reason = _lost_value(windows, _evaluation(monitor, windows[-1].version))
    if reason is None and settings.trigger in (Trigger.DRIFT, Trigger.ANY):
        reason = _drifted(windows[-1])
    return reason


def _last(monitor: Monitor, settings: RetrainSettings, now_us: int) -> int | None:
    """When the last retraining was asked for, or its trial ended; None when that is too long ago to matter."""
    reach_us = int(max(settings.cooldown_days, settings.every_days) * DAY_US)
    with monitor.stores.ledger.read() as tx:
        alerts = tx.alerts.list(monitor.endpoint.id, low_us=now_us - reach_us, limit=_MANY)
        trials = tx.trials.list(monitor.endpoint.id)
    return max([*_asked(alerts), *_tried(trials, ended=settings.trigger is not Trigger.PERIODIC)], default=None)


def _asked(alerts: list[Alert]) -> list[int]:
    return [alert.at_us for alert in alerts if alert.kind == RETRAIN]


def _tried(trials: list[Trial], *, ended: bool) -> list[int]:
    begun = [trial.started_us for trial in trials]
    return begun + [trial.ended_us for trial in trials if ended and trial.state is not TrialState.RUNNING]


def _periodic(monitor: Monitor, settings: RetrainSettings, last_us: int | None, now_us: int) -> Reason | None:
    if last_us is None:
        with monitor.stores.ledger.read() as tx:
            first = tx.logs.list(monitor.endpoint.predictions, until=1)
        if not first:
            return None
        last_us = first[0].time_low_us
    days = (now_us - last_us) / DAY_US
    if days < settings.every_days:
        return None
    return Reason(kind="periodic", at_us=now_us, text=f"{days:.0f} days since the last one")


def _windows_of_champion(monitor: Monitor, now_us: int) -> list[Window]:
    """The newest windows of the version that answers now, oldest first."""
    endpoint = monitor.endpoint
    with monitor.stores.ledger.read() as tx:
        champion = {move.alias: move.version for move in tx.models.aliases(endpoint.model)}.get(endpoint.alias)
        low_us = now_us - _REACH_US
        return tx.windows.list(endpoint.id, low_us=low_us, high_us=now_us, version=champion) if champion else []


def _drifted(window: Window) -> Reason | None:
    drift = report_of(window).drift
    if drift is None or not drift.alarmed:
        return None
    return Reason(kind="drift", at_us=window.end_us, text=f"{', '.join(drift.alarmed[:4])} drifted")


def _lost_value(windows: list[Window], evaluation: Evaluation | None) -> Reason | None:
    """Whether the newest labelled windows cost more per decision than the evaluation promised, beyond its interval."""
    from clew.stats.intervals import mean_by_unit

    reports: list[tuple[Window, WindowReport]] = [(window, report_of(window)) for window in windows]
    labelled = [(w, r) for w, r in reports if w.labels and r.cost is not None][-_VALUE_WINDOWS:]
    if evaluation is None or len(labelled) < _FEWEST_WINDOWS:
        return None
    costs = [report.cost or 0.0 for _, report in labelled]
    live = mean_by_unit(costs, [window.labels for window, _ in labelled], level=_CONFIDENCE)
    promised = evaluation.metrics["cost"]
    if not (math.isfinite(promised.high) and live.low > promised.high):
        return None
    return Reason(
        kind="value",
        at_us=labelled[-1][0].end_us,
        text=f"decisions cost {number(live.value, digits=4)} each, {span(promised)} when it was evaluated",
    )


def _evaluation(monitor: Monitor, version: str) -> Evaluation | None:
    return evaluation_of(monitor.stores.objects, monitor.deciders(version).package)
