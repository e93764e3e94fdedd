"""`clew gc`: free what nothing refers to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from clew.cli import output
from clew.cli.command import Span, command

if TYPE_CHECKING:
    from clew.loop.care.free import Freed

__all__ = ["gc"]

F = TypeVar("F", bound=Callable[..., Any])

_DAY_US = 24 * 3600 * 1_000_000
_HOUR_US = 3600 * 1_000_000


_CENTURY_DAYS = 36_500


def _age(name: str, default: float, says: str) -> Callable[[F], F]:
    return click.option(name, type=Span(_CENTURY_DAYS), default=default, show_default=True, help=says)


@command(
    "gc",
    examples=[
        ("clew gc --dry-run", "what would be freed"),
        ("clew gc", "empty the trash of what lies there for 30 days, set aside what nothing names"),
        ("clew gc --grace-days 0", "delete what an earlier collection set aside, too"),
    ],
)
@click.option("--dry-run", is_flag=True, help="Only look.")
@_age("--grace-days", 7.0, "Delete what was set aside so long ago.")
@_age("--young-hours", 24.0, "Leave alone what was written so recently.")
@_age("--trash-days", 30.0, "Purge what has lain in the trash for so long.")
def gc(*, dry_run: bool, grace_days: float, young_hours: float, trash_days: float, as_json: bool) -> None:
    """Free the bytes that nothing refers to.

    Objects that no row, no journal and no other object names are set aside first, in their folder or bucket, where
    they can still be read and come back when somebody names them; a later collection deletes them. Before that,
    runs, logged models and versions of data whose time in the trash is over lose what they hold. Everything that is
    needed is looked for at the end. Where a server is started, its other projects are gone through too.
    """
    from clew.cli.progress import progress
    from clew.loop.care.collect import Terms
    from clew.loop.care.free import free
    from clew.loop.care.retention import note_collection
    from clew.server.hosting import projects_here
    from clew.workspace import open_workspace

    terms = Terms(young_us=int(young_hours * _HOUR_US), grace_us=int(grace_days * _DAY_US))
    trash_us = int(trash_days * _DAY_US)
    with open_workspace() as workspace, progress("looking at objects", unit="objects") as bar:
        found = [
            free(stores, terms, trash_us=trash_us, dry_run=dry_run, tell=bar.move_to)
            for stores in projects_here(workspace)
        ]
        if not dry_run:
            note_collection(workspace.stores)
    total = {"projects": len(found), **_total(found), "dry_run": dry_run}
    fields = [output.Column(name, title="garbage size" if name == "garbage_bytes" else "") for name in total]
    output.record(total, fields, as_json=as_json)


def _total(found: list[Freed]) -> dict[str, int]:
    """The sums over several projects."""
    fields = [field for field in found[0].collected.__struct_fields__ if field != "dry_run"]
    return {
        "purged_runs": sum(each.purged_runs for each in found),
        "purged_logged_models": sum(each.purged_logged_models for each in found),
        "purged_versions": sum(each.purged_versions for each in found),
        **{field: sum(getattr(each.collected, field) for each in found) for field in fields},
    }
