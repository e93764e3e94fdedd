"""The year, day by day: requests, labels, a look by the worker, and what follows from it, always in this order.

It goes on where the ledger and the logs say that it ended. A day is over when a worker has judged it, no retraining is
under way, and the endpoint runs what the aliases name; so the same flights meet the same versions in every replay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clew.core.errors import Unavailable
from clew.demo.remembered import judged_until_us, labelled_keys, served_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.core.contracts.stores import Stores
    from clew.core.types.endpoint import Endpoint
    from clew.demo.calendar import Day
    from clew.demo.service import Service
    from clew.demo.standing import Standing
    from clew.demo.traffic import Ask, Year

__all__ = ["replay"]

_LABELS_AT_ONCE = 500


def replay(
    stores: Stores,
    year: Year,
    days: Sequence[Day],
    service: Service,
    *,
    standing: Standing,
    took: Callable[[float], None],
    after_day: Callable[[Day], None],
) -> None:
    """Live through the days that are not over yet.

    Args:
        stores: the project.
        year: its flights.
        days: in order, all of them.
        service: endpoint and worker; they run.
        standing: is kept up to date.
        took: told the milliseconds of each request.
        after_day: called when a day is over.

    Raises:
        Failed: the worker could not judge a day.
        Unavailable: endpoint or worker do not come up any more.
    """
    endpoint = service.start()
    service.finish_jobs()
    service.settle()
    judged_us = judged_until_us(stores, endpoint.name)
    rest = [day for day in days if day.end_us > judged_us]
    if rest:
        standing.flights = len(year.keys(days[0].low_us, rest[0].low_us))
    for day in rest:
        live = _Day(stores, endpoint, day, service)
        began = day is rest[0]
        live.serve(year.asks(day), standing=standing, took=took, resumed=began)
        known = year.keys(max(days[0].low_us, day.labelled_us - (day.end_us - day.start_us)), day.labelled_us)
        live.label([(key, year.outcomes[key]) for key in known], resumed=began)
        service.look(day.end_us)
        serving = service.settle()
        standing.champion = serving.version
        after_day(day)


class _Day:
    """One day under way."""

    def __init__(self, stores: Stores, endpoint: Endpoint, day: Day, service: Service) -> None:
        self._stores, self._endpoint, self._day, self._service = stores, endpoint, day, service

    def serve(self, asks: Sequence[Ask], *, standing: Standing, took: Callable[[float], None], resumed: bool) -> None:
        """Ask about the flights of the day that were not asked about yet."""
        served = self._served() if resumed else set()
        for ask in asks:
            standing.at_us = ask.time_us
            if ask.keys[0] not in served:
                self._ask(ask, took)
                standing.fresh += len(ask.keys)
            standing.flights += len(ask.keys)

    def label(self, labels: Sequence[tuple[str, bool]], *, resumed: bool) -> None:
        """Tell the labels that are known at the end of the day and were not told yet."""
        told = self._told() if resumed else set()
        for at in range(0, len(labels), _LABELS_AT_ONCE):
            part = [label for label in labels[at : at + _LABELS_AT_ONCE] if label[0] not in told]
            while part:
                try:
                    self._service.caller().tell(part, at_us=self._day.end_us)
                    break
                except Unavailable:
                    self._service.give_up()
                    told = self._told()
                    part = [label for label in part if label[0] not in told]

    def _ask(self, ask: Ask, took: Callable[[float], None]) -> None:
        """Ask until the decision is known to be logged: all rows of a request are, or none."""
        body = ask.body()
        while True:
            try:
                took(self._service.caller().ask(body).took_ms)
                return
            except Unavailable:
                self._service.give_up()
                if ask.keys[0] in self._served():
                    return

    def _served(self) -> set[str]:
        return served_keys(self._stores, self._endpoint, self._day.low_us, self._day.high_us)

    def _told(self) -> set[str]:
        return labelled_keys(self._stores, self._endpoint, self._day.end_us)
