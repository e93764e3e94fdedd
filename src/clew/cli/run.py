"""`clew run SCRIPT`: run a script under a run that captures everything."""

from __future__ import annotations

import sys

import click

from clew.cli import output
from clew.cli.command import command
from clew.core.errors import Invalid

__all__ = ["run"]


@command(
    "run",
    examples=[
        ("clew run train.py --depth 8", "run a script; what follows its name goes to it"),
        ("clew run --name baseline --tag team=risk train.py", "give the run a name and a tag"),
        ("clew run -m package.train", "run a module"),
    ],
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--name", default="", help="Name of the run; without one it gets one that can be said.")
@click.option("--experiment", default="", help="Group of runs; made when there is none.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; may be repeated.")
@click.option("-m", "module", is_flag=True, help="The first word is a module, as for python -m.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="SCRIPT [ARGUMENTS]...")
def run(
    *, name: str, experiment: str, tags: tuple[str, ...], module: bool, words: tuple[str, ...], as_json: bool
) -> None:
    """Run a script, and record its code, environment, console and end.

    The exit code is the script's. With --json the script's output goes to stderr, and the run to stdout.
    """
    from clew.tracking.launch import launch
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        launched = launch(
            workspace.stores,
            ["-m", *words] if module else list(words),
            name=name,
            experiment=experiment,
            tags=_tags(tags),
            out=sys.stderr.buffer if as_json else None,
        )
    found = launched.run
    if as_json:
        output.record(found, as_json=True)
    else:
        output.note(f"run {found.name} {found.status}: clew runs show {found.name}")
    raise click.exceptions.Exit(launched.exit_code)


def _tags(words: tuple[str, ...]) -> dict[str, str]:
    tags = dict(word.partition("=")[::2] for word in words)
    for word in words:
        if "=" not in word or word.startswith("="):
            raise Invalid(f"--tag {word!r} is no KEY=VALUE", hint="--tag team=risk")
    return tags
