"""The real client: a Python with mlflow in it, in a process of its own that runs what tests hand to it."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.core.types.account import ProjectRole

PYTHON = Path(__file__).parents[3] / ".venv-mlflow" / "bin" / "python"

_WORKER = """
import contextlib, io, json, os, sys, traceback, warnings
warnings.filterwarnings("ignore")
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import mlflow, numpy as np, requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
names = dict(mlflow=mlflow, np=np, requests=requests, MlflowClient=MlflowClient, MlflowException=MlflowException)
def refused(call):
    try:
        call()
    except MlflowException as error:
        return [error.error_code, error.message]
    return None
for line in sys.stdin:
    asked = json.loads(line)
    os.environ["MLFLOW_TRACKING_TOKEN"] = asked["token"]
    mlflow.set_tracking_uri(asked["url"])
    mlflow.set_registry_uri(asked["url"])
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.tracking.fluent._active_experiment_id = None
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    headers = {"Authorization": "Bearer " + asked["token"]}
    scope = dict(names, url=asked["url"], refused=refused, result=None, headers=headers)
    try:
        exec(compile(asked["code"], "<test>", "exec"), scope)
        told = {"result": scope["result"]}
    except BaseException:
        told = {"error": traceback.format_exc()}
    out.write(json.dumps(told, default=str) + "\\n")
    out.flush()
"""


class MlflowClientProcess:
    """Runs code in the Python that has mlflow; `result` in the code comes back."""

    def __init__(self) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "PYTHON"))}
        environ |= {
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
            "MLFLOW_TRACKING_INSECURE_TLS": "true",
            "GIT_PYTHON_REFRESH": "quiet",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [str(PYTHON), "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environ,
        )

    def run(self, code: str, url: str, token: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"code": textwrap.dedent(code), "url": url, "token": token}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process with mlflow ended"
        told = json.loads(line)
        assert "error" not in told, told["error"]
        return told["result"]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def client_process() -> Iterator[MlflowClientProcess]:
    if not PYTHON.exists():
        pytest.skip("no environment with mlflow: make .venv-mlflow/.installed")
    process = MlflowClientProcess()
    yield process
    process.close()


@pytest.fixture
def served(serve: Callable[..., Any]) -> Any:
    """A server with the projects `late` and `other`."""
    return serve()


Run = Callable[[str], Any]


@pytest.fixture
def run(client_process: MlflowClientProcess, served: Any) -> Run:
    """Runs code of an mlflow client against the project `late`, as an admin of it."""
    token = served.token("bob", ProjectRole.ADMIN)
    return lambda code: client_process.run(code, served.url, token)
