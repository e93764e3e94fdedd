"""Brings the standing up to date from the logs and the ledger, after each day: costs so far, drift, trials, news."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clew.core.clock import format_us
from clew.demo.account import Account
from clew.demo.chapters import Chapter, Deed, chapters_of
from clew.demo.sums import costed
from clew.monitoring.report import report_of

if TYPE_CHECKING:
    from clew.core.contracts.stores import Stores
    from clew.core.types.endpoint import Endpoint
    from clew.demo.calendar import Day
    from clew.demo.standing import Standing

__all__ = ["Teller", "in_words"]

_PAUSE_S = 0.5
_ENDS = (Deed.PROMOTED, Deed.REJECTED, Deed.SUPERSEDED)


class Teller:
    """Tells a standing what the ledger says.

    Args:
        stores: the project.
        endpoint: whose logs.
        baseline: id of the version that is never retrained.
        standing: is kept up to date.
    """

    def __init__(self, stores: Stores, endpoint: Endpoint, baseline: str, standing: Standing) -> None:
        self._stores, self._endpoint, self._standing = stores, endpoint, standing
        self._account = Account(stores, endpoint, baseline)
        self._add_costs()
        self._known = len(chapters_of(stores, endpoint))

    def after(self, day: Day) -> None:
        """What is known at the end of a day; costs only now and then, because they are read from the logs."""
        if time.monotonic() >= self._next_s:
            self._add_costs()
        chapters = chapters_of(self._stores, self._endpoint)
        ended = {chapter.version for chapter in chapters if chapter.deed in _ENDS}
        tried = [chapter.version for chapter in chapters if chapter.deed is Deed.RETRAINED]
        self._standing.challenger = tried[-1] if tried and tried[-1] not in ended else 0
        self._standing.drifted = self._drifted(day)
        for chapter in chapters[self._known :]:
            self._standing.tell(f"{format_us(chapter.at_us)[:10]}  {in_words(chapter)}")
        self._known = len(chapters)

    def _drifted(self, day: Day) -> list[str]:
        """The columns that had drifted at the end of the day, those that have for longest first."""
        with self._stores.ledger.read() as tx:
            windows = tx.windows.list(self._endpoint.id, low_us=day.start_us, high_us=day.end_us)
        found = [drift.drifted for window in windows if (drift := report_of(window).drift) is not None]
        return found[-1] if found else []

    def _add_costs(self) -> None:
        self._next_s = time.monotonic() + _PAUSE_S
        rows = self._account.refresh()
        if rows is not None:
            table = costed(rows)
            self._standing.cost_loop += float(table["cost_loop"].sum())
            self._standing.cost_static += float(table["cost_static"].sum())


def in_words(chapter: Chapter) -> str:
    """A chapter as one line."""
    if chapter.deed is Deed.LIVE:
        return f"version {chapter.version} goes live"
    if chapter.deed is Deed.RETRAINED:
        why = f": {chapter.text}" if chapter.text else ""
        return f"version {chapter.version} is trained and put on trial{why}"
    if chapter.deed is Deed.FAILED:
        return f"a retraining failed: {chapter.text.partition(chr(10))[0]}"
    return f"version {chapter.version} is {chapter.deed.value}"
