"""Finding the line of a text file that is wrong. Slow and exact: it runs when something is wrong already."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import msgspec

from clew.core.types.check_report import shown

__all__ = [
    "blank_csv_records",
    "broken_csv_line",
    "broken_json_line",
    "csv_header",
    "csv_line_of",
    "json_line_of",
    "separator_of",
]

_SEPARATORS = ",;\t|"


def separator_of(path: Path) -> str:
    """The character between the fields of a CSV file: the one of `,;|` and tab that its first line has most of."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = file.readline(1 << 20)
    return max(_SEPARATORS, key=first.count)


def csv_header(path: Path, separator: str) -> list[str]:
    """The names in the first line."""
    return next(iter(_records(path, separator)), (0, []))[1]


def broken_csv_line(path: Path, separator: str) -> str:
    """What is wrong with the first broken line of a CSV file, or nothing."""
    records = _records(path, separator)
    line = 1
    try:
        _, header = next(records)
        for line, fields in records:
            if fields and len(fields) != len(header):
                return f"line {line} has {len(fields)} fields and the header has {len(header)}"
    except StopIteration:
        return "it is empty"
    except csv.Error as error:
        return f"behind line {line}: {error}"
    except UnicodeDecodeError:
        return f"line {_undecodable(path)} is not UTF-8"
    return ""


def broken_json_line(path: Path) -> str:
    """What is wrong with the first broken line of a file of JSON lines, or nothing."""
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                value = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return f"line {line} is no JSON: {error}"
            except RecursionError:
                return f"line {line} is nested too deeply"
            if not isinstance(value, dict):
                return f"line {line} holds {shown(value)}, not an object"
    return ""


def csv_line_of(path: Path, separator: str, row: int) -> str:
    """The line on which a row ends, rows counted from 0 behind the header."""
    for at, (line, _) in enumerate(_records(path, separator)):
        if at == row + 1:
            return f"line {line}"
    return f"row {row + 1}"


def json_line_of(path: Path, row: int) -> str:
    """The line of a row, rows counted from 0."""
    at = -1
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            at += bool(text.strip())
            if at == row:
                return f"line {line}"
    return f"row {row + 1}"


def blank_csv_records(path: Path, separator: str) -> list[bool]:
    """Of each record behind the header, whether it is a blank line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        fields = csv.reader(file, delimiter=separator, strict=True)
        next((header for header in fields if header), None)
        return [not record for record in fields]


def _records(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line on which it ends; blank lines are none, unless there is a single column."""
    columns = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        for fields in reader:
            columns = columns or len(fields)
            if fields or columns == 1:
                yield reader.line_num, fields


def _undecodable(path: Path) -> int:
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            try:
                text.decode()
            except UnicodeDecodeError:
                return line
    return 0
