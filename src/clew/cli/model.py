"""`clew model`: list and show models and their versions, and move names over them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.certificates import words_of_certificate
from clew.cli.command import command, group
from clew.cli.gate import gate, note_free, show_report
from clew.core.numbers import some
from clew.core.types.signature import Task

if TYPE_CHECKING:
    from clew.core.errors import ClewError
    from clew.core.types.interval import Interval
    from clew.core.types.model import ModelVersion
    from clew.core.types.package import Package
    from clew.core.types.signature import Signature
    from clew.registry.overview import Judgement, VersionOverview
    from clew.workspace import Workspace

__all__ = ["model"]

_VERSION: output.Columns = [
    *("number", "aliases", "created_us"),
    output.Column("created_by", spare=3),
    output.Column("unsafe", spare=2),
    output.Column("run", show=output.short, spare=1),
    output.Column("message", long=True),
]
_INPUTS = 8
_SHARES = {"accuracy", "auc", "brier", "decided_positive", "positives"}


@group(
    "model",
    examples=[
        ("clew model list", "every model, with who is champion"),
        ("clew model promote delay@12 champion", "give the name to version 12, if the gate lets it"),
    ],
)
def model() -> None:
    """List and show models, and move names such as champion over their versions."""


@command(
    "list",
    examples=[("clew model list", "every model"), ("clew model list delay", "the versions of one model")],
)
@click.argument("name", required=False, default="")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many versions.")
def list_(*, name: str, limit: int, as_json: bool) -> None:
    """List models, or the versions of one, newest first."""
    from clew.registry.overview import list_models, list_versions
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        if name:
            versions = list_versions(workspace.models, name, limit=limit)
            output.table(versions, _VERSION, as_json=as_json)
            return
        models = list_models(workspace.models)
        empty = "no models yet: run.save_model in a script, or a pipeline that returns one"
        columns: output.Columns = ["name", "newest", "aliases", output.Column("created_us", spare=1)]
        output.table(models, columns, as_json=as_json, empty=empty)


@command(
    "show",
    examples=[
        ("clew model show delay@champion", "what is in the package of a version, and what the gate said"),
        ("clew model show delay@12 --json", "everything about it, for machines"),
    ],
)
@click.argument("reference")
def show(*, reference: str, as_json: bool) -> None:
    """Show one version: its origin, its worth, and what the gate said."""
    from clew.registry.overview import overview_of
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = overview_of(workspace.services, reference)
    if as_json:
        output.record(found, as_json=True)
        return
    output.record(_summary(found), as_json=False, title=found.version.reference)
    if found.worth:
        output.text("", as_json=False)
        rows = [{"metric": name, **_bounds(name, worth)} for name, worth in found.worth.items()]
        title = f"worth, on {found.tested:,} test rows"
        output.table(rows, ["metric", "value", "low", "high", "units"], as_json=False, title=title)
    for judgement in found.judgements:
        _show_judgement(judgement)


@command(
    "promote",
    examples=[
        ("clew model promote delay@12 champion --reason 'sees the new terminal'", "if the gate lets it"),
        ("clew model promote delay@12 champion --expected 11", "only if version 11 still has the name"),
    ],
)
@click.argument("reference")
@click.argument("alias")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--expected", type=int, help="The number of the version that has the name now; 0 for none.")
def promote(*, reference: str, alias: str, reason: str, expected: int | None, as_json: bool) -> None:
    """Give a name to a version, if the gate lets it."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        move = workspace.promote(reference, alias, reason=reason, expected=expected)
        version = workspace.models.resolve(f"{reference.partition('@')[0]}@{move.number}")
        guarded = workspace.aliases.guarded(version.name)
        refused = _refusal(workspace, version)
    output.text(f"{version.reference} is {alias} now", move, as_json=as_json)
    if refused is not None:
        output.note(f"warning: clew serve refuses it: {refused}")
    if alias not in guarded:
        note_free(alias, guarded)


