"""`clew audit …`: whether the record of events holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command, group

if TYPE_CHECKING:
    from clew.audit.destination import Destination
    from clew.audit.problem import Verification
    from clew.workspace import Workspace

__all__ = ["audit"]

_PROBLEM: output.Columns = [
    output.Column("position", show=lambda value: output.cell("position", value or None), right=True),
    *("found", "kind"),
    output.Column("at_us", spare=2, show=lambda value: output.cell("at_us", value or None)),
    output.Column("id", spare=1),
    output.Column("text", long=True),
]


@group("audit", examples=[("clew audit verify", "whether nobody has edited what was recorded")])
def audit() -> None:
    """Show that nobody has edited what was recorded."""


@command(
    "verify",
    examples=[
        ("clew audit verify", "recompute every hash, and compare rows with what events say of them"),
        ("clew audit verify --checkpoint /mnt/worm/flights.jsonl", "also see whether the end was cut off"),
        ("clew audit verify --checkpoint git:../records --key 8c1f…", "believe one key only"),
    ],
)
@click.option(
    "--checkpoint", "places", multiple=True, help="A file of checkpoints, or git:PATH of a repository; may be repeated."
)
@click.option("--key", default="", help="Public key or fingerprint that checkpoints must be signed with.")
def verify_command(*, places: tuple[str, ...], key: str, as_json: bool) -> None:
    """Recompute the chain of events, and name what was changed.

    Ends with exit code 1 when an event or a row was edited, deleted, put in or moved, or when a checkpoint does not
    agree. What waits to be sealed is sealed first. Says what it cannot know.
    """
    from clew.cli.progress import progress
    from clew.core.errors import NotFound
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        checkpoints = []
        for place in places:
            lines = _place(workspace, place).lines()
            if not lines:
                raise NotFound("checkpoint", place, hint=f"clew audit checkpoint --to {place}")
            checkpoints.append(list(lines))
        if not workspace.remote:
            _seal_first(workspace)
        with progress("verifying", unit="events") as shown:

            def look(done: int, total: int) -> None:
                shown.total = total
                shown.move_to(done)

            found = workspace.verify(checkpoints, key=key, look=look)
    _show(found, as_json=as_json)
    if not found.holds:
        raise click.exceptions.Exit(1)


@command(
    "checkpoint",
    examples=[
        ("clew audit checkpoint --to /mnt/worm/flights.jsonl", "add one line to a file that only grows"),
        ("clew audit checkpoint --to git:../records", "commit it to the branch clew-checkpoints of a repository"),
    ],
)
@click.option("--to", "place", required=True, help="A file, or git:PATH of a repository.")
def checkpoint_command(*, place: str, as_json: bool) -> None:
    """Sign the length and last hash of the chain, to keep outside.

    Signs with the key in CLEW_SIGNING_KEY, or in ~/.config/clew/keys, which is made when there is none. Adds nothing
    when nothing was sealed since the last checkpoint there.
    """
    from clew.audit.checkpoint import add_checkpoint
    from clew.store.signing import open_key
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        key = open_key()
        added = add_checkpoint(workspace.stores, _place(workspace, place), key)
    if added is None:
        output.text("nothing was sealed since the last checkpoint", {"added": None}, as_json=as_json)
        return
    words = f"{place}: {output.amount(added.size, 'events')}, {added.root[:16]}…, signed by {key.fingerprint}"
    output.text(words, {"added": added}, as_json=as_json)


@command(
    "export",
    examples=[
        ("clew audit export > events.jsonl", "every sealed event, for somebody who checks it without clew"),
        ("clew audit export --after 1000 --to more.jsonl", "those behind the thousandth"),
    ],
)
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="A file; stdout by default.")
@click.option("--after", type=click.IntRange(0, 2**63 - 1), default=0, help="Start behind this sequence number.")
def export_command(*, path: Path | None, after: int, as_json: bool) -> None:
    """Write the chain, one line of JSON for each event.

    Each line holds position, hash and event; the event is the very text that was hashed. What waits is sealed first.
    """
    from clew.audit.export import export
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        _seal_first(workspace)
        if path is None:
            export(workspace.stores, sys.stdout.buffer.write, after=after)
            return
        with path.open("wb") as file:
            count = export(workspace.stores, file.write, after=after)
    output.text(f"{output.amount(count, 'events')} in {path}", {"events": count, "path": str(path)}, as_json=as_json)


def _place(workspace: Workspace, place: str) -> Destination:
    from clew.audit.destination import destination_of

    return destination_of(place, base=Path.cwd(), project=workspace.project_id)


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
        from msgspec.structs import asdict

        output.record({**asdict(found), "holds": found.holds}, as_json=True)
        return
    if found.problems:
        output.table(found.problems, _PROBLEM, as_json=False)
    verdict = "nothing is wrong" if found.holds else output.amount(found.problem_count, "problems")
    looked = f"{output.amount(found.events, 'events')}, {output.amount(found.rows, 'rows')}"
    if found.checkpoints:
        looked += f" and {output.amount(found.checkpoints, 'checkpoints')}"
    output.text(f"{verdict}: {looked}; the chain ends at {found.size}, {found.root[:16]}…", as_json=False)
    for unknown in found.unknown:
        output.note(f"not known: {unknown}")


audit.add_command(verify_command)
audit.add_command(checkpoint_command)
audit.add_command(export_command)
