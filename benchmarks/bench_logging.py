"""What logging costs: a loop of `log({loss, acc}, step)`, closed and durable at the end.

Prints one JSON line per figure. The first ones calibrate the machine in the same run; the physical limit is measured
here too, so that a ratio says more than a number. `--points` makes it small, for a check that it still runs.
"""

from __future__ import annotations

import argparse
import json
import math
import mmap
import os
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clew.core.hashing import hash_bytes
from clew.testing.project import open_stores
from clew.tracking.run import ActiveRun
from clew.tracking.runs import LedgerRuns
from clew.tracking.start import start

Values = Callable[[int], tuple[float, float]]


def show(figure: str, **numbers: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps({"benchmark": "logging", "figure": figure, **numbers}) + "\n")
    sys.stdout.flush()


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def calibrate(folder: Path) -> None:
    """How fast this machine is right now."""
    data = os.urandom(1 << 20) * 64
    began = time.perf_counter()
    hash_bytes(data)
    show("calibration: BLAKE3", mb_per_s=rounded(64 / (time.perf_counter() - began)))
    began = time.perf_counter()
    with (folder / "copy").open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    show("calibration: write with fsync", mb_per_s=rounded(64 / (time.perf_counter() - began)))
    (folder / "copy").unlink()
    began = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number
    show("calibration: a loop of additions", ns_each=rounded((time.perf_counter() - began) * 1e3))


def bare_map(folder: Path, calls: int) -> None:
    """The physical limit: two points a call into a reserved map, by pure Python, with nothing around it."""
    pack = struct.Struct("<qqdQ").pack_into
    with (folder / "bare").open("w+b") as file:
        os.posix_fallocate(file.fileno(), 0, calls * 64)
        buffer = mmap.mmap(file.fileno(), calls * 64)
    at = 0

    def log(step: int, **values: float) -> None:
        nonlocal at
        now = time.time_ns()
        for value in values.values():
            pack(buffer, at, step, now, value, 1)
            at += 32

    began = time.perf_counter()
    for step in range(calls):
        log(step=step, loss=0.5, acc=0.25)
    show("physical: a bare map, not drained", points_per_s=rounded(2 * calls / (time.perf_counter() - began)))
    buffer.close()
    (folder / "bare").unlink()


@contextmanager
def a_run(folder: Path) -> Iterator[ActiveRun]:
    """A run in a fresh project."""
    stores = open_stores(folder)
    with start(stores, capture=False) as run:
        yield run
    stores.ledger.close()


def throughput(folder: Path, calls: int, name: str, values: Values) -> None:
    """Points a second from the first call to the end of the run, and bytes a point in the ledger."""
    given = [values(step) for step in range(calls)]
    stores = open_stores(folder)
    cpu, began = time.process_time(), time.perf_counter()
    with start(stores, capture=False) as run:
        log = run.log
        for step, (loss, acc) in enumerate(given):
            log(loss=loss, acc=acc, step=step)
        looped = time.perf_counter() - began
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    runs = LedgerRuns(stores)
    summaries = {series.key: series.count for series in runs.summaries([run.id])}
    if summaries != {"loss": calls, "acc": calls}:
        raise SystemExit(f"points were lost: {summaries}")
    blocks = [block for key in summaries for block in runs.blocks(run.id, key)]
    stores.ledger.close()
    rows = sum(len(block.points) for block in blocks)
    disk = sum(path.stat().st_size for path in folder.glob("ledger.db*"))
    show(
        f"loop, {name}",
        points=2 * calls,
        points_per_s=rounded(2 * calls / took),
        cpu_us_per_point=rounded(cpu / (2 * calls) * 1e6),
        loop_share=rounded(looped / took),
        bytes_per_point=rounded(rows / (2 * calls)),
        ledger_bytes_per_point=rounded(disk / (2 * calls)),
        durability="power",
        process_start="not included",
    )


def calls_of(folder: Path, calls: int, *, drained: bool) -> None:
    """What one call costs, the clock left out."""
    clock, times = time.perf_counter_ns, [0] * calls
    with a_run(folder) as run:
        log = run.log
        for step in range(calls):
            began = clock()
            log(loss=0.5, acc=0.25, step=step)
            times[step] = clock() - began
            if drained and step % 1000 == 0:
                time.sleep(0.002)
    empty = sorted(-(clock() - clock()) for _ in range(10_000))[5_000]
    times.sort()
    show(
        "call, while it drains" if drained else "call",
        p50_us=rounded((times[calls // 2] - empty) / 1e3),
        p99_us=rounded((times[calls * 99 // 100] - empty) / 1e3),
        p999_us=rounded((times[calls * 999 // 1000] - empty) / 1e3),
        max_us=rounded(times[-1] / 1e3),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000, help="points in the loop")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to measure")
    asked = parser.parse_args()
    calls, draw = asked.points // 2, random.Random(1)

    def noisy(step: int) -> tuple[float, float]:
        (single,) = struct.unpack("<f", struct.pack("<f", math.exp(-step / 1e4) + draw.gauss(0, 0.01)))
        return single, step % 317 / 317

    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        calibrate(folder)
        bare_map(folder, calls)
        throughput(folder / "a", calls, "random values", lambda _: (draw.random(), draw.random()))
        throughput(folder / "b", calls, "smooth values", lambda i: (math.exp(-i / 1e4), math.sin(i / 1e3)))
        throughput(folder / "c", calls, "noisy float32, and fractions", noisy)
        calls_of(folder / "d", calls, drained=False)
        calls_of(folder / "e", calls, drained=True)


if __name__ == "__main__":
    main()
