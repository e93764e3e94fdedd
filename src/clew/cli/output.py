"""How results reach stdout: a table for people, JSON for machines. Progress is in `clew.cli.progress`.

The one place of the command line that writes results. Commands give it values, never text that they formatted
themselves: formats follow from names, since numbers carry their unit in them (`created_us` is a time, `size_bytes` a
size, `latency_ms` a duration). JSON is one document of UTF-8 bytes, whatever the locale; a list is
`{"items": […], "next": "…"}`, and `next` goes back as `--after`. Not how columns are laid out (`clew.cli.grid`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from clew.cli.visible import in_json, visible
from clew.core.numbers import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "Column",
    "Columns",
    "amount",
    "cell",
    "json_line",
    "literal",
    "note",
    "record",
    "short",
    "since",
    "table",
    "text",
]


class Column(NamedTuple):
    """One column of a table.

    Args:
        field: attribute or key of a row; dots go deeper (`summary.auc`).
        title: heading; by default made from the field (`created_us` → `created`).
        show: turns the value into text; by default the unit in the field's name decides.
        right: align texts to the right, as numbers are anyway.
        long: of the last columns: their texts stand below their row where a terminal is too narrow for all.
        spare: where a terminal is too narrow, columns are left out, the greatest first; one with 0 stays.
        least: to how many characters texts are cut before a column is left out; 0 cuts none.
        narrow: turns the value into a shorter text where a terminal is too narrow for all.
    """

    field: str
    title: str = ""
    show: Callable[[object], str] | None = None
    right: bool = False
    long: bool = False
    spare: int = 0
    least: int = 0
    narrow: Callable[[object], str] | None = None


Columns: TypeAlias = "Sequence[Column | str]"
"""Those of a table; a field alone is a column with nothing special."""


def table(
    rows: Iterable[object],
    columns: Columns,
    *,
    as_json: bool,
    after: str = "",
    title: str = "",
    empty: str = "nothing yet",
    advice: str = "--json has all",
) -> None:
    """Print a list of results.

    Args:
        rows: structs or mappings; JSON holds all their fields, not only the columns.
        columns: what people see.
        as_json: for machines.
        after: the cursor of the next page, empty on the last one.
        title: a heading above the table, for people.
        empty: what people read when there are no rows: say what would make one.
        advice: how to see columns that a terminal has no room for.
    """
    items = list(rows)
    if as_json:
        _write_json({"items": items, "next": after})
        return
    if not items:
        note(empty)
        return
    from clew.cli.grid import GridColumn, draw

    chosen = [column if isinstance(column, Column) else Column(column) for column in columns]
    cells = [[_show(_pick(item, column.field), column) for column in chosen] for item in items]
    brief = [column._replace(show=column.narrow or column.show) for column in chosen]
    narrow = [[_show(_pick(item, column.field), column) for column in brief] for item in items]
    laid = [GridColumn(_heading(c), _is_right(items, c), c.long, c.spare, c.least) for c in chosen]
    draw(laid, cells, narrow=narrow, title=title, advice=advice)
    if after:
        note(f"there are more: --limit N shows more of them, --after {after} goes on behind these")


def record(value: object, fields: Columns | None = None, *, as_json: bool, title: str = "") -> None:
    """Print one result: its fields below each other, or one JSON object.

    Args:
        value: a struct or a mapping.
        fields: what people see; everything when None. JSON always holds everything.
        as_json: for machines.
        title: a heading for people.
    """
    if as_json:
        _write_json(value)
        return
    from clew.cli.grid import draw_record

    names = fields if fields is not None else _names(value)
    chosen = [column if isinstance(column, Column) else Column(column) for column in names]
    draw_record([(_heading(each), _show(_pick(value, each.field), each)) for each in chosen], title=title)


def text(words: str, value: object = None, *, as_json: bool) -> None:
    """Print a sentence or a document, or the value it tells about.

    Args:
        words: what people read.
        value: what machines read; `{"text": words}` when None.
        as_json: for machines.
    """
    if as_json:
        _write_json({"text": words} if value is None else value)
    else:
        sys.stdout.write(visible(words if words.endswith("\n") else words + "\n"))


def json_line(value: object) -> None:
    """Print one line of JSON and hand it over at once, for commands that go on running (`clew serve`)."""
    _write_bytes(_encode(value) + b"\n")


def note(words: str) -> None:
    """Say something to the person, on stderr, beside the results."""
    sys.stderr.write(visible(words) + "\n")
    sys.stderr.flush()


def cell(field: str, value: object) -> str:
    """A value as people read it; the unit at the end of the field's name decides.

    Args:
        field: the name of the value (`size_bytes`, `created_us`, `latency_ms`, `auc`).
        value: the value itself.
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(field, value)
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(cell("", one) for one in value) or "–"
    if isinstance(value, dict):
        return ", ".join(f"{key}={cell(str(key), one)}" for key, one in value.items()) or "–"
    return str(value)


