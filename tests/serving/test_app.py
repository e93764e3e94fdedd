"""The endpoint's application, called as a server calls it."""

from __future__ import annotations

import dataclasses
import json
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.clock import SystemClock
from clew.core.ids import Digest, Ids, is_id
from clew.core.types.model import ModelVersion
from clew.core.types.signature import Dtype, Field, Output, Scale, Signature, Task
from clew.monitoring.logged import labels_in
from clew.serving.app import EndpointApp
from clew.serving.journal import ReplicaJournal, read_frames, segments
from clew.serving.lane import Lane
from clew.serving.records import DecisionRecord, LabelRecord, ShadowRecord, decode
from clew.serving.slots import Served, Slots

SIGNATURE = Signature(
    inputs=(
        Field(name="carrier", dtype=Dtype.STRING),
        Field(name="hour", dtype=Dtype.INT64),
        Field(name="wind", dtype=Dtype.FLOAT64, nullable=True),
    ),
    outputs=(Output(name="score", dtype=Dtype.FLOAT64),),
    task=Task.BINARY,
    scale=Scale.PROBABILITY,
    classes=(False, True),
)
NUMBER = msgspec.structs.replace(SIGNATURE, task=Task.REGRESSION, scale=Scale.VALUE, classes=())
ROW = {"carrier": "UA", "hour": 5, "wind": 3.5}


class HourScorer:
    """Late in the day, late in arriving."""

    id = "hour-1"

    def decide(self, columns: dict[str, list[Any]]) -> tuple[list[float], list[Any]]:
        scores = [hour / 24 for hour in columns["hour"]]
        return scores, [score >= 0.5 for score in scores]


class BrokenScorer:
    id = "broken-1"

    def decide(self, columns: dict[str, list[Any]]) -> tuple[list[float], list[Any]]:
        raise ZeroDivisionError


def served(number: int, scorer: Any = None, wrong: Sequence[str] = ()) -> Served:
    version = ModelVersion(
        id=f"v{number}",
        model="m",
        name="delay",
        number=number,
        package=Digest(""),
        run="r",
        created_us=1,
        created_by="ann",
    )
    return Served(version=version, signature=SIGNATURE, scorer=scorer or HourScorer(), check=lambda _: wrong)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[EndpointApp]:
    ids = Ids(SystemClock())
    journal = ReplicaJournal(tmp_path, ids)
    yield EndpointApp("late", Slots(served(7)), journal=journal, clock=SystemClock(), ids=ids)
    journal.close()


