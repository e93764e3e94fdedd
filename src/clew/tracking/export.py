"""Runs as tables for other programs: CSV, lines of JSON, Parquet, a polars frame. Not the search (`search`)."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clew.core.clock import format_us
from clew.core.errors import Invalid, Unavailable
from clew.core.extras import require
from clew.core.judging import FoundRun, value_of
from clew.core.types.filter import FIELDS, Field, Value

if TYPE_CHECKING:
    import polars as pl

__all__ = ["columns_of", "frame_of", "row_of", "write"]

_TIMES = ("created", "ended")


def columns_of(runs: Iterable[FoundRun]) -> list[Field]:
    """Every field that some run has: its own facts, then parameters, tags, data and the last values of metrics."""
    named: dict[Field, None] = {}
    for found in runs:
        for kind, names in (("param", found.run.params), ("tag", found.run.tags), ("data", found.data)):
            named.update((Field(kind, name), None) for name in names)
        named.update((Field("metric", name, "last"), None) for name in found.metrics)
    order = ("param", "tag", "data", "metric")
    return [*map(Field, FIELDS), *sorted(named, key=lambda field: (order.index(field.kind), field.name))]


def row_of(found: FoundRun, columns: Sequence[Field]) -> dict[str, Value]:
    """One run as a row; times are texts such as `2026-01-31T08:00:00Z`."""
    row: dict[str, Value] = {}
    for field in columns:
        value = value_of(found, field)
        is_time = field.kind in _TIMES and isinstance(value, int)
        row[_name(field)] = format_us(value) if is_time and isinstance(value, int) else value
    return row


def _name(field: Field) -> str:
    return str(field).removesuffix(".last") if field.aggregate == "last" else str(field)


def write(format: str, runs: Sequence[FoundRun], columns: Sequence[Field], path: Path | None) -> None:
    """Write runs as `csv`, `jsonl` or `parquet` to a file, or to stdout where none is named.

    Raises:
        Unavailable: the file cannot be written.
    """
    data = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[format](runs, columns)
    if path is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error


def _csv(runs: Sequence[FoundRun], columns: Sequence[Field]) -> bytes:
    """With a line of names first; what a run does not have is empty."""
    chosen = list(columns) or columns_of(runs)
    text = io.StringIO()
    writer = csv.DictWriter(text, [_name(field) for field in chosen], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row_of(found, chosen) for found in runs)
    return text.getvalue().encode()


def _jsonl(runs: Sequence[FoundRun], columns: Sequence[Field]) -> bytes:
    """What a run does not have is left out, and numbers that are none are texts."""
    rows = (row_of(found, columns or columns_of([found])) for found in runs)
    told = ({key: _plain(value) for key, value in row.items() if value is not None} for row in rows)
    return b"".join(msgspec.json.encode(each) + b"\n" for each in told)


def _parquet(runs: Sequence[FoundRun], columns: Sequence[Field]) -> bytes:
    data = io.BytesIO()
    frame_of(runs, columns).write_parquet(data)
    return data.getvalue()


def _plain(value: Value) -> Value:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def frame_of(runs: Sequence[FoundRun], columns: Sequence[Field]) -> pl.DataFrame:
    """Runs as a polars frame; a column that holds numbers and texts becomes text.

    Raises:
        Invalid: a column cannot be built.
    """
    polars = require("polars")
    chosen = list(columns) or columns_of(runs)
    series = []
    for field in chosen:
        values = [value_of(found, field) for found in runs]
        if field.kind in _TIMES:
            series.append(polars.Series(_name(field), values, dtype=polars.Datetime("us", "UTC")))
            continue
        kinds = {type(value) for value in values} - {type(None)}
        if len(kinds) > 1:
            as_text = str in kinds or bool in kinds
            values = [None if v is None else _text(v) if as_text else float(v) for v in values]
        try:
            series.append(polars.Series(_name(field), values, strict=True))
        except (OverflowError, polars.exceptions.PolarsError) as error:
            raise Invalid(f"{field} fits no column: {error}", hint="choose others with columns") from error
    frame: pl.DataFrame = polars.DataFrame(series)
    return frame


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
