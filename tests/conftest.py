"""What holds for all tests: properties have no deadline, and continuous integration always tries the same examples.
A PostgreSQL server and an S3 server (that of moto), each in a process of its own, are there for those that ask.

`life` is a project with an endpoint, for everything that happens after a model is served; made once, and copied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from clew.core.hashing import hash_bytes
from clew.settings import SQLITE

if TYPE_CHECKING:
    from clew.testing.life import Life
    from clew.testing.postgres import PostgresServer

_S3_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_buckets = count()

# A deadline measures how busy the machine is. A build must not fail on an example that its change has nothing to do
# with; new examples are found where people work.
settings.register_profile("clew", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("clew")


@pytest.fixture(scope="session", autouse=True)
def _signing_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A key of the tests: none of them makes or uses the one of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLEW_SIGNING_KEY", str(tmp_path_factory.mktemp("keys") / "signing.pem"))
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server that all processes of this test session share."""
    from clew.testing.postgres import PostgresServer

    session = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(tmp_path_factory.getbasetemp())
    # not below the folder of the session: pytest closes that to other users, and root has to run the server as one
    folder = f"clew-postgres-{hash_bytes(session.encode())[:12]}"
    server = PostgresServer(Path(tempfile.gettempdir()) / folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _postgres_database(postgres: PostgresServer) -> str:
    return postgres.make()


@pytest.fixture
def postgres_url(postgres: PostgresServer, _postgres_database: str) -> Iterator[str]:
    """The address of a database with an empty ledger in it, one's own while the test runs."""
    yield _postgres_database
    postgres.empty(_postgres_database)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests on each database that their module names in `DATABASES`, or on what `CLEW_TEST_DATABASE` names."""
    if "database" in metafunc.fixturenames:
        asked = os.environ.get("CLEW_TEST_DATABASE", "")
        databases = [asked] if asked else getattr(metafunc.module, "DATABASES", [SQLITE])
        if databases != [SQLITE]:
            metafunc.parametrize("database", databases, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where projects of this test keep their rows, in this process and in those that it starts."""
    name: str = getattr(request, "param", SQLITE)
    monkeypatch.setenv("CLEW_LEDGER", SQLITE if name == SQLITE else request.getfixturevalue("postgres_url"))
    return name


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project that `clew.testing.life.grow` made: to be copied, never used."""
    return _grown(tmp_path_factory, SQLITE)


@pytest.fixture(scope="session")
def grown_in_postgres(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> tuple[Path, str]:
    """The same, with its rows in a database: its folder, and the address."""
    url = postgres.make()
    return _grown(tmp_path_factory, url), url


def _grown(tmp_path_factory: pytest.TempPathFactory, ledger: str) -> Path:
    from clew.testing.life import grow

    folder = tmp_path_factory.mktemp("grown") / "flights"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CLEW_LEDGER", ledger)
        grow(folder)
    return folder


@pytest.fixture
def life(
    request: pytest.FixtureRequest, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Life]:
    """A project of one's own."""
    from clew.testing.life import Life

    copy = ""
    if database == SQLITE:
        folder: Path = request.getfixturevalue("grown")
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        folder, url = request.getfixturevalue("grown_in_postgres")
        copy = postgres.make(template=url)
        monkeypatch.setenv("CLEW_LEDGER", copy)
    found = Life(Path(shutil.copytree(folder, tmp_path / "flights")))
    yield found
    found.close()
    if copy:
        postgres.drop(copy)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server."""
    process = subprocess.Popen(
        [sys.executable, "-c", _S3_SERVER], stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True
    )
    with process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new bucket, with the environment that leads to it."""
    for name, value in (
        ("AWS_ENDPOINT_URL", s3_server),
        ("AWS_ACCESS_KEY_ID", "somebody"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    name = f"bucket-{next(_buckets)}"
    with urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{name}", method="PUT")) as answer:
        assert answer.status == 200
    return f"s3://{name}/some/prefix"
