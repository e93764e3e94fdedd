"""What logging costs: a loop of `log({loss, acc}, step)`, closed and durable at the end, and what a single call costs.

The physical limits are records appended to a buffered file with one fsync, and a bare memory-mapped journal that
nobody drains. Every point of clew and of the peers that keep a table is counted behind the loop.
"""

from __future__ import annotations

import math
import mmap
import os
import random
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peers
from harness import CLEW, Bench, Numbers, at_least, at_most, median_of, run, spread

Log = Callable[[float, float, int], object]
Given = list[tuple[float, float]]


# Values


def random_values(count: int) -> Given:
    draw = random.Random(1)
    return [(draw.random(), draw.random()) for _ in range(count)]


def smooth_values(count: int) -> Given:
    return [(math.exp(-at / 1e4), math.sin(at / 1e3)) for at in range(count)]


def noisy_values(count: int) -> Given:
    """Losses as a GPU computes them, and fractions of a validation set."""
    draw, single = random.Random(1), struct.Struct("<f")

    def loss(at: int) -> float:
        (value,) = single.unpack(single.pack(math.exp(-at / 1e4) + draw.gauss(0, 0.01)))
        return value

    return [(loss(at), at % 317 / 317) for at in range(count)]


# Contestants: each opens a store, gives `log`, and has closed it durably when its block ends


@contextmanager
def of_clew(folder: Path, count: int) -> Iterator[Log]:
    from clew.testing.project import open_stores
    from clew.tracking.recorder import Recorder
    from clew.tracking.runs import LedgerRuns
    from clew.tracking.start import start

    stores = open_stores(folder / "project")
    with start(Recorder.of(stores), capture=False) as run:
        log = run.log
        yield lambda loss, acc, step: log(loss=loss, acc=acc, step=step)
    kept = {series.key: series.count for series in LedgerRuns(stores).summaries([run.id])}
    stores.ledger.close()
    assert kept == {"loss": count, "acc": count}, kept


@contextmanager
def of_append(folder: Path, _count: int) -> Iterator[Log]:
    pack, now = struct.Struct("<qqd").pack, time.time_ns
    with (folder / "points").open("wb", buffering=1 << 16) as file:

        def log(loss: float, acc: float, step: int) -> None:
            at = now()
            file.write(pack(step, at, loss))
            file.write(pack(step, at, acc))

        yield log
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def of_map(folder: Path, count: int) -> Iterator[Log]:
    pack, now, at = struct.Struct("<qqdQ").pack_into, time.time_ns, 0
    with (folder / "points").open("w+b") as file:
        os.posix_fallocate(file.fileno(), 0, 64 * count + 64)
        with mmap.mmap(file.fileno(), 64 * count + 64) as buffer:

            def log(loss: float, acc: float, step: int) -> None:
                nonlocal at
                time_ns = now()
                pack(buffer, at, step, time_ns, loss, 1)
                pack(buffer, at + 32, step, time_ns, acc, 1)
                at += 64

            yield log


@contextmanager
def of_trackio(folder: Path, count: int) -> Iterator[Log]:
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio

    trackio.init(project="bench", name=f"run of {count}")
    yield lambda loss, acc, step: trackio.log({"loss": loss, "acc": acc}, step=step)
    trackio.finish()
    with sqlite3.connect(folder / "bench.db") as connection:
        found = connection.execute("SELECT count(*) FROM metrics WHERE run_name = ?", (f"run of {count}",))
        (kept,) = found.fetchone()
    assert kept == count, kept


@contextmanager
def of_tensorboardX(folder: Path, _count: int) -> Iterator[Log]:  # noqa: N802
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder / "run"))

    def log(loss: float, acc: float, step: int) -> None:
        writer.add_scalar("loss", loss, step)
        writer.add_scalar("acc", acc, step)

    yield log
    writer.close()


@contextmanager
def of_mlflow(folder: Path, count: int, *, batch: int = 1) -> Iterator[Log]:
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    import mlflow
    from mlflow.entities import Metric

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment("bench")
    client, waiting = mlflow.MlflowClient(), []
    run = mlflow.start_run()

    def log_batch(loss: float, acc: float, step: int) -> None:
        now = time.time_ns() // 1_000_000
        waiting.extend([Metric("loss", loss, now, step), Metric("acc", acc, now, step)])
        if len(waiting) >= batch:
            client.log_batch(run.info.run_id, metrics=waiting)
            waiting.clear()

    yield log_batch if batch > 1 else lambda loss, acc, step: mlflow.log_metrics({"loss": loss, "acc": acc}, step=step)
    if waiting:
        client.log_batch(run.info.run_id, metrics=waiting)
    mlflow.end_run()
    with sqlite3.connect(folder / "mlflow.db") as connection:
        found = connection.execute("SELECT count(*) FROM metrics WHERE run_uuid = ?", (run.info.run_id,))
        (kept,) = found.fetchone()
    assert kept == 2 * count, kept


