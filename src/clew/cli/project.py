"""`clew init`, `clew up`, `clew events`: the project as a whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import FilePath, command, guess
from clew.cli.output import Column
from clew.cli.progress import progress

if TYPE_CHECKING:
    from clew.core.contracts.services import EventService

__all__ = ["events", "init", "up"]

_LOOKED_AT = 1000
_LONG = re.compile(r"\b([0-9a-f]{12})(?:[0-9a-f]{20}|[0-9a-f]{52})\b")


@command(
    "init",
    examples=[
        ("clew init", "make this folder a project"),
        ("clew init flights --name late-flights", "make a folder, and name the project"),
    ],
)
@click.argument("folder", type=FilePath(), default=".", required=False)
@click.option("--name", default="", help="Name of the project; the folder's by default.")
def init(*, folder: Path, name: str, as_json: bool) -> None:
    """Make a project in a folder.

    Adds the folder .clew, which holds everything, and a clew.toml to edit, unless there is one.
    """
    from clew.workspace import init_project

    root = init_project(folder.resolve(), name=name)
    said = f"{root} is a project now. Next: clew data add NAME FILE, clew run SCRIPT, or clew server"
    output.text(said, {"folder": str(root)}, as_json=as_json)


@command(
    "events",
    examples=[
        ("clew events", "what changed last"),
        ("clew events --kind alias", "every move of an alias, and every one that was refused"),
        ("clew events --subject model:01a1fdc5fc2b", "what happened to one version, by the beginning of its id"),
    ],
)
@click.option("--kind", default="", help="A kind such as alias.moved, or its noun: alias.")
@click.option("--subject", default="", help="The node that changed, such as model:ID, or its beginning.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--after", default="", help="Go on behind this page.")
def events(*, kind: str, subject: str, limit: int, after: str, as_json: bool) -> None:
    """List what changed, newest first.

    An event that is not sealed yet has no number.
    """
    from msgspec.structs import asdict

    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        recorded = workspace.services.events
        page = recorded.list(kind=kind, subject=subject, limit=limit, after=after)
        numbers = recorded.positions([event.id for event in page.items])
        if kind and not page.items and not after:
            _note_unknown(recorded, kind)
    rows = [{"position": numbers.get(event.id), **asdict(event)} for event in page.items]
    columns = [
        Column("position", "#"),
        Column("at_us"),
        Column("kind"),
        Column("actor"),
        Column("subject", show=_shorter),
        Column("facts", show=_shorter, long=True),
    ]
    empty = "no such event" if kind or subject or after else "nothing yet"
    output.table(rows, columns, as_json=as_json, after=page.next, empty=empty)


def _note_unknown(recorded: EventService, kind: str) -> None:
    """Say which kinds there are where none is of the kind that somebody asked for: it may be misspelt."""
    known = sorted({event.kind for event in recorded.list(limit=_LOOKED_AT).items})
    nouns = {each.partition(".")[0] for each in known}
    if kind not in {*known, *nouns}:
        said = f"the newest events are of {', '.join(known)}; none is of the kind {kind}"
        output.note(said + guess(kind, [*nouns, *known]))


def _shorter(value: object) -> str:
    """A value in one line, of a traceback the last, ids and digests as short as elsewhere; --json has all."""
    if isinstance(value, dict):
        value = {key: _last_line(each) for key, each in value.items()}
    return _LONG.sub(r"\1", output.cell("", value))


def _last_line(value: object) -> object:
    """The last line of a traceback, of which there may be the end only."""
    if isinstance(value, str) and '\n  File "' in value:
        return value.strip().rpartition("\n")[2]
    return value


@command(
    "up",
    examples=[("clew up", "start everything that clew.toml declares, until Ctrl-C")],
)
def up(*, as_json: bool) -> None:
    """Start the worker and the endpoints of this project.

    Runs a worker and one replica of each endpoint in [endpoints.NAME] until it is told to stop. What dies is started
    again; an endpoint whose alias names no version yet is started once it does. A folder has one at a time: a second is
    refused.
    """
    with progress("opening the project"):
        from clew.loop.declared import doubts
        from clew.serving.endpoint import missing_model
        from clew.worker.supervisor import alone, supervise
        from clew.workspace import open_workspace

        workspace = open_workspace(serves=True)
    with workspace, alone(workspace.folder):
        stores, names = workspace.stores, sorted(workspace.settings.endpoints)
        for doubt in doubts(workspace.services, workspace.settings, workspace.root):
            output.note(f"warning: {doubt}")
        if as_json:
            output.json_line({"endpoints": names})
        else:
            output.note(f"starting the worker and {output.amount(len(names), 'endpoints')}; Ctrl-C stops them")

        def missing(name: str) -> str:
            declared = workspace.settings.endpoint_of(name)
            return missing_model(stores, declared.model, declared.alias)

        supervise(workspace.root, names, tell=output.note, missing=missing)
