"""What a gate is shown about a version: gathered from its package, its approvals, and what the caller has measured."""

from __future__ import annotations

from clew.core.contracts.objects import Objects
from clew.core.types.gate import Approval, DataEvidence, Evidence, Findings
from clew.core.types.model import ModelVersion
from clew.core.types.package import Package
from clew.registry.package import evaluation_of, load_package

__all__ = ["gather"]


def gather(
    objects: Objects, version: ModelVersion, approvals: list[Approval], findings: Findings, *, as_champion: bool = False
) -> Evidence:
    """The evidence about one version.

    Args:
        objects: where packages are.
        version: the version.
        approvals: who stands for it.
        findings: what the caller has measured.
        as_champion: whether it is the one that holds the alias now.

    Raises:
        Corrupt: the package or its evaluation cannot be read.
    """
    package = load_package(objects, version.package)
    measured = findings.champion if as_champion else findings.evaluation
    return Evidence(
        version=version,
        package=package,
        evaluation=measured or evaluation_of(objects, package),
        data=[] if as_champion else _data(package, findings),
        approvals=approvals,
        trial=None if as_champion else findings.trial,
    )


def _data(package: Package, findings: Findings) -> list[DataEvidence]:
    if findings.data is not None:
        return list(findings.data)
    return [DataEvidence(dataset=one.reference.partition("@")[0], reference=one.reference) for one in package.data]
