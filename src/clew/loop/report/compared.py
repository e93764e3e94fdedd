"""The report on runs, or on groups of repeated runs, that were compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clew.core.numbers import number, span
from clew.core.types.interval import Interval
from clew.core.types.run import Run, Scalar
from clew.loop.report.data import DataChange
from clew.loop.report.table import Chart, Diff, Line, Report, Table
from clew.tracking.compare import Comparison, Difference
from clew.tracking.groups import Grouping, OneRun

__all__ = ["names_of", "report_of_groups", "report_of_runs"]


def names_of(runs: Sequence[Run]) -> list[str]:
    """The names of runs, with the beginnings of their ids where names are the same."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [f"{run.name} {run.id[:12]}" for run in runs]


def report_of_runs(found: Comparison, data: Sequence[DataChange], curves: Mapping[str, list[Line]]) -> Report:
    """The report on single runs.

    Args:
        found: what differs.
        data: what differs in the data that they used.
        curves: of the metrics with more than one point.
    """
    names = names_of(found.runs)
    where = dict(zip([run.id for run in found.runs], names, strict=True))
    tables = [
        _metrics(found.metrics, names),
        _plain("Parameters", found.params, names),
        _plain("Inputs", found.inputs, names),
        _data(data, where),
        _plain("Packages", found.packages, names),
        _plain("Machine", found.machine, names),
    ]
    changed = [(change, where[change.run]) for change in found.code if change.diff]
    return Report(
        title=" · ".join(names),
        subtitle=f"{len(names)} runs, compared with {names[0]}. Metrics are last values of single runs: whether a "
        "difference means something needs repetitions (--by).",
        tables=[table for table in tables if table.rows],
        diffs=[Diff(title=f"Source of {name} against {names[0]}", text=change.diff) for change, name in changed],
        charts=[Chart(title=key, lines=lines) for key, lines in curves.items()],
    )


def report_of_groups(found: Grouping) -> Report:
    """The report on groups of repeated runs."""
    first, *others = [group.name for group in found.groups]
    columns = ["metric", first, *(word for name in others for word in (name, f"{name} − {first}"))]
    rows = []
    for metric in found.metrics:
        row = [metric.name, _mean(metric.means[0])]
        for mean, difference in zip(metric.means[1:], metric.differences[1:], strict=True):
            row += [_mean(mean), _told(difference)]
        rows.append(row)
    counts = [f"{group.name}: {len(group.runs) - group.unfinished}" for group in found.groups]
    unfinished = sum(group.unfinished for group in found.groups)
    left = f" {unfinished} that did not finish {'is' if unfinished == 1 else 'are'} left out." if unfinished else ""
    return Report(
        title=f"{' · '.join([first, *others])}, by {found.by}",
        subtitle=f"Runs by group: {', '.join(counts)}. Means of last values with 95 % intervals; a difference in bold "
        f"has an interval without zero. Many metrics looked at together find some by chance.{left}",
        tables=[Table(title="Metrics", columns=columns, rows=rows, numeric=list(range(1, len(columns))))],
    )


def _mean(mean: Interval | OneRun | None) -> str:
    if isinstance(mean, OneRun):
        return number(mean.value, digits=4)
    return "–" if mean is None else span(mean)


def _told(difference: Interval | OneRun | None) -> str:
    """A difference; marked where its interval leaves out zero."""
    if difference is None:
        return "–"
    if isinstance(difference, OneRun):
        return number(difference.value, digits=4, sign=True)
    text = span(difference, sign=True)
    return f"**{text}**" if difference.units > 1 and not difference.holds(0.0) else text


def _metrics(rows: Sequence[Difference], names: Sequence[str]) -> Table:
    table = _plain("Metrics", rows, names)
    columns, cells = ["metric", *names], table.rows
    if len(names) == 2:
        columns.append("change")
        cells = [[*told, _change(*row.values)] for told, row in zip(cells, rows, strict=True)]
    return Table(title="Metrics", columns=columns, rows=cells, numeric=list(range(1, len(columns))))


def _change(one: Scalar, other: Scalar) -> str:
    if isinstance(one, float) and isinstance(other, float):
        return number(other - one, sign=True)
    return "–"


def _plain(title: str, rows: Sequence[Difference], names: Sequence[str]) -> Table:
    cells = [[row.name, *(_text(value) for value in row.values)] for row in rows]
    numeric = all(_is_number(value) for row in rows for value in row.values)
    places = list(range(1, len(names) + 1)) if numeric else []
    return Table(title=title, columns=["name", *names], rows=cells, numeric=places)


def _is_number(value: Scalar) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _data(changes: Sequence[DataChange], where: Mapping[str, str]) -> Table:
    rows = []
    for change in changes:
        cells = ", ".join(f"{name} ({count:,})" for name, count in change.cells_changed.items() if count)
        columns = [*(f"+{name}" for name in change.columns_added), *(f"−{name}" for name in change.columns_removed)]
        columns += [f"{name} (type)" for name in change.columns_retyped]
        came = f"+{change.added:,} −{change.removed:,} ~{change.changed:,}"
        rows.append(
            [
                where[change.run],
                f"{change.before} → {change.after}",
                f"{change.rows_before:,} → {change.rows_after:,}",
                change.problem or came,
                ", ".join(columns) or "–",
                cells or "–",
            ]
        )
    return Table(title="Data", columns=["run", "versions", "rows", "changes", "columns", "cells changed"], rows=rows)


def _text(value: Scalar) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, float) else str(value)
