"""From a fitted model to a registered version: packed, compared with the champion on the same rows, recorded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunService
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError
from clew.core.types.edge import Edge
from clew.core.types.evaluation import decode_evaluation, encode_evaluation
from clew.core.types.model import ModelVersion
from clew.core.types.package import DataReference, FileRole, Package
from clew.core.types.run import Artifact
from clew.core.types.value import plain_value
from clew.loop.fitted import Model
from clew.loop.packing import Provenance, evaluation_on, pack
from clew.loop.promotion import champion_artifact
from clew.registry.formats.format import Trust
from clew.registry.models import LedgerModels
from clew.registry.package import load_package
from clew.registry.reference import newest_of
from clew.serving.runtime import load_runtime

if TYPE_CHECKING:
    from clew.settings import Settings

__all__ = ["register_model"]

_log = logging.getLogger("clew.models")


def register_model(
    stores: Stores, settings: Settings, models: LedgerModels, runs: RunService, model: Model, *, trust: Trust, run: str
) -> ModelVersion:
    """Register a fitted model as the next version of its name; the newest one is returned if it is the same model.

    Args:
        stores: the project.
        settings: with the value contract of the model.
        models: the registry.
        runs: where the run is.
        model: what a training step made.
        trust: what the project's policy allows in a model file.
        run: the id of the run that made it.

    Raises:
        Invalid: the estimator is not fitted, or rows, labels and contract do not fit each other.
        Denied: the policy does not allow what the estimator holds.
    """
    contract = settings.value.get(model.name)
    provenance = Provenance(run=run, data=_data(stores, run))
    digest = pack(model, stores.objects, contract=contract, trust=trust, provenance=provenance, clock=stores.clock)
    package = load_package(stores.objects, digest)
    newest = _newest(stores, model.name)
    if newest is not None:
        before = load_package(stores.objects, newest.package)
        if _essence(stores.objects, package) == _essence(stores.objects, before):
            return newest
    if model.test is not None:  # before the version is there: without it the gate could not compare the two
        _evaluate_champion(stores, settings, runs, model, package, trust=trust, run=run)
    return models.register(model.name, digest)


def _newest(stores: Stores, name: str) -> ModelVersion | None:
    with stores.ledger.read() as tx:
        found = tx.models.find(stores.project, name)
        return newest_of(tx, found.id) if found else None


def _essence(objects: Objects, package: Package) -> tuple[object, ...]:
    """What makes two packages the same model for the same use; timings, times and the run may differ."""
    profile, evaluated = package.find(FileRole.PROFILE), package.find(FileRole.EVALUATION)
    evaluation = None
    if evaluated is not None:
        evaluation = msgspec.structs.replace(decode_evaluation(objects.get(evaluated.digest)), created_us=0)
    return (package.model.digest, package.signature, package.decision, profile.digest if profile else "", evaluation)


def _data(stores: Stores, run: str) -> tuple[DataReference, ...]:
    """The dataset versions that flowed into a run."""
    with stores.ledger.read() as tx:
        edges: list[Edge] = tx.edges.up(f"run:{run}", depth=1)
        versions = [tx.datasets.version(edge.source[5:]) for edge in edges if edge.source.startswith("data:")]
    return tuple(DataReference(version=one.id, reference=one.reference, digest=one.digest) for one in versions)


def _evaluate_champion(
    stores: Stores,
    settings: Settings,
    runs: RunService,
    model: Model,
    package: Package,
    *,
    trust: Trust,
    run: str,
) -> None:
    """The versions that hold a guarded name, on this model's test rows: what the gate compares it with."""
    guarded = settings.gate_of(model.name).aliases
    with stores.ledger.read() as tx:
        found = tx.models.find(stores.project, model.name)
        moves = [move for move in tx.models.aliases(found.id) if move.alias in guarded] if found else []
        versions = [tx.models.version(move.version) for move in moves]
    contract = settings.value.get(model.name) or plain_value(package.signature.task, package.signature.classes)
    for version in versions:
        champion = load_package(stores.objects, version.package)
        if champion.signature.classes != package.signature.classes:
            continue
        try:
            runtime = load_runtime(champion, stores.objects, trust=trust)
            at_us, data = stores.clock.now_us(), package.data
            worth = evaluation_on(model, runtime, contract, champion.decision, at_us=at_us, data=data)
        except ClewError as error:  # an old version must not keep a new one out; the gate says that it cannot tell
            _log.warning("%s cannot be compared with the new version: %s", version.reference, error.what)
            continue
        evaluation = encode_evaluation(worth)
        runs.add_artifact(
            Artifact(
                run=run,
                path=champion_artifact(version.id),
                digest=stores.objects.put(evaluation),
                size_bytes=len(evaluation),
                media_type="application/x-clew-evaluation",
                created_us=at_us,
            )
        )
