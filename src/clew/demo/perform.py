"""The whole demo: a project is made, a year is lived through, and what came of it is summed up.

Every part looks at what is there and does the rest, so that the same call continues after anything: a kill, a full
disk, Ctrl-C. A folder whose year is over is only summed up again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from clew.core.errors import Unavailable
from clew.demo.folder import REPORT, hold, start_over, write_project
from clew.demo.latency import EXPERIMENT, REQUEST_MS
from clew.demo.prepare import MODEL, add_january, declare_checks, name_first, train_first
from clew.demo.remembered import judged_until_us
from clew.demo.replay import replay
from clew.demo.report import page
from clew.demo.review import Review, review
from clew.demo.service import Service
from clew.demo.teller import Teller
from clew.demo.traffic import load_year
from clew.serving.endpoint import find_endpoint
from clew.tracking.adopt import adopt
from clew.tracking.start import start
from clew.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clew.demo.calendar import Day
    from clew.demo.standing import Standing
    from clew.demo.traffic import Year
    from clew.workspace import Workspace

__all__ = ["Performance", "perform"]

_DIGITS = 12


@dataclass(frozen=True)
class Performance:
    """What came of it. `lived` says whether anything was left to live through; `first_run` trained version 1."""

    review: Review
    folder: Path
    report: Path
    first_run: str
    lived: bool


def perform(folder: Path, days: Sequence[Day], *, standing: Standing, fresh: bool = False) -> Performance:
    """Live through the year in a folder, as far as it has not been, sum it up, and write the report.

    Args:
        folder: of the project; made when it is missing.
        days: in order, from the first on (`days_of`).
        standing: is kept up to date.
        fresh: start over.

    Raises:
        Conflict: another demo runs in the folder.
        Exists: the folder holds something else.
        MissingExtra: a library of the extra `demo` is not installed.
        Unavailable: endpoint or worker do not come up any more, or there is no room.
    """
    year = cache(load_year)
    with hold(folder):
        if fresh:
            start_over(folder)
        write_project(folder)
        with open_workspace(folder) as workspace:
            standing.phase = "opening the project"
            adopt(workspace.runs, workspace.stores.objects, workspace.folder)
            add_january(workspace, year)
            declare_checks(workspace)
        with open_workspace(folder) as workspace:  # anew: the checks are among the settings now
            lived = judged_until_us(workspace.stores, MODEL) < days[-1].end_us
            if lived:
                _live(workspace, year(), days, standing)
            standing.phase = "summing up"
            found = review(workspace)
            first = workspace.models.resolve(f"{MODEL}@1").run
        return Performance(found, folder, _write_report(folder, found), first[:_DIGITS], lived)


def _write_report(folder: Path, found: Review) -> Path:
    path, draft = folder / REPORT, folder / f".{REPORT}.new"
    try:
        draft.write_text(page(found.result, found.curves), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
    return path


def _live(workspace: Workspace, year: Year, days: Sequence[Day], standing: Standing) -> None:
    stores = workspace.stores
    standing.phase = "training version 1"
    train_first(workspace)
    first = name_first(workspace)
    standing.phase = "starting the endpoint and the worker"
    service = Service(workspace, tell=standing.tell)
    run = start(workspace.recorder, EXPERIMENT, experiment=EXPERIMENT, entry="clew demo", capture=False)
    try:
        with run:
            service.start()
            teller = Teller(stores, find_endpoint(stores, MODEL), first.id, standing)
            standing.phase, standing.began_s = "living through 2013", time.monotonic()
            standing.total = len(year.keys(days[0].low_us, days[-1].end_us))
            replay(
                stores,
                year,
                days,
                service,
                standing=standing,
                took=lambda ms: run.log({REQUEST_MS: ms}),
                after_day=teller.after,
            )
    finally:
        service.stop()
