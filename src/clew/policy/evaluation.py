"""Makes evaluations: rows with their truths and scores in, sums by unit and metrics with intervals out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clew.core.canonical import digest_of
from clew.core.errors import Invalid
from clew.core.types.evaluation import Evaluation, EvaluationSource, SliceTotals, UnitTotals
from clew.core.types.signature import ClassLabel
from clew.core.types.value import BinaryValue, RegressionValue, ValueContract
from clew.policy.scored import Scored
from clew.policy.units import Units
from clew.policy.value import coded, cost_per_row, decide, trivial_costs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["JudgedRows", "evaluate"]

_MOST_SLICES = 20
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class JudgedRows:
    """Rows whose truth is known.

    Args:
        labels: shape (rows,), as they came.
        scores: shape (rows,), or (rows, classes).
        units: shape (rows,), what names the unit of each row; each row is its own where it is None.
        classes: the classes that the model knows, in its order; empty for a regression. `(0, 1)` for a binary
            contract, and those of a multi-class contract, when it is left out.
        decisions: the labels, or numbers, that were decided, where that is known; otherwise they follow from scores,
            threshold and contract.
        slices: columns by name, shape (rows,), whose values are looked at one by one.
        data: reference and id of the dataset version that the rows came from.
        source: where they came from.
    """

    labels: ArrayLike
    scores: ArrayLike
    units: ArrayLike | None = None
    classes: Sequence[ClassLabel] = ()
    decisions: ArrayLike | None = None
    slices: Mapping[str, ArrayLike] = field(default_factory=dict)
    data: tuple[str, str] = ("", "")
    source: EvaluationSource = EvaluationSource.HOLDOUT


def evaluate(
    rows: JudgedRows,
    contract: ValueContract,
    *,
    created_us: int,
    threshold: float | None = None,
) -> Evaluation:
    """What decisions on these rows were worth.

    Args:
        rows: the rows; none of them may have been used to fit the model or to choose the threshold.
        contract: what decisions are worth.
        created_us: the time now.
        threshold: from which score a binary decision is yes.

    Raises:
        Invalid: there are no rows, shapes differ, or a label is unknown.
    """
    import numpy as np

    from clew.stats.arrays import same_length

    classes = _classes(rows, contract)
    truths = _terms("labels", rows.labels, classes)
    decisions = (
        decide(contract, rows.scores, threshold, classes)
        if rows.decisions is None
        else _terms("decisions", rows.decisions, classes)
    )
    size = same_length(labels=truths, decisions=decisions)
    cost = cost_per_row(contract, truths, decisions, classes)
    names = [str(row) for row in range(size)] if rows.units is None else [str(u) for u in np.asarray(rows.units)]
    if len(names) != size:
        raise Invalid(f"{len(names)} units for {size} rows")
    units = Units(names, in_order=rows.units is None)
    trivial = trivial_costs(contract, truths, classes)
    scored = Scored(contract, truths, decisions, np.asarray(rows.scores), units)
    return Evaluation(
        contract=contract,
        source=rows.source,
        created_us=created_us,
        rows=size,
        rows_digest=digest_of("clew.evaluated/0", [truths.tolist(), names]),
        units=UnitTotals(names=units.names, rows=units.counts(), cost=units.sums(cost)),
        trivial={name: units.sums(each) for name, each in trivial.items()},
        metrics={"cost": units.mean(cost, _LEVEL), **scored.metrics(_LEVEL)},
        classes=list(classes),
        confusion=scored.confusion(len(classes)),
        threshold=threshold,
        scores=scored.histogram(),
        slices=[part for name, column in rows.slices.items() for part in _slices(name, column, cost, units)],
        data=rows.data[0],
        data_version=rows.data[1],
    )


def _classes(rows: JudgedRows, contract: ValueContract) -> Sequence[ClassLabel]:
    if rows.classes or isinstance(contract, RegressionValue):
        return rows.classes
    return (0, 1) if isinstance(contract, BinaryValue) else contract.classes


def _terms(name: str, labels: ArrayLike, classes: Sequence[ClassLabel]) -> Codes | Floats:
    from clew.stats.arrays import floats_of

    return coded(labels, classes) if classes else floats_of(name, labels)


def _slices(name: str, column: ArrayLike, cost: Floats, units: Units) -> list[SliceTotals]:
    """The most frequent values of a column, each as its own sums."""
    import numpy as np

    texts = np.asarray(["(missing)" if v is None or v != v else str(v) for v in np.asarray(column, dtype=object)])
    if len(texts) != len(cost):
        raise Invalid(f"slice {name!r} has {len(texts)} rows, the labels have {len(cost)}")
    values, counts = np.unique(texts, return_counts=True)
    frequent = sorted(zip(values, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))[:_MOST_SLICES]
    found = []
    for value, _ in frequent:
        inside = texts == value
        sums = units.sums(np.where(inside, cost, 0.0))
        found.append(SliceTotals(column=name, value=str(value), rows=units.counts(inside), cost=sums))
    return found