def literal(value: object) -> str:
    """A parameter as filters write it: true, false, null, and numbers and texts as `cell` shows them."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return cell("", value)


def short(value: object) -> str:
    """The beginning of an id or a digest, which is enough to tell one from another."""
    return str(value)[:12] or "–"


def since(us: object) -> str:
    """How long ago a time was, in its greatest unit: `5 min ago`."""
    import time

    if us is None:
        return cell("", us)
    seconds = max(time.time() - int(str(us)) / 1e6, 0)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:,.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def amount(number: float, unit: str = "") -> str:
    """A count with its unit, `12,345 rows` or `1 row`; `bytes` become a size, `1.2 MB`."""
    if unit == "bytes":
        return _size(number)
    return counted(number, unit) if unit else f"{number:,}"


def _number(field: str, value: float) -> str:
    if field.endswith("_us"):
        return _time(int(value))
    if field.endswith("_bytes"):
        return _size(value)
    if field.endswith("_ms"):
        return f"{value / 1000:,.1f} s" if value >= 999.5 else f"{value:.3g} ms"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:.5g}"


def _time(us: int) -> str:
    from datetime import UTC, datetime, timedelta

    at = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        at = (at + timedelta(microseconds=us)).astimezone()
    except (OverflowError, ValueError, OSError):  # before the year 1 or behind 9999 where we are
        return f"{us} µs"
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size_bytes) < 1000:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def _is_right(items: Sequence[object], column: Column) -> bool:
    if column.right or column.field.endswith("_us"):
        return column.right
    return all(_is_number(_pick(item, column.field)) for item in items)


def _heading(column: Column) -> str:
    return visible(column.title or _title(column.field))


def _show(value: object, column: Column) -> str:
    return visible(column.show(value) if column.show else cell(column.field.rpartition(".")[2], value))


def _pick(item: object, field: str) -> object:
    for part in field.split("."):
        item = item.get(part) if isinstance(item, dict) else getattr(item, part)
    return item


def _names(value: object) -> list[str]:
    if isinstance(value, dict):
        return [str(key) for key in value]
    fields: tuple[str, ...] = getattr(type(value), "__struct_fields__", ())
    return list(fields)


def _title(field: str) -> str:
    name = field.rpartition(".")[2]
    for unit in ("_us", "_bytes", "_ms"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _write_json(value: object) -> None:
    _write_bytes(_encode(value, indent=2) + b"\n")


def _encode(value: object, *, indent: int = 0) -> bytes:
    import msgspec

    try:
        encoded = in_json(msgspec.json.encode(value, enc_hook=_encode_other).decode()).encode()
        return msgspec.json.format(encoded, indent=indent) if indent else encoded
    except UnicodeEncodeError:  # a file name that is no UTF-8: JSON can say so with escapes
        import json

        return json.dumps(msgspec.to_builtins(value, enc_hook=_encode_other), indent=indent or None).encode()


def _encode_other(value: object) -> object:
    if hasattr(value, "item"):  # a NumPy scalar
        return value.item()
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    raise NotImplementedError(f"no JSON for a {type(value).__name__}")


def _write_bytes(data: bytes) -> None:
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(data.decode())
    else:
        buffer.write(data)
        buffer.flush()
