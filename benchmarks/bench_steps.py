"""What a step costs that does next to nothing: the first time, and from the cache; each phase in a process of its own.

Prints one JSON line per figure: calibration of the machine, the physical limit (a key and a value in one SQLite row),
start-up, steps that follow each other and steps that do not. Results are durable at the level *kill* when a step
returns, and recorded. `--vs joblib` measures `joblib.Memory` beside it. `--steps` makes it small.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from clew.core.hashing import hash_bytes

Run = Callable[[Path, int, str], tuple[list[int], int]]


def show(figure: str, **numbers: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps({"benchmark": "steps", "figure": figure, **numbers}) + "\n")
    sys.stdout.flush()


def calibrate(folder: Path) -> None:
    """How fast this machine is right now."""
    data = os.urandom(1 << 20) * 64
    began = time.perf_counter()
    hash_bytes(data)
    show("calibration: BLAKE3", mb_per_s=round(64 / (time.perf_counter() - began)))
    began = time.perf_counter()
    with (folder / "copy").open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    show("calibration: write with fsync", mb_per_s=round(64 / (time.perf_counter() - began)))
    (folder / "copy").unlink()
    began = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number
    show("calibration: a loop of additions", ns_each=round((time.perf_counter() - began) * 1e3, 1))


def run_clew(folder: Path, steps: int, shape: str) -> tuple[list[int], int]:
    """Nanoseconds of each step, and what came out last."""
    from clew.pipelines import session, step
    from clew.testing.project import open_stores

    @step
    def increase(x: int) -> int:
        return x + 1

    stores, took, x = open_stores(folder / ".clew"), [], 0
    with session(stores, stores.ids()):
        for at in range(steps):
            began = time.perf_counter_ns()
            x = increase(x if shape == "chain" else at)
            took.append(time.perf_counter_ns() - began)
    return took, x


def run_sqlite(folder: Path, steps: int, shape: str) -> tuple[list[int], int]:
    """The physical limit: a look-up and a row, one transaction each."""
    connection = sqlite3.connect(folder / "memo.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS memo (key BLOB PRIMARY KEY, value INTEGER) WITHOUT ROWID")
    took, x = [], 0
    for at in range(steps):
        began = time.perf_counter_ns()
        given = x if shape == "chain" else at
        key = hashlib.sha256(b"increase:%d" % given).digest()
        row = connection.execute("SELECT value FROM memo WHERE key = ?", (key,)).fetchone()
        if row is None:
            connection.execute("INSERT INTO memo VALUES (?, ?)", (key, given + 1))
        x = row[0] if row else given + 1
        took.append(time.perf_counter_ns() - began)
    return took, x


def run_joblib(folder: Path, steps: int, shape: str) -> tuple[list[int], int]:
    """`joblib.Memory`: no record of what ran, keys without helpers and libraries."""
    import joblib

    @joblib.Memory(str(folder / "joblib"), verbose=0).cache
    def increase(x: int) -> int:
        return x + 1

    took, x = [], 0
    for at in range(steps):
        began = time.perf_counter_ns()
        x = increase(x if shape == "chain" else at)
        took.append(time.perf_counter_ns() - began)
    return took, x


RUNS: dict[str, Run] = {"clew": run_clew, "sqlite": run_sqlite, "joblib": run_joblib}


def phase(who: str, folder: Path, steps: int, shape: str) -> None:
    """One phase, in a process of its own: prints what it took."""
    began = float(os.environ["BEGAN"])
    cpu = time.process_time()
    took, last = RUNS[who](folder, steps, shape)
    spent = time.process_time() - cpu
    assert last == steps
    print(json.dumps({"took": took, "cpu_s": spent, "start_s": time.time() - began - sum(took) / 1e9}))


def measure(who: str, steps: int, shape: str) -> None:
    """The first phase and the cached one, over one folder."""
    with tempfile.TemporaryDirectory() as name:
        for when in ("first", "cached"):
            words = [sys.executable, __file__, "--phase", who, "--folder", name, "--steps", str(steps)]
            told = subprocess.run(
                [*words, "--shape", shape],
                env={**os.environ, "BEGAN": str(time.time())},
                check=True,
                capture_output=True,
                text=True,
            )
            found = json.loads(told.stdout)
            took = sorted(each / 1e6 for each in found["took"])
            show(
                f"{who}, {shape}, {when}",
                steps=steps,
                ms_per_step=round(statistics.fmean(took), 4),
                p50_ms=round(took[len(took) // 2], 4),
                p99_ms=round(took[int(len(took) * 0.99)], 4),
                max_ms=round(took[-1], 3),
                cpu_ms_per_step=round(found["cpu_s"] / steps * 1e3, 4),
                start_s=round(found["start_s"], 3),
            )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--vs", choices=["joblib"], action="append", default=[])
    parser.add_argument("--phase", choices=list(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--shape", choices=["chain", "wide"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.phase:
        phase(asked.phase, asked.folder, asked.steps, asked.shape)
        return
    with tempfile.TemporaryDirectory() as name:
        calibrate(Path(name))
    for who in ("sqlite", "clew", *asked.vs):
        for shape in ("chain", "wide"):
            measure(who, asked.steps, shape)


if __name__ == "__main__":
    main()
