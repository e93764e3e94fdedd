"""The server of the tests: many processes at once share one, and none outlives those who use it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

USER = """
import sys
from pathlib import Path
from clew.testing.postgres import PostgresServer
server = PostgresServer(Path(sys.argv[1]))
url = server.make()
print((Path(sys.argv[1]) / "postmaster.pid").read_text().split()[0], flush=True)
sys.stdin.read()
server.drop(url)
server.stop()
"""


class User:
    """A process that uses the server of a folder until it is told to end."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def server(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate(timeout=60)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another user may enter: root has to run the server as one, and pytest closes its own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_processes_that_start_at_once_share_one_server_and_the_last_one_stops_it(place: Path) -> None:
    folder = place / "shared"
    users = [User(folder) for _ in range(4)]
    servers = {user.server() for user in users}
    assert len(servers) == 1
    users[0].kill()
    for user in users[1:3]:
        user.end()
    assert psutil.pid_exists(*servers)
    users[3].end()
    assert not psutil.pid_exists(*servers)
    assert list(place.iterdir()) == []


def test_a_server_whose_users_were_killed_is_removed_by_who_comes_next(place: Path) -> None:
    left, other = User(place / "left"), User(place / "other")
    abandoned, kept = left.server(), other.server()
    left.kill()
    assert psutil.pid_exists(abandoned)
    third = User(place / "third")
    third.server()
    assert not psutil.pid_exists(abandoned)
    assert psutil.pid_exists(kept)
    assert not (place / "left").exists()
    for user in (other, third):
        user.end()
    assert list(place.iterdir()) == []
