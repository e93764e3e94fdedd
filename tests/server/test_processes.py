"""The processes of a server end together, so that it can be started again whatever ended it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from clew.core.errors import Unavailable
from clew.server.port import sole_port
from clew.workspace import init_project, open_workspace


def answers(port: int) -> bool:
    with suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).read() == b"OK"
    return False


def started(folder: Path, port: int, *, workers: int) -> psutil.Popen:
    words = [sys.executable, "-m", "clew", "server", "--open", "--workers", str(workers), "--port", str(port)]
    process = psutil.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not answers(port):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


def test_the_processes_of_a_server_end_with_the_first_one(tmp_path: Path) -> None:
    init_project(tmp_path, name="late")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    first = started(tmp_path, port, workers=2)
    until = time.monotonic() + 60  # one may answer before the other is there
    while len(answering := first.children(recursive=True)) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(answering) == 2
    first.kill()
    first.wait()
    _, left = psutil.wait_procs(answering, timeout=60)
    assert not left
    with sole_port("127.0.0.1", port):  # as the next one takes it
        assert not answers(port)


def test_a_server_is_of_the_project_of_its_folder_first(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another project of the same database is older, and comes before it in the alphabet."""
    monkeypatch.setenv("CLEW_LEDGER", postgres_url)
    for name in ("old", "team"):
        init_project(tmp_path / name, name=name, environ=os.environ)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = [sys.executable, "-m", "clew", "server", "--open", "--port", str(port)]
    with subprocess.Popen(words, cwd=tmp_path / "team", stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = f"http://127.0.0.1:{port}"
        assert process.stderr.readline() == f"team at {url}; also, at {url}/projects/NAME: old  (Ctrl-C stops)\n"
        create = f"{url}/api/2.0/mlflow/runs/create"
        urllib.request.urlopen(create, b'{"experiment_id": "0", "run_name": "mine"}', timeout=60).close()
        process.terminate()
    for name, names in (("old", []), ("team", ["mine"])):
        with open_workspace(tmp_path / name) as workspace:
            assert [run.name for run in workspace.runs.list().items] == names


def test_a_port_has_one_server(tmp_path: Path) -> None:
    for name in ("one", "two"):
        init_project(tmp_path / name, name=name)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        words = [sys.executable, "-m", "clew", "server", "--port", str(port)]
        found.listen()
        refused = subprocess.run(words, cwd=tmp_path / "two", capture_output=True, text=True, timeout=60, check=False)
        assert refused.returncode == 7
        assert f"127.0.0.1:{port} cannot be used" in refused.stderr
    first = started(tmp_path / "one", port, workers=1)
    refused = subprocess.run(words, cwd=tmp_path / "two", capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 7
    with open_workspace(tmp_path / "two") as workspace:
        assert not workspace.accounts.users()  # whose token nobody has seen
    assert answers(port)
    first.terminate()
    first.wait(60)


def test_a_server_that_starts_has_its_port_alone() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with sole_port("127.0.0.1", port), pytest.raises(Unavailable, match="cannot be used"), sole_port("127.0.0.1", port):
        pass
    with sole_port("127.0.0.1", port):
        pass
