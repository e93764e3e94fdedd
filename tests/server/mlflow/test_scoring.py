"""Clients of `mlflow models serve` against an endpoint of clew, and what MLflow itself does with the same requests.

The requests go to a real `clew serve` of a scikit-learn model, and to MLflow's own application with the same model. A
model that MLflow logged is asked in `test_how_to.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from clew.registry.formats.format import Trust
from clew.registry.package import load_model, load_package
from clew.testing.life import Life

FORMS = {
    "split": {"dataframe_split": {"columns": ["hour", "wind"], "data": [[0, -9.0], [20, 9.0]], "index": [0, 1]}},
    "other order": {"dataframe_split": {"columns": ["wind", "more", "hour"], "data": [[-9.0, 1, 0], [9.0, 1, 20]]}},
    "records": {"dataframe_records": [{"hour": 0, "wind": -9.0}, {"hour": 20, "wind": 9.0}]},
    "more fields": {"dataframe_records": [{"hour": 0, "wind": -9.0}], "client_request_id": "7"},
    "instances": {"instances": [{"hour": 0, "wind": -9.0}, {"hour": 20, "wind": 9.0}]},
    "inputs": {"inputs": {"hour": [0, 20], "wind": [-9.0, 9.0]}},
    "inputs by row": {"inputs": [{"hour": 0, "wind": -9.0}, {"hour": 20, "wind": 9.0}]},
    "no params": {"inputs": {"hour": [0], "wind": [-9.0]}, "params": {}},
    "csv": "hour,wind\n0,-9.0\n20,9.0\n",
    "csv with an index": ",hour,wind\n0,0,-9.0\n1,20,9.0\n",
    "empty": "",
    "no object": [1],
    "no input": {"rows": []},
    "two inputs": {"inputs": [], "instances": []},
    "split of a list": {"dataframe_split": [[5, 0.5]]},
    "split without data": {"dataframe_split": {"columns": ["hour"]}},
    "split with more": {"dataframe_split": {"columns": ["hour"], "data": [[5]], "rows": 1}},
    "records of an object": {"dataframe_records": {"hour": 0, "wind": -9.0}},
    "missing column": {"dataframe_records": [{"hour": 5}]},
    "text for a number": {"dataframe_records": [{"hour": "late", "wind": 0.5}]},
    "columns of two lengths": {"inputs": {"hour": [5, 20], "wind": [0.5]}},
    "csv that lacks one": "hour\n5\n",
    "csv with a text": "hour,wind\nlate,0.5\n",
}
"""What clients send; the answers are those of MLflow, but for words of errors and the name of their kind."""

DIFFERENT = {
    "matrix": ({"inputs": [[0, -9.0], [20, 9.0]]}, 400, 200),
    "truncated": ({"dataframe_records": [{"hour": 5.7, "wind": 0.5}]}, 200, 400),
    "number in a text": ({"dataframe_records": [{"hour": "5", "wind": 0.5}]}, 200, 400),
    "params": ({"inputs": {"hour": [0], "wind": [-9.0]}, "params": {"threshold": 0.9}}, 200, 400),
}
"""Where we differ on purpose: what is sent, MLflow's status, ours. docs/reference/http.md says why."""

_ASK = """
import json, os, pathlib, socket, tempfile, threading, pandas as pd, uvicorn
from sklearn.linear_model import LogisticRegression
from mlflow.pyfunc.scoring_server import init
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

model, rows = LogisticRegression(), pd.DataFrame({"hour": [0, 20], "wind": [-9.0, 9.0]})
for name, value in fitted.items():
    setattr(model, name + "_", np.array(value))
folder = str(pathlib.Path(tempfile.mkdtemp()) / "model")
mlflow.sklearn.save_model(model, folder, signature=mlflow.models.infer_signature(rows, model.predict(rows)))
listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(init(mlflow.pyfunc.load_model(folder)), log_level="critical"))
thread = threading.Thread(target=server.run, args=([listener],))
thread.start()

def asked(port):
    client = ScoringServerClient("127.0.0.1", port)
    client.wait_server_ready()
    found = {}
    for name, body in sent.items():
        content = body if isinstance(body, str) else json.dumps(body)
        said = "text/csv" if name.startswith("csv") else "application/json; charset=utf-8"
        answer = requests.post(client.url_prefix + "/invocations", data=content, headers={"Content-Type": said})
        found[name] = [answer.status_code, answer.json()]
    frame = pd.concat([rows, rows[:1]])
    found["client"] = [200, client.invoke(frame).to_json()]
    found["health"] = [requests.get(client.url_prefix + "/health").status_code, client.get_version() != ""]
    return found

try:
    result = [asked(listener.getsockname()[1]), asked(port)]
finally:
    server.should_exit = True
    thread.join()
    os.environ.pop("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", None)
"""


@pytest.fixture
def port(life: Life) -> Iterator[int]:
    """Where a replica serves a model of clew."""
    words = [sys.executable, "-m", "clew", "serve", "delay@champion", "--name", "late", "--port", "0", "--json"]
    process = subprocess.Popen(words, cwd=life.workspace.root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield urlsplit(json.loads(process.stdout.readline())["url"]).port or 0
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_answers_are_those_of_mlflows_own_server(client_process: Any, life: Life, port: int) -> None:
    package = load_package(life.stores.objects, life.version(1).package)
    model = load_model(life.stores.objects, package, Trust())
    fitted = {name: getattr(model, f"{name}_").tolist() for name in ("coef", "intercept", "classes")}
    sent = FORMS | {name: body for name, (body, _, _) in DIFFERENT.items()}
    theirs, ours = client_process.run(f"sent, fitted, port = {sent!r}, {fitted!r}, {port}" + _ASK, "", "")
    assert theirs["split"] == [200, {"predictions": [False, True]}]
    for name in FORMS | {"client": 0, "health": 0}:
        (status, said), (our_status, we_said) = theirs[name], ours[name]
        assert (name, our_status) == (name, status), we_said
        if status == 200:
            assert (name, predictions(we_said)) == (name, predictions(said))
        else:
            assert (name, we_said.keys()) == (name, said.keys() & {"error_code", "message"})
            assert we_said["error_code"] in (said["error_code"], "BAD_REQUEST")
    assert {name: (theirs[name][0], ours[name][0]) for name in DIFFERENT} == {
        name: (their_status, our_status) for name, (_, their_status, our_status) in DIFFERENT.items()
    }


def predictions(said: Any) -> Any:
    told = json.loads(said) if isinstance(said, str) else said
    return told["predictions"] if isinstance(told, dict) else told
