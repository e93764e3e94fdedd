"""Reading a table from a file or a frame, with the types that its columns had in the version before.

A broken file is refused as a whole, with the line that is broken. Nothing is guessed away: rows that are too short,
numbers with leading zeros and columns that are named twice are not read as something else.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clew.core.errors import Conflict, Invalid, Unavailable
from clew.core.extras import require
from clew.data.absent import no_file
from clew.data.schema import LineOf
from clew.data.text_lines import (
    blank_csv_records,
    broken_csv_line,
    broken_json_line,
    csv_header,
    csv_line_of,
    json_line_of,
    separator_of,
)

if TYPE_CHECKING:
    import polars as pl

    from clew.data.add_table import TableSource

__all__ = ["TABLE_SUFFIXES", "Loaded", "load_table"]

_SAMPLE_ROWS = 10_000
_DAY = r"^\d{4}-\d{2}-\d{2}"
_CLOCK = r"[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
_TIMES = (
    (f"{_DAY}$", "date", "%Y-%m-%d"),
    (f"{_DAY}{_CLOCK}Z$", "utc", "%Y-%m-%d %H:%M:%S%.fZ"),
    (f"{_DAY}{_CLOCK}$", "naive", "%Y-%m-%d %H:%M:%S%.f"),
)
_csv = frozenset({".csv", ".tsv"})
_json = frozenset({".jsonl", ".ndjson"})
_parquet = frozenset({".parquet", ".pq"})

TABLE_SUFFIXES = _csv | _json | _parquet
"""Endings of files that can be read as tables."""


@dataclass(frozen=True)
class Loaded:
    """A table in memory. `line_of` tells where a row came from; `guessed` whether its types were inferred from text."""

    frame: pl.DataFrame
    line_of: LineOf
    guessed: bool


def load_table(source: TableSource, before: Mapping[str, pl.DataType]) -> Loaded:
    """Read a table.

    Args:
        source: a CSV, TSV, Parquet or JSON-lines file, or a polars frame.
        before: the columns and types of the version before; text is read as them where that loses nothing.

    Raises:
        NotFound: there is no such file.
        Invalid: it cannot be read, or holds no rows.
    """
    require("polars")
    import polars as pl

    if isinstance(source, Path):
        loaded = _load_file(source, before)
    else:
        frame = source.collect() if isinstance(source, pl.LazyFrame) else source
        loaded = Loaded(frame, lambda row: f"row {row}", guessed=False)
    if loaded.frame.height == 0 or loaded.frame.width == 0:
        what = f"{source} holds" if isinstance(source, Path) else "the frame holds"
        raise Invalid(f"{what} no rows", hint="there is nothing to add")
    return loaded


def _load_file(path: Path, before: Mapping[str, pl.DataType]) -> Loaded:
    if not path.is_file():
        if path.exists():
            raise Invalid(f"{path} is no file", hint="a table comes from one file; add a folder under another name")
        raise no_file(path)
    if not _is_text(path):
        raise Invalid(f"{str(path)!r} is not UTF-8, and cannot be opened as a table", hint="rename the file")
    suffix = path.suffix.lower()
    if suffix in _csv:
        separator = separator_of(path)
        frame = _read(path, partial(_read_csv, path, separator, before), lambda: broken_csv_line(path, separator))
        return Loaded(_as_before(frame, before), partial(csv_line_of, path, separator), guessed=True)
    if suffix in _json:
        frame = _read(path, partial(_read_json, path, before), lambda: broken_json_line(path))
        return Loaded(_as_before(frame, before), partial(json_line_of, path), guessed=True)
    if suffix in _parquet:
        import polars as pl

        frame = _read(path, lambda: pl.read_parquet(path), lambda: "")
        return Loaded(frame, lambda row: f"row {row}", guessed=False)
    known = ", ".join(sorted(TABLE_SUFFIXES))
    raise Invalid(f"{path} is no table: it ends with none of {known}", hint="rename it, or add it as files")


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(path: Path, read: Callable[[], pl.DataFrame], explain: Callable[[], str]) -> pl.DataFrame:
    import polars as pl

    try:
        seen = _look(path)
        frame = read()
        if _look(path) != seen:
            hint = "run the same command when nothing writes to it"
            raise Conflict(f"{path} changed while it was read", hint=hint)
        return frame
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror or error}", hint="nothing was added") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, csv.Error, UnicodeDecodeError) as error:
        reason = explain() or str(error).partition("\n")[0]
        raise Invalid(f"{path} cannot be read: {reason}", hint="mend the file; nothing was added") from error


def _look(path: Path) -> tuple[int, int, int]:
    seen = path.stat()
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _read_csv(path: Path, separator: str, before: Mapping[str, pl.DataType]) -> pl.DataFrame:
    import polars as pl

    header = csv_header(path, separator)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise Invalid(f"{path} has several columns named {', '.join(map(repr, twice))}", hint="rename all but one")
    texts = {name: pl.String for name, dtype in before.items() if dtype == pl.String and name in header}
    frame = _infer_csv(path, separator, texts)
    blank = None
    if frame.width and frame[frame.columns[-1]].null_count():
        blank = _blank_lines(path, separator, frame)
    codes = _with_leading_zeros(path, separator, frame)
    if codes:
        texts |= dict.fromkeys(codes, pl.String)
        frame = _infer_csv(path, separator, texts)
    if blank is not None and blank.any():
        frame = frame.filter(~blank)
    return _with_times(
        frame, [name for name, dtype in frame.schema.items() if dtype == pl.String and name not in texts]
    )


def _infer_csv(path: Path, separator: str, texts: Mapping[str, type[pl.String]]) -> pl.DataFrame:
    """Read with types inferred from the first rows; from all of them, which is slow, if later ones do not fit."""
    import polars as pl

    read = partial(pl.read_csv, path, separator=separator, schema_overrides=texts)
    try:
        frame = read(infer_schema_length=_SAMPLE_ROWS)
    except pl.exceptions.ComputeError:
        return read(infer_schema_length=None)
    late = [name for name in frame.columns if frame[name].head(_SAMPLE_ROWS).is_null().all()]
    late = [name for name in late if name not in texts and frame[name].null_count() < frame.height]
    return read(infer_schema_length=None) if late else frame


def _with_times(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Turn text columns into dates or times where every value is one in ISO 8601."""
    import polars as pl

    for name in names:
        texts = frame[name].drop_nulls()
        for pattern, dtype, form in _TIMES:
            if texts.len() and texts.head(1).str.contains(pattern).all() and texts.str.contains(pattern).all():
                column = pl.col(name).str.replace("T", " ", literal=True)
                kind = pl.Date if dtype == "date" else pl.Datetime("us", "UTC" if dtype == "utc" else None)
                with suppress(pl.exceptions.PolarsError):  # the 31st of February stays text
                    frame = frame.with_columns(column.str.strptime(kind, form, strict=True))
                break
    return frame


