"""The benchmark of logging still runs, and loses no point."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_a_small_benchmark_prints_its_figures(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "bench_logging.py"
    words = [sys.executable, script, "--points", "2000", "--folder", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    figures = {line["figure"] for line in map(json.loads, done.stdout.splitlines())}
    assert {"call", "call, while it drains", "loop, random values", "loop, smooth values"} <= figures
    assert list(tmp_path.iterdir()) == []
