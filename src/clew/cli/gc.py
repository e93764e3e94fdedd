"""`clew gc`: free what nothing refers to."""

from __future__ import annotations

import click

from clew.cli import output
from clew.cli.command import command

__all__ = ["gc"]

_DAY_US = 24 * 3600 * 1_000_000
_HOUR_US = 3600 * 1_000_000


@command(
    "gc",
    examples=[
        ("clew gc --dry-run", "what would be freed"),
        ("clew gc", "empty the trash of what lies there for 30 days, set aside what nothing names"),
        ("clew gc --grace-days 0", "delete what an earlier collection set aside, too"),
    ],
)
@click.option("--dry-run", is_flag=True, help="Only look.")
@click.option(
    "--grace-days",
    type=click.FloatRange(min=0),
    default=7.0,
    show_default=True,
    help="Delete what was set aside so long ago.",
)
@click.option(
    "--young-hours",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="Leave alone what was written so recently.",
)
@click.option(
    "--trash-days",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Purge what has lain in the trash for so long.",
)
def gc(*, dry_run: bool, grace_days: float, young_hours: float, trash_days: float, as_json: bool) -> None:
    """Free the bytes that nothing refers to.

    Objects that no row, no journal and no other object names are set aside first, where they can still be read and come
    back when somebody names them; a later collection deletes them. Before that, runs and versions
    of data whose time in the trash is over lose what they hold. Everything that is needed is looked for at the end.
    """
    from msgspec import structs

    from clew.cli.progress import progress
    from clew.loop.care.collect import Terms, collect
    from clew.loop.care.data_trash import purge_versions
    from clew.loop.care.retention import note_collection, over_us
    from clew.loop.care.trash import purge_runs
    from clew.workspace import open_workspace

    terms = Terms(young_us=int(young_hours * _HOUR_US), grace_us=int(grace_days * _DAY_US))
    with open_workspace() as workspace, progress("looking at objects", unit="objects") as bar:
        until_us = over_us(workspace.stores, int(trash_days * _DAY_US))
        purged = purge_runs(workspace.stores, until_us=until_us, dry_run=dry_run)
        versions = purge_versions(workspace.stores, until_us=until_us, dry_run=dry_run)
        found = collect(workspace.stores, terms, dry_run=dry_run, tell=bar.move_to)
        if not dry_run:
            note_collection(workspace.stores)
    output.record(
        {"purged_runs": len(purged), "purged_versions": len(versions), **structs.asdict(found)}, as_json=as_json
    )