@command(
    "rollback",
    examples=[("clew model rollback delay champion --reason 'it costs more'", "give the name back")],
)
@click.argument("name")
@click.argument("alias")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--expected", type=int, help="The number of the version that has the name now.")
def rollback(*, name: str, alias: str, reason: str, expected: int | None, as_json: bool) -> None:
    """Give a name back to the version that had it before."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        move = workspace.aliases.rollback(name, alias, reason=reason, expected=expected)
    output.text(f"{name}@{move.number} is {alias} again", move, as_json=as_json)


@command(
    "demote",
    examples=[("clew model demote delay champoin --reason 'a typo'", "nobody has the name from now on")],
)
@click.argument("name")
@click.argument("alias")
@click.option("--reason", default="", help="Why, for the record.")
def demote(*, name: str, alias: str, reason: str, as_json: bool) -> None:
    """Take a name away from the version that has it. Refused while an endpoint serves it."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        move = workspace.aliases.remove(name, alias, reason=reason)
    output.text(f"nobody is {name}@{alias} now", move, as_json=as_json)


@command(
    "approve",
    examples=[("clew model approve delay@12 --note 'looked at the slices'", "stand for exactly this package")],
)
@click.argument("reference")
@click.option("--note", default="", help="What was looked at.")
def approve(*, reference: str, note: str, as_json: bool) -> None:
    """Stand for a version, where the gate asks for approvals."""
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        version = workspace.models.resolve(reference)  # of an alias, the one that is approved and told of
        approval = workspace.models.approve(version.reference, note=note)
    output.text(f"{approval.actor} stands for {reference}", approval, as_json=as_json)
    if approval.actor == version.created_by:
        output.note(f"{approval.actor} made {version.reference}: the gate counts approvals of others only")


def _refusal(workspace: Workspace, version: ModelVersion) -> ClewError | None:
    """Why no endpoint would serve a version; what a server's own policy allows is not known here."""
    from dataclasses import replace

    from clew.core.errors import ClewError
    from clew.registry.mlflow_package import refusal_of
    from clew.registry.package import load_package

    try:
        package = load_package(workspace.objects, version.package)
    except ClewError as error:  # nor can an endpoint load it; the name has moved all the same
        return error
    trust = workspace.trust
    return refusal_of(package, replace(trust, allow_pickle=workspace.remote or trust.allow_pickle))


def _summary(found: VersionOverview) -> dict[str, object]:
    version, package = found.version, found.package
    signature = package.signature
    return {
        "aliases": found.aliases,
        "created_us": version.created_us,
        "created by": version.created_by,
        "message": version.message,
        "run": version.run,
        "model": package.estimator,
        "task": signature.task,
        "inputs": _inputs(signature),
        "classes": list(signature.classes),
        "threshold": package.decision.threshold if signature.task is Task.BINARY else None,
        "data": [data.reference for data in package.data],
        "format": package.model.format,
        "unsafe": list(package.unsafe),
        "size_bytes": sum(file.size_bytes for file in package.files),
        "runtime": _runtime(package),
        "python": package.environment.python,
        "package": version.package,
        "reproduced": [words_of_certificate(each) for each in found.certificates],
        "approvals": [
            f"{approval.actor} {approval.note}".strip()
            + (" (made it: does not count)" if approval.actor == version.created_by else "")
            for approval in found.approvals
        ],
    }


def _inputs(signature: Signature) -> str:
    words = [f"{field.name}: {field.dtype}{'?' if field.nullable else ''}" for field in signature.inputs]
    return some(words, most=_INPUTS) + (" (--json has all)" if len(words) > _INPUTS else "")


def _runtime(package: Package) -> str:
    compilation = package.compilation
    costs = ", ".join(f"{cost.name} {cost.row_us:.0f} µs a row" for cost in compilation.costs)
    return f"{compilation.chosen}: {compilation.reason}" + (f" ({costs})" if costs else "")


def _bounds(name: str, worth: Interval) -> dict[str, float | None]:
    """An interval as people read it: without a bound where the rows leave a side open, and of a share within 0 to 1."""
    low, high = (bound if math.isfinite(bound) else None for bound in (worth.low, worth.high))
    if name in _SHARES:
        low, high = (None if bound is None else min(max(bound, 0.0), 1.0) for bound in (low, high))
    return {"value": worth.value, "low": low, "high": high, "units": worth.units}


def _show_judgement(judgement: Judgement) -> None:
    verb = "rolled back to it" if judgement.rollback else "moved to it" if judgement.moved else "refused"
    when = output.cell("at_us", judgement.at_us)
    reason = f": {judgement.reason}" if judgement.reason else ""
    output.text(f"\n{judgement.alias} {verb} by {judgement.actor}, {when}{reason}", as_json=False)
    if judgement.report is not None:
        show_report(judgement.report)


for _each in (list_, show, promote, rollback, demote, approve, gate):
    model.add_command(_each)
