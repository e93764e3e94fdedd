"""Rows that training did not have, to see whether a compiled model still does what the original does.

New categories, empty text, the text that stands for null, nulls, numbers beyond the seen range: one change to one real
row each. Not the replay of the sample itself (`clew.serving.compile`).
"""

from __future__ import annotations

from typing import Any

from clew.core.types.signature import Dtype, Field, Signature
from clew.registry.columns import Columns

__all__ = ["NEW_CATEGORY", "Probe", "probes_for"]

NEW_CATEGORY = "\u2047 a category that nobody has seen"
_TEXTS = (NEW_CATEGORY, "", "None", "nan")


class Probe:
    """One row, and what was changed in it."""

    def __init__(self, column: str, value: object, row: dict[str, Any]) -> None:
        self.column, self.value, self.row = column, value, {**row, column: value}


def probes_for(signature: Signature, sample: Columns) -> list[Probe]:
    """The probes of a model, each over another row of the sample."""
    probes: list[Probe] = []
    for field in signature.inputs:
        for value in _values(field, sample.values[field.name]):
            at = len(probes) * 7919 % sample.rows
            row = {name: column[at] for name, column in sample.values.items()}
            probes.append(Probe(field.name, value, row))
    return probes


def _values(field: Field, seen: list[Any]) -> list[Any]:
    empty = [None] if field.nullable else []
    if field.dtype is Dtype.STRING:
        return [*_TEXTS, *empty]
    if field.dtype is Dtype.BOOL:
        return [False, True, *empty]
    known = [value for value in seen if value is not None]
    if not known:
        return empty
    low, high = min(known), max(known)
    span = max(high - low, 1)
    values = [low - span, high + span, low - 1000 * span, high + 1000 * span, 0]
    if field.dtype in (Dtype.FLOAT32, Dtype.FLOAT64):
        values = [float(value) for value in values] + [(low + high) / 2]
    return [*values, *empty]
