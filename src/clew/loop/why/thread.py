"""The thread back from one prediction: to model, gate, run, code, environment and data, and forward to its label.

Every look-up is by id: nothing here grows with the number of runs or decisions. Not a picture for people (`clew.cli`).
"""

from __future__ import annotations

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.gate import GateCheck
from clew.core.types.model import ModelVersion
from clew.core.types.package import Environment, ModelFormat, Package, RuntimeKind
from clew.core.types.signature import Task
from clew.loop.replay import Asked, Replay, ReplayVerdict, replay
from clew.loop.why.data import DataOrigin, ExternalOrigin, data_behind
from clew.loop.why.drift import DriftThen, drift_then
from clew.loop.why.label import KnownLabel, ShadowScore, find_label, find_shadows
from clew.loop.why.origin import RunOrigin, StepOrigin, run_origin, steps_of
from clew.loop.why.prediction import Found, LoggedPrediction, find_prediction
from clew.loop.why.promotion import Promotion, find_promotion
from clew.registry.formats.format import Trust
from clew.registry.package import load_package

__all__ = ["Endpoint", "Model", "Why", "scored_here", "why"]

_NOT_HERE = Replay(
    verdict=ReplayVerdict.CANNOT, reason="a server runs no models: clew why scores it on the machine that asks"
)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where the decision was made."""

    id: str
    name: str
    alias: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The version that decided. `unsafe` lists what a policy may refuse; `threshold` is None where nothing is cut.
    `environment` is what its package says it was fitted with, where its run did not record that itself."""

    id: str
    reference: str
    package: Digest
    estimator: str
    format: ModelFormat
    runtime: RuntimeKind
    threshold: float | None
    unsafe: list[str]
    environment: Environment | None
    created_us: int
    created_by: str
    message: str


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything behind one prediction, as one value.

    `external` is data of other tools, `checks` are those on the training data that the gate looked at. What is None was
    not recorded, has not come, or does not exist: a version that no run made has no `run`, a decision that nobody
    labelled yet no `label`. `of_key` counts the decisions with the key that was asked for, of which this is the newest;
    0 where it was an id. `asked` is the request as a server gives it, which scores nothing again: see `scored_here`.
    """

    prediction: LoggedPrediction
    endpoint: Endpoint
    model: Model
    promotion: Promotion | None
    run: RunOrigin | None
    steps: list[StepOrigin]
    data: list[DataOrigin]
    external: list[ExternalOrigin]
    checks: list[GateCheck]
    drift: DriftThen | None
    label: KnownLabel | None
    shadows: list[ShadowScore]
    replay: Replay
    of_key: int = 0
    asked: Asked | None = None


def why(stores: Stores, prediction: str, *, trust: Trust | None) -> Why:
    """Follow the thread from one prediction.

    Args:
        stores: the project.
        prediction: the id that came with the decision, or at least its first 8 digits; or the caller's key, of whose
            decisions the newest is taken.
        trust: what the project's policy allows in a model file, as the replay may need to read one; None for no replay.

    Raises:
        Invalid: that is no id and no known key, or the beginning of several.
        NotFound: no endpoint has logged it.
        Corrupt: a stored object is not what it was.
    """
    found = find_prediction(stores, prediction)
    logged = found.prediction
    with stores.ledger.read() as tx:
        version = tx.models.version(logged.version)
        starts = [node("model", version.id), *([node("run", version.run)] if version.run else [])]
        edges = list(dict.fromkeys(edge for start in starts for edge in tx.edges.up(start)))
        run = tx.runs.get(version.run) if version.run else None
        data, external = data_behind(tx, starts, edges)
    package, asked = load_package(stores.objects, version.package), _asked(found)
    promotion = find_promotion(stores, found.endpoint, logged)
    origin = run_origin(stores, run, edges) if run is not None else None
    recorded = origin is not None and origin.environment is not None
    return Why(
        prediction=logged,
        endpoint=Endpoint(id=found.endpoint.id, name=found.endpoint.name, alias=found.endpoint.alias),
        model=_model(version, package, None if recorded else _environment(package)),
        promotion=promotion,
        run=origin,
        steps=steps_of(stores, run.id) if run is not None else [],
        data=data,
        external=external,
        checks=_data_checks(promotion),
        drift=drift_then(stores, found.endpoint, logged, package),
        label=find_label(stores, found.endpoint, logged),
        shadows=find_shadows(stores, found.endpoint, logged),
        replay=_NOT_HERE if trust is None else replay(package, stores.objects, asked, trust=trust),
        of_key=found.of_key,
        asked=asked if trust is None else None,
    )


def scored_here(found: Why, objects: Objects, *, trust: Trust) -> Why:
    """What a server said of a prediction, with its request scored again by this process.

    Args:
        found: as the server gave it.
        objects: of the project, wherever they are.
        trust: what the policy of this folder allows in a model file.

    Raises:
        NotFound, Corrupt: the package is not there, or not what it was.
    """
    if found.asked is None:  # of a server that keeps it to itself
        return found
    again = replay(load_package(objects, found.model.package), objects, found.asked, trust=trust)
    return msgspec.structs.replace(found, replay=again, asked=None)


def _environment(package: Package) -> Environment | None:
    """What a package says of where it was fitted, if it says anything."""
    said = package.environment
    return said if said.python or said.distributions else None


def _model(version: ModelVersion, package: Package, environment: Environment | None) -> Model:
    decides = package.signature.task is Task.BINARY
    return Model(
        id=version.id,
        reference=version.reference,
        package=version.package,
        estimator=package.estimator,
        format=package.model.format,
        runtime=package.compilation.chosen,
        threshold=package.decision.threshold if decides else None,
        unsafe=list(package.unsafe),
        environment=environment,
        created_us=version.created_us,
        created_by=version.created_by,
        message=version.message,
    )


def _data_checks(promotion: Promotion | None) -> list[GateCheck]:
    if promotion is None or promotion.gate is None:
        return []
    return [check for check in promotion.gate.checks if check.name.startswith("data ")]


def _asked(found: Found) -> Asked:
    return Asked(
        columns=found.columns,
        scores=found.scores,
        decisions=found.decisions,
        runtime=found.prediction.runtime,
        row=found.prediction.row,
    )
