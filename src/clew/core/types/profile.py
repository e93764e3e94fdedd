"""The training profile: how the columns of a model looked when it was trained, as counts in fixed bins.

It is part of every model package, so that monitoring needs no configuration. `clew.monitoring.profile` makes it;
layout: docs/design/profile.md. Format version 0.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.types.design import Design

__all__ = ["SCORE", "ColumnProfile", "HourCounts", "Profile", "ProfileKind"]

SCORE = "clew.score"
"""The name under which a model's own output stands among the columns."""


class ProfileKind(StrEnum):
    """How a column is cut into bins."""

    NUMBER = "number"
    CATEGORY = "category"


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One column.

    Numbers: bins between `edges`, `len(edges) + 2` counts, the last one of missing values. Categories: one bin for each
    of `categories`, then one for all others, then one of missing values. `design` says by how much more than chance the
    counts of a unit differ; None where rows are taken as independent.
    """

    name: str
    kind: ProfileKind
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    design: Design | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a training table, and the score of the fitted model over it as the column `SCORE`.

    `unit` says within what rows are alike (`day`, or a column's name), `units` how many there were.
    """

    rows: int
    unit: str
    units: int
    columns: tuple[ColumnProfile, ...]
    version: int = 0


class HourCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of what one model version decided, by hour of event time (microseconds of its start), column and bin of
    its profile."""

    decider: str
    hours: dict[int, dict[str, list[int]]]
    version: int = 0
