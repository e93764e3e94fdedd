"""Checks as the text that stands in `clew.toml`: one line a column, for a person to edit."""

from __future__ import annotations

import msgspec

from clew.core.types.checks import Checks
from clew.settings.render import render_assignment, render_header, render_key

__all__ = ["render_checks"]


def render_checks(dataset: str, checks: Checks) -> str:
    """The tables `[checks.DATASET]` and `[checks.DATASET.columns]`."""
    asked = msgspec.to_builtins(checks)
    columns = asked.pop("columns", {})
    lines = [render_header("checks", dataset), *(render_assignment(name, value) for name, value in asked.items())]
    pad = max((len(render_key(name)) for name in columns), default=0)
    if columns:
        lines += ["", render_header("checks", dataset, "columns")]
        lines += [render_assignment(name, _explicit(column), pad=pad) for name, column in columns.items()]
    return "\n".join(lines) + "\n"


def _explicit(column: dict[str, object]) -> dict[str, object]:
    """A column's entry with its share of missing values, which people ask about first, even where it is the default."""
    kind = {"type": column["type"]} if "type" in column else {}
    return {**kind, "nulls": column.get("nulls", 0), **column}
