"""Rows as plain columns, from whatever a person trains on, and back into what the fitted model expects.

A column is a list of Python values with None for null; NaN in a float column is null, a time is integer microseconds
since 1970 UTC. Not a data frame: polars and pandas are looked at only when they are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clew.core.errors import Invalid
from clew.core.extras import require
from clew.core.types.signature import Container, Dtype, Signature

__all__ = ["Columns", "columns_of", "rows_for"]

Values = Sequence[Any]
_POLARS = {"Boolean": Dtype.BOOL, "Float32": Dtype.FLOAT32, "Float64": Dtype.FLOAT64}
_POLARS |= dict.fromkeys(("String", "Categorical", "Enum"), Dtype.STRING)
_POLARS |= dict.fromkeys(("Date", "Datetime"), Dtype.TIME)
_POLARS |= dict.fromkeys(("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32"), Dtype.INT64)


@dataclass(frozen=True)
class Columns:
    """Rows by column, in the order of training."""

    container: Container
    dtypes: dict[str, Dtype]
    values: dict[str, list[Any]]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.values.values()), []))

    def take(self, positions: Sequence[int]) -> Columns:
        """These rows, in this order."""
        values = {name: [column[at] for at in positions] for name, column in self.values.items()}
        return Columns(self.container, self.dtypes, values)

    def spread(self, count: int) -> Columns:
        """At most `count` rows, evenly spaced over all of them."""
        return self.take(range(self.rows)) if self.rows <= count else self.take(_spaced(self.rows, count))


def columns_of(rows: object, names: Sequence[str] = ()) -> Columns:
    """Rows as columns.

    Args:
        rows: a polars or pandas data frame, a 2-D NumPy array, a mapping of columns, or a sequence of mappings.
        names: names for the columns of an array; `x0`, `x1`, … when empty.

    Raises:
        Invalid: it is none of these, it is empty, columns differ in length, or a column's type is not served.
    """
    module = type(rows).__module__.partition(".")[0]
    if module == "polars":
        columns = _from_polars(rows)
    elif module == "pandas":
        columns = _from_pandas(rows)
    elif isinstance(rows, Mapping):
        columns = _from_mapping(rows)
    elif module == "numpy":
        columns = _from_array(rows, names)
    elif isinstance(rows, Sequence) and rows and isinstance(rows[0], Mapping):
        columns = _from_mapping({name: [row.get(name) for row in rows] for name in rows[0]})
    else:
        hint = "give a data frame, a 2-D array, or a mapping from column to values"
        raise Invalid(f"a {type(rows).__name__} holds no rows that clew can read", hint=hint)
    if not columns.rows:
        raise Invalid("there are no rows, only columns", hint="give at least one row")
    return columns


def rows_for(signature: Signature, values: Mapping[str, Values]) -> Any:
    """Columns as the container in which the model expects its rows, in the signature's order.

    Raises:
        Invalid: a column is missing or does not fit its type.
    """
    try:
        if signature.container is Container.POLARS:
            return _to_polars(signature, values)
        if signature.container is Container.PANDAS:
            return _to_pandas(signature, values)
        return _to_array(signature, values)
    except KeyError as error:
        raise Invalid(f"column {error.args[0]!r} is missing", hint="the signature lists what is needed") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"the rows do not fit the signature: {error}") from error


def _spaced(rows: int, count: int) -> list[int]:
    return [at * rows // count for at in range(count)]


def _from_polars(frame: Any) -> Columns:
    dtypes, values = {}, {}
    for name in frame.columns:
        series = frame[name]
        kind = type(series.dtype).__name__ if not isinstance(series.dtype, type) else series.dtype.__name__
        if kind not in _POLARS:
            raise _unserved(name, kind)
        dtypes[name] = _POLARS[kind]
        if dtypes[name] is Dtype.TIME:
            series = series.cast(_naive_time()).cast(require("polars").Int64)
        values[name] = _nulls(dtypes[name], series.to_list())
    return Columns(Container.POLARS, dtypes, values)


def _naive_time() -> Any:
    return require("polars").Datetime("us")


def _from_pandas(frame: Any) -> Columns:
    dtypes: dict[str, Dtype] = {}
    values: dict[str, list[Any]] = {}
    for label in frame.columns:
        series, name = frame[label], str(label)
        absent = series.isna().tolist()
        dtype = _pandas_dtype(name, series)
        if dtype is Dtype.TIME:
            filled = series.dt.tz_localize(None) if series.dt.tz is None else series.dt.tz_convert("UTC")
            items = [None if gone else round(at.timestamp() * 1e6) for at, gone in zip(filled, absent, strict=True)]
        else:
            items = [None if gone else value for value, gone in zip(series.tolist(), absent, strict=True)]
        dtypes[name], values[name] = dtype, items
    return Columns(Container.PANDAS, dtypes, values)


def _pandas_dtype(name: str, series: Any) -> Dtype:
    text = str(series.dtype).lower()
    if text.startswith("datetime64"):
        return Dtype.TIME
    if text in ("object", "category", "string", "str"):
        kept = series.dropna()
        if all(isinstance(value, str) for value in kept):
            return Dtype.STRING
        return _dtype_of(name, kept.tolist())
    if text.startswith("bool"):
        return Dtype.BOOL
    if text.startswith(("int", "uint")):
        return Dtype.INT64
    if text.startswith("float"):
        return Dtype.FLOAT32 if text == "float32" else Dtype.FLOAT64
    raise _unserved(name, text)


def _from_array(array: Any, names: Sequence[str]) -> Columns:
    if array.ndim != 2:
        raise Invalid(f"an array of shape {array.shape} holds no rows", hint="give a 2-D array: rows by columns")
    chosen = list(names) or [f"x{position}" for position in range(array.shape[1])]
    if len(chosen) != array.shape[1]:
        raise Invalid(f"{len(chosen)} names were given for {array.shape[1]} columns")
    dtypes = {}
    for position, name in enumerate(chosen):
        dtypes[name] = _array_dtype(name, array[:, position])
    values = {name: _nulls(dtypes[name], array[:, at].tolist()) for at, name in enumerate(chosen)}
    return Columns(Container.NUMPY, dtypes, values)


def _array_dtype(name: str, column: Any) -> Dtype:
    kind = column.dtype.kind
    if kind == "f":
        return Dtype.FLOAT32 if column.dtype.itemsize <= 4 else Dtype.FLOAT64
    simple = {"b": Dtype.BOOL, "i": Dtype.INT64, "u": Dtype.INT64, "U": Dtype.STRING}
    if kind in simple:
        return simple[kind]
    if kind == "O":
        return _dtype_of(name, [value for value in column.tolist() if value is not None and value == value])
    raise _unserved(name, str(column.dtype))


def _from_mapping(rows: Mapping[str, Any]) -> Columns:
    dtypes: dict[str, Dtype] = {}
    values: dict[str, list[Any]] = {}
    for name, column in rows.items():
        if hasattr(column, "dtype"):
            dtypes[name] = _array_dtype(name, column)
            values[name] = _nulls(dtypes[name], column.tolist())
        else:
            plain = [None if value is None or value != value else value for value in column]
            dtypes[name], values[name] = _dtype_of(name, [value for value in plain if value is not None]), plain
    if len({len(column) for column in values.values()}) > 1:
        lengths = ", ".join(f"{name}: {len(column)}" for name, column in values.items())
        raise Invalid(f"columns differ in length ({lengths})")
    return Columns(Container.NUMPY, dtypes, values)


def _dtype_of(name: str, values: list[Any]) -> Dtype:
    if values and all(isinstance(value, bool) for value in values):
        return Dtype.BOOL
    if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return Dtype.INT64
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return Dtype.FLOAT64
    if all(isinstance(value, str) for value in values):
        return Dtype.STRING
    kinds = sorted({type(value).__name__ for value in values})
    raise _unserved(name, " and ".join(kinds))


def _unserved(name: str, kind: str) -> Invalid:
    known = ", ".join(Dtype)
    return Invalid(f"column {name!r} is {kind}, which cannot be served", hint=f"turn it into one of: {known}")


def _nulls(dtype: Dtype, values: list[Any]) -> list[Any]:
    if dtype in (Dtype.FLOAT32, Dtype.FLOAT64, Dtype.STRING):
        return [None if value is None or value != value else value for value in values]
    return values


def _to_polars(signature: Signature, values: Mapping[str, Values]) -> Any:
    pl = require("polars")
    kinds = {
        Dtype.BOOL: pl.Boolean,
        Dtype.INT64: pl.Int64,
        Dtype.FLOAT32: pl.Float32,
        Dtype.FLOAT64: pl.Float64,
        Dtype.STRING: pl.String,
        Dtype.TIME: pl.Datetime("us"),
    }
    return pl.DataFrame(
        [pl.Series(field.name, list(values[field.name]), dtype=kinds[field.dtype]) for field in signature.inputs]
    )


def _to_pandas(signature: Signature, values: Mapping[str, Values]) -> Any:
    pd = require("pandas")
    columns = {}
    for field in signature.inputs:
        column = list(values[field.name])
        if field.dtype is Dtype.TIME:
            columns[field.name] = pd.to_datetime(pd.Series(column), unit="us")
        else:
            columns[field.name] = pd.Series(column, dtype=_numpy_name(field.dtype, column))
    return pd.DataFrame(columns)


def _numpy_name(dtype: Dtype, column: list[Any]) -> str:
    """The NumPy type of a column; numbers that lack some become floats, as in pandas."""
    if dtype in (Dtype.FLOAT32, Dtype.FLOAT64):
        return dtype.value
    if dtype is Dtype.STRING:
        return "object"
    if None in column:
        return "float64" if dtype is Dtype.INT64 else "object"
    return dtype.value


def _to_array(signature: Signature, values: Mapping[str, Values]) -> Any:
    import numpy as np

    dtypes = {field.dtype for field in signature.inputs}
    columns = [list(values[field.name]) for field in signature.inputs]
    if Dtype.STRING in dtypes:
        kind = "object"
    elif dtypes <= {Dtype.FLOAT32}:
        kind = "float32"
    elif dtypes <= {Dtype.BOOL, Dtype.INT64, Dtype.TIME} and not any(None in column for column in columns):
        kind = "int64"
    else:
        kind = "float64"
    return np.array(columns, dtype=kind).T
