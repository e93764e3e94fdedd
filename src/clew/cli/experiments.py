"""`clew experiments …`: the named groups of runs, and their way into the trash and back."""

from __future__ import annotations

import click

from clew.cli import output
from clew.cli.command import command, group

__all__ = ["experiments"]


@group("experiments", examples=[("clew experiments list", "all of them, by name")])
def experiments() -> None:
    """List experiments, and delete and restore them with their runs."""


@command(
    "list",
    examples=[
        ("clew experiments list", "all of them, by name"),
        ("clew experiments list --trash", "what can come back"),
    ],
)
@click.option("--trash", is_flag=True, help="Those in the trash instead.")
def list_experiments(*, trash: bool, as_json: bool) -> None:
    """List experiments."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = [each for each in workspace.runs.experiments() if bool(each.deleted_us) is trash]
    columns: output.Columns = ["name", output.Column("created_us", spare=1), *(["deleted_us"] if trash else [])]
    empty = "none are in the trash" if trash else "none yet: clew run --experiment NAME, or clew.run(experiment=…)"
    output.table(found, columns, as_json=as_json, empty=empty)


@command("delete", examples=[("clew experiments delete first-tries", "into the trash, with its runs")])
@click.argument("name")
def delete(*, name: str, as_json: bool) -> None:
    """Move an experiment and its runs into the trash.

    Nothing goes while a run goes on, or while a model or data needs one. `clew gc` purges the runs after 30 days.
    """
    from clew.cli.opening import open_runs
    from clew.loop.care.experiment_trash import delete_experiment

    with open_runs() as workspace:
        runs = delete_experiment(workspace.stores, name)
    count = output.amount(len(runs), "runs")
    said = f"{name} and {count} are in the trash; clew experiments restore {name} brings them back"
    output.text(said, {"deleted": name, "runs": [run.id for run in runs]}, as_json=as_json)


@command("restore", examples=[("clew experiments restore first-tries", "out of the trash, with its runs")])
@click.argument("name")
def restore(*, name: str, as_json: bool) -> None:
    """Bring an experiment back from the trash, with its runs."""
    from clew.loop.care.experiment_trash import restore_experiment
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        runs = restore_experiment(workspace.stores, name)
    said = f"{name} and {output.amount(len(runs), 'runs')}: back from the trash"
    output.text(said, {"restored": name, "runs": [run.id for run in runs]}, as_json=as_json)


experiments.add_command(list_experiments)
experiments.add_command(delete)
experiments.add_command(restore)
