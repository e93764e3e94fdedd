"""`clew runs`: list, show and compare what was run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clew.cli import output
from clew.cli.certificates import rows_of_certificates
from clew.cli.command import command, group
from clew.cli.compare import compare
from clew.cli.trash import delete, restore, trash
from clew.core.errors import Conflict, Invalid

if TYPE_CHECKING:
    from clew.core.judging import FoundRun
    from clew.tracking.overview import Link, Overview
    from clew.tracking.where import Field
    from clew.workspace import Workspace

__all__ = ["open_runs", "runs"]

_WIDTH = 32


@group(
    "runs",
    examples=[
        ("clew runs list --where 'metric.auc > 0.7' --sort -metric.auc", "the best runs first"),
        ("clew runs compare calm-otter-417 brisk-heron-12", "what differs between two runs"),
    ],
)
def runs() -> None:
    """List, show, compare, tag, name and stop runs."""


@command(
    "list",
    examples=[
        ("clew runs list", "the newest runs"),
        ("clew runs list --where 'metric.auc.max > 0.7 and param.depth in (6, 8)'", "those that pass a filter"),
        ("clew runs list --sort -metric.auc --columns metric.auc,param.lr", "the best first, with chosen columns"),
        ("clew runs list --where 'status = failed and created > \"-7d\"' --json", "failed this week, for machines"),
        ("clew runs list --format parquet --output runs.parquet", "all runs as a table for other programs"),
    ],
)
@click.option("--where", "condition", default="", help="A filter over metric.NAME, param.NAME, status, …")
@click.option("--sort", "sort", default="", help="Fields to sort by, with commas; -FIELD puts the greatest first.")
@click.option("--experiment", default="", help="Only runs of this experiment.")
@click.option("--columns", default="", help="Fields to show, with commas.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows: 50, but all with --format.")
@click.option("--after", default="", help="Go on behind a page of which this was the end.")
@click.option("--format", "format_", type=click.Choice(["csv", "jsonl", "parquet"]), help="A table for programs.")
@click.option(
    "--output", "path", type=click.Path(dir_okay=False, path_type=Path), help="The file for --format; else stdout."
)
def list_(
    *,
    condition: str,
    sort: str,
    experiment: str,
    columns: str,
    limit: int | None,
    after: str,
    format_: str | None,
    path: Path | None,
    as_json: bool,
) -> None:
    """List runs, newest first, or those that a filter lets through."""
    if format_ or path:
        _export(format_ or "", path, condition, sort, experiment, columns, limit)
        return
    _list(condition, sort, experiment, columns, limit or 50, after, as_json=as_json)


def _export(
    format_: str, path: Path | None, condition: str, sort: str, experiment: str, columns: str, limit: int | None
) -> None:
    from clew.tracking.export import write
    from clew.tracking.found import each_found

    if not format_:
        raise Invalid("--output needs a form", hint="--format csv, jsonl or parquet")
    chosen = _fields(columns)
    with open_runs() as workspace:
        found = list(each_found(workspace.runs, where=condition, sort=sort, experiment=experiment, limit=limit))
    write(format_, found, chosen, path)
    if path is not None:
        output.note(f"{len(found):,} runs are in {path}")


def _list(condition: str, sort: str, experiment: str, columns: str, limit: int, after: str, *, as_json: bool) -> None:
    from clew.tracking.where import fields_of, parse_filter, parse_order

    chosen = _fields(columns)
    asked, order = (parse_filter(condition, now_us=0) if condition else None), parse_order(sort)
    with open_runs() as workspace:
        page = workspace.runs.search(where=condition, sort=sort, experiment=experiment, limit=limit, after=after)
    if as_json:
        output.table([_line(found) for found in page.items], [], as_json=True, after=page.next)
        return
    named = [*(fields_of(asked) if asked else []), *(each.field for each in order)]
    shown = list(dict.fromkeys([*chosen, *(field for field in named if field.name)])) or _interesting(page.items)
    rows = [_cells(found, shown) for found in page.items]
    titles = [output.Column(f"field {at}", _title(field)) for at, field in enumerate(shown)]
    fixed = ["name", "status", *([] if experiment else ["experiment"]), "created_us", "duration_ms"]
    empty = "no run passes" if condition or experiment else "no runs yet: clew run SCRIPT"
    output.table(rows, [*fixed, *titles], as_json=False, after=page.next, empty=empty)


@command(
    "show",
    examples=[
        ("clew runs show calm-otter-417", "everything about a run, by its name"),
        ("clew runs show 01a1 --json", "by the beginning of its id, for machines"),
    ],
)
@click.argument("run")
def show(*, run: str, as_json: bool) -> None:
    """Show parameters, metrics, artifacts, lineage and the end of one run."""
    from clew.tracking.overview import overview_of

    with open_runs() as workspace:
        overview = overview_of(workspace.services, workspace.runs.get(run))
        curves = {} if as_json else _curves(workspace, overview)
    if as_json:
        output.record(overview, as_json=True)
    else:
        _show(overview, curves)


@command(
    "tag",
    examples=[("clew runs tag calm-otter-417 team=risk stage=tried", "set tags, also of a run that has ended")],
)
@click.argument("run")
@click.argument("words", nargs=-1, required=True, metavar="KEY=VALUE...")
def tag(*, run: str, words: tuple[str, ...], as_json: bool) -> None:
    """Set tags of a run; one of the same name is replaced."""
    tags = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise Invalid(f"{word!r} is no tag", hint="write KEY=VALUE")
        tags[key] = value
    _describe(run, as_json=as_json, tags=tags)


@command("note", examples=[("clew runs note calm-otter-417 'the one with the new loss'", "say what a run is about")])
@click.argument("run")
@click.argument("text")
def note(*, run: str, text: str, as_json: bool) -> None:
    """Say in a few words what a run is about; it is the tag `note`."""
    _describe(run, as_json=as_json, tags={"note": text})


@command("rename", examples=[("clew runs rename calm-otter-417 baseline", "give a run another name")])
@click.argument("run")
@click.argument("name")
def rename(*, run: str, name: str, as_json: bool) -> None:
    """Give a run another name; its id stays."""
    if not name.strip():
        raise Invalid("the name is empty")
    _describe(run, as_json=as_json, name=name)


@command("stop", examples=[("clew runs stop calm-otter-417", "as Ctrl-C would, from anywhere")])
@click.argument("run")
def stop(*, run: str, as_json: bool) -> None:
    """Ask a run to stop. Its process looks every 20 seconds, and is interrupted as by Ctrl-C."""
    from clew.core.types.run import RunStatus
    from clew.tracking.run import STOP_TAG

    with open_runs() as workspace:
        found = workspace.runs.get(run)
        if found.status is not RunStatus.RUNNING:
            raise Conflict(f"run {found.name} has ended: it is {found.status}")
        asked = workspace.runs.describe(found.id, tags={STOP_TAG: workspace.services.actor})
    output.record(asked, as_json=True) if as_json else output.note(f"{found.name} is asked to stop")


def _describe(run: str, *, as_json: bool, tags: dict[str, str] | None = None, name: str | None = None) -> None:
    with open_runs() as workspace:
        found = workspace.runs.describe(workspace.runs.get(run).id, tags=tags, name=name)
    output.record(found, as_json=True) if as_json else output.note(f"{found.name}: clew runs show {found.name}")


@command(
    "objects",
    examples=[
        ("clew runs objects calm-otter-417", "what a run logged at its steps"),
        ("clew runs objects calm-otter-417 samples --output shown", "one key, with its files in a folder"),
    ],
)
@click.argument("run")
@click.argument("key", default="")
@click.option("--output", "folder", type=click.Path(file_okay=False, path_type=Path), help="A folder for the files.")
def objects(*, run: str, key: str, folder: Path | None, as_json: bool) -> None:
    """List images, tables, histograms and the like that a run logged, by key and step."""
    from clew.tracking.logged import logged_of

    with open_runs() as workspace:
        found = logged_of(workspace.runs.artifacts(workspace.runs.get(run).id), key)
        for each in found if folder else ():
            path = folder / each.path  # type: ignore[operator]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(workspace.objects.get(each.digest))
    columns = ["key", "step", "form", "size_bytes", "path"]
    output.table(found, columns, as_json=as_json, empty="this run logged no objects")


runs.add_command(list_)
runs.add_command(delete)
runs.add_command(restore)
runs.add_command(trash)
runs.add_command(tag)
runs.add_command(note)
runs.add_command(rename)
runs.add_command(stop)
runs.add_command(show)
runs.add_command(compare)
runs.add_command(objects)


def open_runs() -> Workspace:
    """The project, after what killed processes left behind was brought home."""
    from clew.tracking.adopt import adopt
    from clew.workspace import open_workspace

    workspace = open_workspace()
    for found in adopt(workspace.runs, workspace.objects, workspace.folder):
        if found.killed:
            output.note(f"run {found.run} was killed; {found.points:,} points were still to be stored, and are now")
        if found.problem:
            output.note(found.problem)
    return workspace


def _fields(words: str) -> list[Field]:
    from clew.tracking.where import parse_field

    return [parse_field(word.strip()) for word in words.split(",") if word.strip()]


def _line(found: FoundRun) -> dict[str, object]:
    """A run as one flat object."""
    run = found.run
    return {
        "id": run.id,
        "name": run.name,
        "experiment": found.experiment,
        "status": run.status,
        "kind": run.kind,
        "created_us": run.created_us,
        "ended_us": run.ended_us or None,
        "duration_ms": _duration_ms(found),
        "created_by": run.created_by,
        "parent": run.parent or None,
        "entry": run.entry,
        "commit": run.commit or None,
        "params": run.params,
        "tags": run.tags,
        "metrics": {
            key: {"last": s.last, "min": s.low, "max": s.high, "first": s.first, "count": s.count}
            for key, s in found.metrics.items()
        },
    }


def _cells(found: FoundRun, fields: list[Field]) -> dict[str, object]:
    from clew.core.judging import value_of

    run = found.run
    cells: dict[str, object] = {
        "name": run.name,
        "status": run.status,
        "experiment": found.experiment,
        "created_us": run.created_us,
        "duration_ms": _duration_ms(found),
    }
    return cells | {f"field {at}": value_of(found, field) for at, field in enumerate(fields)}


def _duration_ms(found: FoundRun) -> float | None:
    return (found.run.ended_us - found.run.created_us) / 1000 if found.run.ended_us else None


def _title(field: Field) -> str:
    if not field.name:
        return field.kind
    return field.name if field.aggregate in ("", "last") else f"{field.name} {field.aggregate}"


def _interesting(items: list[FoundRun]) -> list[Field]:
    """What to show unasked: the metrics that most runs have, and parameters that are not the same in all of them."""
    from clew.core.types.series import SYSTEM
    from clew.tracking.where import Field

    metrics = Counter(key for found in items for key in found.metrics if not key.startswith(SYSTEM))
    values: dict[str, set[str]] = {}
    for found in items:
        for key, value in found.run.params.items():
            values.setdefault(key, set()).add(repr(value))
    varied = sorted(key for key, different in values.items() if len(different) > 1)
    common = [Field("metric", key, "last") for key, _ in metrics.most_common(3)]
    return common + [Field("param", key) for key in varied[:3]]


def _curves(workspace: Workspace, overview: Overview) -> dict[str, str]:
    """A picture of each metric that has more than one point."""
    from clew.cli.picture import spark
    from clew.tracking.curve import curve_of

    long = [series.key for series in overview.metrics if series.count > 1][:50]
    return {key: spark(curve_of(workspace.runs.blocks(overview.run.id, key), _WIDTH)) for key in long}


def _show(overview: Overview, curves: dict[str, str]) -> None:
    run = overview.run
    facts: dict[str, Any] = {
        "name": run.name,
        "id": run.id,
        "experiment": overview.experiment,
        "status": run.status,
        "kind": run.kind,
        "created_us": run.created_us,
        "duration_ms": (run.ended_us - run.created_us) / 1000 if run.ended_us else None,
        "by": run.created_by,
        "entry": run.entry,
        "command": " ".join(run.command),
        "commit": run.commit,
        "branch": overview.branch,
        "remote": overview.remote,
        "parent": run.parent,
        "tags": run.tags,
    }
    output.record({key: value for key, value in facts.items() if value not in ("", None, {})}, as_json=False)
    _section("parameters", [{"name": key, "value": value} for key, value in run.params.items()], ["name", "value"])
    metrics = [
        {"name": s.key, "last": s.last, "min": s.low, "max": s.high, "points": s.count, "curve": curves.get(s.key, "")}
        for s in overview.metrics
    ]
    _section("metrics", metrics, ["name", "last", "min", "max", "points", "curve"])
    _section("artifacts", overview.artifacts, ["path", "size_bytes", "media_type"])
    _section("inputs", [_link_row(link) for link in overview.inputs], ["role", "what"])
    _section("outputs", [_link_row(link) for link in overview.outputs], ["role", "what"])
    steps = [{"step": s.step, "outcome": s.outcome, "duration_ms": s.duration_us / 1000} for s in overview.steps]
    _section("steps", steps, ["step", "outcome", "duration_ms"])
    _section("runs below", overview.children, ["name", "status", "created_us"])
    _section("certificates", rows_of_certificates(overview.certificates), ["verdict", "at_us", "by", "machine", "key"])
    if run.reason:
        output.text(f"\nreason\n{run.reason}", as_json=False)


def _link_row(link: Link) -> dict[str, str]:
    return {"role": link.role, "what": link.reference or link.node}


def _section(title: str, rows: list[Any], columns: list[str]) -> None:
    if rows:
        output.text("", as_json=False)
        output.table(rows, columns, as_json=False, title=title)
