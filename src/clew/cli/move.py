"""`clew move`: take a project to a database and a bucket, or back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command
from clew.cli.output import Column, Columns

if TYPE_CHECKING:
    from clew.loop.moving import Moved, Plan

__all__ = ["move"]


@command(
    "move",
    examples=[
        ("clew move --to postgresql://clew@db/clew", "rows into PostgreSQL"),
        ("clew move --to s3://bucket/clew --to postgresql://clew@db/clew", "bytes into a bucket as well"),
        ("clew move --to https://clew.example.org", "both into a server that you run"),
        ("clew move --to folder", "everything back into the folder of the project"),
    ],
)
@click.option("--to", "places", multiple=True, required=True, help="Database, bucket, other folder, server, `folder`.")
@click.option("--name", default="", help="Another name for the project in its new ledger.")
def move(*, places: tuple[str, ...], name: str, as_json: bool) -> None:
    """Move rows and bytes of this project elsewhere, or back.

    Stop what uses the project first. Everything is compared before it counts, and what was there stays as it was. After
    Ctrl-C or a crash the project is where it was, and the same command goes on.
    """
    from clew.loop.moving import find_moved, plan_of
    from clew.workspace import find_project

    plan = plan_of(places, name=name)
    root = find_project(Path.cwd())
    done = (find_moved(root, plan) if root is not None else None) or _move(plan)
    rows = [part for part in done.parts if part.here]
    columns: Columns = ["what", "here", "there", Column("digest", show=output.short)]
    output.table(rows, columns, as_json=as_json, empty="everything is there already")
    if done.ledger.startswith("http"):
        output.note(f"from now on set CLEW_SERVER={done.ledger}, or [server] url in clew.toml")
    elif done.ledger.startswith("postgres"):
        output.note(f"from now on set CLEW_LEDGER={done.ledger}, or [storage] ledger in clew.toml")
    elif done.ledger:
        output.note("from now on leave CLEW_LEDGER, and [storage] ledger in clew.toml, away")


def _move(plan: Plan) -> Moved:
    from clew.cli.progress import progress
    from clew.loop.moving import move as move_project
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        if plan.server:
            _warn([endpoint.name for endpoint in workspace.services.endpoints.list()])
        with progress("moving", unit="objects and rows") as bar:
            return move_project(
                workspace.stores,
                workspace.root,
                plan,
                cache_gb=workspace.settings.storage.cache_gb,
                tell=lambda _, count: bar.move_to(count),
            )


def _warn(endpoints: list[str]) -> None:
    """Say what will not work at a server, while Ctrl-C still leaves everything as it is."""
    if endpoints:
        output.note(
            f"warning: in a server this project is not served any more, which ends {', '.join(endpoints)}: to go on "
            "serving, move its rows and bytes to the server's database and bucket instead (Ctrl-C stops the move)"
        )
