"""From a fitted model to a package: signature, threshold, compiled runtime, profile and evaluation in one go.

Each part is somebody else's work; this module only knows the order: nothing is measured on rows that it was chosen on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.errors import Invalid
from clew.core.ids import Digest
from clew.core.types.evaluation import Evaluation, encode_evaluation
from clew.core.types.package import DataReference, Decision
from clew.core.types.signature import Scale, Signature, Task
from clew.core.types.value import BinaryValue, RegressionValue, ValueContract, plain_value
from clew.loop.fitted import Model
from clew.loop.units import calibrated_threshold, units_of
from clew.monitoring.profile import encode_profile, learn_profile
from clew.policy.evaluation import JudgedRows, evaluate
from clew.policy.value import decision_costs
from clew.registry.columns import Columns, columns_of
from clew.registry.environment import current_environment
from clew.registry.formats.format import Trust
from clew.registry.package import Draft, build_package
from clew.registry.signature import infer_signature
from clew.serving.compile import compile_model
from clew.serving.runtime import OriginalRuntime, Runtime

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

__all__ = ["Provenance", "evaluation_on", "pack"]

_PROFILED_ROWS = 50_000
_EXAMPLE_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a model comes from: the run that fitted it, and the dataset versions that flowed into that run."""

    run: str = ""
    data: tuple[DataReference, ...] = ()


def pack(
    model: Model,
    objects: Objects,
    *,
    contract: ValueContract | None,
    trust: Trust,
    provenance: Provenance,
    clock: Clock,
) -> Digest:
    """Build the package of a model and return its digest. Nothing names it yet.

    Args:
        model: the fitted model.
        objects: where the package goes.
        contract: what its decisions are worth; without one, every mistake costs 1.
        trust: what the project's policy allows in a model file.
        provenance: where it comes from.
        clock: for the time of the evaluation.

    Raises:
        Invalid: the estimator is not fitted, or rows, labels and contract do not fit each other.
        Denied: the policy does not allow what the estimator holds.
    """
    names = model.inputs
    train = _polars(model.train)
    if not train.height:
        raise Invalid(f"the training rows of model {model.name!r} are empty", hint="look at what was filtered away")
    columns = columns_of(_select(model.train, names))
    signature = infer_signature(model.estimator, columns)
    contract = contract or plain_value(signature.task, signature.classes)
    decision = _decision(model, contract, signature)
    compiled = compile_model(model.estimator, signature, columns, decision=decision)
    original = OriginalRuntime(model.estimator, signature, decision)
    evaluation = None
    if model.test is not None:
        at_us, data = clock.now_us(), provenance.data
        evaluation = encode_evaluation(evaluation_on(model, original, contract, decision, at_us=at_us, data=data))
    draft = Draft(
        model=model.estimator,
        signature=signature,
        example=columns.spread(_EXAMPLE_ROWS),
        environment=current_environment(),
        compilation=compiled.compilation,
        graph=compiled.graph,
        decision=decision,
        profile=_profile(train, names, columns, original, contract),
        evaluation=evaluation,
        run=provenance.run,
        data=provenance.data,
    )
    return build_package(objects, draft, trust)


def _decision(model: Model, contract: ValueContract, signature: Signature) -> Decision:
    if isinstance(contract, RegressionValue):
        return Decision()
    if signature.task is Task.MULTICLASS:
        costs = decision_costs(contract, signature.classes) if signature.scale is Scale.PROBABILITY else None
        return Decision(costs=tuple(map(tuple, costs))) if costs is not None else Decision()
    if model.threshold is not None:
        return Decision(threshold=model.threshold)
    if signature.scale is not Scale.PROBABILITY:  # costs say nothing about distances from the boundary
        return Decision(threshold=0.0)
    return Decision(threshold=calibrated_threshold(contract, signature.classes))


def evaluation_on(
    model: Model,
    runtime: Runtime,
    contract: ValueContract,
    decision: Decision,
    *,
    at_us: int,
    data: tuple[DataReference, ...] = (),
) -> Evaluation:
    """What a runtime's decisions on a model's test rows are worth: the model's own, or another version's.

    Args:
        model: with test rows.
        runtime: takes the model's inputs.
        contract: what decisions are worth.
        decision: how the runtime's scores become decisions.
        at_us: the time now.
        data: where the rows come from, the most important first.

    Raises:
        Invalid: the test rows lack a column, or hold labels that are no classes.
    """
    test = _polars(model.test)
    if model.label not in test.columns:
        raise Invalid(f"the test rows of model {model.name!r} have no column {model.label!r}")
    _refuse_unknown(model, test)
    predicted = runtime.predict(columns_of(_select(model.test, list(runtime.signature.names))).values)
    classes = runtime.signature.classes
    rows = JudgedRows(
        labels=test[model.label].to_numpy(),
        scores=predicted.score if predicted.scores is None else predicted.scores,
        units=units_of(contract, test),
        classes=classes,
        decisions=None if predicted.label is None else [classes[at] for at in predicted.label.tolist()],
        slices={name: test[name].to_numpy() for name in model.slices},
        data=(data[0].reference, data[0].version) if data else ("", ""),
    )
    threshold = decision.threshold if isinstance(contract, BinaryValue) else None
    return evaluate(rows, contract, created_us=at_us, threshold=threshold)


def _refuse_unknown(model: Model, test: pl.DataFrame) -> None:
    """Test rows of which the truth is not known, and no rows at all."""
    if not test.height:
        hint = "look at how rows were split into train and test, or leave test= out"
        raise Invalid(f"the test rows of model {model.name!r} are empty", hint=hint)
    truth = test[model.label]
    unknown = truth.fill_nan(None).is_null() if truth.dtype.is_float() else truth.is_null()
    if unknown.any():
        first = unknown.arg_true()[0]
        raise Invalid(
            f"{unknown.sum()} of {test.height} test rows of model {model.name!r} have no label: column "
            f"{model.label!r}, row {first} is the first",
            hint=f"drop them: test.drop_nulls({model.label!r})",
        )


def _profile(
    train: pl.DataFrame, names: list[str], columns: Columns, original: OriginalRuntime, contract: ValueContract
) -> bytes:
    """The training profile, from evenly spaced rows when there are very many."""
    step = max(1, -(-train.height // _PROFILED_ROWS))
    rows = train.gather_every(step)
    units = units_of(contract, rows)
    scores: np.ndarray[Any, Any] = original.predict(columns.take(range(0, train.height, step)).values).score
    profile = learn_profile(rows.select(names), scores, units=units, unit=contract.unit)
    return encode_profile(profile)


def _polars(frame: Any) -> pl.DataFrame:
    """The frame as polars; one that is polars already stays."""
    import polars as pl

    if isinstance(frame, pl.DataFrame):
        return frame
    if hasattr(frame, "to_dict") and hasattr(frame, "columns"):
        return pl.DataFrame({str(name): frame[name].to_list() for name in frame.columns}, strict=False)
    raise Invalid(f"a {type(frame).__name__} is no data frame", hint="hand in a polars or pandas data frame")


def _select(frame: Any, names: list[str]) -> Any:
    """The columns in the frame's own kind, so that the signature says in which the model expects its rows."""
    return frame.select(names) if hasattr(frame, "select") else frame[names]
