"""`clew runs compare` and `clew report`: what differs between runs, or between groups of repeated runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clew.cli import output
from clew.cli.command import FilePath, command
from clew.cli.named import newest_run
from clew.cli.opening import open_runs

if TYPE_CHECKING:
    from clew.core.contracts.services import Services
    from clew.loop.report.gather import Asked
    from clew.loop.report.table import Report
    from clew.tracking.capture.git import GitState

__all__ = ["compare", "report"]

_DIFF_LINES = 200


def _choosing(function: Callable[..., object]) -> Callable[..., object]:
    """The options by which runs are chosen and put into groups."""
    options = [
        click.argument("names", nargs=-1, metavar="[RUN]..."),
        click.option("--by", default="", help="Compare groups: experiment, group, branch, revision, param.X, tag.X."),
        click.option("--first", default="", help="With --by: the group to compare with."),
        click.option(
            "--group",
            "others",
            multiple=True,
            help="With --by: a group to compare, repeatable. Default: all; beside a --first branch this one.",
        ),
        click.option("--where", "condition", default="", help="With --by: a filter, in place of names."),
        click.option("--experiment", default="", help="With --by: only runs of this experiment."),
        click.option("--html", "html_file", type=FilePath(dir_okay=False), help="Write a page to this file."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command(
    "compare",
    examples=[
        ("clew runs compare first timid", "two runs, by their names"),
        ("clew runs compare --by param.lr --experiment tuning", "groups of repeated runs, with intervals"),
        ("clew runs compare A B --html differences.html", "a page with curves and the source"),
        ("clew runs compare A B C --json", "several with the first one, for machines"),
    ],
)
@_choosing
def compare(*, html_file: Path | None, as_json: bool, **chosen: Any) -> None:
    """Show what differs between runs.

    In parameters, metrics, code, packages, machine and data.
    """
    with open_runs() as workspace:
        value, found = _compared(workspace.services, curves=html_file is not None, **chosen)
    if html_file is not None:
        _write(html_file, found)
    elif as_json:
        output.record(value, as_json=True)
    else:
        _show(found)


@command(
    "report",
    examples=[
        ("clew report baseline candidate", "what a pull request shows, as Markdown"),
        ("clew report --by branch --first main --experiment nightly", "this branch against main, with intervals"),
        ("clew report A B --html report.html", "the same as a page"),
    ],
)
@_choosing
@click.option("--markdown", is_flag=True, help="Print Markdown: the default, where there is no --html.")
def report(*, html_file: Path | None, markdown: bool, as_json: bool, **chosen: Any) -> None:  # noqa: ARG001
    """Write what differs between runs for a pull request, as Markdown or as a page."""
    from clew.loop.report.markdown import markdown as as_markdown

    with open_runs() as workspace:
        value, found = _compared(workspace.services, curves=html_file is not None, **chosen)
    if html_file is not None:
        _write(html_file, found)
    else:
        output.text(as_markdown(found), value, as_json=as_json)


def _compared(
    project: Services,
    *,
    curves: bool,
    names: tuple[str, ...],
    by: str,
    **chosen: Any,
) -> tuple[object, Report]:
    """What machines read, and the report."""
    from msgspec.structs import asdict

    from clew.loop.report.gather import compare_groups, compare_runs

    ids = {name: newest_run(project.runs, name).id for name in dict.fromkeys(names)}
    names = tuple(ids[name] for name in names)
    if by:
        return compare_groups(project, _asked(names, by, **chosen))
    if any(chosen.values()):
        raise click.UsageError("--first, --group, --where and --experiment go with --by")
    found = compare_runs(project, names, curves=curves)
    return {**asdict(found.comparison), "data": found.data}, found.report


def _asked(
    names: tuple[str, ...], by: str, *, first: str, others: tuple[str, ...], condition: str, experiment: str
) -> Asked:
    """Which groups are meant: where branches of a search are, those of the repository at hand."""
    from clew.loop.report.gather import Asked

    here = _git_at_hand() if by == "branch" and not names else None
    if here is not None and first and not others and here.branch not in ("", first):
        others = (here.branch,)
    remote = here.remote if here is not None else ""
    return Asked(by=by, names=names, where=condition, experiment=experiment, first=first, others=others, remote=remote)


def _git_at_hand() -> GitState | None:
    from clew.tracking.capture.git import find_repository, read_git

    root = find_repository(Path.cwd())
    return read_git(root) if root is not None else None


def _show(found: Report) -> None:
    output.text(found.subtitle, as_json=False)
    for table in found.tables:
        columns = [
            output.Column(f"column {at}", title, right=at in table.numeric) for at, title in enumerate(table.columns)
        ]
        rows = [{f"column {at}": cell.strip("*") for at, cell in enumerate(row)} for row in table.rows]
        output.text("", as_json=False)
        output.table(rows, columns, as_json=False, title=table.title)
    for diff in found.diffs:
        lines = diff.text.splitlines()
        if len(lines) > _DIFF_LINES:
            lines = [*lines[:_DIFF_LINES], f"… {len(lines) - _DIFF_LINES:,} lines more: --json has all of them"]
        output.text("\n".join(["", diff.title, *lines]), as_json=False)
    if not found.tables and not found.diffs:
        output.text("\nnothing differs", as_json=False)


def _write(file: Path, found: Report) -> None:
    from clew.core.errors import Unavailable
    from clew.loop.report.html import page

    try:
        file.write_bytes(page(found))
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}") from error
    output.note(f"wrote {file}")
