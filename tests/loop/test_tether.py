"""A process ends with the one that started it, and takes its own children along where that is asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from clew.cli.main import TETHERED
from clew.loop.tether import VARIABLE, Tether

STARTED = """
import os, subprocess, sys, time
from pathlib import Path
from clew.loop.tether import VARIABLE, follow
follow()
assert VARIABLE not in os.environ
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""
STARTER = """
import os, signal, subprocess, sys, time
from clew.loop.tether import Tether
tether = Tether(signal.Signals(int(sys.argv[3])))
command = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
environment = {**os.environ, **tether.environment}
process = subprocess.Popen(command, start_new_session=True, pass_fds=tether.fds, env=environment)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    """Whether a process has ended; whoever adopted it may not have looked yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(found: object, patience_s: float = 30.0) -> bool:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if found():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_with_its_starter(tmp_path: Path, number: signal.Signals) -> None:
    said = tmp_path / "pids"
    starter = subprocess.Popen([sys.executable, "-c", STARTER, STARTED, str(said), str(int(number))])
    assert wait_for(lambda: said.exists() and len(said.read_text().split()) == 2)
    pid, child = map(int, said.read_text().split())
    assert not gone(pid)
    starter.kill()
    starter.wait()
    assert wait_for(lambda: gone(pid))
    if number == signal.SIGKILL:
        assert wait_for(lambda: gone(child))
    else:
        assert not gone(child)
        os.kill(child, signal.SIGKILL)


def test_a_variable_from_elsewhere_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    from clew.loop.tether import follow

    for text in ("", "x", "999999:9", "1", ":"):
        monkeypatch.setenv(VARIABLE, text)
        follow()
        assert VARIABLE not in os.environ


def test_the_command_line_knows_the_variable() -> None:
    assert TETHERED == VARIABLE
    with Tether(signal.SIGTERM) as tether:
        assert list(tether.environment) == [VARIABLE]
