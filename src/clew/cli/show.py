"""`clew runs show`: everything about one run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from clew.cli import output
from clew.cli.certificates import rows_of_certificates
from clew.cli.command import command
from clew.cli.named import newest_run, short_ids
from clew.cli.opening import open_runs
from clew.cli.output import Column, Columns

if TYPE_CHECKING:
    from clew.core.contracts.services import RunService
    from clew.core.types.run import Run
    from clew.tracking.overview import Link, Overview
    from clew.workspace import Workspace

__all__ = ["show"]

_WIDTH = 32
_VALUE = Column("value", show=output.literal)
_NOTES = ("note", "mlflow.note.content")
_LONGEST_TAG = 60


@command(
    "show",
    examples=[
        ("clew runs show train", "everything about a run, by its name"),
        ("clew runs show 01a1 --json", "by the beginning of its id, for machines"),
    ],
)
@click.argument("run")
def show(*, run: str, as_json: bool) -> None:
    """Show everything about one run.

    Parameters, metrics, artifacts, lineage and how it ended.
    """
    from clew.tracking.overview import overview_of

    with open_runs() as workspace:
        overview = overview_of(workspace.services, newest_run(workspace.runs, run))
        if as_json:
            output.record(overview, as_json=True)
            return
        curves, below = _curves(workspace, overview), _below(workspace.runs, overview.children)
    _show(overview, curves, below)


def _curves(workspace: Workspace, overview: Overview) -> dict[str, str]:
    """A picture of each metric that has more than one point."""
    from clew.cli.picture import spark
    from clew.tracking.curve import curve_of

    long = [series.key for series in overview.metrics if series.count > 1][:50]
    return {key: spark(curve_of(workspace.runs.blocks(overview.run.id, key), _WIDTH)) for key in long}


def _below(runs: RunService, children: list[Run]) -> tuple[str, list[dict[str, object]]]:
    """Rows of the runs that one has started, and the metric that they show: the one that most of them have."""
    from clew.core.types.series import SYSTEM

    ids = [run.id for run in children]
    found = [each for each in (runs.summaries(ids) if ids else []) if not each.key.startswith(SYSTEM)]
    metric = next((key for key, _ in Counter(each.key for each in found).most_common(1)), "")
    last = {each.run: each.last for each in found if each.key == metric}
    rows: list[dict[str, object]] = [
        {"id": short, "name": run.name, "status": run.status, "created_us": run.created_us, "metric": last.get(run.id)}
        for short, run in zip(short_ids(ids), children, strict=True)
    ]
    return metric, rows


def _show(overview: Overview, curves: dict[str, str], below: tuple[str, list[dict[str, object]]]) -> None:
    run = overview.run
    facts: dict[str, Any] = {
        "name": run.name,
        "id": run.id,
        "experiment": overview.experiment,
        "status": run.status,
        "kind": run.kind,
        "created_us": run.created_us,
        "duration_ms": run.duration_ms,
        "deleted": _trash_words(run),
        "by": run.created_by,
        "entry": run.entry,
        "command": " ".join(run.command),
        "commit": run.commit,
        "branch": overview.branch,
        "remote": overview.remote,
        "parent": run.parent,
        "note": "\n".join(run.tags[key] for key in _NOTES if run.tags.get(key)),
        "tags": {key: _brief(value) for key, value in run.tags.items() if key not in _NOTES},
    }
    output.record({key: value for key, value in facts.items() if value not in ("", None, {})}, as_json=False)
    _section("parameters", [{"name": key, "value": value} for key, value in run.params.items()], ["name", _VALUE])
    metrics = [
        {"name": s.key, "last": s.last, "min": s.low, "max": s.high, "points": s.count, "curve": curves.get(s.key, "")}
        for s in overview.metrics
    ]
    few = [Column("min", spare=2), Column("max", spare=1), Column("points", spare=3)]
    _section("metrics", metrics, ["name", "last", *few, "curve"])
    _section("artifacts", overview.artifacts, ["path", "size_bytes", Column("media_type", spare=1)])
    _section("inputs", [_link_row(link) for link in overview.inputs], ["role", "what"])
    _section("outputs", [_link_row(link) for link in overview.outputs], ["role", "what"])
    steps = [{"step": s.step, "outcome": s.outcome, "duration_ms": s.duration_us / 1000} for s in overview.steps]
    _section("steps", steps, ["step", "outcome", "duration_ms"])
    metric, rows = below
    shown = [Column("metric", metric, spare=1)] if metric else []
    _section("runs below", rows, ["id", Column("name", least=24), "status", *shown, Column("created_us", spare=2)])
    certified: Columns = ["verdict", "at_us", "by", Column("machine", spare=2), Column("key", spare=1)]
    _section("certificates", rows_of_certificates(overview.certificates), certified)
    if run.reason:
        output.text(f"\nreason\n{run.reason}", as_json=False)


def _brief(tag: str) -> str:
    """A tag in one line; MLflow's clients keep whole documents in some."""
    line = " ".join(tag.split())
    return line if len(line) <= _LONGEST_TAG else f"{line[:_LONGEST_TAG]}…"


def _trash_words(run: Run) -> str:
    """Since when a run lies in the trash, and how it comes back."""
    if not run.deleted_us:
        return ""
    way = "purged, its files and metrics are gone" if run.purged_us else f"clew runs restore {run.id} brings it back"
    return f"{output.cell('deleted_us', run.deleted_us)}, into the trash: {way}"


def _link_row(link: Link) -> dict[str, str]:
    return {"role": link.role, "what": link.reference or link.node}


def _section(title: str, rows: list[Any], columns: Columns) -> None:
    if rows:
        output.text("", as_json=False)
        output.table(rows, columns, as_json=False, title=title)
