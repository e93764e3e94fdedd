"""A report as one page that needs nothing else: no script, no font, no other host."""

from __future__ import annotations

import math
import re
from html import escape
from pathlib import Path

from clew.loop.report.table import Chart, Diff, Line, Report, Table

__all__ = ["page"]

_BOLD = re.compile(r"\*\*([^*]*)\*\*")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 320, 136, 46, 20
_COLORS = 8


def page(report: Report) -> bytes:
    """The page, in UTF-8."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    charts = "".join(_chart(chart) for chart in report.charts)
    parts = [_table(table) for table in report.tables]
    if charts:
        parts.insert(1 if parts else 0, f'<section><h2>Curves</h2><div class="charts">{charts}</div></section>')
    parts += [_diff(diff) for diff in report.diffs]
    body = "".join(parts) or "<p>Nothing differs.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{style}</style></head><body><main>"
        f"<h1>{escape(report.title)}</h1><p>{escape(report.subtitle)}</p>{body}</main></body></html>\n"
    ).encode()


def _table(table: Table) -> str:
    head = "".join(f"<th{_right(table, at)}>{escape(name)}</th>" for at, name in enumerate(table.columns))
    rows = "".join(
        "<tr>" + "".join(f"<td{_right(table, at)}>{_cell(cell)}</td>" for at, cell in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    return (
        f"<section><h2>{escape(table.title)}</h2>"
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(table.title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _right(table: Table, at: int) -> str:
    return ' class="number"' if at in table.numeric else ""


def _cell(text: str) -> str:
    bold = _BOLD.fullmatch(text)
    return f"<strong>{escape(bold[1])}</strong>" if bold else escape(text)


def _diff(diff: Diff) -> str:
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = []
    for line in diff.text.splitlines():
        kind = "" if line.startswith(("+++", "---")) else kinds.get(line[:1], "")
        lines.append(f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line))
    body = "\n".join(lines)
    return (
        f"<section><details open><summary><h2>{escape(diff.title)}</h2></summary>"
        f'<pre tabindex="0" aria-label="{escape(diff.title)}">{body}</pre></details></section>'
    )


def _chart(chart: Chart) -> str:
    """Curves over the steps; a legend tells whose."""
    finite = [value for line in chart.lines for value in line.values if value is not None and math.isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    first, last = min(line.first for line in chart.lines), max(line.last for line in chart.lines)
    span = (first, last - first or 1.0, low, high - low)
    curves = "".join(_curve(line, span, at) for at, line in enumerate(chart.lines))
    floor = _HEIGHT - _BOTTOM
    legend = "".join(f'<li class="c{at % _COLORS}">{escape(line.name)}</li>' for at, line in enumerate(chart.lines))
    return (
        f"<figure><figcaption>{escape(chart.title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(chart.title)}">'
        f'<text x="{_LEFT - 4}" y="12" text-anchor="end">{low if low == high else high:.3g}</text>'
        f'<text x="{_LEFT - 4}" y="{floor}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{first:.10g}</text>'
        f'<text x="{(_LEFT + _WIDTH) // 2}" y="{_HEIGHT - 4}" text-anchor="middle">step</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" text-anchor="end">{last:.10g}</text>'
        f'<path class="axis" d="M{_LEFT} 4V{floor}H{_WIDTH}"/>{curves}</svg><ul>{legend}</ul></figure>'
    )


def _curve(line: Line, span: tuple[float, float, float, float], at: int) -> str:
    """One curve; `span` is the least step and value of all, each with how far it is to the greatest."""
    first, steps, low, values = span
    points, move = [], True
    for place, value in enumerate(line.values):
        if value is None or not math.isfinite(value):
            move = True
            continue
        step = line.first + (line.last - line.first) * place / max(len(line.values) - 1, 1)
        x = _LEFT + (_WIDTH - _LEFT) * (step - first) / steps
        share = (value - low) / values if values else 0.5
        y = _HEIGHT - _BOTTOM - 2 - share * (_HEIGHT - _BOTTOM - 8)
        points.append(f"{'M' if move else 'L'}{x:.1f} {y:.1f}")
        move = False
    return f'<path class="curve c{at % _COLORS}" d="{"".join(points)}"/>' if points else ""
