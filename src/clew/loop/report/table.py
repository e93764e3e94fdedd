"""What a report consists of: tables of texts, differences of source, and curves. Its looks: `markdown`, `html`."""

from __future__ import annotations

import msgspec

__all__ = ["Chart", "Diff", "Line", "Report", "Table"]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of texts under titles; `numeric` are the places of the columns that hold numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    numeric: list[int] = []


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """A unified diff."""

    title: str
    text: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A curve: values at equal parts of the steps from `first` to `last`, None where there is none."""

    name: str
    values: list[float | None]
    first: float
    last: float


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Curves of one metric, one for each run that has it."""

    title: str
    lines: list[Line]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What differs. Tables without rows are left out."""

    title: str
    subtitle: str
    tables: list[Table]
    diffs: list[Diff] = []
    charts: list[Chart] = []
