"""pandas frames and series, column by column: arrays as arrays, everything else as trees of plain values.

Written without Arrow, which pandas does not need. A column of mixed Python objects has no bytes of its own and is
refused.
"""

from __future__ import annotations

from typing import Any

import msgspec

from clew.core.errors import Corrupt, Invalid
from clew.core.extras import require
from clew.pipelines.codecs.arrays import ArrayCodec
from clew.pipelines.codecs.codec import Files
from clew.pipelines.codecs.trees import TreeCodec

__all__ = ["PandasFrameCodec", "PandasSeriesCodec"]


class PandasFrameCodec:
    """`pandas.DataFrame`."""

    name = "pandas"

    def encode(self, value: object, files: Files) -> bytes:
        frame: Any = value
        if frame.attrs:
            raise Invalid("a pandas frame with attrs cannot be stored", hint="clear frame.attrs, or return them beside")
        parts = [_column(frame.iloc[:, at].array, f"column {name!r}", files) for at, name in enumerate(frame.columns)]
        return msgspec.msgpack.encode([_index(frame.index, files), _index(frame.columns, files), parts])

    def decode(self, data: bytes, files: Files) -> Any:
        pd = require("pandas")
        try:
            rows, columns, parts = msgspec.msgpack.decode(data)
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            raise Corrupt(f"a step's output is no pandas frame: {error}") from error
        index = _read_index(rows, files)
        frame = pd.DataFrame(
            {at: pd.Series(_read_column(part, files), index=index) for at, part in enumerate(parts)}, index=index
        )
        frame.columns = _read_index(columns, files)
        return frame


class PandasSeriesCodec:
    """`pandas.Series`."""

    name = "pandas-series"

    def encode(self, value: object, files: Files) -> bytes:
        series: Any = value
        name = TreeCodec().encode(series.name, files)
        return msgspec.msgpack.encode([_index(series.index, files), name, _column(series.array, "the series", files)])

    def decode(self, data: bytes, files: Files) -> Any:
        pd = require("pandas")
        try:
            rows, name, part = msgspec.msgpack.decode(data)
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            raise Corrupt(f"a step's output is no pandas series: {error}") from error
        label = TreeCodec().decode(name, files)
        return pd.Series(_read_column(part, files), index=_read_index(rows, files), name=label)


def _column(values: Any, where: str, files: Files) -> list[Any]:
    pd, np = require("pandas"), require("numpy")
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _column(pd.Series(dtype.categories).array, where, files)
        return ["categories", dtype.ordered, categories, ArrayCodec().encode(values.codes, files)]
    if isinstance(dtype, pd.DatetimeTZDtype):
        return ["time", str(dtype), ArrayCodec().encode(values.asi8, files)]
    if isinstance(dtype, np.dtype) and not dtype.hasobject:
        return ["array", str(dtype), ArrayCodec().encode(np.asarray(values), files)]
    missing = np.asarray(pd.isna(values))
    plain = [None if gone else _plain(value, where) for value, gone in zip(values, missing, strict=True)]
    if isinstance(dtype, np.dtype) and missing.any():
        raise Invalid(f"{where} mixes Python objects and missing values", hint="give it a dtype such as string")
    return ["objects", _dtype_name(dtype), TreeCodec().encode(plain, files)]


def _dtype_name(dtype: Any) -> str:
    pd = require("pandas")
    if isinstance(dtype, pd.StringDtype):
        return "str" if dtype == "str" else f"string[{dtype.storage}]"
    return str(dtype)


def _plain(value: object, where: str) -> object:
    item = value.item() if hasattr(value, "item") and type(value).__module__ == "numpy" else value
    if type(item) in (str, bool, int, float):
        return item
    raise Invalid(
        f"{where} of a pandas frame holds a {type(value).__qualname__}, which has no bytes of its own",
        hint="give the column a dtype such as string, Int64 or category",
    )


def _read_column(part: Any, files: Files) -> Any:
    pd = require("pandas")
    tag, kind, *rest = part
    if tag == "categories":
        categories = pd.Index(_read_column(rest[0], files))
        return pd.Categorical.from_codes(
            ArrayCodec().decode(rest[1], files), dtype=pd.CategoricalDtype(categories, ordered=kind)
        )
    if tag == "time":
        unit = kind.partition("[")[2].partition(",")[0]
        naive = ArrayCodec().decode(rest[0], files).view(f"datetime64[{unit}]")
        return pd.Series(naive).dt.tz_localize("UTC").astype(kind).array
    if tag == "array":
        return ArrayCodec().decode(rest[0], files)
    return pd.array(TreeCodec().decode(rest[0], files), dtype=kind)


def _index(index: Any, files: Files) -> list[Any]:
    pd = require("pandas")
    names = TreeCodec().encode(list(index.names), files)
    if isinstance(index, pd.RangeIndex):
        return ["range", names, index.start, index.stop, index.step]
    if isinstance(index, pd.MultiIndex):
        levels = [_index(index.get_level_values(at), files) for at in range(index.nlevels)]
        return ["many", names, levels]
    return ["index", names, _column(index.array, "the index", files)]


def _read_index(part: Any, files: Files) -> Any:
    pd = require("pandas")
    tag, packed, *rest = part
    names: Any = TreeCodec().decode(packed, files)
    if tag == "range":
        return pd.RangeIndex(rest[0], rest[1], rest[2], name=names[0])
    if tag == "many":
        return pd.MultiIndex.from_arrays([_read_index(level, files) for level in rest[0]], names=names)
    return pd.Index(_read_column(rest[0], files), name=names[0])
