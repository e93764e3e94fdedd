"""What holds for all tests: properties have no deadline, and continuous integration always tries the same examples.

`life` is a project with an endpoint, for everything that happens after a model is served; made once, and copied."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from clew.core.hashing import hash_bytes

if TYPE_CHECKING:
    from clew.testing.life import Life
    from clew.testing.postgres import PostgresServer

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

    base = tmp_path_factory.getbasetemp()
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    # not below `session`: pytest closes that to other users, and root has to run the server as one
    folder = f"clew-postgres-{hash_bytes(str(session).encode())[:12]}"
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


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project that `clew.testing.life.grow` made: to be copied, never used."""
    from clew.testing.life import grow

    folder = tmp_path_factory.mktemp("grown") / "flights"
    grow(folder)
    return folder


@pytest.fixture
def life(grown: Path, tmp_path: Path) -> Iterator[Life]:
    """A project of one's own."""
    from clew.testing.life import Life

    found = Life(Path(shutil.copytree(grown, tmp_path / "flights")))
    yield found
    found.close()
