"""What a real MLflow has recorded, on a server with a database, and in a folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from clew.core.contracts.stores import Stores
from clew.testing.project import open_stores

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-mlflow" / "bin" / "python"
AROUND = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true", "DO_NOT_TRACK": "true"}
AROUND["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # eight processes for calls that are not made


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    """A project to import into."""
    opened = open_stores(tmp_path / "project")
    yield opened
    opened.ledger.close()


class Recorded(NamedTuple):
    """A server that runs, its database, where it keeps files, and the ids of what is in it."""

    url: str
    database: Path
    files: Path
    parent: str
    child: str
    open_run: str
    logged: str


def record(uri: str, folder: Path) -> list[str]:
    large = folder / "large.bin"
    large.write_bytes(bytes(range(256)) * 8192)
    around = os.environ | AROUND | {"PYTHONWARNINGS": "ignore"}
    script = Path(__file__).with_name("record.py")
    words = [str(PYTHON), str(script), uri, str(large)]
    done = subprocess.run(words, env=around, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-4:]


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """A server of MLflow with everything in it that there is to import."""
    if not PYTHON.exists():
        pytest.skip("no environment with MLflow: make .venv-mlflow/.installed")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, database = f"http://127.0.0.1:{port}", folder / "mlflow.db"
    words = [str(PYTHON), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(folder / "kept")]
    output = (folder / "server.log").open("wb")
    around = os.environ | AROUND
    process = subprocess.Popen(words, cwd=folder, env=around, stdout=output, stderr=output, start_new_session=True)
    try:
        _await(url, process, folder / "server.log")
        yield Recorded(url, database, folder / "kept", *record(url, folder))
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # nothing of it is kept
        process.wait()
        output.close()


@pytest.fixture(scope="session")
def mlruns(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder `mlruns`, and the ids of what is in it."""
    if not PYTHON.exists():
        pytest.skip("no environment with MLflow: make .venv-mlflow/.installed")
    folder = tmp_path_factory.mktemp("folder")
    return folder / "mlruns", record(f"file://{folder}/mlruns", folder)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
