"""Whatever comes over the wire: what the caller did is never a failure of ours, and the log holds what was answered."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.clock import SystemClock
from clew.core.ids import Digest, Ids
from clew.core.types.model import ModelVersion
from clew.core.types.signature import Dtype, Field, Output, Scale, Signature, Task
from clew.serving.app import EndpointApp
from clew.serving.records import DecisionRecord, LabelRecord, decode
from clew.serving.slots import Served, Slots

SIGNATURE = Signature(
    inputs=(
        Field(name="carrier", dtype=Dtype.STRING),
        Field(name="hour", dtype=Dtype.INT64),
        Field(name="wind", dtype=Dtype.FLOAT64, nullable=True),
        Field(name="gust", dtype=Dtype.FLOAT32),
        Field(name="at:us", dtype=Dtype.TIME),
        Field(name="rain", dtype=Dtype.BOOL),
    ),
    outputs=(Output(name="score", dtype=Dtype.FLOAT64),),
    task=Task.BINARY,
    scale=Scale.PROBABILITY,
    classes=(False, True),
)
ROW = {"carrier": "UA", "hour": 5, "wind": 3.5, "gust": 1.5, "at:us": 1359694800000000, "rain": False}
PREDICT = {"rows": [ROW, ROW], "keys": ["a", "b:c"], "time": "2013-02-01T05:00:00Z", "id": "mine"}
TYPES = {"carrier": "BYTES", "hour": "INT64", "wind": "FP64", "gust": "FP32", "at:us": "INT64", "rain": "BOOL"}
INFER = {
    "id": "42",
    "parameters": {"time": "2013-02-01T05:00:00Z"},
    "inputs": [
        *({"name": n, "shape": [2], "datatype": TYPES[n], "data": [value] * 2} for n, value in ROW.items()),
        {"name": "clew.key", "shape": [2, 1], "datatype": "BYTES", "data": [["a"], ["b"]]},
    ],
    "outputs": [{"name": "score"}],
}
INVOCATIONS = {
    "dataframe_split": {
        "columns": [*ROW, "more"],
        "data": [[*{**ROW, "at:us": "2013-02-01T05:00:00"}.values(), None]] * 2,
        "index": [0, 1],
    },
    "params": {},
}
LABELS = {"labels": [{"key": "a", "label": True}, {"id": "0" * 32, "label": 1}], "time": "2013-02-02"}
PATHS = [
    ("/predict", PREDICT),
    ("/v2/models/late/infer", INFER),
    ("/invocations", INVOCATIONS),
    ("/labels", LABELS),
]
DEEP = 100_000
WIND = b'{"rows":[{"carrier":"UA","hour":5,"wind":%s,"gust":1,"at:us":1,"rain":true}]}'


class Scorer:
    id = "hour-1"

    def decide(self, columns: dict[str, list[Any]]) -> tuple[list[float], list[Any]]:
        scores = [hour / 24 for hour in columns["hour"]]
        return scores, [score >= 0.5 for score in scores]


class Adrift:
    id = "nan-1"

    def decide(self, columns: dict[str, list[Any]]) -> tuple[list[float], list[Any]]:
        return [0.5] * (len(columns["hour"]) - 1) + [float("nan")], [True] * len(columns["hour"])


class Log(list[Any]):
    """A journal in memory."""

    def append(self, payload: bytes) -> None:
        super().append(decode(payload))


def app_of(scorer: Any = None) -> tuple[EndpointApp, Log]:
    version = ModelVersion(
        id="v1", model="m", name="delay", number=1, package=Digest(""), run="", created_us=1, created_by=""
    )
    served = Served(version=version, signature=SIGNATURE, scorer=scorer or Scorer(), check=lambda _: ())
    journal: Any = Log()
    return EndpointApp("late", Slots(served), journal=journal, clock=SystemClock(), ids=Ids(SystemClock())), journal


def ask(path: str, body: object, method: str = "POST") -> tuple[int, Any, Log]:
    """A status, an answer, and what was logged."""
    app, log = app_of()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = app.answer(method, path, content, 0.0)
    return answer.status, json.loads(answer.body) | {"allow": answer.allow}, log


def test_what_the_mistakes_are_made_of_is_right() -> None:
    for path, body in PATHS:
        assert ask(path, body)[0] == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (WIND % (b"[" * DEEP + b"]" * DEEP), "nested too deeply"),
        (WIND % (b'{"a":' * DEEP + b"1" + b"}" * DEEP), "nested too deeply"),
        (WIND % (b"[" * DEEP), "nested too deeply"),
        (WIND % (b"[" * 400 + b"]" * 400), "is not float64"),
        (WIND % b"NaN", "malformed"),
        (WIND % b"Infinity", "malformed"),
        (WIND % b"1e999", "out of range"),
        (WIND % (b"1" + b"0" * 400), "is not float64"),
        (WIND % (b"1" + b"0" * 100_000), "out of range"),
        (WIND % b"9007199254740993", "9007199254740993 is not float64"),
        ({"rows": [{**ROW, "gust": 1e39}]}, "is not float32"),
        ({"rows": [{**ROW, "hour": 2**63}]}, "is not int64"),
        ({"rows": [{**ROW, "hour": 5.0}]}, "is not int64"),
        ({"rows": [{**ROW, "carrier": "x" * 10**6, "hour": "x" * 10**6}]}, "is not int64"),
        (WIND % b'1,"wind":2', "the key 'wind' twice"),
        (WIND % b'1,"w\\u0069nd":2', "the key 'wind' twice"),
        (WIND.replace(b"{", b'{"rows":[],', 1) % b"1", "the key 'rows' twice"),
        (WIND.replace(b"UA", b"\xff") % b"1", "not UTF-8"),
        (WIND.replace(b"UA", b"\\ud800") % b"1", "surrogate"),
        (b"\xef\xbb\xbf" + WIND % b"1", "malformed"),
        ((WIND % b"1") * 2, "trailing"),
        ({**PREDICT, "time": "1" * 100_000}, "is no time"),
        ({**PREDICT, "time": "0001-01-01T00:00:00+23:59"}, "is no time"),
        ({**PREDICT, "id": "x" * 513}, "a name of 513 characters"),
        ({**PREDICT, "keys": ["x" * 513, "b"]}, "a name of 513 characters"),
    ],
    ids=range(25),
)
def test_mistakes_in_a_plain_request(body: object, says: str) -> None:
    status, answer, log = ask("/predict", body)
    assert (status, list(log)) == (400, [])
    assert says in answer["error"]
    assert len(answer["error"]) < 1200


def tensor(name: str, **changes: object) -> dict[str, Any]:
    """The right request, with one tensor changed."""
    body = copy.deepcopy(INFER)
    next(each for each in body["inputs"] if each["name"] == name).update(changes)  # type: ignore[attr-defined, index]
    return body


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"inputs":[],"more":' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
        (b'{"inputs":[],"inputs":[]}', "the key 'inputs' twice"),
        (b'{"inputs":[],"parameters":{"time":"2013","time":"2014"}}', "the key 'time' twice"),
        (b'{"inputs":[],"more":{"a":1,"a":2}}', "the key 'a' twice"),
        (tensor("hour", shape=[2, 1], data=[[5], 6]), "mixes lists and values"),
        (tensor("hour", shape=[2, 1], data=[[5], {"a": 6}]), "mixes lists and values"),
        (tensor("hour", shape=[2, 1], data=[[[5]], [[5]]]), "is not int64"),
        (tensor("hour", shape=[10**30]), "says shape"),
        (tensor("hour", shape=[-2]), "says shape"),
        (tensor("hour", shape=[]), "says shape"),
        (tensor("hour", datatype="INT8", data=[5, 500]), "row 1: 500 is not INT8"),
        (tensor("hour", datatype="UINT16", data=[-1, 5]), "row 0: -1 is not UINT16"),
        (tensor("hour", datatype="FP64"), "has datatype 'FP64'"),
        (tensor("rain", data=[0, 1]), "is not bool"),
        (tensor("clew.key", data=[["a"], [1]]), "names of rows"),
        (tensor("clew.key", shape=[1], data=["a"]), "1 key for 2 rows"),
        ({**INFER, "outputs": [{"name": "x" * 5000}]}, "no output named"),
        ({**INFER, "inputs": []}, "missing columns"),
        (json.dumps(INFER).encode().replace(b'"parameters"', b'"\x80arameters"'), "is not UTF-8"),
    ],
    ids=range(19),
)
def test_mistakes_in_a_request_of_the_protocol(body: object, says: str) -> None:
    status, answer, log = ask("/v2/models/late/infer", body)
    assert (status, list(log)) == (400, [])
    assert says in answer["error"]
    assert len(answer["error"]) < 1200


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (b'{"key":"a","label":' + b"[" * DEEP + b"]" * DEEP + b"}", "got `array`"),
        (b'{"key":"a","label":99999999999999999999}', "no integer of 64 bits"),
        (b'{"key":"a","label":1e999}', "out of range"),
        (b'{"key":"a","key":"b","label":1}', "the key 'key' twice"),
        (b'{"key":"%s","label":1}' % (b"k" * 513), "513 characters"),
        (b'{"key":"\xff","label":1}', "not UTF-8"),
        (b'{"key":"a","label":"lte"}', "'lte' is nothing that late decides"),
    ],
    ids=range(7),
)
def test_mistakes_in_labels(label: bytes, says: str) -> None:
    status, answer, log = ask("/labels", b'{"labels":[%s]}' % label)
    assert (status, list(log)) == (400, [])
    assert says in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("DELETE", "/predict", 405, b"POST"),
        ("GET", "/labels", 405, b"POST"),
        ("POST", "/health", 405, b"GET, HEAD"),
        ("OPTIONS", "/v2/models/late/infer", 405, b"POST"),
        ("POST", "/predict/", 404, b""),
        ("GET", "/" + "a" * 50_000, 404, b""),
        ("GET", "/\udcff", 404, b""),
        ("POST", "/v2/models/\udcff/infer", 404, b""),
        ("POST", "/v2/models/late/versions/" + "9" * 5000 + "/infer", 404, b""),
    ],
)
def test_other_methods_and_paths(method: str, path: str, status: int, allow: bytes) -> None:
    got, answer, _ = ask(path, b"", method)
    assert (got, answer["allow"]) == (status, allow)
    assert len(answer["error"]) < 1200


def test_a_score_that_is_none_is_neither_answered_nor_logged() -> None:
    app, log = app_of(Adrift())
    answer = app.answer("POST", "/predict", json.dumps(PREDICT).encode(), 0.0)
    assert (answer.status, list(log)) == (400, [])
    assert b"row 1: the model gives nan" in answer.body


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**53 - 3, 2**64 + 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    | st.sampled_from(["", "BYTES", "INT8", "FP32", "clew.key", "carrier", "time", ":", '":', "0" * 32]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["rows", "name", "hour", "data", "shape", "label"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def spots(tree: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of JSON."""
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [*([here] if here else []), *(spot for key, part in parts for spot in spots(part, (*here, key)))]