def call(app: EndpointApp, method: str, path: str, body: object = b"") -> tuple[int, Any]:
    """One request; a body that is no bytes goes as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = app.answer(method, path, content, 0.0)
    app.after(answer, method, 0.0)
    is_json = answer.content_type == b"application/json"
    return answer.status, json.loads(answer.body) if is_json else answer.body.decode()


def logged(folder: Path) -> list[Any]:
    return [decode(payload) for path in segments(folder) for payload, _ in read_frames(path)]


def test_rows_are_decided_and_logged(app: EndpointApp, tmp_path: Path) -> None:
    body = {"rows": [ROW, {**ROW, "hour": 18}], "keys": ["a", "b"], "time": "2013-02-01T05:00:00Z", "id": "mine"}
    status, answer = call(app, "POST", "/predict", body)
    assert status == 200
    assert (answer["model"], answer["version"], answer["id"]) == ("delay", 7, "mine")
    assert [(row["score"], row["decision"]) for row in answer["predictions"]] == [(5 / 24, False), (0.75, True)]
    [record] = logged(tmp_path)
    assert isinstance(record, DecisionRecord)
    assert record.first_id == answer["predictions"][0]["id"]
    assert is_id(answer["predictions"][1]["id"])
    assert (record.keys, record.time_us, record.version) == (["a", "b"], 1359694800000000, "v7")
    assert record.columns == {"carrier": ["UA", "UA"], "hour": [5, 18], "wind": [3.5, 3.5]}


def test_an_answer_has_the_name_of_a_request_that_has_one(app: EndpointApp) -> None:
    assert "id" not in call(app, "POST", "/predict", {"rows": [ROW]})[1]
    tensors = [
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
        {"name": "hour", "shape": [1], "datatype": "INT64", "data": [5]},
        {"name": "wind", "shape": [1], "datatype": "FP64", "data": [1.5]},
    ]
    status, answer = call(app, "POST", "/v2/models/delay/infer", {"inputs": tensors})
    assert (status, "id" in answer) == (200, False)


def test_the_open_inference_protocol(app: EndpointApp, tmp_path: Path) -> None:
    body = {
        "id": "42",
        "parameters": {"time": "2013-02-01T05:00:00Z"},
        "inputs": [
            {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["UA", "B6"]},
            {"name": "hour", "shape": [2, 1], "datatype": "INT64", "data": [[5], [18]]},
            {"name": "wind", "shape": [2, 1], "datatype": "FP64", "data": [1.5, None]},
            {"name": "clew.key", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
        ],
        "outputs": [{"name": "decision"}, {"name": "score"}],
    }
    status, answer = call(app, "POST", "/v2/models/delay/versions/7/infer", body)
    assert status == 200
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("delay", "7", "42")
    assert answer["outputs"] == [
        {"name": "decision", "shape": [2], "datatype": "BOOL", "data": [False, True]},
        {"name": "score", "shape": [2], "datatype": "FP64", "data": [5 / 24, 0.75]},
    ]
    assert logged(tmp_path)[0].keys == ["a", "b"]
    assert (
        call(app, "POST", "/v2/models/late/infer", {**body, "outputs": []})[1]["outputs"][2]["name"] == "prediction_id"
    )


def test_what_the_endpoint_says_of_itself(app: EndpointApp) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/delay/ready", "/v2", "/"):
        assert call(app, "GET", path)[0] == 200
    assert call(app, "GET", "/v2/health/ready")[1]["version"] == 7
    _, metadata = call(app, "GET", "/v2/models/delay")
    assert metadata["versions"] == ["7"]
    assert {"name": "hour", "datatype": "INT64", "shape": [-1]} in metadata["inputs"]
    call(app, "POST", "/predict", {"rows": [ROW]})
    call(app, "POST", "/predict", {"rows": [{}]})
    _, text = call(app, "GET", "/metrics")
    assert 'clew_requests_total{endpoint="late",status="200"} 1' in text
    assert 'clew_requests_total{endpoint="late",status="400"} 1' in text
    assert 'clew_predictions_total{endpoint="late"} 1' in text
    assert 'clew_request_seconds_bucket{endpoint="late",le="+Inf"} 2' in text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no request"),
        (b"\xff\xfe", "no request"),
        (b"[" * 2000, "no request"),
        (b'{"rows": [{"carrier": "UA", "hour": 5, "wind": NaN}]}', "no request"),
        ({"rows": []}, "0 rows"),
        ({"row": ROW}, "row"),
        ({"rows": [{"carrier": "UA", "hour": 5}]}, "row 0 has no 'wind'"),
        ({"rows": [{"wind": 1.0}]}, "row 0 has no 'carrier', 'hour'"),
        ({"rows": [ROW], "keys": [5]}, '"keys": ["…"]'),
        ({"rows": [ROW, {**ROW, "extra": 1}]}, "row 1 has 'extra'"),
        ({"rows": [{**ROW, "hour": "5"}]}, "column 'hour', row 0: '5' is not int64"),
        ({"rows": [{**ROW, "hour": 5.5}]}, "'hour'"),
        ({"rows": [{**ROW, "hour": True}]}, "'hour'"),
        ({"rows": [{**ROW, "hour": None}]}, "null, and the signature allows none"),
        ({"rows": [{**ROW, "hour": 2**70}]}, "'hour'"),
        ({"rows": [{**ROW, "wind": 10**400}]}, "'wind'"),
        ({"rows": [{**ROW, "carrier": "x" * 900}, {**ROW, "carrier": 1}]}, "'carrier', row 1"),
        ({"rows": [ROW], "keys": ["a", "b"]}, "2 keys for 1 row"),
        ({"rows": [ROW], "time": "yesterday"}, "'yesterday' is no time"),
    ],
)
def test_a_wrong_request_is_refused_and_not_logged(app: EndpointApp, tmp_path: Path, body: object, says: str) -> None:
    status, answer = call(app, "POST", "/predict", body)
    assert status == 400
    assert says in answer["error"] + answer.get("hint", "")
    assert logged(tmp_path) == []


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([{"name": "hour", "shape": [1], "datatype": "INT64", "data": [5]}], "missing columns: carrier, wind"),
        ([{"name": "hour", "shape": [2], "datatype": "INT64", "data": [5]}] * 2, "one name"),
        ([{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}], "different types"),
        (
            [
                {"name": "hour", "shape": [3], "datatype": "INT64", "data": [5]},
                {"name": "wind", "shape": [1], "datatype": "FP64", "data": [5]},
            ],
            "says shape [3]",
        ),
        (
            [
                {"name": "hour", "shape": [1], "datatype": "BYTES", "data": ["5"]},
                {"name": "wind", "shape": [1], "datatype": "FP64", "data": [5]},
            ],
            "has datatype 'BYTES'",
        ),
    ],
)
def test_wrong_tensors_are_refused(app: EndpointApp, inputs: list[dict[str, Any]], says: str) -> None:
    status, answer = call(app, "POST", "/v2/models/delay/infer", {"inputs": inputs})
    assert status == 400
    assert says in answer["error"]


def test_other_doors_are_closed(app: EndpointApp) -> None:
    assert call(app, "GET", "/predict")[0] == 405
    assert call(app, "GET", "/nothing")[0] == 404
    assert call(app, "POST", "/v2/models/other/infer", {"inputs": []})[0] == 404
    assert call(app, "POST", "/v2/models/delay/versions/6/infer", {"inputs": []})[0] == 404


def test_without_keys_no_other_site_is_answered(tmp_path: Path) -> None:
    forgetful: Any = SimpleNamespace(append=lambda _: None)
    body = json.dumps({"rows": [ROW]}).encode()
    for allows, wanted in ((None, 403), (lambda _: True, 403), ({"Bearer right"}.__contains__, 200)):
        app = EndpointApp(
            "late",
            Slots(served(7)),
            journal=forgetful,
            clock=SystemClock(),
            ids=Ids(SystemClock()),
            allows=allows,
        )
        assert app.answer("POST", "/predict", body, 0.0, "Bearer right", foreign=True).status == wanted
        assert app.answer("GET", "/health", b"", 0.0, foreign=True).status == wanted
        assert app.answer("POST", "/predict", body, 0.0, "Bearer right").status == 200


def test_who_has_no_key_is_denied_but_may_ask_for_health(tmp_path: Path) -> None:
    forgetful: Any = SimpleNamespace(append=lambda _: None)
    ids = Ids(SystemClock())
    allows = {"Bearer right"}.__contains__
    app = EndpointApp("late", Slots(served(7)), journal=forgetful, clock=SystemClock(), ids=ids, allows=allows)
    body = json.dumps({"rows": [ROW]}).encode()
    for path in ("/predict", "/labels", "/v2/models/delay/infer", "/invocations", "/metrics", "/", "/nothing"):
        answer = app.answer("POST", path, body, 0.0, "Bearer wrong")
        assert answer.status == 401
        assert b"clew keys add late" in answer.body
    for path in ("/health", "/ping"):
        assert app.answer("GET", path, b"", 0.0).status == 200
    assert app.answer("GET", "/version", b"", 0.0).status == 401
    assert app.answer("POST", "/predict", body, 0.0, "Bearer right").status == 200
    assert (
        'clew_denials_total{endpoint="late"} 8' in app.answer("GET", "/metrics", b"", 0.0, "Bearer right").body.decode()
    )


def test_data_checks_refuse(app: EndpointApp, tmp_path: Path) -> None:
    app.slots = Slots(served(7, wrong=["hour must be at most 23"]))
    status, answer = call(app, "POST", "/predict", {"rows": [ROW]})
    assert (status, answer["error"]) == (400, "hour must be at most 23")
    assert logged(tmp_path) == []


def test_a_model_that_breaks_is_our_fault_and_ends_nothing(app: EndpointApp, tmp_path: Path) -> None:
    app.slots = Slots(served(8, BrokenScorer()))
    status, answer = call(app, "POST", "/predict", {"rows": [ROW]})
    assert (status, answer["code"]) == (500, "internal")
    app.slots = Slots(served(7))
    assert call(app, "POST", "/predict", {"rows": [ROW]})[0] == 200
    assert len(logged(tmp_path)) == 1


def test_a_shadow_scores_behind_the_answer_and_may_fail(app: EndpointApp, tmp_path: Path) -> None:
    app.slots = Slots(served(7), (served(9, BrokenScorer()), served(8)))
    status, answer = call(app, "POST", "/predict", {"rows": [ROW]})
    assert (status, answer["version"]) == (200, 7)
    decision, shadow = logged(tmp_path)
    assert isinstance(shadow, ShadowRecord)
    assert (shadow.version, shadow.first_id, shadow.scores) == ("v8", decision.first_id, [5 / 24])
    assert app.metrics.shadow_failures == 1


class GivenScorer(HourScorer):
    """Says what it is told to, whatever the rows."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)

    def decide(self, columns: dict[str, list[Any]]) -> tuple[list[float], list[Any]]:
        return self.scores, [True for _ in self.scores]


