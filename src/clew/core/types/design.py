"""How much rows of one unit (day, customer) move together in a column. Learned by `clew.stats.drift.design`."""

from __future__ import annotations

import msgspec

__all__ = ["Design"]


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """What the reference's units say of correlation inside a unit; small enough to keep with each column.

    `correlations` are the intra-unit correlations ρ in the directions in which units differ, greatest first: a window
    of n rows in one unit has 1 + (n - 1)ρ times the variance of n independent rows in that direction. `units` is how
    many units they were learned from (0: none, rows are taken as independent), `rows_per_unit` their typical size.
    """

    units: int
    rows_per_unit: float
    correlations: tuple[float, ...]

    @property
    def effect(self) -> float:
        """Kish's design effect at the reference's unit size, averaged over directions: 1 where rows are independent."""
        if not self.correlations:
            return 1.0
        return 1.0 + (self.rows_per_unit - 1.0) * sum(self.correlations) / len(self.correlations)
