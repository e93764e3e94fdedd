"""Looks back at the year: reads ledger and logs once, and sums them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.core.errors import NotFound
from clew.demo.account import Account
from clew.demo.calendar import last_moment_us
from clew.demo.chapters import chapters_of
from clew.demo.drifts import weekly_drift
from clew.demo.latency import request_times_ms
from clew.demo.prepare import BASELINE, MODEL
from clew.demo.remembered import judged_until_us
from clew.demo.result import Curves, Result
from clew.demo.sums import Counts, curves_of, result_of
from clew.registry.package import load_package
from clew.serving.endpoint import find_endpoint
from clew.serving.runtime import load_runtime

if TYPE_CHECKING:
    import polars as pl

    from clew.workspace import Workspace

__all__ = ["Review", "review"]


@dataclass(frozen=True)
class Review:
    """The year in numbers, what its charts show, and the id of a decision worth following back."""

    result: Result
    curves: Curves
    example: str


def review(workspace: Workspace) -> Review:
    """Sum up what has been served and labelled so far.

    Raises:
        NotFound: there is nothing yet.
    """
    import polars as pl

    stores = workspace.stores
    endpoint = find_endpoint(stores, MODEL)
    baseline = workspace.models.resolve(f"{MODEL}@{BASELINE}")
    account = Account(stores, endpoint, baseline.id)
    parts = [account.refresh()]
    package = load_package(stores.objects, baseline.package)
    scored_later = account.score_missing(load_runtime(package, stores.objects, trust=workspace.trust))
    if scored_later:
        parts.append(account.refresh())
    complete = [part for part in parts if part is not None]
    if not complete:
        raise NotFound("labelled decision", endpoint.name, hint="clew demo")
    rows = pl.concat(complete)
    with stores.ledger.read() as tx:
        windows = tx.windows.list(endpoint.id)
        events = tx.events.count(stores.project)
        logged = tx.logs.rows(endpoint.predictions)
        numbers = {version: tx.models.version(version).number for version in rows["version"].unique().to_list()}
    counts = Counts(
        flights_served=len({*rows["key"].to_list(), *account.waiting}),
        predictions_logged=logged,
        events=events,
        scored_later=scored_later,
        complete=judged_until_us(stores, endpoint.name) >= last_moment_us(),
    )
    times_ms = request_times_ms(stores)
    result = result_of(
        rows,
        counts,
        windows=windows,
        chapters=chapters_of(stores, endpoint),
        numbers=numbers,
        times_ms=times_ms,
    )
    return Review(result, curves_of(rows, cells=weekly_drift(stores, windows), times_ms=times_ms), _example(rows))


def _example(rows: pl.DataFrame) -> str:
    """The last late flight that only the loop warned of; the last flight where there is none."""
    import polars as pl

    caught = rows.filter(pl.col("late") & pl.col("decision") & ~pl.col("static_decision"))
    return str((caught if caught.height else rows).sort("time_us", "id")["id"][-1])
