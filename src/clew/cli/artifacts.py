"""`clew runs artifacts` and `objects`: the files that a run kept, and those among them that it logged at its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import FilePath, command
from clew.cli.named import newest_run
from clew.cli.opening import open_runs
from clew.cli.output import Column, Columns
from clew.cli.progress import progress

if TYPE_CHECKING:
    from clew.core.types.run import Artifact, Run
    from clew.workspace import Workspace

__all__ = ["artifacts", "objects"]


def _writing(function: Callable[..., object]) -> Callable[..., object]:
    """The options by which files are written into a folder."""
    force = click.option("--force", is_flag=True, help="Replace files that are there already.")
    folder = click.option("--output", "folder", type=FilePath(file_okay=False), help="Write the files to this folder.")
    return folder(force(function))


@command(
    "artifacts",
    examples=[
        ("clew runs artifacts train", "the files that a run kept, with their sizes"),
        ("clew runs artifacts train --output train", "all of them, into a folder"),
        ("clew runs artifacts train figures/loss.png --output .", "one of them, or all below one folder"),
    ],
)
@click.argument("run")
@click.argument("path", default="")
@_writing
def artifacts(*, run: str, path: str, folder: Path | None, force: bool, as_json: bool) -> None:
    """List the files that a run kept, or write them to a folder."""
    from clew.tracking.download import artifacts_at

    with open_runs() as workspace:
        of = newest_run(workspace.runs, run)
        found = workspace.runs.artifacts(of.id)
        if path:
            found = artifacts_at(found, path)
        _write(workspace, found, folder, force=force)
        empty = "" if found else _nothing(workspace, of)
    columns: Columns = ["path", "size_bytes", Column("media_type", spare=1)]
    output.table(found, columns, as_json=as_json, empty=empty)


@command(
    "objects",
    examples=[
        ("clew runs objects train", "what a run logged at its steps"),
        ("clew runs objects train samples --output shown", "one key, with its files in a folder"),
    ],
)
@click.argument("run")
@click.argument("key", default="")
@_writing
def objects(*, run: str, key: str, folder: Path | None, force: bool, as_json: bool) -> None:
    """List images, tables and the like that a run logged."""
    from clew.tracking.logged import logged_of

    with open_runs() as workspace:
        found = logged_of(workspace.runs.artifacts(newest_run(workspace.runs, run).id), key)
        _write(workspace, found, folder, force=force)
    columns: Columns = [
        "key",
        "step",
        Column("form", spare=1),
        Column("size_bytes", spare=2),
        Column("path", long=True),
    ]
    output.table(found, columns, as_json=as_json, empty="this run logged no objects")


def _nothing(workspace: Workspace, run: Run) -> str:
    elsewhere = next(each.location for each in workspace.runs.experiments() if each.id == run.experiment)
    return f"the files of this run's experiment are kept at {elsewhere}" if elsewhere else "this run kept no files"


def _write(workspace: Workspace, found: list[Artifact], folder: Path | None, *, force: bool) -> None:
    from clew.tracking.download import download

    if folder is None:
        if force:
            raise click.UsageError("--force goes with --output")
        return
    size_bytes = sum(each.size_bytes for each in found)
    with progress(f"writing to {folder}", size_bytes, unit="bytes") as state:
        download(workspace.objects, found, folder, force=force, tell=state.advance)
    if found:
        what = f"{output.amount(len(found), 'files')}, {output.amount(size_bytes, 'bytes')}"
        output.note(f"{what}, in {folder}")
