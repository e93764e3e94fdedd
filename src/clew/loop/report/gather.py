"""Collects what a report needs from a project, in place or on a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from clew.core.contracts.services import Services
from clew.core.errors import Invalid
from clew.core.judging import FoundRun
from clew.data.site import Site
from clew.loop.report.compared import names_of, report_of_groups, report_of_runs
from clew.loop.report.data import DataChange, data_changes
from clew.loop.report.table import Line, Report
from clew.tracking.capture.git import short_revision
from clew.tracking.compare import Comparison, compare
from clew.tracking.curve import curve_of, steps_of
from clew.tracking.groups import Grouping, group_runs, word_of
from clew.tracking.overview import Overview, overview_of

__all__ = ["Asked", "Compared", "compare_groups", "compare_runs"]

_MOST = 1000
_CHARTS = 24
_CHART_POINTS = 160


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to put into groups: those that are named, or those of a search.

    `first` is compared with `others`, with all when there are none. `remote` leaves out branches of other repositories.
    """

    by: str
    names: tuple[str, ...] = ()
    where: str = ""
    experiment: str = ""
    first: str = ""
    others: tuple[str, ...] = ()
    remote: str = ""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that were compared, with what differs in their data; `report` is for people."""

    comparison: Comparison
    data: list[DataChange]
    report: Report


def compare_runs(project: Services, names: Sequence[str], *, curves: bool = False) -> Compared:
    """Compare single runs with the first of them.

    Args:
        project: where they are.
        names: names, ids, or beginnings of ids; two or more.
        curves: read the metrics point by point, for pictures.

    Raises:
        Invalid: there is only one, or one is named twice.
        NotFound: a run does not exist.
    """
    if len(names) < 2:
        said = "one run cannot be compared" if names else "no runs were named"
        raise Invalid(said, hint="name two or more, or say --by")
    overviews = [overview_of(project, project.runs.get(name)) for name in names]
    if len({each.run.id for each in overviews}) < len(overviews):
        twice = Counter(each.run.name for each in overviews).most_common(1)[0][0]
        hint = f"name two or more, by their ids: clew runs list --where 'name = \"{twice}\"'"
        raise Invalid(f"run {twice} cannot be compared with itself", hint=hint)
    found = compare(project.objects, overviews)
    data = data_changes(Site.over(project), project.datasets, overviews)
    drawn = _curves(project, overviews) if curves else {}
    return Compared(comparison=found, data=data, report=report_of_runs(found, data, drawn))


def compare_groups(project: Services, asked: Asked) -> tuple[Grouping, Report]:
    """Compare groups of repeated runs.

    Raises:
        Invalid: the runs are no two groups.
        NotFound: a run, the experiment, or the group to compare with does not exist.
    """
    word = word_of(asked.by, project.objects, remote=asked.remote)
    first, others = asked.first, asked.others
    if asked.by == "revision":
        first, others = short_revision(first), tuple(map(short_revision, others))
    found = group_runs(_found(project, asked), asked.by, word, first=first, others=others, remote=asked.remote)
    return found, report_of_groups(found)


def _found(project: Services, asked: Asked) -> list[FoundRun]:
    if not asked.names:
        page = project.runs.search(where=asked.where, experiment=asked.experiment, limit=_MOST)
        if page.next:
            raise Invalid(f"these are more than {_MOST:,} runs", hint="choose fewer with --where")
        return page.items
    overviews = [overview_of(project, project.runs.get(name)) for name in dict.fromkeys(asked.names)]
    return [
        FoundRun(run=each.run, experiment=each.experiment, metrics={series.key: series for series in each.metrics})
        for each in overviews
    ]


def _curves(project: Services, overviews: Sequence[Overview]) -> dict[str, list[Line]]:
    """The metrics with more than one point: by key, then by run."""
    found: dict[str, list[Line]] = {}
    names = names_of([overview.run for overview in overviews])
    for name, overview in zip(names, overviews, strict=True):
        for series in overview.metrics:
            if series.count > 1 and (series.key in found or len(found) < _CHARTS):
                blocks = project.runs.blocks(overview.run.id, series.key)
                first, last = steps_of(blocks)
                line = Line(name=name, values=curve_of(blocks, _CHART_POINTS), first=first, last=last)
                found.setdefault(series.key, []).append(line)
    return found
