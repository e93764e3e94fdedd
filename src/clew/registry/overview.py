"""Everything that is known of a model, or of one version, gathered for people and machines to read."""

from __future__ import annotations

import msgspec

from clew.core.contracts.services import ModelService, Services
from clew.core.errors import NotFound
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.event import Event
from clew.core.types.gate import Approval, GateReport
from clew.core.types.interval import Interval
from clew.core.types.model import ModelVersion
from clew.core.types.package import Package
from clew.registry.aliases import MOVED, REFUSED
from clew.registry.package import evaluation_of, load_package
from clew.tracking.certificate import Certificate, certificates_of

__all__ = [
    "Judgement",
    "ModelOverview",
    "VersionLine",
    "VersionOverview",
    "list_models",
    "list_versions",
    "newest_version",
    "overview_of",
]

_MOST_VERSIONS = 1000


class ModelOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One model in a list; `aliases` maps each name to the number of the version that has it."""

    name: str
    newest: int
    aliases: dict[str, int]
    created_us: int


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """One version in a list, with the names that it has."""

    number: int
    aliases: list[str]
    created_us: int
    created_by: str
    run: str
    unsafe: bool
    message: str
    package: Digest


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One time that somebody wanted to give a name to the version; without a report for a name that no gate guards."""

    alias: str
    moved: bool
    rollback: bool
    at_us: int
    actor: str
    reason: str
    report: GateReport | None


class VersionOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One version; `judgements` are the newest first. `worth` holds the metrics of its evaluation, on `tested` rows."""

    version: ModelVersion
    package: Package
    aliases: list[str]
    approvals: list[Approval]
    judgements: list[Judgement]
    certificates: list[Certificate] = []
    worth: dict[str, Interval] = {}
    tested: int = 0


def newest_version(models: ModelService, name: str) -> ModelVersion | None:
    """The newest version of a model that is not in the trash; None where there is none, or no such model."""
    try:
        return models.resolve(f"{name}@latest")
    except NotFound:
        return None


def list_models(models: ModelService) -> list[ModelOverview]:
    """All models of a project, by name."""
    found = []
    for model in models.list():
        newest = newest_version(models, model.name)
        held = {move.alias: move.number for move in models.aliases(model.name)}
        number = newest.number if newest else 0
        found.append(ModelOverview(name=model.name, newest=number, aliases=held, created_us=model.created_us))
    return found


def list_versions(models: ModelService, name: str, *, limit: int = 50) -> list[VersionLine]:
    """The newest versions of a model, newest first.

    Raises:
        NotFound: there is no such model.
    """
    held = [(move.number, move.alias) for move in models.aliases(name)]
    return [
        VersionLine(
            number=version.number,
            aliases=[alias for number, alias in held if number == version.number],
            created_us=version.created_us,
            created_by=version.created_by,
            run=version.run,
            unsafe=version.unsafe,
            message=version.message,
            package=version.package,
        )
        for version in models.versions(name, limit=min(limit, _MOST_VERSIONS)).items
        if not version.deleted_us
    ]


def overview_of(project: Services, reference: str) -> VersionOverview:
    """Everything about one version.

    Raises:
        NotFound: there is no such version.
        Corrupt: its package or a report about it cannot be read.
    """
    version = project.models.resolve(reference)
    package = load_package(project.objects, version.package)
    evaluation = evaluation_of(project.objects, package)
    told = project.events.list(subject=node("model", version.id), kind="alias").items
    return VersionOverview(
        version=version,
        package=package,
        aliases=[move.alias for move in project.models.aliases(version.name) if move.version == version.id],
        approvals=project.models.approvals(version),
        judgements=[_judgement(project, event) for event in told if event.kind in (MOVED, REFUSED)],
        certificates=certificates_of(project.events, project.objects, version.run) if version.run else [],
        worth=evaluation.metrics if evaluation is not None else {},
        tested=evaluation.rows if evaluation is not None else 0,
    )


def _judgement(project: Services, event: Event) -> Judgement:
    digest = Digest(str(event.facts.get("report", "")))
    return Judgement(
        alias=str(event.facts.get("alias", "")),
        moved=event.kind == MOVED,
        rollback=bool(event.facts.get("rollback", False)),
        at_us=event.at_us,
        actor=event.actor,
        reason=str(event.facts.get("reason", "")),
        report=project.aliases.report(digest) if digest else None,
    )
