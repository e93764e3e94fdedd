"""`clew audit …`: whether the record of events holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command, group

if TYPE_CHECKING:
    from clew.audit.problem import Verification
    from clew.workspace import Workspace

__all__ = ["audit"]


@group("audit", examples=[("clew audit verify", "whether nobody has edited what was recorded")])
def audit() -> None:
    """Show that nobody has edited what was recorded."""


@command(
    "verify",
    examples=[
        ("clew audit verify", "recompute every hash, and compare rows with what events say of them"),
    ],
)
def verify_command(*, as_json: bool) -> None:
    """Recompute the chain of events, and name what was changed.

    Ends with exit code 1 when an event or a row was edited, deleted, put in or moved. What waits to be sealed is sealed
    first. Says what it cannot know.
    """
    from clew.audit.verify import verify
    from clew.cli.progress import progress
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        _seal_first(workspace)
        with progress("verifying", unit="events") as shown:

            def look(done: int, total: int) -> None:
                shown.total = total
                shown.move_to(done)

            found = verify(workspace.stores, look=look)
    _show(found, as_json=as_json)
    if not found.holds:
        raise click.exceptions.Exit(1)


def _seal_first(workspace: Workspace) -> None:
    """A chain that cannot be added to now can still be looked at."""
    from clew.audit.seal import seal
    from clew.core.errors import Corrupt, Unavailable

    try:
        seal(workspace.stores)
    except (Corrupt, Unavailable) as error:
        output.note(f"nothing was sealed: {error.what}")


def _show(found: Verification, *, as_json: bool) -> None:
    if as_json:
        output.record({**_fields(found), "holds": found.holds}, as_json=True)
        return
    if found.problems:
        columns = ["position", "found", "kind", "at_us", "id", "text"]
        output.table(found.problems, columns, as_json=False)
    count = output.amount(found.problem_count, "problem" if found.problem_count == 1 else "problems")
    verdict = "nothing is wrong" if found.holds else f"{count}"
    looked = f"{output.amount(found.events)} events and {output.amount(found.rows)} rows were compared"
    output.text(f"{verdict}: {looked}; the chain ends at {found.size}, {found.root[:16]}…", as_json=False)
    for unknown in found.unknown:
        output.note(f"not known: {unknown}")


def _fields(found: Verification) -> dict[str, object]:
    return {name: getattr(found, name) for name in found.__struct_fields__}


audit.add_command(verify_command)
