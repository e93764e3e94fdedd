"""A fitted model with the rows that say what it is worth: what a training step returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from clew.core.errors import Invalid

__all__ = ["Model"]


@dataclass(frozen=True)
class Model:
    """A fitted model under a name, to be returned from a step or handed to `run.save_model`.

    What it was fitted on becomes its signature and its training profile; what it is tested on becomes its evaluation,
    by the value contract `[value.NAME]` of `clew.toml`.

    Args:
        name: the model's name; each registration makes a version of it.
        estimator: the whole fitted pipeline, pre-processing included, as scikit-learn has it.
        train: rows it was fitted on, as a polars or pandas data frame; columns that are no inputs are ignored.
        test: rows it has never seen, with the column `label`, for the evaluation; a model without one cannot pass a
            gate that asks for an evaluation.
        label: the column of the truth.
        features: the input columns, in order; those that the estimator was fitted on when empty.
        threshold: from which score a binary decision is yes. When None, what the value contract says of a probability
            (false alarm cost over the sum of both costs), and 0 for a distance from the boundary.
        slices: columns of `test` whose values are judged one by one.
    """

    name: str
    estimator: Any
    train: Any
    test: Any = None
    label: str = ""
    features: Sequence[str] = ()
    threshold: float | None = None
    slices: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise Invalid(f"{self.name!r} cannot be the name of a model", hint='give a text such as "delay"')
        if self.threshold is not None and not _is_finite(self.threshold):
            raise Invalid(f"the threshold of model {self.name!r} is {self.threshold!r}", hint="give a finite number")
        if self.test is not None and not self.label:
            raise Invalid(
                f"model {self.name!r} has test rows and no label", hint="say label=… , the column of the truth"
            )

    @property
    def inputs(self) -> list[str]:
        """The input columns, in order.

        Raises:
            Invalid: they are not known, or one is not among the training rows.
        """
        names = [str(name) for name in self.features or getattr(self.estimator, "feature_names_in_", ())]
        if not names:
            raise Invalid(
                f"the input columns of model {self.name!r} are not known",
                hint="fit on a data frame, or say features=[…]",
            )
        for side, frame in (("train", self.train), ("test", self.test)):
            if frame is None:
                continue
            if not hasattr(frame, "columns"):
                raise Invalid(
                    f"the {side} rows of model {self.name!r} are a {type(frame).__name__}, which names no columns",
                    hint="hand in a polars or pandas data frame",
                )
            missing = [name for name in names if name not in frame.columns]
            if missing:
                raise Invalid(
                    f"the {side} rows of model {self.name!r} have no column {', '.join(missing)}",
                    hint=f"they have {', '.join(map(str, frame.columns))}",
                )
        return names


def _is_finite(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)
