"""When a retraining is due: drift predicts that one may pay, lost value says that one is needed, a cool-down keeps
both from asking every day.

Not whether the new version is better: that is for its trial to say.
"""

from __future__ import annotations

import math

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Endpoint, TrialState, Window
from clew.core.types.evaluation import Evaluation, decode_evaluation
from clew.core.types.package import FileRole
from clew.loop.windows import Deciders
from clew.monitoring.report import WindowReport, report_of
from clew.settings import RetrainSettings, Trigger

__all__ = ["Reason", "due"]

_DAY_US = 86_400_000_000
_VALUE_WINDOWS = 28
"""Over how many of the newest labelled windows value is compared with the evaluation."""

_FEWEST_WINDOWS = 7
_CONFIDENCE = 0.99


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a retraining is due; `kind` is `periodic`, `drift` or `value`, `at_us` the event time that it speaks of."""

    kind: str
    at_us: int
    text: str


def due(
    stores: Stores, endpoint: Endpoint, settings: RetrainSettings, *, now_us: int, deciders: Deciders
) -> Reason | None:
    """Why the endpoint's model should be trained again now, or None.

    Args:
        stores: the project.
        endpoint: whose windows say so.
        settings: what triggers a retraining.
        now_us: now, in event time.
        deciders: model versions by id.
    """
    with stores.ledger.read() as tx:
        windows = tx.windows.list(endpoint.id, low_us=now_us - 60 * _DAY_US)
        trials = tx.trials.list(endpoint.id)
    if not windows or settings.trigger is Trigger.NEVER:
        return None
    last_us = max((trial.started_us for trial in trials), default=windows[0].start_us)
    ended_us = max((trial.ended_us for trial in trials if trial.state is not TrialState.RUNNING), default=0)
    rested = now_us >= max(last_us, ended_us) + settings.cooldown_days * _DAY_US
    if settings.trigger is Trigger.PERIODIC:
        days = (now_us - last_us) / _DAY_US
        if days >= settings.every_days:
            return Reason(kind="periodic", at_us=now_us, text=f"{days:.0f} days since the last one")
        return None
    if not rested:
        return None
    version = windows[-1].version
    mine = [window for window in windows if window.version == version]
    by_value = _lost_value(mine, _evaluation(stores, version, deciders))
    if settings.trigger in (Trigger.VALUE, Trigger.ANY) and by_value is not None:
        return by_value
    if settings.trigger in (Trigger.DRIFT, Trigger.ANY):
        return _drifted(mine[-1])
    return None


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
        text=f"decisions cost {live.value:.3f} each, {promised.value:.3f} [{promised.low:.3f}, {promised.high:.3f}] "
        "when it was evaluated",
    )


def _evaluation(stores: Stores, version: str, deciders: Deciders) -> Evaluation | None:
    file = deciders(version).package.find(FileRole.EVALUATION)
    return decode_evaluation(stores.objects.get(file.digest)) if file is not None else None
