"""One long script of calls against MLflow's own server and against clew: the answers must agree.

What differs on purpose stands in `ALLOWED` with its reason; what stands there and agrees fails as well.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("replay_script.py").read_text(encoding="utf-8")
PYTHON = Path(__file__).parents[3] / ".venv-mlflow" / "bin" / "python"

SAYS_WHY = "clew refuses it with a reason; MLflow's server fails with status 500"
WORKS = "MLflow's server compares with what it keeps inside, and finds nothing"
WORDS = "the same refusal in other words"
ALLOWED: dict[str, str] = {
    "experiment rename taken": "a taken name is RESOURCE_ALREADY_EXISTS here as well, not an error of the database",
    "logged params changed": "they keep their values here as well, and the refusal is no error of the database",
    "batch run": "without the tag mlflow.user, clew answers who the caller was",
    "run create no start": "without the tag mlflow.user, clew answers who the caller was",
    "no such endpoint": "clew answers JSON, MLflow's server a page",
    "runs by ['metrics.loss', 'metrics.loss']": SAYS_WHY,
    "logged where metrics.acc > 'a'": SAYS_WHY,
    "logged where zzz = 'a'": SAYS_WHY,
    "version of no logged": SAYS_WHY,
    "logged where status = 'READY'": WORKS,
    "logged on data": WORKS,
    "experiment at http://host/x": WORDS,
    "version at a host": WORDS,
    "experiments where id like": WORDS,
    "experiments where unquoted": WORDS,
    "runs where params.depth = '6": WORDS,
    "runs bad token": WORDS,
    "logged where name > 'a'": WORDS,
    "version local file": WORDS,
    "models where name > 'a'": WORDS,
    "models most": WORDS,
    "versions where version_number = 'a'": WORDS,
    "versions where version_number IN (1)": WORDS,
}
"""By label of the call."""


def plain(value: Any) -> Any:
    """Without what differs for no reason: addresses, the order of sets, words of a database, clauses of a filter."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, str):
        return value
    value = re.sub(r"127\.0\.0\.1.{1,3}port=\d+|127\.0\.0\.1:\d+", "HERE", value)
    value = re.sub(r" Error: .*", "", value, flags=re.DOTALL)
    value = re.sub(r"(Invalid clause\(s\) in filter string):.*", r"\1", value, flags=re.DOTALL)
    value = re.sub(r'Response text: \{"error_code": ?"(\w+)".*', r"\1", value)
    return re.sub(r"\{('[^{}]*)\}'?", lambda found: str(sorted(found[1].split(", "))), value)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow's own server over SQLite."""
    if not PYTHON.exists():
        pytest.skip("no environment with mlflow: make .venv-mlflow/.installed")
    folder = tmp_path_factory.mktemp("mlflow-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    words += ["--artifacts-destination", f"{folder}/files", "--default-artifact-root", "mlflow-artifacts:/"]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    environ = {"PATH": f"{PYTHON.parent}:/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # eight processes for calls that are not made
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [PYTHON, "-m", "mlflow", *words], stdout=log, stderr=log, cwd=folder, env=environ, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # nothing of it is kept
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        assert process.poll() is None, "mlflow server ended"
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise AssertionError("mlflow server does not answer")


@pytest.mark.timeout(400)  # that server takes from ten seconds to over a minute to start
def test_answers_agree(mlflow_server: str, client_process: Any, run: Callable[[str], Any]) -> None:
    theirs = dict(client_process.run(SCRIPT, mlflow_server, ""))
    ours = dict(run(SCRIPT))
    assert list(ours) == list(theirs)
    differ = {label: (ours[label], theirs[label]) for label in ours if plain(ours[label]) != plain(theirs[label])}
    unexpected = {label: pair for label, pair in differ.items() if label not in ALLOWED}
    told = [f"{label}\n    clew   {mine}\n    mlflow {other}" for label, (mine, other) in unexpected.items()]
    assert not told, "\n".join(told)
    assert sorted(set(ALLOWED) - set(differ)) == []
    assert len(ours) > 300
