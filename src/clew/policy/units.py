"""Rows by unit: the sums and means that an evaluation keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.core.types.interval import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["MOST_UNITS", "Units", "unbounded"]

MOST_UNITS = 500
"""More are pooled."""


class Units:
    """The units of some rows. Beyond `MOST_UNITS`, neighbours are pooled, which keeps correlation in time inside.

    Args:
        names: the unit of each row.
        in_order: the names are all different and stand in their order.
    """

    def __init__(self, names: list[str], *, in_order: bool) -> None:
        import numpy as np

        found = list(names) if in_order else sorted(set(names))
        place = {name: index for index, name in enumerate(found)}
        codes = np.fromiter((place[name] for name in names), np.intp, len(names))
        self.distinct = len(found)
        if self.distinct > MOST_UNITS:
            codes = codes * MOST_UNITS // self.distinct
            firsts = [-(-pool * self.distinct // MOST_UNITS) for pool in range(MOST_UNITS)]
            found = [f"{found[first]}…" for first in firsts]
        self.codes, self.names = codes, found

    def sums(self, values: Floats) -> list[float]:
        import numpy as np

        return [float(v) for v in np.bincount(self.codes, values, len(self.names))]

    def counts(self, rows: NDArray[np.bool_] | None = None) -> list[int]:
        import numpy as np

        codes = self.codes if rows is None else self.codes[rows]
        return [int(v) for v in np.bincount(codes, minlength=len(self.names))]

    def mean(self, values: Floats, level: float) -> Interval:
        """The mean over rows; unbounded when there is but one unit."""
        from clew.stats.intervals import mean_by_unit

        if len(self.names) > 1:
            return mean_by_unit(self.sums(values), self.counts(), level=level)
        return unbounded(float(values.mean()), level=level, units=len(self.names))


def unbounded(value: float, *, level: float, units: int) -> Interval:
    """A number for which the data leave everything open."""
    infinite = float("inf")
    return Interval(value=value, low=-infinite, high=infinite, level=level, units=units, method="too few units")
