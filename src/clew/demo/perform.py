"""The whole demo: a project is made, a year is lived through, and what came of it is summed up.

Every part looks at what is there and does the rest, so that the same call continues after anything: a kill, a full
disk, Ctrl-C. A folder whose year is over is only summed up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from clew.core.clock import format_us
from clew.core.errors import Unavailable
from clew.demo.account import Account
from clew.demo.calendar import Day, days_of
from clew.demo.chapters import Chapter, Deed, chapters_of
from clew.demo.folder import REPORT, hold, start_over, write_project
from clew.demo.latency import EXPERIMENT, REQUEST_MS
from clew.demo.prepare import MODEL, add_january, declare_checks, name_first, train_first
from clew.demo.remembered import judged_until_us
from clew.demo.replay import replay
from clew.demo.report import page
from clew.demo.result import costed
from clew.demo.review import Review, review
from clew.demo.service import Service
from clew.demo.traffic import load_year
from clew.monitoring.report import report_of
from clew.serving.endpoint import find_endpoint
from clew.tracking.adopt import adopt
from clew.tracking.start import start
from clew.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clew.core.types.endpoint import Endpoint
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


def perform(folder: Path, *, standing: Standing, until_month: int = 12, fresh: bool = False) -> Performance:
    """Live through the year in a folder, as far as it has not been, sum it up, and write the report.

    Args:
        folder: of the project; made when it is missing.
        standing: is kept up to date.
        until_month: the last month of 2013 to live through, 2 to 12.
        fresh: start over.

    Raises:
        Invalid: there is no such month.
        Conflict: another demo runs in the folder.
        Exists: the folder holds something else.
        MissingExtra: a library of the extra `demo` is not installed.
        Unavailable: endpoint or worker do not come up any more, or there is no room.
    """
    days = days_of(until_month)
    year = cache(load_year)
    with hold(folder):
        if fresh:
            start_over(folder)
        write_project(folder)
        with open_workspace(folder) as workspace:
            standing.phase = "reading January"
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
    name_first(workspace)
    standing.phase = "starting the endpoint and the worker"
    service = Service(workspace, tell=standing.tell)
    run = start(stores, EXPERIMENT, experiment=EXPERIMENT, entry="clew demo", capture=False)
    try:
        with run:
            service.start()
            teller = _Teller(workspace, find_endpoint(stores, MODEL), standing)
            standing.phase = "living through 2013"
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


class _Teller:
    """Brings the standing up to date from the logs and the ledger, after each day."""

    def __init__(self, workspace: Workspace, endpoint: Endpoint, standing: Standing) -> None:
        self._stores, self._endpoint, self._standing = workspace.stores, endpoint, standing
        first = workspace.models.resolve(f"{MODEL}@1")
        self._account = Account(workspace.stores, endpoint, first.id)
        self._add_costs()
        self._known = len(chapters_of(workspace.stores, endpoint))
        standing.flights = self._account.logged

    def after(self, day: Day) -> None:
        """What is known at the end of a day."""
        self._add_costs()
        with self._stores.ledger.read() as tx:
            windows = tx.windows.list(self._endpoint.id, low_us=day.start_us, high_us=day.end_us)
        reports = [report.drift for window in windows if (report := report_of(window)).drift is not None]
        self._standing.drifted = reports[-1].alarmed if reports and reports[-1] else []
        chapters = chapters_of(self._stores, self._endpoint)
        running = [chapter for chapter in chapters if chapter.deed is Deed.RETRAINED]
        ended = {c.version for c in chapters if c.deed in (Deed.PROMOTED, Deed.REJECTED, Deed.SUPERSEDED)}
        self._standing.challenger = running[-1].version if running and running[-1].version not in ended else 0
        for chapter in chapters[self._known :]:
            self._standing.tell(f"{format_us(day.end_us)[:10]}  {_in_words(chapter)}")
        self._known = len(chapters)

    def _add_costs(self) -> None:
        rows = self._account.refresh()
        if rows is not None:
            table = costed(rows)
            self._standing.cost_loop += float(table["cost_loop"].sum())
            self._standing.cost_static += float(table["cost_static"].sum())


def _in_words(chapter: Chapter) -> str:
    """A chapter as one line."""
    if chapter.deed is Deed.LIVE:
        return f"version {chapter.version} goes live"
    if chapter.deed is Deed.RETRAINED:
        why = f": {chapter.text}" if chapter.text else ""
        return f"version {chapter.version} is trained and put on trial{why}"
    return f"version {chapter.version} is {chapter.deed.value}"
