"""`clew gate`: what a pipeline fails on."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.core.types.gate import GateReport

__all__ = ["gate", "note_free", "show_report"]

_CHECKS: output.Columns = [
    "name",
    output.Column("verdict", show=lambda verdict: str(verdict).replace("_", " ")),
    "value",
    "threshold",
    "units",
    output.Column("reason", long=True),
]


@command(
    "gate",
    examples=[
        ("clew gate delay", "would the newest version become champion? exits with 1 if not"),
        ("clew gate delay@12 challenger --json", "the whole report, for machines"),
        ("clew gate delay --markdown >> $GITHUB_STEP_SUMMARY", "as a table for a pull request"),
    ],
)
@click.argument("reference", metavar="MODEL[@VERSION]")
@click.argument("alias", default="champion")
@click.option("--markdown", is_flag=True, help="Print the checks as Markdown.")
def gate(*, reference: str, alias: str, markdown: bool, as_json: bool) -> None:
    """Say what the gate thinks of a version, and move nothing.

    It exits with 1 unless the version would pass: a check that failed, or one that cannot tell. Where the gate guards
    no name of the model, nobody asks it: it says so, and exits with 0.
    """
    from msgspec.structs import asdict

    from clew.loop.declared import doubts
    from clew.workspace import open_workspace

    named = reference if "@" in reference else f"{reference}@latest"
    with open_workspace() as workspace:
        for doubt in doubts(workspace.services, workspace.settings, workspace.root):
            if doubt.hint:
                output.note(f"warning: {doubt}")
        report = workspace.judge(named, alias)
        guarded = workspace.aliases.guarded(report.model)
    if as_json:
        output.record({**asdict(report), "guarded": guarded}, as_json=True)
    elif markdown:
        output.text(_markdown(report, _said(report, named, alias, guarded)), as_json=False)
    else:
        show_report(report)
        if alias not in guarded:
            note_free(alias, guarded)
    if guarded and not report.passed:
        raise click.exceptions.Exit(1)


def note_free(alias: str, guarded: Sequence[str]) -> None:
    """Say that any version may have a name, which may be a slip for one that is guarded."""
    near = get_close_matches(alias, guarded, n=1)
    output.note(f"no gate guards {alias!r}" + (f"; did you mean {near[0]}?" if near else ""))


def show_report(report: GateReport) -> None:
    """Print the checks of a report for people."""
    output.table(report.checks, _CHECKS, as_json=False, title=f"gate: {report.verdict.words}")


def _said(report: GateReport, reference: str, alias: str, guarded: Sequence[str]) -> str:
    if not guarded:
        return f"The gate guards no name of {report.model}: {reference} may become {alias}, whatever the checks say."
    return {
        "pass": f"{reference} may become {alias}.",
        "fail": f"{reference} may not become {alias}.",
        "cannot_tell": f"It cannot be told yet whether {reference} may become {alias}.",
    }[report.verdict.value]


def _markdown(report: GateReport, said: str) -> str:
    from clew.core.numbers import number, span
    from clew.loop.report.markdown import markdown
    from clew.loop.report.table import Report, Table

    rows = [
        [
            check.name,
            check.verdict.words,
            span(check.interval) if check.interval is not None else "–" if check.value is None else number(check.value),
            "–" if check.threshold is None else number(check.threshold),
            check.reason,
        ]
        for check in report.checks
    ]
    table = Table(
        title="Checks", columns=["check", "verdict", "value", "threshold", "reason"], rows=rows, numeric=[2, 3]
    )
    return markdown(Report(title=f"Gate: {report.verdict.words}", subtitle=said, tables=[table]))
