"""`clew sync`: bring home what runs said while their project could not be reached."""

from __future__ import annotations

import os
from pathlib import Path

import click

from clew.cli import output
from clew.cli.command import FilePath, command
from clew.cli.progress import progress

__all__ = ["sync"]


@command(
    "sync",
    examples=[
        ("clew sync", "store what waits on this machine for the project of this folder"),
        ("clew sync /media/usb/journals", "store what came from another machine"),
    ],
)
@click.argument("folders", nargs=-1, type=FilePath(file_okay=False), metavar="[FOLDER]...")
def sync(*, folders: tuple[Path, ...], as_json: bool) -> None:
    """Bring home runs that were offline, or whose server could not be reached.

    A FOLDER is a project, a folder of journals, or the folder of one run. Repeat the command as often as you like: what
    is stored already is not stored again. The exit code is 1 where something is left.
    """
    from clew.tracking import sync as verb
    from clew.tracking.offline import state_folder
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        usual = [workspace.folder, state_folder(workspace.root, os.environ)]
        places = folders or tuple(place for place in usual if place.is_dir())
        waiting = [run for place in places for run in verb.waiting_runs(place)]
        with progress("storing runs", len(waiting), unit="runs") as shown:
            found = verb.sync(workspace.recorder, waiting, done=lambda _: shown.advance())
    columns: output.Columns = [
        *("run", "state", "points"),
        output.Column("messages", spare=1),
        output.Column("problem", long=True),
    ]
    output.table(found, columns, as_json=as_json, empty="nothing waits here")
    if any(each.state == "left" for each in found):
        raise click.exceptions.Exit(1)
