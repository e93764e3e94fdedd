"""From a fitted model to a registered version: packed, compared with the champion on the same rows, recorded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import Services
from clew.core.errors import ClewError, NotFound
from clew.core.types.evaluation import encode_evaluation
from clew.core.types.model import ModelVersion
from clew.core.types.package import DataReference, FileRole, Package
from clew.core.types.run import Artifact
from clew.core.types.value import plain_value
from clew.loop.declared import doubts_of_names
from clew.loop.fitted import Model
from clew.loop.packing import Provenance, evaluation_on, pack
from clew.loop.promotion import champion_artifact
from clew.registry.formats.format import Trust
from clew.registry.overview import newest_version
from clew.registry.package import evaluation_of, load_package
from clew.serving.runtime import load_runtime

if TYPE_CHECKING:
    from clew.settings import Settings

__all__ = ["register_model"]

_log = logging.getLogger("clew.models")


def register_model(project: Services, settings: Settings, model: Model, *, trust: Trust, run: str) -> ModelVersion:
    """Register a fitted model as the next version of its name; the newest one is returned if it is the same model.

    Args:
        project: where the model goes.
        settings: with the value contract of the model.
        model: what a training step made.
        trust: what the project's policy allows in a model file.
        run: the id of the run that made it.

    Raises:
        Invalid: the estimator is not fitted, or rows, labels and contract do not fit each other.
        Denied: the policy does not allow what the estimator holds.
    """
    _warn_of_typos(project, settings, model.name)
    contract = settings.value.get(model.name)
    objects = project.objects
    provenance = Provenance(run=run, data=_data(project, run))
    digest = pack(model, objects, contract=contract, trust=trust, provenance=provenance, clock=project.clock)
    package = load_package(objects, digest)
    newest = newest_version(project.models, model.name)
    if newest is not None and _is_same(objects, package, newest):
        return newest
    if model.test is not None:  # before the version is there: without it the gate could not compare the two
        _evaluate_champion(project, settings, model, package, trust=trust, run=run)
    return project.models.register(model.name, digest)


def _warn_of_typos(project: Services, settings: Settings, name: str) -> None:
    """A table that was meant for this model, and is not read."""
    names = {name, *(model.name for model in project.models.list())}
    for doubt in doubts_of_names(settings, names):
        if doubt.hint:
            _log.warning("%s", doubt)


def _is_same(objects: Objects, package: Package, newest: ModelVersion) -> bool:
    if not newest.package:
        return False  # its files are elsewhere
    try:
        before = _essence(objects, load_package(objects, newest.package))
    except NotFound as error:  # lost, or not in the bundle that this is repeated from: it keeps no new one out
        _log.warning("%s cannot be compared with the new version: %s", newest.reference, error.what)
        return False
    return _essence(objects, package) == before


def _essence(objects: Objects, package: Package) -> tuple[object, ...]:
    """What makes two packages the same model for the same use; timings, times and the run may differ."""
    profile, evaluation = package.find(FileRole.PROFILE), evaluation_of(objects, package)
    if evaluation is not None:
        evaluation = msgspec.structs.replace(evaluation, created_us=0)
    return (package.model.digest, package.signature, package.decision, profile.digest if profile else "", evaluation)


def _data(project: Services, run: str) -> tuple[DataReference, ...]:
    """The dataset versions that flowed into a run."""
    edges = project.lineage.up(f"run:{run}", depth=1)
    versions = [project.datasets.version(edge.source[5:]) for edge in edges if edge.source.startswith("data:")]
    return tuple(DataReference(version=one.id, reference=one.reference, digest=one.digest) for one in versions)


def _evaluate_champion(
    project: Services, settings: Settings, model: Model, package: Package, *, trust: Trust, run: str
) -> None:
    """The versions that hold a guarded name, on this model's test rows: what the gate compares it with."""
    guarded = settings.gate_of(model.name).aliases
    moves = project.models.aliases(model.name) if project.models.find(model.name) is not None else []
    versions = [project.models.version(move.version) for move in moves if move.alias in guarded]
    contract = settings.value.get(model.name) or plain_value(package.signature.task, package.signature.classes)
    for version in versions:
        try:
            champion = load_package(project.objects, version.package)
            if champion.signature.classes != package.signature.classes:
                continue
            runtime = load_runtime(champion, project.objects, trust=trust)
            at_us, data = project.clock.now_us(), package.data
            worth = evaluation_on(model, runtime, contract, champion.decision, at_us=at_us, data=data)
        except ClewError as error:  # an old version must not keep a new one out; the gate says that it cannot tell
            _log.warning("%s cannot be compared with the new version: %s", version.reference, error.what)
            continue
        evaluation = encode_evaluation(worth)
        project.runs.add_artifact(
            Artifact(
                run=run,
                path=champion_artifact(version.id),
                digest=project.objects.put(evaluation),
                size_bytes=len(evaluation),
                media_type="application/x-clew-evaluation",
                created_us=at_us,
            )
        )
