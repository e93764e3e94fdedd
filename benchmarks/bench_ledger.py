"""Writers at once: SQLite and PostgreSQL, each durability, in the queue of a project and within runs of their own.

A transaction is what a run that changes costs: it reads the run and stores it again, adds an event and an edge. The
server runs on this machine, from the package index, with fsync; each writer is a process. psycopg runs the same
statements without any queue, one commit each: what the queues cost beside it.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import shutil
import tempfile
import time
from multiprocessing.synchronize import Event as Signal
from pathlib import Path
from typing import Any

from harness import Bench, Numbers, at_least, run, spread


def open_ledger(kind: str, place: str) -> Any:
    if kind == "sqlite":
        from clew.store.ledger.sqlite import SqliteLedger

        return SqliteLedger(Path(place))
    from clew.store.ledger.postgres import PostgresLedger

    return PostgresLedger(place, project="p")


def transactions(kind: str, place: str, name: str, durability: str) -> Any:
    """A function that writes once."""
    from clew.core.contracts.ledger import Durability
    from clew.core.types.edge import Edge, Role
    from clew.testing.ledger.examples import a_run, an_event

    ledger = open_ledger(kind, place)
    with ledger.write() as tx:
        if not tx.runs.find("p", name):
            tx.runs.add(a_run(name))

    def write(at: int) -> None:
        with ledger.write(Durability(durability), within=f"run:{name}" if kind == "within" else "") as tx:
            tx.runs.put(a_run(name, ended_us=(tx.runs.get(name).ended_us or 0) + 1))
            tx.events.add(an_event(os.urandom(16).hex()))
            tx.edges.add([Edge(source=f"data:{os.getpid()}-{at}", target=f"run:{name}", role=Role.INPUT, run=name)])

    return write


def bare(place: str, name: str, durability: str) -> Any:
    """The same statements with nothing around them."""
    import psycopg

    raw = psycopg.connect(place, autocommit=True)
    raw.execute("SET search_path TO clew")
    raw.execute(f"SET synchronous_commit TO {'on' if durability == 'power' else 'off'}")
    name, text = f"bare{name}", "x" * 300
    raw.execute("INSERT INTO runs VALUES (%s, 'p', '', '', '', '', '') ON CONFLICT DO NOTHING", (name,))

    def write(at: int) -> None:
        with raw.transaction():
            raw.execute("SELECT document FROM runs WHERE id = %s", (name,)).fetchall()
            raw.execute("UPDATE runs SET document = %s WHERE id = %s", (text, name))
            sql = "INSERT INTO events (id, project, kind, subject, document) VALUES (%s, 'p', 'k.v', %s, %s)"
            raw.execute(sql, (os.urandom(16).hex(), name, text))
            sql = "INSERT INTO edges VALUES (%s, %s, 'input', %s, 1) ON CONFLICT DO NOTHING"
            raw.execute(sql, (f"data:{os.getpid()}-{at}", name, name))

    return write


def writer(
    kind: str, place: str, name: str, durability: str, seconds: float, ready: Any, start: Signal, out: Any
) -> None:
    """Write until the time is over, and say how long each took."""
    write = bare(place, name, durability) if kind == "bare" else transactions(kind, place, name, durability)
    ready.put(name)
    start.wait()
    took: list[float] = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        write(len(took))
        took.append((time.perf_counter() - began) * 1e3)
    out.put(took)


def measure(kind: str, place: str, *, writers: int, durability: str, seconds: float) -> Numbers:
    """What writers that start at once reach together."""
    ways = mp.get_context("spawn")
    start, ready, out = ways.Event(), ways.Queue(), ways.Queue()
    given = [(kind, place, f"run{i}", durability, seconds, ready, start, out) for i in range(writers)]
    processes = [ways.Process(target=writer, args=args) for args in given]
    for process in processes:
        process.start()
    for _ in processes:
        ready.get(timeout=60)
    start.set()
    took = [out.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    every = [one for each in took for one in each]
    return {"tx_per_s": len(every) / seconds, **spread(every, "ms"), "fewest": min(map(len, took))}


def main(bench: Bench) -> None:
    from clew.testing.postgres import PostgresServer

    seconds = 0.3 if bench.small else 4.0
    folder = Path(tempfile.mkdtemp(prefix="clew-bench-"))
    server = PostgresServer(folder / "postgres", durable=True)
    url = server.make()
    kinds = {"clew": "within", "clew, one queue": "project", "clew on SQLite": "sqlite", "psycopg": "bare"}
    try:
        for writers in bench.sizes((1, 8), small=(2,)):
            for durability in ("kill",) if bench.small else ("power", "kill"):
                medians = {
                    who: measure(
                        kind,
                        str(bench.folder / "ledger.db") if kind == "sqlite" else url,
                        writers=writers,
                        durability=durability,
                        seconds=seconds,
                    )
                    for who, kind in kinds.items()
                }
                bench.show_all(
                    f"{writers} writers",
                    medians,
                    targets={"tx_per_s": at_least(500)},
                    compared=("p50_ms", "p99_ms"),
                    durability=durability,
                )
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
        for path in bench.folder.glob("ledger.db*"):
            path.unlink()


if __name__ == "__main__":
    run(main, "ledger", ())
