"""`clew watch`: what is known of an endpoint, after one more look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command
from clew.cli.output import cell
from clew.core.clock import parse_us
from clew.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.core.types.endpoint import Window

__all__ = ["watch"]

_WINDOW: output.Columns = [
    *("start_us", "version", "rows"),
    output.Column("labels", spare=1),
    "cost",
    output.Column("estimated", spare=2),
    "auc",
    output.Column("drifted", long=True),
]
_ALERT: output.Columns = ["at_us", "severity", output.Column("text", long=True)]
_DRIFT: output.Columns = [
    *("column", "version", "state", "since_us"),
    output.Column("windows", spare=1),
    output.Column("distance", spare=2),
]
_NAMED = 4


@command(
    "watch",
    examples=[
        ("clew watch delay", "look once, and show the newest windows"),
        ("clew watch delay --windows 30", "show a month of daily windows"),
        ("clew watch delay --until 2013-02-01", "as of a moment, when decisions of the past are played again"),
    ],
)
@click.argument("endpoint")
@click.option("--windows", type=click.IntRange(1, 1000), default=14, show_default=True, help="Newest windows to show.")
@click.option("--until", default="", help="What time it is for the endpoint, such as 2013-02-01; now by default.")
def watch(*, endpoint: str, windows: int, until: str, as_json: bool) -> None:
    """Look at an endpoint: drift, value, trials, alerts.

    Does what the worker does once, and then shows the newest windows, the columns that have drifted and since when, the
    trial that runs, and the newest alerts.
    """
    from clew.loop.monitor import LENGTH_US, window_start
    from clew.serving.endpoint import find_endpoint
    from clew.worker.handlers import handlers_of, look_at
    from clew.worker.presence import Presence
    from clew.worker.worker import Worker
    from clew.workspace import open_workspace

    try:
        until_us = parse_us(until) if until else 0
    except ValueError:
        raise Invalid(f"--until {until!r} is no time", hint="write it like 2013-02-01") from None
    with open_workspace(serves=True) as workspace:
        stores = workspace.stores
        found = find_endpoint(stores, endpoint)
        with Presence(workspace.folder, stores.ids) as presence:
            worker = Worker(stores, presence.holder, handlers_of(workspace), presence=presence)
            look_at(workspace, worker, endpoint, until_us=until_us, say=output.note)
        with stores.ledger.read() as tx:
            shown = tx.windows.list(found.id)[-windows:]
            trials = tx.trials.list(found.id)
            alerts = tx.alerts.list(found.id, limit=10)
            numbers = {window.version: tx.models.version(window.version).number for window in shown}
        length = workspace.settings.monitor_of(endpoint).window.value
        closes_us = window_start(until_us or stores.clock.now_us(), length) + LENGTH_US[length]
    drifts = _drifts(shown[-1], numbers) if shown else []
    if as_json:
        output.record({"windows": shown, "drift": drifts, "trials": trials, "alerts": alerts}, as_json=True)
        return
    empty = f"no window has closed yet; the one of now is a {length} long and closes at {cell('at_us', closes_us)}"
    rows = [_row(window, numbers[window.version]) for window in shown]
    output.table(rows, _WINDOW, as_json=False, title=f"Windows of {endpoint}", empty=empty)
    if drifts:
        output.table(drifts, _DRIFT, as_json=False, title="Drift")
    for trial in trials[-1:]:
        output.note(f"trial {trial.state}: {trial.reason or 'under way'}")
    output.table(alerts, _ALERT, as_json=False, title="Alerts", empty="no alerts")


def _row(window: Window, version: int) -> dict[str, object]:
    from clew.monitoring.report import report_of

    report = report_of(window)
    return {
        "start_us": window.start_us,
        "version": version,
        "rows": window.rows,
        "labels": window.labels,
        "cost": report.cost,
        "estimated": report.estimated_cost,
        "auc": report.auc,
        "drifted": _several(report.drift.drifted) if report.drift else "",
    }


def _several(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" +{more}" if more > 0 else "")


def _drifts(window: Window, numbers: Mapping[str, int]) -> list[dict[str, object]]:
    """The episodes of drift as of the newest window, those that began first at the top, and those that are over."""
    from clew.monitoring.report import report_of

    drift = report_of(window).drift
    if drift is None:
        return []
    effects = {column.column: column.effect for column in drift.columns}
    over = [name for name in drift.episodes if name not in drift.drifted]
    return [
        {
            "column": name,
            "version": numbers[window.version],
            "state": drift.episodes[name].state,
            "since_us": drift.episodes[name].since_us,
            "windows": drift.episodes[name].alarms,
            "distance": effects.get(name),
        }
        for name in [*drift.drifted, *over]
    ]
