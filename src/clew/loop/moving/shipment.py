"""The rows of one project as one file, on their way to a server. Format: docs/design/shipment.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, TypeVar, cast

import msgspec
import zstandard

from clew.core.errors import Corrupt, Invalid
from clew.core.ids import Digest
from clew.store.ledger.sql.connection import Row
from clew.store.ledger.sql.migrate import migrations
from clew.store.ledger.sql.rows import COLUMNS, TABLES, ProjectRows

__all__ = ["KEPT_BACK", "Bill", "check_magic", "pack", "read_bill", "read_pages"]

T = TypeVar("T")

_MAGIC = b"clewship\0\0\0\0"
_PAGE_BYTES, _MOST_BYTES = 4 << 20, 256 << 20
KEPT_BACK = {"members"}
"""Tables that are not sent: a server knows its own users."""

_WHOLE = frozenset(
    (
        *("at_us", "beats", "blocks", "count", "created_us", "deleted_us", "due_us", "fence", "last_time_us"),
        *("lease_until_us", "merged", "nans", "number", "position", "rows", "source_end", "start_us"),
        *("time_high_us", "time_low_us", "time_us"),
    )
)
_REAL = frozenset(("first", "high", "last", "last_step", "low", "step_high", "step_low", "total"))
"""The columns of whole numbers and of floats, in whichever table; `points` holds bytes, and all others hold texts."""

_WHOLE_STEP = "logged_metrics"
"""The table whose `step` is a whole number; elsewhere it is the name of a step."""

_SUMMARY = frozenset(("first", "high", "last", "low", "total"))
_OPEN = {"series": _SUMMARY, "series_blocks": _SUMMARY, "events": frozenset(("position", "hash"))}
"""The columns of tables that may hold nothing: NaN is nothing in a database, and events that wait have no place."""


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What a shipment holds.

    Attributes:
        project: its id.
        name: the name of the project.
        schema: the version of the ledger that the rows lay in.
        tables: how many rows each has, and the digest of them all in their order.
    """

    project: str
    name: str
    schema: int
    tables: dict[str, tuple[int, Digest]]


def pack(rows: ProjectRows, *, project: str, name: str, file: BinaryIO) -> Bill:
    """Write all rows of a project, but for those of people."""
    tables = {table: counted for table, counted in rows.digests().items() if table not in KEPT_BACK}
    bill = Bill(project=project, name=name, schema=max(migrations()), tables=tables)
    file.write(_MAGIC)
    _write(file, msgspec.msgpack.encode(bill))
    for table in TABLES:
        if table not in KEPT_BACK:
            for page in _pages(rows.pages(table)):
                _write(file, msgspec.msgpack.encode((table, page)))
    return bill


def check_magic(file: BinaryIO) -> None:
    """Read the first bytes of a shipment.

    Raises:
        Corrupt: it is none.
    """
    if file.read(len(_MAGIC)) != _MAGIC:
        raise Corrupt("these are no rows of a project", hint="send them with clew move")


def read_bill(file: BinaryIO) -> Bill:
    """What a shipment says that it holds, behind its first bytes.

    Raises:
        Corrupt: it is damaged.
        Invalid: it was made by a clew whose ledgers have another version.
    """
    bill = _decoded(_read(file) or b"", Bill)
    if bill.schema != max(migrations()):
        raise Invalid(
            f"the rows are of version {bill.schema}, the ledger of this server of version {max(migrations())}",
            hint="install the same clew on both sides",
        )
    return bill


def read_pages(file: BinaryIO) -> Iterator[tuple[str, list[Row]]]:
    """The rows behind a bill, page by page, each with its table.

    Raises:
        Corrupt: it is damaged.
    """
    while (data := _read(file)) is not None:
        table, page = _decoded(data, tuple[str, list[tuple[object, ...]]])
        if table not in TABLES or table in KEPT_BACK or not all(_fits(table, row) for row in page):
            raise Corrupt(f"rows of {table!r} do not belong here")
        yield table, cast("list[Row]", page)


def _fits(table: str, row: tuple[object, ...]) -> bool:
    """Whether a row has as many values as the table has columns, each such as the column takes."""
    names = COLUMNS[table]
    return len(row) == len(names) and all(_takes(table, name, value) for name, value in zip(names, row, strict=True))


def _takes(table: str, name: str, value: object) -> bool:
    if value is None:
        return name in _OPEN.get(table, ())
    if name in _REAL:
        return type(value) in (float, int)
    if name in _WHOLE or (name == "step" and table == _WHOLE_STEP):
        return type(value) is int and -(1 << 63) <= value < 1 << 63
    return type(value) is (bytes if name == "points" else str)


def _pages(pages: Iterator[list[Row]]) -> Iterator[list[msgspec.Raw]]:
    """Pages of about as many bytes: a row of points is a thousand times as long as one of an edge."""
    held: list[msgspec.Raw] = []
    size = 0
    for page in pages:
        for row in page:
            encoded = msgspec.msgpack.encode(row)
            held.append(msgspec.Raw(encoded))
            size += len(encoded)
            if size >= _PAGE_BYTES:
                yield held
                held, size = [], 0
    if held:
        yield held


def _write(file: BinaryIO, data: bytes) -> None:
    packed = zstandard.compress(data, 3)
    file.write(len(packed).to_bytes(4, "little"))
    file.write(packed)


def _read(file: BinaryIO) -> bytes | None:
    """The next frame; None at the end."""
    head = file.read(4)
    if not head:
        return None
    length = int.from_bytes(head, "little")
    packed = file.read(length) if length <= _MOST_BYTES else b""
    try:
        if len(packed) != length or not 0 <= zstandard.frame_content_size(packed) <= _MOST_BYTES:
            raise Corrupt("the rows are cut short or damaged", hint="repeat the command")
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as error:
        raise Corrupt(f"the rows are damaged: {error}", hint="repeat the command") from error


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Corrupt(f"the rows cannot be read: {error}", hint="repeat the command") from error
