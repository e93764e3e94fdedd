"""A report as Markdown that a pull request shows: small, and safe whatever names and values hold."""

from __future__ import annotations

import re
from html import escape

from clew.loop.report.table import Diff, Report, Table

__all__ = ["markdown"]

_OPEN = ("Metrics", "Checks")
"""Tables that are seen without a click."""
_ROWS = 40
_DIFF_LINES = 200
_PLAIN = re.compile(r"[\w .,:;%+()/→−–=~\[\]-]*")
_MARKS = ("_", "~~", "](", "://", "www.")
"""Of what is plain character by character, the parts that mean something to Markdown."""
_BOLD = re.compile(r"\*\*([^*]*)\*\*")


def markdown(report: Report) -> str:
    """The report. Long tables and differences are cut, and say so."""
    parts = [f"### {_cell(report.title)}", " ".join(map(_cell, report.subtitle.split()))]
    parts += [_table(table) for table in report.tables]
    parts += [_diff(diff) for diff in report.diffs]
    if not report.tables and not report.diffs:
        parts.append("Nothing differs.")
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    marks = ["--:" if place in table.numeric else "---" for place in range(len(table.columns))]
    lines = [_row(table.columns), f"|{'|'.join(marks)}|", *(_row(row) for row in table.rows[:_ROWS])]
    if len(table.rows) > _ROWS:
        lines.append(f"\n… and {len(table.rows) - _ROWS:,} more.")
    body = "\n".join(lines)
    if table.title in _OPEN:
        return f"**{table.title}**\n\n{body}"
    return f"<details><summary>{table.title} ({len(table.rows)})</summary>\n\n{body}\n\n</details>"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """A text that cannot become markup, a link, or a mention of somebody."""
    bold = _BOLD.fullmatch(text)
    inner = " ".join((bold[1] if bold else text).split())
    if not _is_plain(inner):
        inner = "`" + inner.replace("`", "'").replace("|", "\\|") + "`"
    return f"**{inner}**" if bold else inner


def _diff(diff: Diff) -> str:
    lines = diff.text.splitlines()
    cut = [*lines[:_DIFF_LINES], f"… {len(lines) - _DIFF_LINES:,} lines more"] if len(lines) > _DIFF_LINES else lines
    longest = max((len(run) for line in cut for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    body = "\n".join(cut)
    title = " ".join(word if _is_plain(word) else f"<code>{escape(word)}</code>" for word in diff.title.split())
    return f"<details><summary>{title}</summary>\n\n{fence}diff\n{body}\n{fence}\n\n</details>"


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and not any(mark in text for mark in _MARKS)