@pytest.mark.parametrize(
    ("scores", "said"), [((0.5,), "gives 1 score for 2 rows"), ((0.5, float("nan")), "row 1: the model gives nan")]
)
def test_what_is_no_score_for_each_row_is_neither_answered_nor_logged(
    app: EndpointApp, tmp_path: Path, scores: tuple[float, ...], said: str
) -> None:
    app.slots = Slots(served(7, GivenScorer(*scores)))
    status, answer = call(app, "POST", "/predict", {"rows": [ROW, ROW]})
    assert (status, said in answer["error"], logged(tmp_path)) == (400, True, [])
    app.slots = Slots(served(7), (served(8, GivenScorer(*scores)),))
    assert call(app, "POST", "/predict", {"rows": [ROW, ROW]})[0] == 200
    assert ([type(record) for record in logged(tmp_path)], app.metrics.shadow_failures) == ([DecisionRecord], 1)


class SlowScorer(HourScorer):
    """Waits until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def decide(self, columns: dict[str, list[Any]]) -> tuple[list[float], list[Any]]:
        assert self.go.wait(60)
        return super().decide(columns)


def test_nobody_waits_for_a_slow_shadow_and_what_it_is_not_given_is_counted(app: EndpointApp, tmp_path: Path) -> None:
    scorer = SlowScorer()
    slow = dataclasses.replace(served(8, scorer), slow=True)
    app.slots = Slots(served(7), (slow, served(9)))
    for _ in range(300):
        assert call(app, "POST", "/predict", {"rows": [ROW]})[0] == 200
    dropped = app.metrics.shadow_dropped
    assert 300 - 256 - 1 <= dropped <= 300 - 256
    assert app.metrics.shadow_rows == 300
    scorer.go.set()
    app.close()
    assert app.metrics.shadow_rows == 600 - dropped
    assert f'clew_shadow_dropped_total{{endpoint="late"}} {dropped}' in call(app, "GET", "/metrics")[1]
    records = logged(tmp_path)
    answered = {record.first_id for record in records if isinstance(record, DecisionRecord)}
    shadowed = {record.first_id for record in records if isinstance(record, ShadowRecord) and record.version == "v8"}
    assert len(answered) == 300
    assert len(shadowed) == 300 - dropped
    assert shadowed < answered


def test_a_shadow_that_hangs_holds_up_the_end_for_a_while(app: EndpointApp, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = SlowScorer()
    app.slots = Slots(served(7), (dataclasses.replace(served(8, scorer), slow=True),))
    monkeypatch.setattr(Lane.close, "__kwdefaults__", {"patience_s": 0.05})
    for _ in range(3):
        call(app, "POST", "/predict", {"rows": [ROW]})
    app.close()
    assert app.metrics.shadow_dropped in (2, 3)
    scorer.go.set()


def test_labels_come_by_id_or_key(app: EndpointApp, tmp_path: Path) -> None:
    _, answer = call(app, "POST", "/predict", {"rows": [ROW]})
    row_id = answer["predictions"][0]["id"]
    labels = {"labels": [{"id": row_id, "label": True}, {"key": "k", "label": 0}], "time": "2013-02-02T05:00:00Z"}
    assert call(app, "POST", "/labels", labels) == (200, {"accepted": 2})
    record = logged(tmp_path)[1]
    assert isinstance(record, LabelRecord)
    assert (record.ids, record.keys, record.labels) == ([row_id, ""], ["", "k"], [True, 0])
    for wrong in (
        {"label": 1},
        {"label": 1, "id": "x"},
        {"label": 1, "id": row_id, "key": "k"},
        {"label": [1], "key": "k"},
    ):
        assert call(app, "POST", "/labels", {"labels": [wrong]})[0] == 400
    assert len(logged(tmp_path)) == 2


names = st.sampled_from(["rows", "inputs", "name", "data", "shape", "datatype", "hour"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["rows", "inputs", "name", "data", "shape", "datatype", "hour"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(body=json_values | st.binary(max_size=50))
@settings(max_examples=150, deadline=None)
def test_no_body_is_our_fault(body: object) -> None:
    forgetful: Any = SimpleNamespace(append=lambda _: None)
    app = EndpointApp("late", Slots(served(7)), journal=forgetful, clock=SystemClock(), ids=Ids(SystemClock()))
    for path in ("/predict", "/labels", "/v2/models/delay/infer"):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        assert app.answer("POST", path, content, 0.0).status in (200, 400)


@pytest.mark.parametrize("label", [1, -1.5, "2.5", "1e3", "-7", " 2", "1_0", "nan", "1e999", "x", "", True])
def test_what_a_regression_takes_as_a_label_counts_as_one(label: Any) -> None:
    takes = dataclasses.replace(served(7), signature=NUMBER).knows(label)
    [truth] = labels_in(pl.Series([json.dumps(label)]), NUMBER).to_list()
    assert takes is (truth is not None and math.isfinite(truth))
