"""The scoring protocol of `mlflow models serve`, for clients that were written for it.

    POST /invocations   {"dataframe_split": {"columns": ["carrier", "hour"], "data": [["UA", 5]]}}
    POST /invocations   {"dataframe_records": [{"carrier": "UA", "hour": 5}]}
    POST /invocations   {"inputs": {"carrier": ["UA"], "hour": [5]}}, or "instances"
    POST /invocations   CSV with a header, as text/csv

Facts: `mlflow/pyfunc/scoring_server/__init__.py` and `mlflow/utils/proto_json_utils.py` of MLflow 3.17. As there,
columns that the model does not take are ignored, and so are fields that are not of the protocol. Nothing is converted
that could change its meaning, where MLflow makes 5 of 5.7. What differs stands in docs/reference/http.md.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from io import StringIO
from itertools import islice
from typing import Any

import msgspec

from clew.core.errors import Invalid
from clew.core.numbers import counted
from clew.core.types.signature import Dtype, Signature
from clew.serving.answer import Answer, shown
from clew.serving.body import read_body, refuse_repeated_keys
from clew.serving.request import ColumnCheck, DecisionRequest, read_time_us

__all__ = ["InvocationsReader", "error_answer", "invocations_response"]

Columns = dict[str, list[Any]]

_HINT = 'send {"dataframe_split": {"columns": […], "data": [[…]]}}'
_FORMATS = "dataframe_split, dataframe_records, instances, inputs"
_ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    503: "TEMPORARILY_UNAVAILABLE",
}
_EXACT = 2**53
_NAN = re.compile(rb'NaN|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""NaN, and texts, in which it is none. A text that does not end goes to the end: the search is linear."""

_CELLS: dict[Dtype, Any] = {Dtype.BOOL: bool, Dtype.INT64: int, Dtype.FLOAT64: int | float, Dtype.FLOAT32: int | float}
_NO_NUMBERS = frozenset({"NaN", "nan", "NA", "N/A", "NULL", "null", "None", "<NA>"})
"""What pandas takes for no number, as far as it or its users write it."""


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: list[list[Any]]
    columns: list[str | int] | None = None
    index: Any = None


class Invocations(msgspec.Struct, frozen=True):
    dataframe_split: Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[Any] | dict[str, Any] | None = None
    inputs: list[Any] | dict[str, Any] | None = None
    params: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(Invocations)


