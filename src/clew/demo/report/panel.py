"""A panel of lines over days. The drawing is stretched to the page, so its words stand beside it as HTML.

Strokes keep their width and dots their shape when a drawing is stretched; letters would not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from clew.demo.report.scale import WIDTH, Days, Numbers, ticks
from clew.demo.report.words import compact, money, short_date

__all__ = ["Line", "Mark", "month_axis", "panel"]


_SLIGHTLY = 0.05


@dataclass(frozen=True)
class Line:
    """A series; None breaks it. `style` is a class of the style sheet."""

    name: str
    style: str
    points: Sequence[tuple[date, float | None]]


@dataclass(frozen=True)
class Mark:
    """A day on which something happened."""

    day: date
    style: str


def panel(
    days: Days,
    lines: Sequence[Line],
    *,
    height: int,
    title: str,
    describe: str,
    low: float | None = None,
    decimals: int | None = None,
    fill: bool = False,
    marks: Iterable[Mark] = (),
    hint: str = "",
) -> str:
    """One panel as HTML.

    Args:
        days: the axis along x.
        lines: drawn in this order.
        height: pixels.
        title: what it shows, for those who cannot see it.
        describe: what there is to see.
        low: the lower end of the axis, unless values lie well below it; a round number below all of them when None.
        decimals: of the numbers at the axis; as needed when None.
        fill: whether the area between two lines, or between one line and zero, is tinted.
        marks: drawn as upright lines.
        hint: stands where values are read off, until somebody does.
    """
    values = [value for line in lines for _, value in line.points if value is not None]
    if low is not None and min(values) > low - _SLIGHTLY * (max(values) - low):
        values = [low, *(value for value in values if value > low)]
    scale = Numbers.around(values, height)
    at = ticks(scale.low, scale.high)
    grid = "".join(f'<path class="grid{" zero" if v == 0 else ""}" d="M0 {scale.y(v):.1f}H{WIDTH:.0f}"/>' for v in at)
    upright = "".join(f'<path class="mark {m.style}" d="M{days.x(m.day):.1f} 0V{height}"/>' for m in marks)
    tint = _tint(days, scale, lines) if fill else ""
    points = escape(json.dumps(_points(days, lines, decimals), ensure_ascii=False, separators=(",", ":")))
    drawn = "".join(f'<path class="line {line.style}" d="{_path(days, scale, line.points)}"/>' for line in lines)
    labels = "".join(f'<span style="top:{100 * scale.y(v) / height:.2f}%">{_label(v, decimals)}</span>' for v in at)
    return (
        f'<p class="readout" aria-live="polite">{escape(hint)}</p>'
        f'<div class="panel" style="height:{height}px" tabindex="0" role="group" aria-label="{escape(title)}" '
        f'data-points="{points}"><div class="ylabels" aria-hidden="true">{labels}</div>'
        f'<svg class="plot" viewBox="0 0 {WIDTH:.0f} {height}" preserveAspectRatio="none" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(describe)}</desc>{grid}{tint}{upright}{drawn}</svg></div>"
    )


def month_axis(days: Days) -> str:
    """The names of the months below a panel."""
    names = "".join(f'<span style="left:{100 * days.share(month):.2f}%">{month:%b}</span>' for month in days.months)
    return f'<div class="xlabels" aria-hidden="true">{names}</div>'


def _points(days: Days, lines: Sequence[Line], decimals: int | None) -> dict[str, object]:
    """What the script reads off: where each day is, its name, and the values as words."""
    first = lines[0].points
    return {
        "at": [round(days.share(day), 4) for day, _ in first],
        "days": [short_date(day) for day, _ in first],
        "series": [[line.name, [_value(value, decimals) for _, value in line.points]] for line in reversed(lines)],
    }


def _value(value: float | None, decimals: int | None) -> str:
    if value is None:
        return "–"
    return money(value) if decimals is None else f"{value:.{decimals + 1}f}"


def _path(days: Days, scale: Numbers, points: Iterable[tuple[date, float | None]]) -> str:
    parts, pen = [], "M"
    for day, value in points:
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{days.x(day):.1f} {scale.y(value):.1f}")
        pen = "L"
    return "".join(parts)


def _tint(days: Days, scale: Numbers, lines: Sequence[Line]) -> str:
    """The area between the first line and the second, or zero."""
    there = [(day, value) for day, value in lines[0].points if value is not None]
    if len(lines) > 1:
        back = [(day, value) for day, value in lines[1].points if value is not None]
    else:
        back = [(day, 0.0) for day, _ in there]
    if not there or not back:
        return ""
    return f'<path class="tint" d="{_path(days, scale, [*there, *reversed(back)])}Z"/>'


def _label(value: float, decimals: int | None) -> str:
    return compact(value) if decimals is None else f"{value:.{decimals}f}"