CONTESTANTS: dict[str, Any] = {
    "clew": of_clew,
    "append": of_append,
    "map": of_map,
    "trackio": of_trackio,
    "tensorboardX": of_tensorboardX,
    "mlflow": of_mlflow,
    "mlflow:log_batch of 1000": lambda folder, count: of_mlflow(folder, count, batch=1000),
}
FEWER = {"trackio": 20, "tensorboardX": 20, "mlflow": 1000, "mlflow:log_batch of 1000": 100}
"""The share of the calls that a slow peer gets, so that nobody waits for hours; rates are what is compared."""


# What runs in a process of its own


def kept_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def loop(who: str, folder: str, calls: int, values: str) -> Numbers:
    """Points a second from the first call to the durable end, and bytes a point that the store has grown by."""
    store, given = Path(folder), globals()[values](calls)
    with CONTESTANTS[who](store, 1) as log:  # the tables are made, and everything is imported
        log(0.5, 0.25, 0)
    before = kept_bytes(store)
    with CONTESTANTS[who](store, calls) as log:
        cpu, began = time.process_time(), time.perf_counter()
        for step, (loss, acc) in enumerate(given):
            log(loss, acc, step)
        looped = time.perf_counter() - began
    sync(store)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "points": 2 * calls,
        "points_per_s": 2 * calls / took,
        "cpu_us_per_point": cpu / (2 * calls) * 1e6,
        "loop_share": looped / took,
        "bytes_per_point": (kept_bytes(store) - before) / (2 * calls),
    }


def calls(who: str, folder: str, calls: int, pause: bool) -> Numbers:
    """What one call costs, the clock left out; with pauses for what drains in the background."""
    clock, took = time.perf_counter_ns, [0] * calls
    with CONTESTANTS[who](Path(folder), calls) as log:
        for step in range(calls):
            began = clock()
            log(0.5, 0.25, step)
            took[step] = clock() - began
            if pause and step % 1000 == 0:
                time.sleep(0.002)
    empty = sorted(clock() * -1 + clock() for _ in range(10_000))[5_000]
    return spread([max(one - empty, 0) / 1e3 for one in took], "us")


# The figures

TARGETS = {"points_per_s": at_least(700_000)}
DURABLE = {"durability": "kill at each call, power at the end", "process_start": "not included"}


def others_of(bench: Bench) -> list[str]:
    return ["append", "map", *(who for who in FEWER if ":" in who and who.partition(":")[0] in bench.peers)]


def of_loops(bench: Bench) -> None:
    count = bench.size(1_000_000, small=2_000) // 2
    for name, values, target in (
        ("random values", "random_values", at_most(10)),
        ("smooth values", "smooth_values", at_most(5)),
        ("noisy float32, and fractions", "noisy_values", None),
    ):

        def measure(who: str, folder: Path, values: str = values) -> Numbers:
            return bench.child("loop", who, folder=folder, calls=max(count // FEWER.get(who, 1), 200), values=values)

        limits = TARGETS | ({"bytes_per_point": target} if target else {})
        shown = ("bytes_per_point", "cpu_us_per_point")
        medians = bench.compare(measure, *others_of(bench))
        bench.show_all(f"loop, {name}", medians, targets=limits, compared=shown, **DURABLE)


def of_growth(bench: Bench) -> None:
    for points in bench.sizes((10_000, 100_000, 1_000_000, 10_000_000), small=(2_000,)):
        found = bench.child("loop", folder=bench.fresh(), calls=points // 2, values="random_values")
        bench.show(
            f"growth, {points:,} points",
            **found,
            shown=["points_per_s", "cpu_us_per_point", "bytes_per_point"],
            **DURABLE,
        )


def of_calls(bench: Bench) -> None:
    count = bench.size(1_000_000, small=2_000) // 2
    for name, pause in (("a call", False), ("a call, while it drains", True)):

        def measure(who: str, folder: Path, pause: bool = pause) -> Numbers:
            few = max(count // FEWER.get(who, 1), 200)
            return bench.child("calls", who, folder=folder, calls=few, pause=pause)

        limits = {"p50_us": at_most(1.5), "p99_us": at_most(10), "max_us": at_most(20_000)}
        bench.show_all(name, bench.compare(measure, *others_of(bench)), targets=limits, durability="kill")


def of_import(bench: Bench) -> None:
    """How long `import` takes, in a fresh process that has loaded nothing else."""

    def measure(who: str, _: Path) -> Numbers:
        code = f"import time; began = time.perf_counter(); import {who}; print(time.perf_counter() - began)"
        told = [subprocess.check_output([peers.python_of(who), "-c", code]) for _ in range(1 if bench.small else 5)]
        return median_of([{"import_s": float(one)} for one in told])

    medians = bench.compare(measure)
    bench.show_all(f"import {CLEW}", medians, targets={"import_s": at_most(0.1)}, process_start="not included")


def main(bench: Bench) -> None:
    of_import(bench)
    of_loops(bench)
    of_calls(bench)
    of_growth(bench)


if __name__ == "__main__":
    run(main, "logging", ("trackio", "tensorboardX", "mlflow"))
