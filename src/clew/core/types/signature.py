"""What a model takes and gives: ordered input columns and the outputs that are served and logged.

Only the nouns. A signature is inferred in `clew.registry.signature`, enforced where requests and batches enter, and
turned into tensors in `clew.serving`. Reasoning: docs/design/package.md.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["ClassLabel", "Container", "Dtype", "Field", "Output", "Scale", "Signature", "Task", "spellings"]

ClassLabel = bool | int | float | str
"""A class as the training labels had it."""


class Dtype(StrEnum):
    """The type of one column. A time travels as integer microseconds since 1970 UTC."""

    BOOL = "bool"
    INT64 = "int64"
    FLOAT64 = "float64"
    FLOAT32 = "float32"
    STRING = "string"
    TIME = "time"


class Container(StrEnum):
    """In what the fitted model expects its rows."""

    POLARS = "polars"
    PANDAS = "pandas"
    NUMPY = "numpy"


class Task(StrEnum):
    """What the model decides: one of two classes, one of several, or a number."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Scale(StrEnum):
    """What a score is: a probability in [0, 1], a signed distance from the boundary, or the predicted value."""

    PROBABILITY = "probability"
    MARGIN = "margin"
    VALUE = "value"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One input column.

    `nullable` says whether null may stand in it (NaN counts as null in a float column). `categories` are the values
    seen in a text column with few of them, sorted; other values are allowed and are news, not errors.
    """

    name: str
    dtype: Dtype
    nullable: bool = False
    categories: tuple[str, ...] = ()


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One output column; `width` numbers a row (more than one only for `scores` of a multi-class model)."""

    name: str
    dtype: Dtype
    width: int = 1


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs in the order of training, and outputs.

    Binary: `score` belongs to the class `classes[1]`, and `label` is the decision. Multi-class: `scores` holds one
    per class in the order of `classes`, `score` is that of `label`. Regression: `score` is the value, `classes` is
    empty.
    """

    inputs: tuple[Field, ...]
    outputs: tuple[Output, ...]
    task: Task
    scale: Scale
    classes: tuple[ClassLabel, ...] = ()
    container: Container = Container.NUMPY

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the input columns, in order."""
        return tuple(field.name for field in self.inputs)


def spellings(label: ClassLabel) -> list[str]:
    """How a class may come in JSON: truth values also as 0 and 1, whole numbers also as floats, all also as texts."""
    if isinstance(label, str):
        return [msgspec.json.encode(label).decode(), label]
    texts = [msgspec.json.encode(label).decode(), f"{label:g}"]
    if isinstance(label, bool):
        texts += [f"{int(label)}.0", f'"{label}"']
    elif isinstance(label, int):
        texts.append(f"{label}.0")
        if label in (0, 1):
            texts.append("true" if label else "false")
    return texts + [f'"{text}"' for text in texts if not text.startswith('"')]
