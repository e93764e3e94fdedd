"""The signature of a fitted model, inferred from the model and some of its training rows.

Not the nouns (`clew.core.types.signature`), nor the checks on data (`clew.data.checks`).
"""

from __future__ import annotations

from typing import Any

from clew.core.errors import Invalid
from clew.core.types.signature import ClassLabel, Container, Dtype, Field, Output, Scale, Signature, Task
from clew.registry.columns import Columns, rows_for

__all__ = ["infer_signature", "outputs_of", "task_of"]

_MAX_CATEGORIES = 256
_ENOUGH_ROWS = 100
"""Fewer rows say nothing about which categories there are."""


def infer_signature(model: Any, rows: Columns) -> Signature:
    """The signature of a fitted estimator.

    A column is nullable when it holds a null in `rows`: hand in training rows rather than a few examples.

    Args:
        model: a fitted estimator with `predict`, and `predict_proba` or `decision_function` if it classifies.
        rows: training rows, or an example.

    Raises:
        Invalid: the model is not fitted, has several outputs, or cannot score the rows.
    """
    inputs = tuple(_field(name, rows) for name in rows.values)
    classes = _classes(model)
    task = task_of(classes)
    signature = Signature(
        inputs=inputs,
        outputs=outputs_of(classes),
        task=task,
        scale=_scale(model, task),
        classes=classes,
        container=_container(model, rows),
    )
    _try(model, signature, rows.spread(5))
    return signature


def _field(name: str, rows: Columns) -> Field:
    dtype, values = rows.dtypes[name], rows.values[name]
    categories: tuple[str, ...] = ()
    if dtype is Dtype.STRING and len(values) >= _ENOUGH_ROWS:
        distinct = {value for value in values if value is not None}
        categories = tuple(sorted(distinct)) if len(distinct) <= _MAX_CATEGORIES else ()
    return Field(name=name, dtype=dtype, nullable=None in values, categories=categories)


def _classes(model: Any) -> tuple[ClassLabel, ...]:
    found = getattr(model, "classes_", None)
    if found is None:
        return ()
    if isinstance(found, list):
        raise Invalid(f"{type(model).__name__} has {len(found)} outputs", hint="a served model decides one thing")
    labels = tuple(found.tolist())
    if len(labels) < 2:
        raise Invalid(f"{type(model).__name__} knows only the class {labels[0]!r}", hint="train on both outcomes")
    return labels


def _scale(model: Any, task: Task) -> Scale:
    if task is Task.REGRESSION:
        return Scale.VALUE
    if hasattr(model, "predict_proba"):
        return Scale.PROBABILITY
    if hasattr(model, "decision_function"):
        return Scale.MARGIN
    hint = "train it so that it has predict_proba: thresholds and monitoring need scores"
    raise Invalid(f"{type(model).__name__} classifies without scores", hint=hint)


def task_of(classes: tuple[ClassLabel, ...]) -> Task:
    """What a model with these classes decides; none at all is a regression."""
    if not classes:
        return Task.REGRESSION
    return Task.BINARY if len(classes) == 2 else Task.MULTICLASS


def outputs_of(classes: tuple[ClassLabel, ...]) -> tuple[Output, ...]:
    """The outputs of a model with these classes."""
    score = Output(name="score", dtype=Dtype.FLOAT64)
    if not classes:
        return (score,)
    kinds: list[tuple[type, Dtype]] = [(bool, Dtype.BOOL), (str, Dtype.STRING), (int, Dtype.INT64)]
    dtype = next((dtype for kind, dtype in kinds if isinstance(classes[0], kind)), Dtype.FLOAT64)
    label = Output(name="label", dtype=dtype)
    if len(classes) == 2:
        return (score, label)
    return (score, label, Output(name="scores", dtype=Dtype.FLOAT64, width=len(classes)))


def _container(model: Any, rows: Columns) -> Container:
    """A mapping of columns says nothing about the container: a model that knows names was fitted on a frame."""
    if rows.container is not Container.NUMPY or not hasattr(model, "feature_names_in_"):
        return rows.container
    from importlib.util import find_spec

    return Container.POLARS if find_spec("polars") else Container.PANDAS


def _try(model: Any, signature: Signature, rows: Columns) -> None:
    try:
        model.predict(rows_for(signature, rows.values))
    except Invalid:
        raise
    except Exception as error:  # foreign code: a model may raise anything
        hint = "give rows as the model was fitted on, with the same columns"
        raise Invalid(f"the model cannot score its example: {type(error).__name__}: {error}", hint=hint) from error
