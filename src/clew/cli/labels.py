"""`clew labels add`: truth about decisions, from a file."""

from __future__ import annotations

from pathlib import Path

import click

from clew.cli import output
from clew.cli.command import FilePath, command, group
from clew.core.clock import parse_us
from clew.core.errors import Invalid

__all__ = ["labels"]


@group("labels", examples=[("clew labels add delay outcomes.csv --label late --key flight", "labels from a file")])
def labels() -> None:
    """Add labels of decisions."""


@command(
    "add",
    examples=[
        ("clew labels add delay outcomes.csv --label late --key flight", "by the keys that requests carried"),
        ("clew labels add delay outcomes.parquet --label late --id prediction", "by prediction ids"),
    ],
)
@click.argument("endpoint")
@click.argument("file", type=FilePath())
@click.option("--label", required=True, help="Column of the truth; an empty value means that it is not known yet.")
@click.option("--id", "by_id", default="", help="Column of prediction ids.")
@click.option("--key", "by_key", default="", help="Column of the keys that requests carried.")
@click.option("--time", default="", help="Since when the labels are known, such as 2013-02-02; now by default.")
def add(*, endpoint: str, file: Path, label: str, by_id: str, by_key: str, time: str, as_json: bool) -> None:
    """Add labels from a CSV, Parquet or JSON-lines file.

    The same labels again add nothing. All of a file is added, or nothing of it.
    """
    from clew.workspace import open_workspace

    try:
        time_us = parse_us(time) if time else 0
    except ValueError:
        raise Invalid(f"--time {time!r} is no time", hint="write it like 2013-02-02 or 2013-02-02T05:00:00Z") from None
    with open_workspace() as workspace:
        added = workspace.services.endpoints.add_labels(
            endpoint, file, label=label, by_id=by_id, by_key=by_key, time_us=time_us
        )
    said = f"{output.amount(added.added, 'labels')} added to {endpoint}"
    if added.unknown:
        said += f", {added.unknown:,} without a decision yet"
    output.text(said, added, as_json=as_json)


labels.add_command(add)
