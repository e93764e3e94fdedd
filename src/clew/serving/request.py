"""What a request for decisions says, whichever protocol it came in; and the check against the signature.

`columns` hold one list per input of the signature. Nothing is coerced that could change its meaning: an integer is
accepted where a number is expected, nothing else is converted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from clew.core.clock import parse_us
from clew.core.errors import Invalid
from clew.core.types.signature import Dtype, Field, Signature

__all__ = ["DecisionRequest", "check_columns", "read_time_us"]

_INT64 = range(-(2**63), 2**63)
_PLURAL = {
    Dtype.BOOL: "true or false",
    Dtype.INT64: "integers of 64 bits",
    Dtype.FLOAT64: "finite numbers",
    Dtype.FLOAT32: "finite numbers",
    Dtype.STRING: "texts",
    Dtype.TIME: "integers, microseconds since 1970 UTC",
}


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One or more rows to decide.

    `time_us` is when the event happens, 0 for now. `keys` are the caller's names of the rows, or empty. `id` is the
    caller's name of the request.
    """

    columns: dict[str, list[Any]]
    rows: int
    id: str = ""
    keys: list[str] = []
    time_us: int = 0


def check_columns(columns: dict[str, list[Any]], signature: Signature) -> None:
    """Check names, lengths, types and nulls.

    Raises:
        Invalid: the first thing that does not fit, with the column, the row and the value.
    """
    fields = {field.name: field for field in signature.inputs}
    if columns.keys() != fields.keys():
        _refuse_names(list(columns), list(fields))
    rows = len(columns[signature.inputs[0].name])
    for name, values in columns.items():
        if len(values) != rows:
            raise Invalid(f"column {name!r} has {len(values)} rows, the first one has {rows}")
        check = _CHECKS[fields[name].dtype]
        for row, value in enumerate(values):
            if not check(value):
                _refuse_value(fields[name], row, value)


def read_time_us(text: str) -> int:
    """Microseconds of a time in a request; 0 for none.

    Raises:
        Invalid: it is no time.
    """
    if not text:
        return 0
    try:
        return parse_us(text)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{text!r} is no time", hint="write it like 2013-02-01T05:00:00Z") from error


def _is_integer(value: object) -> bool:
    return type(value) is int and value in _INT64


def _is_number(value: object) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and value in _INT64)


def _is_truth(value: object) -> bool:
    return type(value) is bool


def _is_text(value: object) -> bool:
    return type(value) is str


_CHECKS: dict[Dtype, Callable[[object], bool]] = {
    Dtype.BOOL: _is_truth,
    Dtype.INT64: _is_integer,
    Dtype.TIME: _is_integer,
    Dtype.FLOAT64: _is_number,
    Dtype.FLOAT32: _is_number,
    Dtype.STRING: _is_text,
}


def _refuse_value(field: Field, row: int, value: object) -> None:
    if value is None and field.nullable:
        return
    if value is None:
        raise Invalid(
            f"column {field.name!r}, row {row}: null, and the signature allows none",
            hint=f"send {_PLURAL[field.dtype]}",
        )
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}…"
    raise Invalid(
        f"column {field.name!r}, row {row}: {shown} is not {field.dtype.value}", hint=f"send {_PLURAL[field.dtype]}"
    )


def _refuse_names(given: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    parts = [
        *([f"missing columns: {', '.join(missing)}"] if missing else []),
        *([f"unknown columns: {', '.join(unknown[:20])}"] if unknown else []),
    ]
    raise Invalid("; ".join(parts), hint=f"the model takes {', '.join(wanted)}")
