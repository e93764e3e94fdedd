"""A metric of a run as a series: blocks of points with a summary each. Design: docs/design/series.md."""

from __future__ import annotations

import msgspec

__all__ = ["SYSTEM", "FULL_BLOCK", "LastPoint", "Sample", "Series", "SeriesBlock"]

FULL_BLOCK = 4096
"""Points that a block takes."""


SYSTEM = "system."
"""How the names of series begin that tell of the machine, and not of the model."""


class SeriesBlock(msgspec.Struct, frozen=True, kw_only=True):
    """Up to about 4,096 points of one series, in order of arrival.

    `points` are the encoded columns (step, time, value). `source` names where they were drained from (a journal and
    an offset): the ledger adds the same source once. `last` belongs to the greatest (step, time, arrival) of the
    block. NaN values are counted in `nans` and left out of `low`, `high` and `total`; a block of only
    NaN has NaN there.
    """

    run: str
    key: str
    source: str
    count: int
    nans: int
    low: float
    high: float
    total: float
    first: float
    last: float
    last_step: float
    last_time_us: int
    step_low: float
    step_high: float
    time_low_us: int
    time_high_us: int
    points: bytes


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The summary of a whole series; the fields mean what they mean in a block."""

    run: str
    key: str
    count: int
    nans: int
    low: float
    high: float
    total: float
    first: float
    last: float
    last_step: float
    last_time_us: int


class LastPoint(msgspec.Struct, frozen=True):
    """The point of a series with the greatest (step, time, arrival)."""

    run: str
    key: str
    value: float
    step: float
    time_us: int


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A series as a chart of some width shows it: one entry for each pixel that has points, in the order of steps.

    `lows` and `highs` are over the points of the pixel (NaN where it holds nothing else), `lasts` the value of its
    greatest (step, time, arrival), which stands at `steps`. `exact` says that each entry is a single point.
    """

    run: str
    key: str
    count: int
    exact: bool
    steps: list[float]
    lows: list[float]
    highs: list[float]
    lasts: list[float]
