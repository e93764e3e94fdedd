"""`clew doctor`: is the project whole, and what to do if not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command
from clew.core.errors import ClewError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.loop.doctor import Finding
    from clew.workspace import Workspace

__all__ = ["doctor"]


@command(
    "doctor",
    examples=[
        ("clew doctor", "read everything, and say what is wrong; exits with 1 if something is"),
        ("clew doctor --quick --json", "without reading the objects, for machines"),
        ("clew doctor --fix", "do the repairs that cannot make it worse"),
    ],
)
@click.option("--quick", is_flag=True, help="Look only whether objects are there, without reading them.")
@click.option("--fix", is_flag=True, help="Bring home what killed runs left, and make a new ledger for a lost one.")
def doctor(*, quick: bool, fix: bool, as_json: bool) -> None:
    """Say whether a project is whole, and what to do if not.

    Looks at versions, settings, permissions, room, the ledger, every object, what needs those that are lost, journals,
    the clock, and the names of models and pipelines in clew.toml. --fix removes nothing: a ledger that is damaged is
    kept beside the new one, which has every row that can be read, and the tables and files that only the objects know
    of, under new names.
    """
    from clew.loop.doctor import Level
    from clew.workspace import find_project, no_project

    here = Path.cwd()
    root = find_project(here)
    if root is None:
        raise no_project(here, os.environ)
    found = list(_look(root, quick=quick, fix=fix))
    long = [output.Column("text", "what", long=True), output.Column("hint", "what to do", long=True)]
    output.table(found, ["level", "check", *(["fixed"] if fix else []), *long], as_json=as_json)
    if any(finding.level is Level.PROBLEM and not finding.fixed for finding in found):
        raise click.exceptions.Exit(1)


def _look(root: Path, *, quick: bool, fix: bool) -> Iterator[Finding]:
    from clew import __version__
    from clew.cli.progress import progress
    from clew.loop.doctor import Finding, Level, examine
    from clew.loop.doctor.examine import examine_place
    from clew.store.claim import find_claim
    from clew.workspace import FOLDER, Workspace

    lost = False
    for finding in examine_place(root, __version__, embedded=find_claim(root / FOLDER) is None):
        lost = lost or (finding.check == "ledger" and finding.level is Level.PROBLEM)
        repairable = fix and finding.check == "ledger" and "--fix" in finding.hint
        yield _with_new_ledger(root, finding) if repairable else finding
        lost = lost and not repairable
    if lost:
        return
    try:
        workspace = Workspace(root)
    except ClewError as error:
        yield Finding(check="project", level=Level.PROBLEM, text=error.what, hint=error.hint)
        return
    with workspace, progress("looking at objects", unit="objects") as bar:
        if fix:
            yield from _brought_home(workspace)
        yield from examine(workspace.stores, quick=quick, tell=bar.move_to)
        yield from _declared(workspace)


def _with_new_ledger(root: Path, finding: Finding) -> Finding:
    """Put a new ledger in the place of one that is lost, with the data that its objects describe."""
    import msgspec

    from clew.core.clock import SystemClock
    from clew.loop.doctor import recover
    from clew.loop.doctor.examine import ledger_of
    from clew.loop.doctor.recover import salvage, set_aside
    from clew.store.ledger.sqlite import SqliteLedger
    from clew.workspace import Workspace

    kept = set_aside(ledger_of(root), now_us=SystemClock().now_us())
    SqliteLedger(ledger_of(root)).close()
    rows = salvage(kept, ledger_of(root)) if kept is not None else 0
    with Workspace(root) as workspace:
        recovered = recover(workspace.stores)
    named = output.amount(len(recovered), "datasets")
    told = f"{finding.text}; a new one has {rows:,} of its rows, and {named} named recovered-…"
    told += f"; the old one is {kept}" if kept else ""
    return msgspec.structs.replace(finding, text=told, hint="clew data list, clew runs list", fixed=True)


def _declared(workspace: Workspace) -> Iterator[Finding]:
    """What `clew.toml` says of models, endpoints and pipelines that are not there."""
    from clew.loop.declared import doubts
    from clew.loop.doctor import Finding, Level

    found = doubts(workspace.services, workspace.settings, workspace.root)
    for doubt in found:
        hint = doubt.hint or "nothing to do where it is still to come"
        yield Finding(check="names", level=Level.WARNING, text=doubt.text, hint=hint)
    if not found:
        yield Finding(check="names", level=Level.GOOD, text="what clew.toml names is there")


def _brought_home(workspace: Workspace) -> Iterator[Finding]:
    from clew.loop.doctor import Finding, Level
    from clew.tracking.adopt import adopt

    for found in adopt(workspace.runs, workspace.stores.objects, workspace.folder):
        points = output.amount(found.points, "points")
        text = found.problem or f"run {found.run}: {points} of a journal brought into the ledger"
        level = Level.WARNING if found.problem else Level.GOOD
        yield Finding(check="journals", level=level, text=text, fixed=not found.problem)
