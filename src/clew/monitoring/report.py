"""What a monitor says of one window: typed here, stored as JSON values in the window's row."""

from __future__ import annotations

import msgspec

from clew.core.types.endpoint import Window
from clew.monitoring.drift import DriftReport

__all__ = ["WindowReport", "report_of"]


class WindowReport(msgspec.Struct, frozen=True, kw_only=True):
    """Drift, and what the decisions were worth as far as labels have come.

    `cost` is over the labelled rows, in the user's money; `estimated_cost` over all rows, from the scores alone, as if
    they were calibrated probabilities (None where they are none). `cases` and `alarms` are shares of labelled rows
    whose truth, and whose decision, is the second of two classes. `auc` is None without labels of two kinds; of several
    classes it is the mean of each against the rest.
    `judged_decisions` and `judged_labels` are positions in the logs: up to the greatest of them among its windows, an
    endpoint's decisions and labels have been looked at.
    """

    drift: DriftReport | None = None
    cost: float | None = None
    estimated_cost: float | None = None
    auc: float | None = None
    cases: float | None = None
    alarms: float | None = None
    judged_decisions: int = 0
    judged_labels: int = 0


def report_of(window: Window) -> WindowReport:
    """The report of a stored window."""
    return msgspec.convert(window.report, WindowReport)
