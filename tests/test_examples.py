"""The examples run, and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_mini_shows_the_whole_idea() -> None:
    done = subprocess.run([sys.executable, EXAMPLES / "mini.py"], capture_output=True, text=True, check=True)
    assert "split cached, fit cached, profile cached" in done.stdout
    assert "promoted: True" in done.stdout
    assert "replayed: bit for bit the same" in done.stdout
    assert "run:1  ←  data:history@1" in done.stdout
    assert len((EXAMPLES / "mini.py").read_text(encoding="utf-8").splitlines()) <= 300
