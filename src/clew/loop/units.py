"""The unit of each row, as a value contract names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clew.core.errors import Invalid
from clew.core.types.signature import ClassLabel
from clew.core.types.value import BinaryValue, MulticlassValue, ValueContract
from clew.policy.value import time_units

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TIME_UNITS", "calibrated_threshold", "epoch_us", "units_of"]

TIME_UNITS = ("hour", "day", "week")


def units_of(contract: ValueContract, rows: pl.DataFrame) -> list[str] | None:
    """The unit of each row, or None where every row is its own.

    Raises:
        Invalid: the column that the contract names is missing, or holds no times.
    """
    if contract.unit == "row":
        return None
    column = contract.time if contract.unit in TIME_UNITS else contract.unit
    if not column:
        raise Invalid(
            f'unit = "{contract.unit}" needs the time of each decision', hint='say time = "COLUMN" in [value.MODEL]'
        )
    if column not in rows.columns:
        raise Invalid(
            f"the rows have no column {column!r}, which the value contract takes its units from",
            hint=f"they have {', '.join(rows.columns[:20])}",
        )
    if contract.unit not in TIME_UNITS:
        return [str(value) for value in rows[column].to_list()]
    return time_units(contract.unit, epoch_us(rows[column]).to_list())


def epoch_us(times: pl.Series) -> pl.Series:
    """Times as microseconds since 1970 UTC.

    Raises:
        Invalid: they are no times, or some are null.
    """
    import polars as pl

    if times.dtype.is_temporal():
        times = times.cast(pl.Datetime("us")).dt.epoch("us")
    if not times.dtype.is_integer() or times.null_count():
        raise Invalid(
            f"column {times.name!r} holds no times", hint="dates, times, or microseconds since 1970 UTC, no nulls"
        )
    return times


def calibrated_threshold(contract: BinaryValue | MulticlassValue, classes: Sequence[ClassLabel]) -> float:
    """From which probability of `classes[1]` the decision for it is cheaper."""
    from clew.stats.value import BinaryCosts
    from clew.stats.value import calibrated_threshold as cheapest

    (passed, alarm), (missed, caught) = contract.matrix(classes)
    return cheapest(BinaryCosts(missed=missed, false_alarm=alarm, caught=caught, passed=passed))
