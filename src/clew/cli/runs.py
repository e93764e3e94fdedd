"""`clew runs`, and `clew runs list`: runs, those that a filter lets through, and runs as a table for other programs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.artifacts import artifacts, objects
from clew.cli.command import command, group
from clew.cli.compare import compare
from clew.cli.named import short_ids
from clew.cli.note import note, rename, stop, tag
from clew.cli.opening import open_runs
from clew.cli.show import show
from clew.cli.trash import delete, restore, trash
from clew.core.errors import Invalid

if TYPE_CHECKING:
    from clew.core.contracts.services import RunService
    from clew.core.judging import FoundRun
    from clew.tracking.where import Field

__all__ = ["runs"]


_LOOKED_AT = 200
_FORMATS = ["csv", "jsonl", "parquet"]
_STANDING = ("id", "name", "status", "experiment", "created", "duration")
"""Fields that have a column whether somebody asks for them or not."""


@group(
    "runs",
    examples=[
        ("clew runs list --where 'metric.auc > 0.7' --sort -metric.auc", "the best runs first"),
        ("clew runs compare first timid", "what differs between two runs"),
        ("clew runs artifacts first --output files", "the files that a run kept, into a folder"),
    ],
)
def runs() -> None:
    """List, show, compare, tag, name and stop runs, and get their files."""


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
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows; without it 50, and with --format all.")
@click.option("--after", default="", help="Go on behind a page of which this was the end.")
@click.option("--format", "format_", type=click.Choice(_FORMATS), help="A table for programs.")
@click.option(
    "--output",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file in place of stdout; its suffix may say the form.",
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
        if after or as_json:
            raise click.UsageError("--after and --json do not go with --format and --output, which take all")
        _export(format_ or "", path, condition, sort, experiment, columns, limit)
        return
    _list(condition, sort, experiment, columns, limit or 50, after, as_json=as_json)


def _export(
    format_: str, path: Path | None, condition: str, sort: str, experiment: str, columns: str, limit: int | None
) -> None:
    from clew.tracking.export import write
    from clew.tracking.found import each_found

    if not format_ and path is not None:
        format_ = path.suffix.removeprefix(".")
    if format_ not in _FORMATS:
        raise Invalid("--output needs a form", hint="--format csv, jsonl or parquet, or a file that ends like that")
    chosen = _fields(columns)
    with open_runs() as workspace:
        found = list(each_found(workspace.runs, where=condition, sort=sort, experiment=experiment, limit=limit))
    write(format_, found, chosen, path)
    if path is not None:
        output.note(f"wrote {output.amount(len(found), 'runs')} to {path}")


def _list(condition: str, sort: str, experiment: str, columns: str, limit: int, after: str, *, as_json: bool) -> None:
    from clew.tracking.where import fields_of, parse_filter, parse_order

    chosen = _fields(columns)
    asked, order = (parse_filter(condition, now_us=0) if condition else None), parse_order(sort)
    with open_runs() as workspace:
        page = workspace.runs.search(where=condition, sort=sort, experiment=experiment, limit=limit, after=after)
        named = [*(fields_of(asked) if asked else []), *(each.field for each in order)]
        for field in dict.fromkeys([*chosen, *named]):
            _note_unknown(workspace.runs, page.items, field)
    if as_json:
        output.table([_line(found) for found in page.items], [], as_json=True, after=page.next)
        return
    shown = [*(field for field in chosen if field.kind not in _STANDING), *(field for field in named if field.name)]
    shown = list(dict.fromkeys(shown)) if shown or chosen else _interesting(page.items)
    ids = short_ids([found.run.id for found in page.items])
    rows = [{"id": short, **_cells(found, shown)} for short, found in zip(ids, page.items, strict=True)]
    wanted = _columns(shown, {*chosen, *named}, experiment=not experiment)
    empty = "no run passes" if condition or experiment else "no runs yet: clew run SCRIPT"
    advice = "--columns FIELD,… chooses, --json has all"
    output.table(rows, wanted, as_json=False, after=page.next, empty=empty, advice=advice)


def _columns(shown: list[Field], asked: set[Field], *, experiment: bool) -> list[output.Column | str]:
    """What stands for each run. A narrow terminal has room for its name, status and age, and for the first field."""
    named = {field.kind for field in asked}
    spares = {"created": 2, "duration": 7, "experiment": 6} | dict.fromkeys(named, 1)
    fields = [
        output.Column(
            f"field {at}",
            _title(field),
            show=_time if field.kind == "ended" else _literal if field.kind == "param" else None,
            spare=1 if at == 0 or field in asked else 4 if field.kind == "metric" else 5,
            least=12,
            narrow=output.since if field.kind == "ended" else None,
        )
        for at, field in enumerate(shown)
    ]
    return [
        *("id", output.Column("name", least=24), "status"),
        *([output.Column("experiment", spare=spares["experiment"])] if experiment or "experiment" in named else []),
        output.Column("created_us", spare=spares["created"], narrow=output.since),
        output.Column("duration_ms", spare=spares["duration"]),
        *fields,
    ]


def _time(us: object) -> str:
    return output.cell("at_us", us)


def _literal(value: object) -> str:
    """A parameter as filters write it; a run that has none has nothing there."""
    return output.cell("", None) if value is None else output.literal(value)


def _note_unknown(runs: RunService, items: list[FoundRun], field: Field) -> None:
    """Say so where no run at all has what somebody asked for: it may be misspelt."""
    from clew.cli.command import guess
    from clew.core.judging import value_of
    from clew.tracking.export import columns_of

    if not field.name or "`" in field.name or any(value_of(found, field) is not None for found in items):
        return
    name = f"{field.kind}.`{field.name}`" + (f".{field.aggregate}" if field.aggregate else "")
    if runs.search(where=f"{name} is not null", limit=1, metrics=()).items:
        return
    known = columns_of(runs.search(limit=_LOOKED_AT).items)
    alike = {each.name for each in known if each.kind == field.kind}
    others = [f"{each.kind}.{each.name}" for each in known if each.name == field.name]
    near = guess(field.name, sorted(alike)) or (f"; did you mean {others[0]}?" if others else "")
    output.note(f"no run has the {field.kind} {field.name}{near}")


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
        "duration_ms": run.duration_ms,
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
        "duration_ms": run.duration_ms,
    }
    return cells | {f"field {at}": value_of(found, field) for at, field in enumerate(fields)}


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


for _each in (list_, delete, restore, trash, tag, note, rename, stop, show, compare, artifacts, objects):
    runs.add_command(_each)