@st.composite
def broken(draw: st.DrawFn, whole: dict[str, Any]) -> bytes:
    """A right request with a few values exchanged, left out or added, and perhaps a few bytes as well."""
    tree = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        if not tree:
            break
        *above, last = draw(st.sampled_from(spots(tree)))
        place: Any = tree
        for key in above:
            place = place[key]
        if draw(st.booleans()):
            place[last] = draw(values)
        else:
            del place[last]
    text = json.dumps(
        tree, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from([(",", ":"), (", ", " : ")]))
    )
    body = bytearray(text.encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


@pytest.mark.parametrize(("path", "whole"), PATHS)
@given(data=st.data())
@settings(max_examples=200)
def test_no_mistake_is_ours_and_the_log_is_exact(path: str, whole: dict[str, Any], data: st.DataObject) -> None:
    app, log = app_of()
    body = data.draw(broken(whole))
    answer = app.answer("POST", path, body, 0.0)
    said = json.loads(answer.body)
    assert answer.status in (200, 400), said
    if answer.status == 400:
        assert list(log) == []
        assert said["message" if path == "/invocations" else "error"]
        return
    sent: Any = json.loads(body)
    if path == "/labels":
        assert sum(len(record.labels) for record in log) == said["accepted"] == len(sent["labels"])
        assert all(isinstance(record, LabelRecord) for record in log)
        return
    [record] = log
    assert isinstance(record, DecisionRecord)
    if path == "/predict":
        assert record.columns == {name: [row[name] for row in sent["rows"]] for name in ROW}
        assert said["predictions"][0]["id"] == record.first_id
        assert (record.keys, record.rows) == (sent.get("keys", []), len(sent["rows"]))
    elif path == "/invocations":
        assert (said["predictions"], said["ids"][0]) == (record.decisions, record.first_id)
        assert {name: len(values) for name, values in record.columns.items()} == dict.fromkeys(ROW, record.rows)
    else:
        given = {each["name"]: each["data"] for each in sent["inputs"]}
        flat = {name: [v[0] if isinstance(v, list) else v for v in given[name]] for name in ROW}
        assert (record.columns, record.rows) == (flat, len(flat["hour"]))


@given(data=st.data())
@settings(max_examples=150)
def test_no_key_comes_twice_unnoticed(data: st.DataObject) -> None:
    tree = copy.deepcopy(data.draw(st.sampled_from([PREDICT, INFER, INVOCATIONS])))
    text = json.dumps(tree, ensure_ascii=False)
    key = data.draw(
        st.sampled_from(["rows", "hour", "inputs", "name", "data", "time", "at:us", "id", "more", "columns"])
    )
    at = data.draw(st.sampled_from([i for i, c in enumerate(text) if c == "{"])) + 1
    doubled = text[:at] + f'"{key}": 1, "{key}": 2, ' + text[at:]
    app, log = app_of()
    for path in ("/predict", "/v2/models/late/infer", "/invocations"):
        assert app.answer("POST", path, doubled.encode(), 0.0).status == 400
    assert list(log) == []
