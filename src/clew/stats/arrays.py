"""What came in, as checked numpy arrays: every statistic refuses the same mistakes with the same words."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clew.core.errors import Invalid

__all__ = ["Codes", "Floats", "Flags", "codes_of", "counts_of", "floats_of", "labels_of", "level_of", "same_length"]

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Flags = NDArray[np.bool_]


def floats_of(name: str, values: ArrayLike, *, ndim: int = 1, infinite: bool = False) -> Floats:
    """The values as float64, none of them missing.

    Args:
        name: what the error calls them.
        values: anything numpy reads as numbers.
        ndim: how many axes they must have.
        infinite: whether infinities are allowed.

    Raises:
        Invalid: another number of axes, no numbers, or a value that is not finite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Invalid(f"{name} are no numbers: {error}") from error
    if array.ndim != ndim:
        raise Invalid(f"{name} have shape {array.shape}, not {ndim} axes")
    bad = np.isnan(array) if infinite else ~np.isfinite(array)
    if bad.any():
        where = np.unravel_index(int(np.argmax(bad)), array.shape)
        raise Invalid(f"{name} hold {array[where]} at {tuple(int(i) for i in where)}", hint="drop or fill it first")
    return array


def counts_of(name: str, values: ArrayLike, *, ndim: int = 1) -> Floats:
    """Counts as float64 (exact below 2^53), none of them negative.

    Raises:
        Invalid: another number of axes, no numbers, or a negative or infinite count.
    """
    array = floats_of(name, values, ndim=ndim)
    if array.size and array.min() < 0:
        raise Invalid(f"{name} hold a negative count, {array.min():g}")
    return array


def labels_of(name: str, values: ArrayLike) -> Flags:
    """A vector of truths or decisions as booleans.

    Raises:
        Invalid: not one axis, or a value that is neither 0 nor 1.
    """
    array = np.asarray(values)
    if array.dtype == np.bool_ and array.ndim == 1:
        return array
    numbers = floats_of(name, array)
    flags: Flags = numbers == 1.0
    odd = ~(flags | (numbers == 0.0))
    if odd.any():
        raise Invalid(f"{name} hold {numbers[odd][0]:g}", hint="only 0 and 1 (or False and True) are allowed")
    return flags


def codes_of(name: str, values: ArrayLike, *, size: int) -> Codes:
    """A vector of class numbers from 0 to `size - 1`.

    Raises:
        Invalid: not one axis, no whole numbers, or a number out of range.
    """
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iub":
        raise Invalid(f"{name} must be one axis of whole numbers, not {array.dtype} of shape {array.shape}")
    if array.size and not (array.min() >= 0 and array.max() < size):
        raise Invalid(f"{name} hold {array.min()} to {array.max()}, outside of 0 to {size - 1}")
    return array.astype(np.intp, copy=False)


def same_length(**arrays: NDArray[np.generic]) -> int:
    """The common length of arrays of rows, at least 1.

    Raises:
        Invalid: they differ, or there are no rows.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise Invalid("not of one length: " + ", ".join(f"{name} {length}" for name, length in lengths.items()))
    length = next(iter(lengths.values()))
    if length == 0:
        raise Invalid(f"no rows in {' and '.join(lengths)}")
    return length


def level_of(level: float) -> float:
    """A confidence level, inside (0, 1).

    Raises:
        Invalid: it is not.
    """
    if not 0.0 < level < 1.0:
        raise Invalid(f"level = {level!r} is not inside (0, 1)", hint="95 % is 0.95")
    return float(level)
