"""`clew runs delete`, `restore`, `trash`; `clew data delete`, `restore`: what is not wanted, and the way back."""

from __future__ import annotations

import click

from clew.cli import output
from clew.cli.command import command
from clew.cli.named import only_run, short_ids
from clew.cli.opening import open_runs

__all__ = ["delete", "delete_data", "restore", "restore_data", "trash"]


@command(
    "delete",
    examples=[("clew runs delete baseline 0193a7c1f2d0", "into the trash; clew gc empties it after 30 days")],
)
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
def delete(*, names: tuple[str, ...], as_json: bool) -> None:
    """Move runs into the trash. Nothing that a model or data needs can go."""
    from clew.loop.care.trash import delete_runs

    with open_runs() as workspace:
        found = [only_run(workspace.runs, name) for name in dict.fromkeys(names)]
        delete_runs(workspace.stores, found)
    are, them = ("is", "it") if len(found) == 1 else ("are", "them")
    said = f"{output.amount(len(found), 'runs')} {are} in the trash; clew runs restore brings {them} back"
    output.text(said, {"deleted": [run.id for run in found]}, as_json=as_json)


@command("restore", examples=[("clew runs restore baseline", "out of the trash, by its name or id")])
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
def restore(*, names: tuple[str, ...], as_json: bool) -> None:
    """Bring runs back from the trash."""
    from clew.loop.care.trash import restore_runs

    with open_runs() as workspace:
        found = restore_runs(workspace.stores, names)
    said = f"{', '.join(run.name for run in found)}: back from the trash"
    output.text(said, {"restored": [run.id for run in found]}, as_json=as_json)


@command("trash", examples=[("clew runs trash", "what can still come back")])
def trash(*, as_json: bool) -> None:
    """List the runs in the trash."""
    from clew.loop.care.trash import in_trash

    with open_runs() as workspace:
        found = in_trash(workspace.stores)
    shorts = dict(zip([run.id for run in found], short_ids([run.id for run in found]), strict=True))
    columns: output.Columns = [
        *("name", output.Column("id", show=lambda id: shorts[str(id)])),  # noqa: A006
        output.Column("status", spare=1),
        output.Column("deleted_us", spare=2),
    ]
    output.table(found, columns, as_json=as_json, empty="the trash is empty")


@command("delete", examples=[("clew data delete flights@3", "into the trash; clew gc empties it after 30 days")])
@click.argument("reference")
def delete_data(*, reference: str, as_json: bool) -> None:
    """Move a version of a dataset into the trash. The newest one, and what a model was made of, stay."""
    from clew.loop.care.data_trash import delete_version
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        version = delete_version(workspace.stores, reference)
    said = f"{version.reference} is in the trash; clew data restore {version.reference} brings it back"
    output.text(said, version, as_json=as_json)


@command("restore", examples=[("clew data restore flights@3", "out of the trash")])
@click.argument("reference")
def restore_data(*, reference: str, as_json: bool) -> None:
    """Bring a version of a dataset back from the trash."""
    from clew.loop.care.data_trash import restore_version
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        version = restore_version(workspace.stores, reference)
    output.text(f"{version.reference}: back from the trash", version, as_json=as_json)
