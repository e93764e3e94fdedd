"""What `clew data` says to people about differences and checks. Values for machines are the structs themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.cli.output import amount

if TYPE_CHECKING:
    from clew.core.types.check_report import CheckReport
    from clew.data.diff import Difference
    from clew.data.diff_files import FileDiff
    from clew.data.diff_table import TableDiff

__all__ = ["difference_text", "files_text", "report_text"]

_LINES = 50


def difference_text(found: Difference) -> str:
    """A difference in lines."""
    if found.empty:
        return f"{found.before} and {found.after} hold the same"
    body = files_text(found.files) if found.files is not None else _table_text(found.table) if found.table else ""
    return f"from {found.before} to {found.after}:\n{body}"


def files_text(diff: FileDiff) -> str:
    """One line for each file that differs, and a sum."""
    lines = [f"  + {one.path}  {amount(one.size_bytes, 'bytes')}" for one in diff.added]
    lines += [f"  - {one.path}" for one in diff.removed]
    for change in diff.changed:
        sizes = f"{amount(change.before_bytes, 'bytes')} → {amount(change.after_bytes, 'bytes')}"
        lines.append(f"  ~ {change.path}  {sizes if change.content else 'executable or not'}")
    lines += [f"  > {one.before} → {one.after}" for one in diff.renamed]
    counts = {
        "added": len(diff.added),
        "removed": len(diff.removed),
        "changed": len(diff.changed),
        "renamed": len(diff.renamed),
    }
    total = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    return "\n".join([*_cut(lines), f"files: {total or 'none'}"])


def report_text(reference: str, report: CheckReport) -> str:
    """A verdict, and one line for each check that failed."""
    checks = amount(len(report.results), "checks")
    verdict = f"passed {checks}" if report.passed else f"failed {len(report.errors):,} of {checks}"
    lines = [f"{reference}: {amount(report.rows, 'rows')} {verdict}"]
    for result in [*report.errors, *report.warnings]:
        found = result.found or amount(result.failed, "rows")
        lines.append(f"  {result.check.severity.value}: {result.check.text} ({found})")
        lines += [f"      row {one.row}: {one.value}" for one in result.examples]
    return "\n".join(_cut(lines))


def _table_text(diff: TableDiff) -> str:
    lines = [f"  column {name} is new" for name in diff.columns.added]
    lines += [f"  column {name} is gone" for name in diff.columns.removed]
    lines += [f"  column {name} was {old} and is {new}" for name, old, new in diff.columns.retyped]
    lines += [f"  + {_row(row)}" for row in diff.added]
    lines += _more(diff.rows_added, len(diff.added), "added")
    lines += [f"  - {_row(row)}" for row in diff.removed]
    lines += _more(diff.rows_removed, len(diff.removed), "removed")
    lines += [f"  ~ {_row(cell.key)}: {cell.column} {cell.before} → {cell.after}" for cell in diff.changed]
    cells = ", ".join(f"{name} {count:,}" for name, count in diff.cells_changed.items())
    changed = f", {diff.rows_changed:,} changed" if diff.key else " (without the same key, no row counts as changed)"
    lines.append(f"rows: {diff.rows_added:,} added, {diff.rows_removed:,} removed{changed}")
    if cells:
        lines.append(f"cells changed: {cells}")
    return "\n".join(lines)


def _row(row: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items())


def _more(total: int, shown: int, word: str) -> list[str]:
    return [f"    and {total - shown:,} more {word}"] if total > shown else []


def _cut(lines: list[str]) -> list[str]:
    rest = len(lines) - _LINES
    return [*lines[:_LINES], f"  and {rest:,} more"] if rest > 0 else lines
