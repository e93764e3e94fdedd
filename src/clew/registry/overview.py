"""Everything that is known of a model, or of one version, gathered for people and machines to read."""

from __future__ import annotations

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.gate import Approval, GateReport
from clew.core.types.model import ModelVersion
from clew.core.types.package import Package
from clew.registry.aliases import MOVED, REFUSED, LedgerAliases
from clew.registry.models import LedgerModels, approvals_of
from clew.registry.reference import find_model, newest_of
from clew.tracking.certificate import Certificate, certificates_of

__all__ = [
    "Judgement",
    "ModelOverview",
    "VersionLine",
    "VersionOverview",
    "list_models",
    "list_versions",
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
    """One version; `judgements` are the newest first."""

    version: ModelVersion
    package: Package
    aliases: list[str]
    approvals: list[Approval]
    judgements: list[Judgement]
    certificates: list[Certificate] = []


def list_models(stores: Stores) -> list[ModelOverview]:
    """All models of a project, by name."""
    with stores.ledger.read() as tx:
        found = []
        for model in tx.models.list(stores.project):
            newest = newest_of(tx, model.id)
            held = {move.alias: move.number for move in tx.models.aliases(model.id)}
            number = newest.number if newest else 0
            found.append(ModelOverview(name=model.name, newest=number, aliases=held, created_us=model.created_us))
        return found


def list_versions(stores: Stores, name: str, *, limit: int = 50) -> list[VersionLine]:
    """The newest versions of a model, newest first.

    Raises:
        NotFound: there is no such model.
    """
    with stores.ledger.read() as tx:
        model = find_model(tx, stores.project, name)
        held = [(move.number, move.alias) for move in tx.models.aliases(model.id)]
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
            for version in tx.models.versions(model.id, limit=min(limit, _MOST_VERSIONS)).items
            if not version.deleted_us
        ]


def overview_of(stores: Stores, models: LedgerModels, aliases: LedgerAliases, reference: str) -> VersionOverview:
    """Everything about one version.

    Raises:
        NotFound: there is no such version.
        Corrupt: its package or a report about it cannot be read.
    """
    version = models.resolve(reference)
    with stores.ledger.read() as tx:
        approvals = approvals_of(tx, stores.project, version)
        held = [move.alias for move in tx.models.aliases(version.model) if move.version == version.id]
        events = tx.events.list(stores.project, subject=node("model", version.id), kind="alias").items
    judgements = []
    for event in events:
        if event.kind not in (MOVED, REFUSED):
            continue
        digest = Digest(str(event.facts.get("report", "")))
        judgements.append(
            Judgement(
                alias=str(event.facts.get("alias", "")),
                moved=event.kind == MOVED,
                rollback=bool(event.facts.get("rollback", False)),
                at_us=event.at_us,
                actor=event.actor,
                reason=str(event.facts.get("reason", "")),
                report=aliases.report(digest) if digest else None,
            )
        )
    return VersionOverview(
        version=version,
        package=models.package(version),
        aliases=held,
        approvals=approvals,
        judgements=judgements,
        certificates=certificates_of(stores, version.run) if version.run else [],
    )
