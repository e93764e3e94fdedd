"""One look at an endpoint: everything acknowledged into the logs, closed windows judged, alerts raised, a trial
continued, and a retraining asked for when one is due.

It may be done at any time and as often as one likes: what was done is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from clew.core.clock import format_us
from clew.core.numbers import counted
from clew.core.types.endpoint import Severity, Trial, TrialState, Window
from clew.loop.monitor import Monitor
from clew.loop.promotion import Promote
from clew.loop.trial import continue_trial, running_trial
from clew.loop.trigger import RETRAIN, Reason, due
from clew.loop.windows import Judged, judge_windows, put_windows
from clew.monitoring.alerts import Finding, add_alerts, tell
from clew.monitoring.episodes import EpisodeState
from clew.monitoring.profile import counts_by_hour, encode_hours, rows_by_hour
from clew.monitoring.report import report_of
from clew.serving.compaction import Compacted, compact, set_aside

if TYPE_CHECKING:
    import polars as pl

    from clew.settings import RetrainSettings

__all__ = ["Watched", "compact_endpoint", "watch_endpoint"]


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What one look did. `retrain` says why a retraining was asked for, and is None when none was."""

    predictions: int
    labels: int
    windows: int
    alerts: int
    trial: Trial | None = None
    retrain: Reason | None = None


def watch_endpoint(
    monitor: Monitor,
    *,
    now_us: int,
    retrain: RetrainSettings | None,
    promote: Promote,
    ask: Callable[[Reason], bool],
) -> Watched:
    """Look at an endpoint.

    Args:
        monitor: of the endpoint.
        now_us: now, in event time.
        retrain: how its model is trained again, if it is.
        promote: gives the endpoint's alias to a version, through the gate.
        ask: asks for a retraining; says False when one is under way already.
    """
    moved = compact_endpoint(monitor)
    alerts = _keep(monitor, [], list(_damages(moved, now_us)))
    set_aside(monitor.stores, monitor.endpoint, moved.torn)
    windows = 0
    for judged in judge_windows(monitor, now_us):
        alerts += _keep(monitor, judged, [found for one in judged for found in _drifts(one.window)])
        windows += len(judged)
    trial, reason = running_trial(monitor.stores, monitor.endpoint), None
    if retrain is not None:
        if trial is not None:
            trial = continue_trial(monitor, trial, now_us=now_us, settings=retrain.promotion, promote=promote)
        if trial is None or trial.state is not TrialState.RUNNING:
            reason = due(monitor, retrain, now_us=now_us)
        if reason is not None and not ask(reason):
            reason = None
        if reason is not None:  # behind the asking: the alert begins the cool-down
            alerts += _keep(monitor, [], [_asked(monitor, reason, now_us)])
    return Watched(
        predictions=moved.predictions, labels=moved.labels, windows=windows, alerts=alerts, trial=trial, retrain=reason
    )


def compact_endpoint(monitor: Monitor) -> Compacted:
    """Move everything acknowledged into the logs, counted in the bins of the versions that decided."""

    def profile_of(version: str, rows: pl.DataFrame) -> bytes:
        profile = monitor.deciders(version).profile
        counts = rows_by_hour(version, rows) if profile is None else counts_by_hour(version, rows, profile)
        return encode_hours(counts)

    return compact(
        monitor.stores,
        monitor.endpoint,
        signature_of=lambda version: monitor.deciders(version).package.signature,
        profile_of=profile_of,
    )


def _keep(monitor: Monitor, judged: list[Judged], findings: list[Finding]) -> int:
    """Store windows and raise alerts, all in one transaction; returns how many alerts are new."""
    if not findings and not judged:
        return 0
    with monitor.stores.ledger.write() as tx:
        put_windows(tx, judged)
        raised = add_alerts(tx, monitor.stores, monitor.endpoint, findings)
    tell(monitor.endpoint, raised, webhook=monitor.settings.webhook)
    return len(raised)


def _damages(moved: Compacted, now_us: int) -> Iterator[Finding]:
    """One alert for each segment of a journal that is damaged, or ends with half a record."""
    for journal, what in moved.damaged.items():
        yield Finding(
            key=f"journal/{journal}",
            severity=Severity.PAGE,
            at_us=now_us,
            text=f"acknowledged decisions cannot be read: {what}",
            facts={"journal": journal},
        )
    for journal, size_bytes in moved.torn.items():
        yield Finding(
            key=f"journal/{journal}",
            severity=Severity.NOTE,
            at_us=now_us,
            text=(
                f"{counted(size_bytes, 'bytes')} behind the last whole record of {journal} set aside as .torn: a "
                "request that was being written when its process or machine died"
            ),
            facts={"journal": journal, "size_bytes": size_bytes},
        )


def _drifts(window: Window) -> Iterator[Finding]:
    """One alert for each episode of a column, when it begins, and a note when it is over."""
    drift, until = report_of(window).drift, format_us(window.end_us)
    for column in drift.columns if drift is not None else ():
        episode = drift.episodes.get(column.column) if drift is not None else None
        facts: dict[str, object] = {"version": window.version, **msgspec.to_builtins(column)}
        if episode is not None and episode.state is EpisodeState.RAISED:
            kind, severity = "drift", Severity.WARN
            windows = f"{column.windows} {'windows' if column.windows > 1 else 'window'}"
            said = f"has drifted: distance {column.effect:.2f} over the newest {windows} up to {until}"
        elif episode is not None and episode.state is EpisodeState.RESOLVED:
            kind, severity = "resolved", Severity.NOTE
            said = (
                f"is as in training again: no alarm in {episode.quiet} windows up to {until}; "
                f"it had drifted since {format_us(episode.since_us)}"
            )
            facts |= msgspec.to_builtins(episode)
        else:
            continue
        key = f"{kind}/{window.version}/{episode.since_us}/{column.column}"
        text = f"{column.column} {said}"
        yield Finding(key=key, severity=severity, at_us=window.end_us, text=text, facts=facts)


def _asked(monitor: Monitor, reason: Reason, now_us: int) -> Finding:
    return Finding(
        key=f"{RETRAIN}/{reason.kind}/{now_us}",
        severity=Severity.NOTE,
        at_us=now_us,
        text=f"retraining {monitor.model}: {reason.text}",
        facts=msgspec.to_builtins(reason),
    )
