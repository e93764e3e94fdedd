"""What a step costs that does next to nothing: the first time, and from the cache; each phase in a process of its own.

The physical limit is a key and a value in one SQLite row, one transaction each. Results of clew are durable at the
level *kill* when a step returns, and recorded. Steps that follow each other (chain) and that do not (wide).
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import CLEW, Bench, Numbers, at_most, run, spread

Step = Callable[[int], int]


def took_by(step: Step, steps: int, shape: str) -> list[int]:
    """Nanoseconds of each call."""
    took, x, clock = [], 0, time.perf_counter_ns
    for at in range(steps):
        began = clock()
        x = step(x if shape == "chain" else at)
        took.append(clock() - began)
    assert x == steps
    return took


def of_clew(folder: Path, steps: int, shape: str) -> list[int]:
    from clew.pipelines import session, step
    from clew.testing.project import open_stores

    @step
    def increase(x: int) -> int:
        return x + 1

    stores = open_stores(folder / ".clew")
    with session(stores, stores.ids()):
        return took_by(increase, steps, shape)


def of_sqlite(folder: Path, steps: int, shape: str) -> list[int]:
    connection = sqlite3.connect(folder / "memo.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS memo (key BLOB PRIMARY KEY, value INTEGER) WITHOUT ROWID")

    def increase(x: int) -> int:
        key = hashlib.sha256(b"increase:%d" % x).digest()
        row = connection.execute("SELECT value FROM memo WHERE key = ?", (key,)).fetchone()
        if row is None:
            connection.execute("INSERT INTO memo VALUES (?, ?)", (key, x + 1))
        return row[0] if row else x + 1

    return took_by(increase, steps, shape)


def of_joblib(folder: Path, steps: int, shape: str) -> list[int]:
    """No record of what ran; keys without helpers and libraries."""
    import joblib

    @joblib.Memory(str(folder / "joblib"), verbose=0).cache
    def increase(x: int) -> int:
        return x + 1

    return took_by(increase, steps, shape)


def of_prefect(folder: Path, steps: int, shape: str) -> list[int]:
    """A flow of tasks, cached by their inputs, on a server that Prefect starts by itself for the process."""
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    from prefect import flow, task
    from prefect.cache_policies import INPUTS

    @task(cache_policy=INPUTS, persist_result=True)
    def increase(x: int) -> int:
        return x + 1

    @flow
    def whole() -> list[int]:
        return took_by(increase, steps, shape)

    return whole()


def of_hamilton(folder: Path, steps: int, shape: str) -> list[int]:
    """A graph of functions made beforehand, executed at once: only its mean is known."""
    from types import ModuleType

    from hamilton import driver

    module = ModuleType("made")
    sys.modules["made"] = module
    source = "def s0(x: int) -> int:\n    return x + 1\n"
    for at in range(1, steps):
        before = f"s{at - 1}" if shape == "chain" else "x"
        source += f"def s{at}({before}: int) -> int:\n    return {before} + 1\n"
    path = folder / "made.py"
    path.write_text(source, encoding="utf-8")
    exec(compile(source, str(path), "exec"), module.__dict__)
    import linecache

    linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
    sys.setrecursionlimit(20_000)  # it walks the chain by recursion
    whole = driver.Builder().with_modules(module).with_cache(path=str(folder / "cache")).build()
    began = time.perf_counter_ns()
    whole.execute([f"s{at}" for at in range(steps)], inputs={"x": 0})
    return [(time.perf_counter_ns() - began) // steps] * steps


def phase(who: str, folder: str, steps: int, shape: str) -> Numbers:
    """One phase over a folder; `loop_s` is what the steps took together."""
    measure: Any = globals()[f"of_{who}"]
    cpu = time.process_time()
    took = [one / 1e6 for one in measure(Path(folder), steps, shape)]
    cpu = time.process_time() - cpu
    return {
        "ms_per_step": statistics.fmean(took),
        **spread(took, "ms"),
        "cpu_ms_per_step": cpu / steps * 1e3,
        "loop_s": sum(took) / 1e3,
    }


def both(bench: Bench, who: str, folder: Path, steps: int, shape: str) -> Numbers:
    """The first phase and the cached one over the same folder, side by side."""
    found: Numbers = {}
    for when in ("first", "cached"):
        told = bench.child("phase", who, folder=folder, steps=steps, shape=shape)
        told["start_s"] = told["wall_s"] - told.pop("loop_s")
        found |= {f"{when} {key}": value for key, value in told.items()}
    return found


def part(medians: dict[str, Numbers], when: str) -> dict[str, Numbers]:
    return {
        who: {key.partition(" ")[2]: value for key, value in found.items() if key.startswith(when)}
        for who, found in medians.items()
    }


def main(bench: Bench) -> None:
    few = "The first step of a process takes some 10 ms: it reads its source and opens the store."
    limits = {"first": at_most(1, few), "cached": at_most(0.2, few)}
    for shape in ("chain", "wide"):
        for steps in bench.sizes((100, 1000), small=(20,)):
            medians = bench.compare(lambda who, folder: both(bench, who, folder, steps, shape), "sqlite")  # noqa: B023
            for when, limit in limits.items():
                start = "Python and what this benchmark itself imports take half of it."
                targets = {"ms_per_step": limit, "start_s": at_most(0.2, start)}
                bench.show_all(
                    f"{shape} of {steps:,}, {when}",
                    part(medians, when),
                    targets=targets,
                    compared=("p50_ms", "cpu_s"),
                    durability="kill",
                    process_start="in start_s",
                )
    if not bench.small:
        for steps in (10_000, 100_000):
            found = both(bench, CLEW, bench.fresh(), steps, "chain")
            for when, limit in limits.items():
                numbers = part({CLEW: found}, when)
                bench.show(
                    f"chain of {steps:,}, {when}",
                    **numbers[CLEW],
                    targets={"ms_per_step": limit},
                    shown=["p50_ms", "cpu_ms_per_step"],
                )


if __name__ == "__main__":
    run(main, "steps", ("joblib", "hamilton", "prefect"))
