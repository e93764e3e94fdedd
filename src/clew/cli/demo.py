"""`clew demo`: a year of flights, lived through."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import FilePath, command
from clew.cli.output import Column
from clew.cli.progress import progress

if TYPE_CHECKING:
    from clew.demo.perform import Performance
    from clew.demo.result import Month, Result
    from clew.loop.why import Why

__all__ = ["demo"]


@command(
    "demo",
    examples=[
        ("clew demo", "live through 2013, or go on, or show what came of it"),
        ("clew demo --until 4", "only up to the end of April; the same command without --until goes on from there"),
        ("clew demo --fresh --json", "start over, and print the result for machines"),
    ],
)
@click.option(
    "--folder",
    type=FilePath(file_okay=False),
    default="clew-demo",
    show_default=True,
    help="Folder of the demo's project; made when it is missing.",
)
@click.option("--fresh", is_flag=True, help="Remove what an earlier demo made there, and start over.")
@click.option(
    "--until",
    type=click.IntRange(2, 12),
    default=12,
    show_default=True,
    metavar="MONTH",
    help="Last month of 2013 to live through, as a number.",
)
def demo(*, folder: Path, fresh: bool, until: int, as_json: bool) -> None:
    """Live through a year of flights: serve, watch, retrain, promote.

    A model of January says of every flight from New York in 2013 whether it will be late, over HTTP and one day after
    the other. Labels come a day later; drift and lost value are noticed, the model is trained again, tried in shadow
    and promoted where that pays. It may be stopped at any moment: the same command continues.
    """
    with progress("loading the demo"):
        from clew.demo.calendar import days_of
        from clew.demo.perform import perform
        from clew.demo.screen import drawn
        from clew.demo.standing import Standing

    standing = Standing()
    with drawn(standing, sys.stderr):
        done = perform(folder.resolve(), days_of(until), standing=standing, fresh=fresh)
    if as_json:
        output.record(done.review.result, as_json=True)
        return
    if not done.lived:
        output.note("This year is over; here is what came of it. To start over: clew demo --fresh")
    _show(done)


def _show(done: Performance) -> None:
    from clew.cli.why import picture_of

    result = done.review.result
    output.table([_line(month) for month in result.months], _columns(), as_json=False, advice="the report has all")
    output.text(f"\n{_summary(result)}\n", as_json=False)
    example = _example(done)
    output.text(picture_of(example), as_json=False)
    output.text(_next(done, _request(example)), as_json=False)


def _columns() -> list[Column]:
    return [
        Column("name", "month"),
        Column("flights", "flights", _count),
        Column("late_share", "late", _percent),
        Column("auc_loop", "AUC", _skill, spare=3),
        Column("auc_static", "of v1", _skill, spare=2),
        Column("cost_loop", "cost", _count),
        Column("cost_static", "of v1", _count),
        Column("saved", "saved", _signed),
        Column("alerts", "alerts", spare=1),
        Column("drifted", "drifted on most days", spare=4),
        Column("did", "what the loop did", long=True),
    ]


def _line(month: Month) -> dict[str, object]:
    from clew.demo.report.table import deeds_of, drifted_of

    fields = ("name", "flights", "late_share", "auc_loop", "auc_static", "cost_loop", "cost_static", "saved")
    told = {name: getattr(month, name) for name in (*fields, "alerts")}
    return told | {"drifted": drifted_of(month), "did": deeds_of(month)}


def _summary(result: Result) -> str:
    low, high = result.saved_interval
    deeds = ("retrainings", "promotions", "rejections", "events")
    return (
        f"{result.flights_served:,} flights served, {result.predictions_logged:,} decisions logged, "
        f"{result.labels_joined:,} labels joined, in {result.requests:,} requests "
        f"(median {result.request_p50_ms:.2f} ms, 99 % within {result.request_p99_ms:.1f} ms).\n"
        f"{', '.join(output.amount(getattr(result, deed), deed) for deed in deeds)}.\n"
        f"The loop cost {result.cost_loop:,.0f}, version 1 never retrained {result.cost_static:,.0f}.\n"
        f"Saved {result.saved:+,.0f} ({result.saved_share:.1%}); 95 % interval over days, paired: "
        f"{low:+,.0f} to {high:+,.0f}."
    )


def _example(done: Performance) -> Why:
    """One decision followed back: a late flight that only the loop warned of, where there is one."""
    from clew.loop.why import why
    from clew.workspace import open_workspace

    with open_workspace(done.folder) as workspace:
        return why(workspace.stores, done.review.example, trust=workspace.trust)


def _request(example: Why) -> str:
    """A command that asks the endpoint about the flight of the example once more."""
    body = json.dumps({"rows": [example.prediction.inputs]})
    return f"curl -s http://127.0.0.1:8470/predict -d {shlex.quote(body)}"


def _next(done: Performance, request: str) -> str:
    near = done.folder.relative_to(Path.cwd()) if done.folder.is_relative_to(Path.cwd()) else done.folder
    lines = [
        ("report", done.report.as_uri()),
        ("project", f"cd {shlex.quote(str(near))}    (clew.toml and train.py are yours to read and to change)"),
        ("try", f"clew why {done.review.example}"),
        ("", f"clew reproduce {done.first_run}"),
        ("", "clew model show delay@champion"),
        ("", "clew events --kind alias    (which version got which name, and why)"),
        ("", "clew watch delay"),
        ("", "clew up    (and then, in a second terminal:)"),
        ("", request),
    ]
    return "\n" + "".join(f"{label:<9}{words}\n" for label, words in lines)


def _count(value: object) -> str:
    return f"{value:,.0f}"


def _signed(value: object) -> str:
    return f"{value:+,.0f}"


def _percent(value: object) -> str:
    return f"{value:.0%}"


def _skill(value: object) -> str:
    return "–" if value is None else f"{value:.3f}"
