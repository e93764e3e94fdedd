"""The how-to is true: its script runs against a real server, and its commands in the server's folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-mlflow" / "bin" / "python"
PAGE = (ROOT / "docs" / "how-to" / "from-mlflow.md").read_text(encoding="utf-8")
CLEW = [sys.executable, "-m", "clew"]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[str]:
    return [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "late-flights"
    subprocess.run([*CLEW, "init", str(folder)], check=True, capture_output=True)
    settings = blocks("toml")[0].replace(".venv-mlflow/bin/python", str(PYTHON))
    with (folder / "clew.toml").open("a") as file:
        file.write("\n" + settings)
    return folder


@pytest.fixture
def server(project: Path) -> Iterator[dict[str, Any]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [*CLEW, "server", "--port", str(port), "--json"]
    process = subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    told: dict[str, Any] = json.loads(process.stdout.readline())
    yield told
    process.terminate()
    process.wait(timeout=60)
    process.stdout.close()


def clew(line: str, folder: Path) -> str:
    words = shlex.split(line)
    assert words[0] == "clew"
    done = subprocess.run([*CLEW, *words[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}: {done.stderr}"
    return done.stdout + done.stderr


def test_the_five_minutes(client_process: Any, project: Path, server: dict[str, Any]) -> None:
    client_process.run(blocks("python")[0], f"{server['url']}/projects/late-flights", server["token"])
    lines = [line for line in commands() if line.startswith(("clew runs", "clew model"))]
    assert len(lines) == 7
    told = {line: clew(line, project) for line in lines}
    listed = told[lines[0]].splitlines()
    assert [line.split()[1] for line in listed[1:]] == ["both", "plain"]
    assert "fit_intercept" in told["clew runs show both"]
    assert "estimator.html" in told["clew runs artifacts both --output files"]
    assert (project / "files" / "estimator.html").stat().st_size > 0
    assert "training_r2_score" in told["clew runs compare plain both"]
    assert "delay" in told["clew model list"]
    assert "distance: float64?, hour: float64?" in told["clew model show delay@2"]
    assert "champion" in told["clew model promote delay@2 champion"]
    serve, ask = commands()[-2:]
    assert serve == "clew serve delay@champion"
    with endpoint(project) as url:
        said = answer_of(f"{url}/predict", shlex.split(ask)[-1])
        assert round(said["predictions"][0]["score"], 6) == 9.0
        thread = clew(f"clew why {said['predictions'][0]['id']}", project)
        assert "as another tool names it" in thread, "what autologging says of its data"
        assert "fitted with Python 3." in thread
        scoring = blocks("python")[1].replace("http://localhost:8470", url)
        assert "/invocations" in scoring
        told = client_process.run(
            scoring + AS_BEFORE.format(url=url), f"{server['url']}/projects/late-flights", server["token"]
        )
        assert [round(number, 6) for number in told["page"]] == [9.0, 14.0]
        assert told["client"] == told["loaded"] == told["page"]
    assert "nothing is wrong" in clew("clew audit verify", project)


AS_BEFORE = """
import pandas as pd
from urllib.parse import urlsplit
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
place, rows = urlsplit("{url}"), pd.DataFrame({{"distance": [200.0, 500.0], "hour": [7.0, 9.0]}})
client = ScoringServerClient(place.hostname, place.port)
client.wait_server_ready()
result = dict(
    page=predictions,
    client=client.invoke(rows).get_predictions("ndarray").tolist(),
    loaded=mlflow.pyfunc.load_model("models:/delay@champion").predict(rows).tolist(),
)
"""
"""The client that MLflow has for its own server; and the model, loaded."""


@contextmanager
def endpoint(project: Path) -> Iterator[str]:
    """The address of the endpoint of the page."""
    words = [*CLEW, "serve", "delay@champion", "--port", "0", "--json"]
    process = subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def answer_of(url: str, body: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body.encode()), timeout=60) as answer:
                told: dict[str, Any] = json.loads(answer.read())
                return told
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
