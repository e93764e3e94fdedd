"""What logging through a server costs: a loop of `log({loss, acc}, step)` in one process, `clew server` in another.

Every point is in the ledger of the server when the clock stops. The client and the server share the machine.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Bench, Numbers, at_least, at_most, run, spread


@contextmanager
def server(folder: Path, ledger: str) -> Iterator[str]:
    """`clew server` on a fresh project; its address."""
    environ = {**os.environ, "CLEW_LEDGER": ledger}
    clew = [sys.executable, "-m", "clew"]
    subprocess.run([*clew, "init", str(folder)], check=True, env=environ, capture_output=True)
    words = [*clew, "server", "--open", "--port", str(_free_port()), "--json"]
    process = subprocess.Popen(words, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"{json.loads(process.stdout.readline())['url']}/projects/{folder.name}"
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of a fresh database that syncs to the disk."""
    from clew.testing.postgres import PostgresServer

    running = PostgresServer(folder / "postgres", durable=True)
    try:
        yield running.make()
    finally:
        running.stop()


def gone(who: str, folder: str, url: str, calls: int, seconds: float) -> Numbers:
    """What single calls take while nobody answers, how long the end of the run waits, and clew sync when they do."""
    from clew.tracking.start import start
    from clew.tracking.sync import sync, waiting_runs
    from clew.workspace import Workspace, init_project

    del who
    root = init_project(Path(folder) / "client")
    environ = {**os.environ, "CLEW_LEDGER": "sqlite"}
    clock, took = time.perf_counter_ns, list[int]()
    with Workspace(root, environ={**environ, "CLEW_SERVER": f"http://127.0.0.1:{_free_port()}/projects/none"}) as away:
        began = time.perf_counter()
        with start(away.recorder, "gone", capture=False, say=lambda _: None) as active:
            log = active.log
            while time.perf_counter() < began + seconds:  # so that sending is tried more than once
                for step in range(calls):
                    before = clock()
                    log(loss=0.5, acc=0.25, step=step)
                    took.append(clock() - before)
                time.sleep(0.1)
            ended = time.perf_counter()
        waited = time.perf_counter() - ended
    with Workspace(root, environ={**environ, "CLEW_SERVER": url}) as workspace:
        began = time.perf_counter()
        [found] = sync(workspace.recorder, waiting_runs(workspace.folder), done=lambda _: None)
        assert found.state == "stored", found
        synced = time.perf_counter() - began
    return {"end_s": waited, "synced_points_per_s": found.points / synced, **spread([one / 1e3 for one in took], "us")}


def loop(who: str, folder: str, url: str, calls: int) -> Numbers:
    """Points a second from the first call to the answer that all of them are stored, and what single calls took."""
    from clew.workspace import Workspace, init_project

    del who
    draw = random.Random(1)
    given = [(draw.random(), draw.random()) for _ in range(calls)]
    root = init_project(Path(folder) / "client")
    with Workspace(root, environ={**os.environ, "CLEW_SERVER": url, "CLEW_LEDGER": "sqlite"}) as workspace:
        from clew.tracking.start import start

        with start(workspace.recorder, "warm", capture=False) as warm:
            warm.log(loss=0.5, acc=0.25, step=0)
        clock, took = time.perf_counter_ns, [0] * calls
        cpu = time.process_time()
        began = time.perf_counter()
        with start(workspace.recorder, "measured", capture=False) as active:
            log = active.log
            for step, (loss, acc) in enumerate(given):
                before = clock()
                log(loss=loss, acc=acc, step=step)
                took[step] = clock() - before
            looped = time.perf_counter() - began
        whole = time.perf_counter() - began
        kept = {series.key: series.count for series in workspace.runs.summaries([active.id])}
        assert kept == {"loss": calls, "acc": calls}, kept
    return {
        "points": 2 * calls,
        "points_per_s": 2 * calls / whole,
        "client_cpu_us_per_point": (time.process_time() - cpu) / (2 * calls) * 1e6,
        "loop_share": looped / whole,
        **spread([one / 1e3 for one in took], "us"),
    }


TARGETS = {"points_per_s": at_least(300_000), "p50_us": at_most(1.5), "p99_us": at_most(10), "max_us": at_most(20_000)}


def measured(bench: Bench, ledger: str) -> Numbers:
    folder = bench.fresh()
    calls = bench.size(1_000_000, small=2_000) // 2
    with server(folder / "served", ledger) as url:
        return bench.child("loop", folder=folder, url=url, calls=calls)


def main(bench: Bench) -> None:
    facts = {"durability": "kill at each call, power at the end", "process_start": "not included"}
    shown = [*TARGETS, "client_cpu_us_per_point"]
    bench.show("loop, SQLite", **bench.repeat(lambda: measured(bench, "sqlite")), targets=TARGETS, shown=shown, **facts)

    def while_gone() -> Numbers:
        folder = bench.fresh()
        with server(folder / "served", "sqlite") as url:
            calls, seconds = bench.size(10_000, small=100), 0.5 if bench.small else 3.0
            return bench.child("gone", folder=folder, url=url, calls=calls, seconds=seconds)

    found = bench.repeat(while_gone)
    shown = ["p50_us", "max_us", "end_s", "synced_points_per_s"]
    limits = {"max_us": at_most(20_000)}
    bench.show("a call, while nobody answers; the end of the run, and clew sync", **found, targets=limits, shown=shown)

    def on_postgres() -> Numbers:
        with postgres(bench.fresh()) as ledger:
            return measured(bench, ledger)

    bench.show("loop, PostgreSQL", **bench.repeat(on_postgres), targets=TARGETS, shown=shown, **facts)


if __name__ == "__main__":
    run(main, "remote")
