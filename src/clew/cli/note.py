"""`clew runs tag`, `note`, `rename` and `stop`: what is said of a run from outside of it."""

from __future__ import annotations

import click

from clew.cli import output
from clew.cli.command import command, tags_of
from clew.cli.named import only_run, word_for
from clew.cli.opening import open_runs
from clew.core.errors import Conflict, Invalid

__all__ = ["note", "rename", "stop", "tag"]


@command(
    "tag",
    examples=[("clew runs tag baseline team=risk stage=tried", "set tags, also of a run that has ended")],
)
@click.argument("run")
@click.argument("words", nargs=-1, required=True, metavar="KEY=VALUE...")
def tag(*, run: str, words: tuple[str, ...], as_json: bool) -> None:
    """Set tags of a run; one of the same name is replaced."""
    _describe(run, as_json=as_json, tags=tags_of(words))


@command("note", examples=[("clew runs note baseline 'the one with the new loss'", "say what a run is about")])
@click.argument("run")
@click.argument("text")
def note(*, run: str, text: str, as_json: bool) -> None:
    """Say in a few words what a run is about; it is the tag `note`."""
    _describe(run, as_json=as_json, tags={"note": text})


@command("rename", examples=[("clew runs rename 0193a7c1f2d0 baseline", "give a run another name")])
@click.argument("run")
@click.argument("name")
def rename(*, run: str, name: str, as_json: bool) -> None:
    """Give a run another name; its id stays."""
    if not name.strip():
        raise Invalid("the name is empty")
    _describe(run, as_json=as_json, name=name)


@command("stop", examples=[("clew runs stop train", "as Ctrl-C would, from anywhere")])
@click.argument("run")
def stop(*, run: str, as_json: bool) -> None:
    """Ask a run to stop. Its process looks every 20 seconds, and is interrupted as by Ctrl-C."""
    from clew.core.types.run import RunStatus
    from clew.tracking.stop import STOP_TAG

    with open_runs() as workspace:
        found = only_run(workspace.runs, run)
        if found.status is not RunStatus.RUNNING:
            raise Conflict(f"run {found.name} has ended: it is {found.status}")
        asked = workspace.runs.describe(found.id, tags={STOP_TAG: workspace.services.actor})
    output.record(asked, as_json=True) if as_json else output.note(f"{found.name} is asked to stop")


def _describe(run: str, *, as_json: bool, tags: dict[str, str] | None = None, name: str | None = None) -> None:
    with open_runs() as workspace:
        found = workspace.runs.describe(only_run(workspace.runs, run).id, tags=tags, name=name)
        shown = word_for(workspace.runs, found)
    output.record(found, as_json=True) if as_json else output.note(f"{found.name}: clew runs show {shown}")
