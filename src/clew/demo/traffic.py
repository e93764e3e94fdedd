"""A year of flights as requests: which flights are asked about together, when, and in which order.

Most flights of an hour are asked about together when the hour begins, in one to three requests of at most 64 rows; one
to three of them ask alone, at their own scheduled minute. Composition depends on the hour's flights and the seed and
on nothing else, so that a replay that was interrupted goes on with the very same requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from clew.core.clock import format_us
from clew.demo.flights import INPUTS, KEY, LABEL, features, labels, load_flights, load_weather

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from clew.demo.calendar import Day

__all__ = ["MOST_ROWS", "Ask", "Year", "load_year"]

MOST_ROWS = 64
_HOUR_US = 3_600_000_000
_MOST_ALONE = 3


@dataclass(frozen=True)
class Ask:
    """One request to the endpoint, about one or more flights."""

    id: str
    time_us: int
    keys: list[str]
    rows: list[dict[str, Any]]

    def body(self) -> bytes:
        """The request as JSON."""
        return msgspec.json.encode(
            {"rows": self.rows, "keys": self.keys, "time": format_us(self.time_us), "id": self.id}
        )


@dataclass(frozen=True)
class Year:
    """Every flight of the year: `table` as `features` gives it, `truth` as `labels` does."""

    table: pl.DataFrame
    truth: pl.DataFrame

    @cached_property
    def outcomes(self) -> dict[str, bool]:
        """What came of each flight."""
        return dict(zip(self.truth[KEY].to_list(), self.truth[LABEL].to_list(), strict=True))

    def keys(self, low_us: int, high_us: int) -> list[str]:
        """The flights scheduled in `[low_us, high_us)`, in the order of time."""
        return self._between(low_us, high_us)[KEY].to_list()

    def asks(self, day: Day, *, seed: int = 0) -> list[Ask]:
        """The requests of a day, in the order of time."""
        rows = self._between(day.low_us, day.high_us).select(KEY, "time_us", *INPUTS)
        hours = groupby(rows.iter_rows(named=True), key=lambda row: row["time_us"] // _HOUR_US)
        return [ask for hour, flights in hours for ask in _compose(hour * _HOUR_US, list(flights), seed)]

    def training(self, until_us: int) -> pl.DataFrame:
        """The flights whose labels were known at a moment, with them: identity, time, inputs and label."""
        known = self.truth.filter(self.truth["known_us"] <= until_us).select(KEY, LABEL)
        return self.table.join(known, on=KEY, how="inner", maintain_order="left")

    def _between(self, low_us: int, high_us: int) -> pl.DataFrame:
        times = self.table["time_us"]  # sorted: a binary search, not a scan a day
        low, high = times.search_sorted(low_us), times.search_sorted(high_us)
        return self.table.slice(low, max(0, high - low))


def load_year() -> Year:
    """Read the year's flights from the data package."""
    flights = load_flights()
    return Year(features(flights, load_weather()), labels(flights))


def _compose(hour_us: int, flights: list[dict[str, Any]], seed: int) -> Iterator[Ask]:
    """The requests of one hour."""
    chance = Random(f"{seed}/{hour_us}")  # noqa: S311 - which flights ask together is no secret
    shuffled = chance.sample(flights, len(flights))
    alone = min(chance.randint(1, _MOST_ALONE), len(flights))
    together = shuffled[alone:]
    parts = chance.randint(1, 2) + len(together) // MOST_ROWS
    size = -(-len(together) // parts) if together else 1
    groups = [together[at : at + size] for at in range(0, len(together), size)]
    singles = sorted(shuffled[:alone], key=lambda row: (row["time_us"], row[KEY]))
    timed = [(hour_us, group) for group in groups] + [(row["time_us"], [row]) for row in singles]
    for number, (time_us, group) in enumerate(timed, 1):
        yield Ask(
            id=f"{format_us(hour_us)[:13]}.{number}",
            time_us=time_us,
            keys=[row[KEY] for row in group],
            rows=[{name: row[name] for name in INPUTS} for row in group],
        )
