"""What clients of `mlflow models serve` send and read. With MLflow itself: tests/server/mlflow/test_scoring.py."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.clock import SystemClock
from clew.core.ids import Digest, Ids
from clew.core.types.model import ModelVersion
from clew.core.types.signature import Dtype, Field, Output, Scale, Signature, Task
from clew.serving.app import EndpointApp
from clew.serving.records import decode
from clew.serving.slots import Served, Slots

SIGNATURE = Signature(
    inputs=(
        Field(name="carrier", dtype=Dtype.STRING),
        Field(name="hour", dtype=Dtype.INT64),
        Field(name="wind", dtype=Dtype.FLOAT64, nullable=True),
        Field(name="at", dtype=Dtype.TIME),
        Field(name="rain", dtype=Dtype.BOOL),
    ),
    outputs=(Output(name="score", dtype=Dtype.FLOAT64),),
    task=Task.BINARY,
    scale=Scale.PROBABILITY,
    classes=("early", "late"),
)
ONE = Signature(
    inputs=(Field(name="hour", dtype=Dtype.INT64),), outputs=SIGNATURE.outputs, task=Task.REGRESSION, scale=Scale.VALUE
)
NAMES = list(SIGNATURE.names)
AT, AT_US = "2013-02-01T05:00:00", 1_359_694_800_000_000
ROW = ["UA", 5, 3.5, AT, False]
LATE = ["B6", 18, None, AT, True]
COLUMNS = {
    "carrier": ["UA", "B6"],
    "hour": [5, 18],
    "wind": [3.5, None],
    "at": [AT_US, AT_US],
    "rain": [False, True],
}


class HourScorer:
    """Late in the day, late in arriving."""

    id = "hour-1"

    def decide(self, columns: dict[str, list[Any]]) -> tuple[list[float], list[Any]]:
        scores = [0.5 + math.atan(hour - 12) / 4 for hour in columns["hour"]]
        return scores, ["late" if score >= 0.5 else "early" for score in scores]


class Log(list[Any]):
    """A journal in memory."""

    def append(self, payload: bytes) -> None:
        super().append(decode(payload))


def ask(body: object, *, is_csv: bool = False, path: str = "/invocations", signature: Signature = SIGNATURE) -> Any:
    """A status, an answer, and what was logged."""
    version = ModelVersion(
        id="v1", model="m", name="delay", number=1, package=Digest(""), run="", created_us=1, created_by=""
    )
    served = Served(version=version, signature=signature, scorer=HourScorer(), check=lambda _: ())
    log: Any = Log()
    clock = SystemClock()
    app = EndpointApp("late", Slots(served), journal=log, clock=clock, ids=Ids(clock), most_rows=4)
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    answer = app.answer("POST", path, content, 0.0, is_csv=is_csv)
    return answer.status, json.loads(answer.body), log


def named(*rows: list[Any]) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


SPLIT = {"columns": NAMES, "data": [ROW, LATE]}


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": {**SPLIT, "index": [7, 9]}, "params": {}},
        {"dataframe_split": {"columns": [*NAMES[::-1], "more"], "data": [[*ROW[::-1], 1], [*LATE[::-1], 2]]}},
        {"dataframe_split": {"data": [ROW, LATE]}},
        {"dataframe_split": {"columns": [0, 1, 2, 3, 4], "data": [ROW, LATE]}},
        {"dataframe_split": {**SPLIT, "data": [ROW, ["B6", 18.0, math.nan, AT, True]]}},
        {"dataframe_records": named(ROW, LATE), "client": "mine", "params": None},
        {"dataframe_records": [{**named(ROW)[0], "more": "NaN"}, {k: v for k, v in named(LATE)[0].items() if v}]},
        {"instances": [ROW, LATE]},
        {"instances": named(ROW, LATE)},
        {"instances": {**dict(zip(NAMES, zip(ROW, LATE, strict=True), strict=True)), "more": [1, 2]}},
        {"inputs": [ROW, LATE]},
        {"inputs": named(ROW, LATE)},
        {"inputs": dict(zip(NAMES, zip(ROW, LATE, strict=True), strict=True))},
    ],
    ids=range(14),
)
def test_rows_in_every_form_are_decided_and_logged(body: object) -> None:
    status, answer, [record] = ask(body)
    assert (status, answer["predictions"]) == (200, ["early", "late"])
    assert answer.keys() == {"predictions", "ids"}
    assert answer["ids"] == [record.first_id, f"{int(record.first_id, 16) + 1:032x}"]
    assert record.columns == COLUMNS
    assert list(map(type, record.columns["hour"])) == [int, int]


def test_one_row_needs_no_lists_and_one_column_no_rows() -> None:
    status, answer, [record] = ask({"inputs": dict(zip(NAMES, LATE, strict=True))})
    assert (status, answer["predictions"], record.rows) == (200, ["late"], 1)
    assert ask({"inputs": [5, 18.0]}, signature=ONE)[2][0].columns == {"hour": [5, 18]}
    assert ask({"instances": [[5], [18]]}, signature=ONE)[2][0].columns == {"hour": [5, 18]}


@pytest.mark.parametrize(
    "text",
    [
        f"carrier,hour,wind,at,rain\nUA,5,3.5,{AT},False\nB6,18,,2013-02-01 05:00:00,True\n",
        f'\ufeff,rain,at,wind,hour,"carrier"\r\n0,false,{AT},3.5,5,UA\r\n\r\n1,true,{AT},NaN,18,"B6"',
    ],
)
def test_csv(text: str) -> None:
    status, answer, [record] = ask(text, is_csv=True)
    assert (status, answer["predictions"]) == (200, ["early", "late"])
    assert record.columns == COLUMNS


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "truncated"),
        ("[]", "got `array`"),
        ({}, "has 0 of the fields"),
        ({"dataframe_split": SPLIT, "inputs": []}, "has 2 of the fields"),
        ({"inputs": 5}, "got `int`"),
        ({"inputs": []}, "0 rows"),
        ({"inputs": {}}, "missing columns: carrier, hour, wind, at, rain"),
        ({"inputs": [ROW] * 5}, "5 rows in one request"),
        ({"inputs": [ROW, {}]}, "neither all objects nor all lists"),
        ({"inputs": ROW}, "neither all objects nor all lists"),
        ({"inputs": {"hour": [5], "carrier": "UA"}}, "some columns are lists"),
        ({"inputs": {**dict(zip(NAMES, zip(ROW, LATE, strict=True), strict=True)), "hour": [1]}}, "has 1 rows"),
        ({"inputs": [ROW, ROW[1:]]}, "row 1: 4 values for 5 columns"),
        ({"dataframe_split": [ROW]}, "got `array`"),
        ({"dataframe_split": {"columns": NAMES}}, "missing required field `data`"),
        ({"dataframe_split": {**SPLIT, "rows": []}}, "unknown field `rows`"),
        ({"dataframe_split": {**SPLIT, "columns": [*NAMES[:4], "hour"]}}, "a column comes twice"),
        ({"dataframe_records": named(ROW)[0]}, "got `object`"),
        ({"dataframe_records": [{"hour": 5, "carrier": "UA"}]}, "missing columns: wind, at, rain"),
        ({"dataframe_records": [*named(ROW), {"wind": 1}]}, "column 'carrier', row 1: null"),
        ({"inputs": [["UA", "5", *ROW[2:]]]}, "column 'hour', row 0: '5' is not int64"),
        ({"inputs": [["UA", 5.5, *ROW[2:]]]}, "column 'hour', row 0: 5.5 is not int64"),
        ({"inputs": [["UA", 1e300, *ROW[2:]]]}, "1e+300 is not int64"),
        ({"inputs": [["UA", math.nan, *ROW[2:]]]}, "column 'hour', row 0: null"),
        ({"inputs": [["UA", 5, math.inf, *ROW[3:]]]}, "malformed"),
        ({"inputs": [[*ROW[:3], AT_US, True]]}, "column 'at', row 0: 1359694800000000 is no text"),
        ({"inputs": [[*ROW[:3], "soon", True]]}, "'soon' is no time"),
        ({"inputs": [[*ROW[:3], "", True]]}, "column 'at', row 0: '' is not time"),
        ({"inputs": [ROW], "params": {"threshold": 0.7}}, "takes no params"),
        ('{"inputs":[],"inputs":[]}', "the key 'inputs' twice"),
        ('{"inputs":[{"hour":1,"hour":2}]}', "the key 'hour' twice"),
        ('{"inputs":NaN,"a":"' + '\\"' * 50_000, "is no request"),
    ],
    ids=range(32),
)
def test_mistakes_are_told_as_mlflow_tells_them(body: object, says: str) -> None:
    status, answer, log = ask(body)
    assert (status, list(log), answer.keys()) == (400, [], {"error_code", "message"})
    assert answer["error_code"] == "BAD_REQUEST"
    assert says in answer["message"]
    assert len(answer["message"]) < 1300


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 rows"),
        ("carrier,hour\nUA,5\n", "missing columns: wind, at, rain"),
        (f"{','.join(NAMES)}\nUA,5.5,1,{AT},true\n", "column 'hour', row 0: '5.5' is not int64"),
        (f"{','.join(NAMES)}\nUA,{'1' * 5000},1,{AT},true\n", "is not int64"),
        (f"{','.join(NAMES)}\nUA,5,inf,{AT},true\n", "inf is not float64"),
        (f"{','.join(NAMES)}\nUA,,1,{AT},true\n", "column 'hour', row 0: null"),
        (f"{','.join(NAMES)}\nUA,5,1,{AT}\n", "row 0: 4 values for 5 columns"),
        (f"{','.join(NAMES)},hour\n", "a column comes twice"),
        (f"{','.join(NAMES)}\n" + "\n" * 9 + f"UA,5,1,{AT},true\n" * 5, "more than 4 rows"),
        ('hour\n"5', "is no CSV"),
        ("hour\n" + "5" * 200_000, "is no CSV"),
    ],
    ids=range(11),
)
def test_mistakes_in_csv(text: str, says: str) -> None:
    status, answer, log = ask(text, is_csv=True)
    assert (status, list(log), answer["error_code"]) == (400, [], "BAD_REQUEST")
    assert says in answer["message"]


def test_no_other_path_takes_csv() -> None:
    for path in ("/predict", "/v2/models/late/infer", "/labels"):
        status, answer, _ = ask("hour\n5\n", is_csv=True, path=path)
        assert (status, answer["code"]) == (415, "unsupported")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
floats = st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(
    st.tuples(texts, st.integers(-(2**53), 2**53), st.none() | floats, st.just(AT), st.booleans()).map(list),
    min_size=1,
    max_size=4,
)


def as_csv(table: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([NAMES, *table])
    return text.getvalue()


@given(rows)
def test_every_form_decides_what_the_plain_one_decides(table: list[list[Any]]) -> None:
    plain = {"rows": [{**row, "at": AT_US} for row in named(*table)]}
    _, wanted, [logged] = ask(plain, path="/predict")
    for body in (
        {"dataframe_split": {"columns": NAMES, "data": table}},
        {"dataframe_records": named(*table)},
        {"instances": table},
        {"instances": named(*table)},
        {"inputs": dict(zip(NAMES, map(list, zip(*table, strict=True)), strict=True))},
        as_csv(table),
    ):
        status, answer, [record] = ask(body, is_csv=isinstance(body, str))
        assert status == 200, answer
        assert answer["predictions"] == [row["decision"] for row in wanted["predictions"]]
        assert (record.columns, record.scores) == (logged.columns, logged.scores)
