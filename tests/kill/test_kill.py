"""A handful of the kills of `make test-kill`, so that its tools cannot rot: those that need no model."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_what_is_killed_continues() -> None:
    script = Path(__file__).with_name("kill.py")
    # not below a folder of the session, which is closed to the user that root runs PostgreSQL as
    words = [sys.executable, str(script), "--kills", "10", "--seed", "1", "--light"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"TMPDIR": tempfile.gettempdir()})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10" in done.stdout
