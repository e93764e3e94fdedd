"""The door of the command line: the table of commands, and the loading of one of them.

It is not a place for commands. A command lives in `clew/cli/<group>.py`, and this module imports it only when it is
called, so that `clew --version`, `clew --help` and completion import nothing but click.

How to add a command:

1. Write it in `clew/cli/<group>.py` with the decorators of `clew.cli.command`:

       @command("list", examples=[("clew data list", "every dataset of this project")])
       @click.option("--limit", type=int, default=50, show_default=True, help="At most so many rows.")
       def list_(*, limit: int, as_json: bool) -> None:
           \"\"\"List the datasets of this project.\"\"\"
           from clew.workspace import open_workspace

           with open_workspace() as workspace:
               page = workspace.datasets.list(limit=limit)
           output.table(page.items, ["name", "kind", "created_us"], as_json=as_json, after=page.next)

   - The decorator adds `--json`, which arrives as the keyword argument `as_json`.
   - The module imports click, `clew.core` and `clew.cli`; everything else inside the function.
   - Results go to stdout through `clew.cli.output` and nothing else does; progress and remarks go to stderr.
   - Raise errors of `clew.core.errors` and catch none: `clew.cli.errors` turns them into text and exit codes.
   - A command that answers a question with no (a check that failed) ends with `raise click.exceptions.Exit(1)`.
   - At least one example, and help whose first line says what the command does. A test holds every command to it.
2. A group (`clew data …`) is made with `group`, and its commands are added with `data.add_command(list_)` or
   `@data.command(...)`.
3. Add one row to `COMMANDS`; its help is the first line of the command's docstring without the full stop. Only modules
   that exist may stand there.
4. `make docs` writes the reference page; nothing else is to be done.

The reasoning is in docs/decisions/0004-click.md.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click

from clew.cli.command import guess, names_pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "SECTIONS", "Row", "main", "root"]

SECTIONS = ("Data", "Pipelines and runs", "Models", "Serving and watching", "The thread", "Project")
"""The headings of `clew --help`, in their order."""

TETHERED = "CLEW_TETHER"
"""Set by a process that this one is to end with (`clew.loop.tether`, which is imported only then)."""


class Row(NamedTuple):
    """One command: where its click object is, under which heading it stands, and what it does in a few words."""

    target: str
    section: str
    help: str


COMMANDS: dict[str, Row] = {
    "data": Row("clew.cli.data:data", "Data", "Version data: add, list, show, diff, check and check out"),
    "run": Row(
        "clew.cli.run:run",
        "Pipelines and runs",
        "Run a script or a pipeline, and record its code, environment, console and end",
    ),
    "runs": Row(
        "clew.cli.runs:runs", "Pipelines and runs", "List, show, compare, tag, name and stop runs, and get their files"
    ),
    "experiments": Row(
        "clew.cli.experiments:experiments",
        "Pipelines and runs",
        "List experiments, and delete and restore them with their runs",
    ),
    "sync": Row(
        "clew.cli.sync:sync",
        "Pipelines and runs",
        "Bring home runs that were offline, or whose server could not be reached",
    ),
    "report": Row(
        "clew.cli.compare:report",
        "Pipelines and runs",
        "Write what differs between runs for a pull request, as Markdown or as a page",
    ),
    "explain": Row(
        "clew.cli.explain:explain",
        "Pipelines and runs",
        "Say why a step ran or came from the cache, by the name of what changed",
    ),
    "model": Row(
        "clew.cli.model:model", "Models", "List and show models, and move names such as champion over their versions"
    ),
    "gate": Row("clew.cli.gate:gate", "Models", "Say what the gate thinks of a version, and move nothing"),
    "serve": Row(
        "clew.cli.serve:serve",
        "Serving and watching",
        "Serve over HTTP the version of a model that has a name, such as champion",
    ),
    "keys": Row("clew.cli.keys:keys", "Serving and watching", "Make, list and remove keys of endpoints"),
    "watch": Row("clew.cli.watch:watch", "Serving and watching", "Look at an endpoint: drift, value, trials, alerts"),
    "labels": Row("clew.cli.labels:labels", "Serving and watching", "Add labels of decisions"),
    "jobs": Row("clew.cli.jobs:jobs", "Serving and watching", "List jobs, and take them out of the queue"),
    "worker": Row("clew.cli.worker:worker", "Serving and watching", "Run queued and scheduled jobs"),
    "init": Row("clew.cli.project:init", "Project", "Make a project in a folder"),
    "up": Row("clew.cli.project:up", "Project", "Start the worker and the endpoints of this project"),
    "server": Row("clew.cli.server:server", "Project", "Answer for this project, and others in its ledger, over HTTP"),
    "login": Row("clew.cli.login:login", "Project", "Keep a token for a server, after it was tried"),
    "logout": Row("clew.cli.login:logout", "Project", "Forget the token of a server on this machine"),
    "project": Row("clew.cli.accounts:project", "Project", "Make and list the projects of a server"),
    "user": Row("clew.cli.accounts:user", "Project", "Make, list, disable and enable users of a server"),
    "token": Row("clew.cli.accounts:token", "Project", "Make, list and revoke tokens of a server"),
    "member": Row("clew.cli.accounts:member", "Project", "Give, list and take away roles in this project"),
    "events": Row("clew.cli.project:events", "Project", "List what changed, newest first"),
    "audit": Row("clew.cli.audit:audit", "The thread", "Show that nobody has edited what was recorded"),
    "why": Row("clew.cli.why:why", "The thread", "Show everything behind one decision, and score it again"),
    "impact": Row(
        "clew.cli.impact:impact",
        "The thread",
        "Show every run, model, name, endpoint and decision that something touched",
    ),
    "reproduce": Row(
        "clew.cli.reproduce:reproduce", "The thread", "Repeat a run from its record, and compare it with the first time"
    ),
    "demo": Row("clew.cli.demo:demo", "Project", "Live through a year of flights: serve, watch, retrain, promote"),
    "import": Row("clew.cli.imports:imports", "Project", "Move in from another tracker"),
    "move": Row("clew.cli.move:move", "Project", "Move rows and bytes of this project elsewhere, or back"),
    "settings": Row("clew.cli.settings:settings", "Project", "List what clew.toml may say, with types and defaults"),
    "doctor": Row("clew.cli.doctor:doctor", "Project", "Say whether a project is whole, and what to do if not"),
    "backup": Row(
        "clew.cli.backup:backup", "Project", "Copy a project of one folder to another disk, while it is being written"
    ),
    "restore": Row("clew.cli.backup:restore", "Project", "Make a project of a backup, and read all of it"),
    "gc": Row("clew.cli.gc:gc", "Project", "Free the bytes that nothing refers to"),
    "completion": Row("clew.cli.completion:completion", "Project", "Print the completion script of a shell"),
}
"""Every command of the first level, in the order in which `clew --help` shows those of one section."""


class Root(click.Group):
    """The `clew` command: knows its commands from the table, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        module, _, attribute = row.target.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{row.target} is {found!r}, not a click command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise click.UsageError(f"no command named {name!r}{guess(name, list(COMMANDS))}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in SECTIONS:
            rows = [(name, row.help) for name, row in COMMANDS.items() if row.section == section]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name, help=row.help) for name, row in COMMANDS.items() if name.startswith(incomplete)]


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from clew import __version__

        click.echo(f"clew {__version__}")
        ctx.exit()


@click.group(
    name="clew",
    cls=Root,
    epilog="clew COMMAND --help shows the options and examples of one command.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def root() -> None:
    """One thread through the whole life of a machine-learning model: data, runs, models, serving, and the way back."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, the console script's entry; an error becomes text on stderr and an exit code.

    Args:
        argv: the words after `clew`; those of this process when it is None.

    Returns:
        The exit code; `clew.cli.errors` has the list.
    """
    from clew.cli.errors import guarded

    if argv is None:
        _fix_hash_seed(sys.argv[1:])
        if TETHERED in os.environ:
            import_module("clew.loop.tether").follow()
    words = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _invoke(words), words)


def _fix_hash_seed(words: Sequence[str]) -> None:
    """Start this process anew if it is to run a pipeline and Python drew its hash seed.

    A drawn one cannot be read, so no run could be repeated with it. Scripts get theirs from `clew run`.
    """
    named = words[:1] == ["run"] and any(map(names_pipeline, words))
    if named and sys.platform != "win32" and not os.environ.get("PYTHONHASHSEED"):
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command line


def _invoke(words: list[str]) -> int:
    from clew.cli.completion import complete_if_asked

    complete_if_asked(root)
    with root.make_context("clew", words) as context:
        root.invoke(context)
    return 0
