"""`clew backup` and `clew restore`: a copy of a project on another disk, and the way back."""

from __future__ import annotations

from pathlib import Path

import click

from clew.cli import output
from clew.cli.command import FilePath, command

__all__ = ["backup", "restore"]


@command(
    "backup",
    examples=[
        ("clew backup /mnt/disk/flights", "copy what is new there since the last time"),
        ("clew backup /mnt/disk/flights --keep 30", "keep thirty moments of the ledger"),
    ],
)
@click.argument("target", type=FilePath(file_okay=False))
@click.option("--keep", type=click.IntRange(min=1), default=3, show_default=True, help="Moments of the ledger to keep.")
def backup(*, target: Path, keep: int, as_json: bool) -> None:
    """Copy a project of one folder to another disk, while it is being written.

    Only what is not there yet is copied. Everything that the copied ledger needs is looked for in the copy.
    """
    from clew.cli.progress import progress
    from clew.loop.care.backup import back_up
    from clew.workspace import open_workspace

    with open_workspace() as workspace, progress("copying", unit="files") as bar:
        done = back_up(workspace.stores, workspace.root, target, keep=keep, tell=bar.move_to)
    size = output.amount(done.copied_bytes, "bytes")
    said = f"backed up to {target}: {output.amount(done.copied, 'files')} of objects copied ({size}), "
    said += f"{output.amount(done.live, 'objects')} there"
    output.text(said, done, as_json=as_json)


@command(
    "restore",
    examples=[
        ("clew restore /mnt/disk/flights flights", "make a project of a backup, in a new folder"),
        ("clew restore /mnt/disk/flights old --until 2026-01-31", "as it was when that day ended, or before"),
    ],
)
@click.argument("backup", type=FilePath(file_okay=False))
@click.argument("folder", type=FilePath(file_okay=False), default=Path())
@click.option(
    "--until", "until", type=click.DateTime(["%Y-%m-%d"]), help="The newest ledger of this day (UTC) or before."
)
def restore(*, backup: Path, folder: Path, until: object, as_json: bool) -> None:
    """Make a project of a backup, and read all of it.

    It exits with 1 if something is damaged.
    """
    from datetime import UTC, datetime, timedelta

    from clew.cli.progress import progress
    from clew.loop.care.backup import restore

    end = until.replace(tzinfo=UTC) + timedelta(days=1) if isinstance(until, datetime) else None
    with progress("copying", unit="files") as bar:
        at_us = int(end.timestamp() * 1_000_000) - 1 if end is not None else None
        done = restore(backup, folder, at_us=at_us, tell=bar.move_to)
    for damage in done.damaged[:20]:
        output.note(damage)
    when = output.cell("at_us", done.at_us)
    said = f"{folder.resolve()} is the project as it was at {when}: {output.amount(done.objects, 'objects')} whole"
    output.text(f"{said}, {len(done.damaged):,} damaged" if done.damaged else said, done, as_json=as_json)
    if done.damaged:
        raise click.exceptions.Exit(1)
