"""`clew impact REFERENCE`: everything that a dataset version, a run or a model version touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command
from clew.cli.named import newest_run
from clew.cli.picture import Branch, tree

if TYPE_CHECKING:
    from clew.loop.impact import Impact, TouchedAlias, TouchedModel

__all__ = ["impact"]

_SHOWN = 20


@command(
    "impact",
    examples=[
        ("clew impact flights@7", "what a version of a dataset flowed into"),
        ("clew impact delay@3", "the names, endpoints and decisions of a model version"),
        ("clew impact run:baseline", "where a name is of several things, say which"),
        ("clew impact environment:464b37a4a199", "what was made in an environment, or with code:DIGEST of one source"),
    ],
)
@click.argument("reference", metavar="REFERENCE")
def impact(*, reference: str, as_json: bool) -> None:
    """Show every run, model, name, endpoint and decision that something touched.

    REFERENCE is a dataset version, a model version, a run, or the digest of code or of an environment.
    Numbers of decisions are exact, and count those that a replica has only just acknowledged.
    """
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.impact(reference)
        if found.subject.startswith("run:"):
            newest_run(workspace.runs, reference.removeprefix("run:"))  # says so where others have its name
    output.text(_picture(found), found, as_json=as_json)


def _picture(found: Impact) -> str:
    parts = [
        _list("dataset versions", [each.reference for each in found.data]),
        _list("runs", [f"{each.name} ({each.kind}, {each.status}) by {each.created_by}" for each in found.runs]),
        Branch(output.amount(len(found.models), "model versions"), tuple(_model(found, each) for each in found.models)),
        _list("endpoints", found.endpoints),
    ]
    under = [part for part in parts if part.under]
    if not under:
        under = [Branch("nothing came of it yet")]
    return tree(Branch(f"{found.reference}: {_decided(found)}", tuple(under)))


def _decided(found: Impact) -> str:
    if not found.decisions:
        return "no decisions"
    span = f"{output.cell('first_us', found.first_us)} to {output.cell('last_us', found.last_us)}"
    labels = f", {found.labels:,} of them labelled" if found.labels else ""
    return f"{output.amount(found.decisions, 'decisions')}, {span}{labels}"


def _model(found: Impact, model: TouchedModel) -> Branch:
    names = [Branch(_alias(each)) for each in found.aliases if each.model == model.reference]
    decided = [
        Branch(
            f"{output.amount(each.rows, 'decisions')} at {each.endpoint}, "
            f"{output.cell('first_us', each.first_us)} to {output.cell('last_us', each.last_us)}"
        )
        for each in model.decisions
    ]
    return Branch(model.reference, (*names, *decided))


def _alias(alias: TouchedAlias) -> str:
    until = f"until {output.cell('until_us', alias.until_us)}" if alias.until_us else "still"
    return f"{alias.alias} since {output.cell('since_us', alias.since_us)}, {until} (by {alias.moved_by})"


def _list(nouns: str, lines: list[str]) -> Branch:
    more = [Branch(f"and {len(lines) - _SHOWN:,} more: --json")] if len(lines) > _SHOWN else []
    return Branch(output.amount(len(lines), nouns), (*map(Branch, lines[:_SHOWN]), *more))
