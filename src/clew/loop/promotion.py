"""Promotion with everything that is known: what the checks say of the training data now, what a trial has shown, and
how the champion did on the rows that the candidate was tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.types.dataset import DatasetKind
from clew.core.types.evaluation import Evaluation, decode_evaluation
from clew.core.types.gate import DataEvidence, GateReport
from clew.core.types.interval import Interval
from clew.core.types.model import Alias, ModelVersion
from clew.core.types.package import Package
from clew.data.checks.batch import check_table
from clew.data.table import read_manifest, scan_table
from clew.registry.aliases import LedgerAliases
from clew.registry.evidence import Findings
from clew.registry.package import load_package
from clew.registry.reference import resolve

if TYPE_CHECKING:
    from clew.settings import Settings

__all__ = ["Promote", "champion_artifact", "judge_version", "promote_version"]


class Promote(Protocol):
    """Gives an alias to a version, through the gate."""

    def __call__(self, version: str, *, reason: str, trial: Interval | None = None) -> None:
        """Move it, or raise `GateRefused`."""
        ...


def champion_artifact(version: str) -> str:
    """The artifact of a training run that holds another version's evaluation on the run's test rows."""
    return f"evaluations/{version}"


def promote_version(
    stores: Stores,
    settings: Settings,
    aliases: LedgerAliases,
    reference: str,
    alias: str,
    *,
    reason: str = "",
    expected: int | None = None,
    trial: Interval | None = None,
) -> Alias:
    """Give an alias to a version with all the evidence there is; see `LedgerAliases.promote` for what it raises."""
    return aliases.promote(
        reference,
        alias,
        reason=reason,
        expected=expected,
        findings=_findings(stores, settings, reference, alias, trial),
    )


def judge_version(stores: Stores, settings: Settings, aliases: LedgerAliases, reference: str, alias: str) -> GateReport:
    """What the gate says, without moving anything."""
    return aliases.judge(reference, alias, _findings(stores, settings, reference, alias, None))


def _findings(stores: Stores, settings: Settings, reference: str, alias: str, trial: Interval | None) -> Findings:
    with stores.ledger.read() as tx:
        candidate = resolve(tx, stores.project, reference)
        held = {move.alias: move for move in tx.models.aliases(candidate.model)}
        champion = held[alias].version if alias in held else ""
    package = load_package(stores.objects, candidate.package)
    return Findings(
        data=_data(stores, settings, package), champion=_on_the_same_rows(stores, candidate, champion), trial=trial
    )


def _data(stores: Stores, settings: Settings, package: Package) -> tuple[DataEvidence, ...]:
    """Each dataset that the model was trained on, judged by the checks as they are declared now."""
    found = []
    for used in package.data:
        name = used.reference.partition("@")[0]
        report = None
        if name in settings.checks:
            with stores.ledger.read() as tx:
                version = tx.datasets.version(used.version)
            if version.kind is DatasetKind.TABLE:
                rows = scan_table(stores.objects, read_manifest(stores.objects, version.manifest))
                report = check_table(rows, settings.checks[name], now_us=version.created_us)
        found.append(DataEvidence(dataset=name, reference=used.reference, report=report))
    return tuple(found)


def _on_the_same_rows(stores: Stores, candidate: ModelVersion, champion: str) -> Evaluation | None:
    """The champion's evaluation on the candidate's test rows, if it was made when the candidate was trained."""
    if not champion or not candidate.run:
        return None
    try:
        with stores.ledger.read() as tx:
            artifact = tx.artifacts.get(candidate.run, champion_artifact(champion))
    except NotFound:
        return None
    return decode_evaluation(stores.objects.get(artifact.digest))
