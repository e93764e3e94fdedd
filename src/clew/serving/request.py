"""What a request for decisions says, whichever protocol it came in; and the check against the signature.

`columns` hold one list per input of the signature. Nothing is coerced that could change its meaning: an integer is
accepted where a number is expected, nothing else is converted.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from clew.core.clock import parse_us
from clew.core.errors import Invalid
from clew.core.numbers import counted, some
from clew.core.types.signature import Dtype, Field, Signature

__all__ = [
    "FLOAT32_MAX",
    "LEAST",
    "LONGEST_NAME",
    "MOST",
    "ColumnCheck",
    "DecisionRequest",
    "check_names",
    "read_time_us",
    "takes_columns",
]

LEAST, MOST = -(2**63), 2**63 - 1
"""The integers of 64 bits."""

FLOAT32_MAX = float.fromhex("0x1.fffffep+127")
"""The greatest number of 32 bits; what lies above it would become infinite."""

LONGEST_NAME = 512
"""Most characters of the caller's name of a request or of a row."""

_LONGEST_TIME = 40
_FEW = 8
_KINDS: dict[Dtype, tuple[type, ...]] = {
    Dtype.BOOL: (bool,),
    Dtype.INT64: (int,),
    Dtype.TIME: (int,),
    Dtype.FLOAT64: (float, int),
    Dtype.FLOAT32: (float, int),
    Dtype.STRING: (str,),
}
_PLURAL = {
    Dtype.BOOL: "true or false",
    Dtype.INT64: "integers of 64 bits",
    Dtype.FLOAT64: "finite numbers",
    Dtype.FLOAT32: "finite numbers of 32 bits",
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


class ColumnCheck:
    """Holds columns to a signature: names, lengths, types and nulls.

    Raises:
        Invalid: the first thing that does not fit, with the column, the row and the value.
    """

    def __init__(self, signature: Signature) -> None:
        self._fields = {field.name: field for field in signature.inputs}
        self._names = self._fields.keys()
        self._first = signature.inputs[0].name
        self._kinds = [
            (
                field,
                frozenset((*_KINDS[field.dtype], *((type(None),) if field.nullable else ()))),
                FLOAT32_MAX if field.dtype is Dtype.FLOAT32 else sys.float_info.max,
                float in _KINDS[field.dtype],
            )
            for field in signature.inputs
        ]

    def __call__(self, columns: dict[str, list[Any]]) -> None:
        """Check; see the class."""
        if columns.keys() != self._names:
            _refuse_names(list(columns), list(self._fields))
        rows = len(columns[self._first])
        for field, kinds, greatest, as_float in self._kinds:
            values = columns[field.name]
            if len(values) != rows:
                raise Invalid(f"column {field.name!r} has {len(values)} rows, the first one has {rows}")
            for row, value in enumerate(values):
                kind = type(value)
                if (
                    kind not in kinds
                    or (kind is float and not abs(value) <= greatest)
                    or (kind is int and not (LEAST <= value <= MOST and (not as_float or float(value) == value)))
                ):
                    _refuse_value(field, row, value)


def read_time_us(text: str) -> int:
    """Microseconds of a time in a request; 0 for none.

    Raises:
        Invalid: it is no time.
    """
    if not text:
        return 0
    try:
        if len(text) > _LONGEST_TIME:
            raise ValueError
        return parse_us(text)
    except ValueError as error:
        raise Invalid(f"{reprlib.repr(text)} is no time", hint="write it like 2013-02-01T05:00:00Z") from error


def takes_columns(names: Sequence[str]) -> str:
    """What a model takes, for who sent something else; of many columns the first ones."""
    few = len(names) <= _FEW
    return f"the model takes {', '.join(names) if few else f'{len(names)} columns: GET /v2/models/NAME lists them'}"


def check_names(request: str, keys: Sequence[str], *, rows: int) -> None:
    """Check the caller's names of a request and of its rows.

    Raises:
        Invalid: a name is too long, or there are not as many as rows.
    """
    if keys and len(keys) != rows:
        said = f"{counted(len(keys), 'keys')} for {counted(rows, 'rows')}"
        raise Invalid(said, hint="send a key for each row, in their order, or none")
    longest = max(len(request), max(map(len, keys), default=0)) if keys else len(request)
    if longest > LONGEST_NAME:
        raise Invalid(f"a name of {longest} characters", hint=f"an id and a key have at most {LONGEST_NAME}")


_repr = reprlib.Repr()
_repr.maxstring = 60


def _refuse_value(field: Field, row: int, value: object) -> NoReturn:
    if value is None:
        raise Invalid(
            f"column {field.name!r}, row {row}: null, and the signature allows none",
            hint=f"send {_PLURAL[field.dtype]}",
        )
    shown, hint = _repr.repr(value), f"send {_PLURAL[field.dtype]}"
    if type(value) is int and float in _KINDS[field.dtype]:
        hint += "; an integer beyond 2^53 only where a float holds it exactly"
    raise Invalid(f"column {field.name!r}, row {row}: {shown} is not {field.dtype.value}", hint=hint)


def _refuse_names(given: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    parts = [
        *([f"missing columns: {some(missing)}"] if missing else []),
        *([f"unknown columns: {some(unknown)}"] if unknown else []),
    ]
    raise Invalid("; ".join(parts), hint=takes_columns(wanted))
