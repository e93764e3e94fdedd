"""Drift by column and week as a map: the darker, the further from the training data; a line while a column has drifted,
and a dot where an alert was raised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from html import escape

from clew.core.numbers import counted
from clew.core.types.profile import SCORE
from clew.demo.drifts import Cell
from clew.demo.report.scale import WIDTH, Days

__all__ = ["heat_map", "named"]

_ROW_PX = 20
_STRONGEST = 0.5
"""A distance from which a cell is as dark as it gets; distances lie between 0 and 1."""


def heat_map(days: Days, cells: Sequence[Cell]) -> str:
    """The map as HTML: one row for each column of the model, those that had drifted for longest first."""
    rows: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        rows[cell.column].append(cell)
    order = sorted(
        rows, key=lambda name: (-sum(c.drifted_days for c in rows[name]), -max(c.effect for c in rows[name]))
    )
    names = "".join(f"<span>{escape(named(name))}</span>" for name in order)
    drawn = "".join(_cell(days, cell, at) for at, name in enumerate(order) for cell in rows[name])
    height = _ROW_PX * len(order)
    says = f"Drifted for longest: {', '.join(map(named, order[:3]))}." if order else "Nothing was compared."
    return (
        f'<div class="heat" style="--rows:{len(order)}"><div class="names" aria-hidden="true">{names}</div>'
        f'<svg class="plot" viewBox="0 0 {WIDTH:.0f} {height}" preserveAspectRatio="none" style="height:{height}px" '
        'role="img">'
        f"<title>Drift by column and week</title><desc>{escape(says)}</desc>{drawn}</svg></div>"
    )


def named(column: str) -> str:
    """A column as people know it: the model's output has a name that no column can have."""
    return "score (output)" if column == SCORE else column


def _cell(days: Days, cell: Cell, row: int) -> str:
    first = date.fromisoformat(cell.week)
    low, high = max(first, days.first), min(first + timedelta(days=7), days.end)
    if high <= low:
        return ""
    x, width = days.x(low), days.x(high) - days.x(low)
    shade = min(cell.effect / _STRONGEST, 1.0)
    said = f", drifted on {counted(cell.drifted_days, 'days')}" if cell.drifted_days else ""
    said += f", {counted(cell.alerts, 'alerts')}" if cell.alerts else ""
    middle, marks = row * _ROW_PX + _ROW_PX / 2, ""
    if cell.drifted_days:
        marks = f'<path class="on" d="M{x:.1f} {middle}h{width:.1f}"/>'
    if cell.alerts:
        at = f"M{x + width / 2:.1f} {middle}h0"
        marks += f'<path class="halo" d="{at}"/><path class="dot" d="{at}"/>'
    return (
        f"<g><title>{escape(named(cell.column))}, week of {cell.week}: distance {cell.effect:.2f}{said}</title>"
        f'<rect class="cell" x="{x:.1f}" y="{row * _ROW_PX + 1}" width="{max(width - 1.2, 0.5):.1f}" '
        f'height="{_ROW_PX - 2}" fill-opacity="{0.04 + 0.92 * shade:.2f}"/>{marks}</g>'
    )