def _with_leading_zeros(path: Path, separator: str, frame: pl.DataFrame) -> list[str]:
    """Columns that look like integers but hold `007`: identifiers, which numbers would cut short."""
    import polars as pl

    names = [name for name, dtype in frame.schema.items() if dtype.is_integer()]
    if not names:
        return []
    texts = pl.scan_csv(path, separator=separator, infer_schema=False)
    found = texts.select(pl.col(names).str.contains(r"^[+-]?0[0-9]").any()).collect()
    return [name for name in names if found[name].item()]


def _blank_lines(path: Path, separator: str, frame: pl.DataFrame) -> pl.Series | None:
    """Which rows are lines with nothing on them, and therefore none; rows that are too short are refused.

    Polars fills a row that is too short with nulls, as the end of a truncated file would be. Lines are counted by
    polars; Python's slower reader decides where quotes or line breaks in fields are about.
    """
    import polars as pl

    lines = pl.read_csv(
        path,
        has_header=False,
        separator="\x1f",
        quote_char=None,
        infer_schema=False,
        truncate_ragged_lines=True,
        new_columns=["line"],
    )["line"].fill_null("")
    is_empty = lines.str.strip_chars_end("\r") == ""
    plain = lines.len() == frame.height + 1 and not lines.str.contains('"', literal=True).any()
    short = (lines.str.count_matches(separator, literal=True) < frame.width - 1) & ~is_empty
    if not plain or short.any():
        reason = broken_csv_line(path, separator)
        if reason:
            raise Invalid(f"{path} cannot be read: {reason}", hint="mend the file; nothing was added")
    if frame.width == 1 or not is_empty.any():  # of a single column, a blank line is a missing value
        return None
    blank = is_empty.slice(1) if plain else pl.Series(blank_csv_records(path, separator), dtype=pl.Boolean)
    return blank if blank.len() == frame.height else None


def _read_json(path: Path, before: Mapping[str, pl.DataType]) -> pl.DataFrame:
    import polars as pl

    texts = {name: pl.String for name, dtype in before.items() if dtype == pl.String}
    frame = pl.read_ndjson(path, infer_schema_length=None)
    wrong = {name: dtype for name, dtype in texts.items() if name in frame.columns and frame.schema[name] != dtype}
    return pl.read_ndjson(path, infer_schema_length=None, schema_overrides=wrong) if wrong else frame


def _as_before(frame: pl.DataFrame, before: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Give columns whose type was guessed the type that they had, where no value changes by it."""
    return frame.with_columns(
        _cast(frame[name], before[name])
        for name, dtype in frame.schema.items()
        if name in before and dtype != before[name]
    )


def _cast(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    import polars as pl

    if not (column.dtype.is_numeric() and dtype.is_numeric()) and column.null_count() < len(column):
        return column
    if column.null_count() == len(column):
        return pl.Series(column.name, [None], dtype=dtype).new_from_index(0, len(column))
    try:
        cast = column.cast(dtype)
        same = cast.cast(column.dtype).equals(column, null_equal=True)
    except pl.exceptions.PolarsError:
        return column
    return cast if same else column
