"""The digest of a column's content: the same for equal values, however the frame that holds them is chunked.

What is hashed, type by type: docs/design/data.md, version 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.core.errors import Invalid
from clew.core.extras import require
from clew.core.hashing import Hasher
from clew.core.ids import Digest

if TYPE_CHECKING:
    import polars as pl

__all__ = ["column_digest"]

_TAG = b"clew.column/0\0"


def column_digest(column: pl.Series) -> Digest:
    """The digest of a column's type and values; its name has no part in it.

    Raises:
        Invalid: it holds Python objects.
    """
    require("polars")
    return Digest(_raw_digest(column).hex())


def _raw_digest(column: pl.Series) -> bytes:
    import polars as pl

    if column.dtype == pl.Object:
        raise Invalid(f"column {column.name!r} holds Python objects", hint="turn them into text or numbers first")
    hasher = Hasher(_TAG + str(column.dtype).encode() + b"\0" + len(column).to_bytes(8, "little"))
    if column.dtype == pl.Null:
        return hasher.digest()
    nulls = column.null_count()
    hasher.update(nulls.to_bytes(8, "little"))
    if nulls:
        hasher.update(column.is_null().cast(pl.UInt8).to_numpy().tobytes())
    for part in _parts(column):
        hasher.update(part)
    return hasher.digest()


def _parts(column: pl.Series) -> list[bytes]:
    """The values as bytes; what stands in the place of a null is the same for all."""
    import polars as pl

    dtype = column.dtype
    if dtype == pl.String:
        return [_numbers(column.str.len_bytes()), _joined(column)]
    if dtype == pl.Binary:
        return [_numbers(column.bin.size()), bytes.fromhex(_joined(column.bin.encode("hex")).decode())]
    if isinstance(dtype, pl.Struct):
        return [_raw_digest(column.struct.field(field.name)) + field.name.encode() for field in dtype.fields]
    if isinstance(dtype, pl.Array):
        return _parts(column.cast(pl.List(dtype.inner)))
    if isinstance(dtype, pl.List):
        inner = column.drop_nulls().explode(empty_as_null=False, keep_nulls=False)
        return [_numbers(column.list.len()), _raw_digest(inner)]
    if dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128):
        return [_numbers(column)]
    if dtype.is_float():
        return [_numbers(column.fill_nan(float("nan")))]
    if dtype.is_temporal() or dtype == pl.Boolean:
        return [_numbers(column.to_physical() if dtype.is_temporal() else column.cast(pl.UInt8))]
    return _parts(column.cast(pl.String))  # decimals, 128-bit integers, categories


def _numbers(column: pl.Series) -> bytes:
    """The values of a numeric column, little-endian, null as zero."""
    values = column.fill_null(0).to_numpy()
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _joined(texts: pl.Series) -> bytes:
    joined: str = texts.fill_null("").str.join("").item() if len(texts) else ""
    return joined.encode()