class InvocationsReader:
    """Reads requests by a signature.

    Raises:
        Invalid: it is no request of the protocol, or the rows do not fit the signature.
    """

    def __init__(self, signature: Signature, check: ColumnCheck) -> None:
        self._names, self._check = signature.names, check
        self._dtypes = {field.name: field.dtype for field in signature.inputs}
        self._exact: dict[str, Callable[[str, list[Any]], list[Any]]] = {
            field.name: _whole if field.dtype is Dtype.INT64 else _times
            for field in signature.inputs
            if field.dtype in (Dtype.INT64, Dtype.TIME)
        }

    def __call__(self, body: bytes, *, is_csv: bool, most_rows: int) -> DecisionRequest:
        """Read; see the class."""
        columns = self._of_csv(body, most_rows) if is_csv else self._of_json(body)
        for name, exact in self._exact.items():
            if name in columns:
                columns[name] = exact(name, columns[name])
        self._check(columns)
        return DecisionRequest(columns=columns, rows=len(columns[self._names[0]]))

    def _of_json(self, body: bytes) -> Columns:
        if b"NaN" in body:  # as json.dumps writes what is missing
            body = _NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], body)
        request = read_body(_decoder, body, kind="is no request", hint=_HINT)
        fields = (request.dataframe_split, request.dataframe_records, request.instances, request.inputs)
        given = [each for each in fields if each is not None]
        refuse_repeated_keys(body, _keys_of(request, given), tuple)
        if request.params:
            raise Invalid("the model takes no params", hint="leave them out")
        if len(given) != 1:
            raise Invalid(f"the body has {len(given)} of the fields {_FORMATS}", hint="send one of them")
        [rows] = given
        return self._table(rows.columns, rows.data) if isinstance(rows, Split) else self._of_values(rows)

    def _of_values(self, values: list[Any] | dict[str, Any]) -> Columns:
        """Columns, one row without lists, rows as objects or as lists, or the values of the only column."""
        if isinstance(values, dict):
            if not any(type(each) is list for each in values.values()):
                return {name: [values[name]] for name in self._names if name in values}
            if not all(type(each) is list for each in values.values()):
                raise Invalid("some columns are lists, and some are not", hint="send a list for each column")
            return {name: values[name] for name in self._names if name in values}
        kinds = set(map(type, values))
        if kinds == {dict}:
            here = [name for name in self._names if any(name in row for row in values)]
            return {name: [row.get(name) for row in values] for name in here}
        if kinds <= {list}:
            return self._table(None, values)
        if len(self._names) == 1 and not kinds & {list, dict}:
            return {self._names[0]: values}
        raise Invalid("these rows are neither all objects nor all lists", hint=_HINT)

    def _of_csv(self, body: bytes, most_rows: int) -> Columns:
        try:
            lines = filter(None, csv.reader(StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
            header, rows = next(lines, []), list(islice(lines, most_rows + 1))
        except UnicodeDecodeError as error:
            raise Invalid(f"the body is no CSV: byte {error.start} is not UTF-8") from error
        except csv.Error as error:
            raise Invalid(f"the body is no CSV: {error}", hint="send a header, then a line for each row") from error
        if len(rows) > most_rows:
            raise Invalid(f"more than {counted(most_rows, 'rows')} in one request", hint="send fewer rows at once")
        columns = self._table(header, rows)
        return {name: [_cell(text, self._dtypes[name]) for text in column] for name, column in columns.items()}

    def _table(self, header: Sequence[str | int] | None, rows: list[list[Any]]) -> Columns:
        """Rows as columns, by their names, or in the order of the signature where there are none but numbers."""
        if header is None or header == list(range(len(header))):
            header = self._names
        width = len(header)
        for at, row in enumerate(rows):
            if len(row) != width:
                raise Invalid(f"row {at}: {counted(len(row), 'values')} for {counted(width, 'columns')}")
        places = {name: at for at, name in enumerate(header) if name in self._dtypes}
        if len(places) < sum(name in self._dtypes for name in header):
            raise Invalid("a column comes twice", hint="send each column once")
        return {name: [row[places[name]] for row in rows] for name in self._names if name in places}


def _keys_of(request: Invocations, given: Sequence[Any]) -> int:
    """How many keys the body has at least."""
    keys = len(given) + (1 + len(request.params) if request.params is not None else 0)
    for each in given:
        if isinstance(each, Split):
            keys += 1 + (each.columns is not None) + (each.index is not None)
        elif isinstance(each, dict):
            keys += len(each)
        else:
            keys += sum(len(row) for row in each if type(row) is dict)
    return keys


def _whole(_: str, values: list[Any]) -> list[Any]:
    """Whole numbers that came as floats, as those of a matrix do, as integers."""
    if float not in set(map(type, values)):
        return values
    return [
        int(value) if type(value) is float and abs(value) <= _EXACT and value.is_integer() else value
        for value in values
    ]


def _times(name: str, values: list[Any]) -> list[Any]:
    """Times, which the protocol writes as texts. It reads integers as nanoseconds, and ours are microseconds."""
    for row, value in enumerate(values):
        if type(value) is int:
            raise Invalid(f"column {name!r}, row {row}: {value} is no text", hint="write it like 2013-02-01T05:00:00Z")
    return [read_time_us(value) if type(value) is str and value else value for value in values]


def _cell(text: str, dtype: Dtype) -> Any:
    """The value of a cell; what is none stays a text, which the check against the signature names."""
    kind = _CELLS.get(dtype)
    if not text or (kind is not None and text in _NO_NUMBERS):
        return None
    if kind is None:
        return text
    try:
        return msgspec.convert(text, kind, strict=False)
    except (msgspec.ValidationError, ValueError):
        return text


def invocations_response(*, decisions: list[Any], ids: list[str]) -> bytes:
    """The body of an answer: what `predict` gives, and beside it, where MLflow has room for more, the ids."""
    return msgspec.json.encode({"predictions": decisions, "ids": ids})


def error_answer(status: int, text: str, *, hint: str = "") -> Answer:
    """An error as MLflow's clients read it."""
    message = f"{shown(text)} ({shown(hint)})" if hint else shown(text)
    body = {"error_code": _ERROR_CODES.get(status, "INTERNAL_ERROR"), "message": message}
    return Answer(msgspec.json.encode(body), status=status)
