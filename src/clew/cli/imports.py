"""`clew import`: move in from another tracker."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import FilePath, command, group
from clew.cli.output import Column, Columns

if TYPE_CHECKING:
    from clew.loop.imports import Source

__all__ = ["imports"]


@group("import", examples=[("clew import mlflow sqlite:///mlflow.db", "everything that MLflow has in a database")])
def imports() -> None:
    """Move in from another tracker.

    Everything is read and nothing is changed there. Repeat it as often as you like: what is here already stays as it
    is, and what is new is added. At the end both sides are counted, and the exit code is 1 when the counts differ.
    """


@command(
    "mlflow",
    examples=[
        ("clew import mlflow sqlite:///mlflow.db", "from a database"),
        ("clew import mlflow ./mlruns", "from a folder"),
        ("clew import mlflow http://localhost:5000", "from a server"),
    ],
)
@click.argument("uri")
@click.option("--artifacts", default="", help="Folder or bucket that a server keeps files in, for its database.")
def mlflow(*, uri: str, artifacts: str, as_json: bool) -> None:
    """Import experiments, runs, files and models from MLflow.

    URI is what MLFLOW_TRACKING_URI is: a database file, a folder or the address of a server.
    """
    from clew.loop.imports.mlflow import open_mlflow

    with closing(open_mlflow(uri, artifacts=artifacts)) as source:
        _take_in(source, as_json=as_json)


@command(
    "tensorboard",
    examples=[
        ("clew import tensorboard runs/", "one run for each folder below it that has event files"),
        ("clew import tensorboard logs/ --experiment vision", "into an experiment of this name"),
    ],
)
@click.argument("folder", type=FilePath(file_okay=False))
@click.option("--experiment", default="", help="Experiment of the runs; the name of the folder by default.")
def tensorboard(*, folder: Path, experiment: str, as_json: bool) -> None:
    """Import the runs of a TensorBoard folder.

    Scalars become points; texts, images and histograms become files of the run, hyper-parameters its parameters.
    """
    from clew.loop.imports.tensorboard import TensorBoardFolder

    _take_in(TensorBoardFolder(folder, experiment=experiment), as_json=as_json)


def _take_in(source: Source, *, as_json: bool) -> None:
    from clew.cli.progress import progress
    from clew.loop.imports import take_in
    from clew.workspace import open_workspace

    with open_workspace() as workspace, progress("importing", source.counts().get("runs"), unit="runs") as bar:
        found = take_in(
            workspace.stores,
            source,
            promote=lambda reference, alias: workspace.promote(reference, alias, reason=f"imported from {source.name}"),
            tell=bar.move_to,
        )
    rows = [{"what": c.what, "source": c.source, "here": c.here, "differs": c.differs} for c in found.counts]
    shown = Column("differs", "", lambda value: "differs" if value else "")
    columns: Columns = ["what", Column("source", "there"), "here", shown]
    output.table(rows, columns, as_json=as_json, empty="there was nothing to import")
    for refusal in found.held_back:
        output.note(f"held back: {refusal.what}")
    if found.held_back:
        output.note("to give such names unjudged: aliases = [] under [gate.MODEL] in clew.toml, then import again")
    if any(count.differs for count in found.counts):
        raise click.exceptions.Exit(1)


imports.add_command(mlflow)
imports.add_command(tensorboard)
