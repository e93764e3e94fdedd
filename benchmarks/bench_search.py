"""What search over runs costs, as the number of runs grows: sorted by one metric, filtered by others, the first 100.

A run has 20 parameters, 10 metrics and 5 tags. The queries are the kinds that one plan does not suit all of: filters
that most runs pass, that few pass, that only runs at the wrong end of the order pass, absence, text, two orders. Runs
are written through the ledger's repositories, on SQLite and PostgreSQL, those of MLflow straight into its tables. The
first query of a process is shown beside the later ones, which find what earlier ones read. At the end, charts of fifty
runs: drawn for a screen, and all of their points.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness import CLEW, Bench, Numbers, at_most, run

FOUND = 100
LONGEST_S = 5
SHARED = "Near the target where the machine's other tenants take their share; 10,000 runs took less in the same run."
PARAMS, METRICS, TAGS = 20, 10, 5

QUERIES: dict[str, tuple[str, str]] = {
    "newest": ("", ""),
    "most pass": ("metric.m00 > 0.5 and param.p01 = 'c'", "-metric.m01"),
    "few pass": ("metric.m00 > 0.999 and param.p01 = 'c'", "-metric.m01"),
    "the wrong end passes": ("metric.m02 > 0.9 and param.p01 in ('a', 'b')", "-metric.m01"),
    "absent": ("metric.rare is null and metric.m00 < 0.5", "metric.m01.min"),
    "present": ("metric.rare is not null", "-metric.m01"),
    "text": ("name ~ '99' and tag.t0 = 'v7'", "-metric.m01"),
    "two orders": ("metric.m00 > 0.5", "param.p01,-metric.m01"),
}
"""A name, a filter and an order; `m02` is high where `m01` is low, and one run in a hundred has `rare`."""

OF_MLFLOW = {
    "newest": ("", []),
    "most pass": ("metrics.m00 > 0.5 and params.p01 = 'c'", ["metrics.m01 DESC"]),
    "few pass": ("metrics.m00 > 0.999 and params.p01 = 'c'", ["metrics.m01 DESC"]),
}

Row = tuple[dict[str, str], dict[str, float], dict[str, str]]


def rows(count: int) -> Iterator[Row]:
    """Parameters, metrics and tags of each run."""
    draw = random.Random(1)
    for _ in range(count):
        params = {f"p{at:02d}": f"{draw.random():.6g}" for at in range(PARAMS)} | {"p01": draw.choice("abcde")}
        metrics = {f"m{at:02d}": draw.random() for at in range(METRICS)}
        metrics["m02"] = min(max(1 - metrics["m01"] + draw.gauss(0, 0.05), 0), 1)
        if draw.random() < 0.01:
            metrics["rare"] = draw.random()
        yield params, metrics, {f"t{at}": f"v{draw.randrange(10)}" for at in range(TAGS)}


# clew


def fill_clew(stores: Any, count: int) -> None:
    from clew.core.contracts.ledger import Durability
    from clew.core.types.run import Experiment, Run, RunKind, RunStatus

    now_us = stores.clock.now_us()
    experiment = Experiment(id=stores.ids(), project=stores.project, name="bench", created_us=now_us)
    some: list[tuple[Run, dict[str, float]]] = []

    def flush() -> None:
        with stores.ledger.write(Durability.KILL) as tx:
            for one, _ in some:
                tx.runs.add(one)
            tx.series.append([a_block(one.id, key, value, now_us) for one, each in some for key, value in each.items()])
        some.clear()

    with stores.ledger.write(Durability.KILL) as tx:
        tx.experiments.add(experiment)
    for at, (params, metrics, tags) in enumerate(rows(count)):
        one = Run(
            id=stores.ids(),
            project=stores.project,
            experiment=experiment.id,
            name=f"run-{at}",
            kind=RunKind.SCRIPT,
            status=RunStatus.FINISHED,
            created_us=now_us + at,
            created_by="ann",
            ended_us=now_us + at + 1000,
            params=dict(params),
            tags=tags,
        )
        some.append((one, metrics))
        if len(some) == 1000:
            flush()
    flush()


def a_block(run_id: str, key: str, value: float, time_us: int) -> Any:
    from clew.core.types.series import SeriesBlock

    return SeriesBlock(
        **dict.fromkeys(("low", "high", "total", "first", "last"), value),
        **dict.fromkeys(("last_step", "step_low", "step_high"), 0.0),
        **dict.fromkeys(("last_time_us", "time_low_us", "time_high_us"), time_us),
        run=run_id,
        key=key,
        source=f"{run_id}:0-0",
        count=1,
        nans=0,
        points=b"a point",
    )


def stores_of(folder: str, ledger: str) -> Any:
    """A project whose ledger is a file of its folder, or a PostgreSQL database."""
    from clew.testing.project import open_stores

    os.environ["CLEW_LEDGER"] = ledger or "sqlite"
    return open_stores(Path(folder) / "project")


def made_by_clew(*, folder: str, count: int, ledger: str = "", **_: str) -> Numbers:
    """Fill a project; how long a run takes, and how much room it and its index need."""
    stores = stores_of(folder, ledger)
    cpu, began = time.process_time(), time.perf_counter()
    fill_clew(stores, count)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    found = {"us_per_run": took / count * 1e6, "cpu_us_per_run": cpu / count * 1e6}
    if not ledger:
        found |= room_of(stores, count)
    stores.ledger.close()
    return found


def copied_to_postgresql(*, folder: str, source: str, ledger: str, **_: str) -> Numbers:
    """Fill a database with the rows of a file, because a run at a time would take hours, and let it be analysed."""
    import psycopg

    stores = stores_of(folder, ledger)
    stores.ledger.close()
    tables = ("experiments", "runs", "series", "series_blocks", "search_runs", "search_values", "search_metrics")
    with sqlite3.connect(Path(source) / "project" / "ledger.db") as file, psycopg.connect(ledger) as raw:
        raw.execute("SET search_path TO clew")
        for table in tables:
            rows = file.execute(f"SELECT * FROM {table}")
            names = ", ".join(column[0] for column in rows.description)
            with raw.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        raw.execute("SELECT setval(pg_get_serial_sequence('search_runs', 'number'), MAX(number)) FROM search_runs")
        raw.execute("UPDATE search_runs SET change = pg_current_xact_id()::text::bigint")
    with psycopg.connect(ledger, autocommit=True) as raw:
        raw.execute("VACUUM ANALYZE")
    return {}


def room_of(stores: Any, count: int) -> Numbers:
    """Bytes for each run in all and in the index, and what one more value of a metric costs there."""
    with stores.ledger.write() as tx:
        update = cost_of_update(stores, tx)
    stores.ledger.close()
    path = stores.folder / "ledger.db"
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name").fetchall()
    index = sum(size for name, size in rows if "search_" in name)
    return {"bytes_per_run": path.stat().st_size / count, "index_bytes_per_run": index / count, **update}


def cost_of_update(stores: Any, tx: Any) -> Numbers:
    """CPU of the index when a metric of a run has another value, in a transaction with a hundred of them."""
    from clew.store.ledger.sql.search_index import SqlSearchIndex

    runs = [run.id for run in tx.runs.list(stores.project, limit=100).items]
    series = tx.series.summaries(runs, keys=["m00"])
    index = SqlSearchIndex(tx.runs._c)
    began = time.process_time()
    index.measure(series)
    return {"index_us_per_update": (time.process_time() - began) / max(len(series), 1) * 1e6}


def of_clew(*, folder: str, query: str, ledger: str = "", **_: str) -> Numbers:
    from clew.tracking.runs import LedgerRuns

    runs, (where, sort) = LedgerRuns(stores_of(folder, ledger)), QUERIES[query]
    return times_of(lambda: runs.search(where=where, sort=sort, limit=FOUND).items)


# Charts


def of_charts(*, folder: str, count: int, points: int, drawn: str, **_: str) -> Numbers:
    """One metric of some runs, of random numbers in full blocks: drawn for a screen, or all points of it."""
    import numpy as np

    from clew.testing.runs import a_run
    from clew.tracking.runs import LedgerRuns
    from clew.tracking.series import BLOCK_POINTS, Points, block_of, join, points_of

    stores = stores_of(folder, "")
    runs, values = LedgerRuns(stores), np.random.default_rng(1).normal(size=points)
    ids = [stores.ids() for _ in range(count)]
    for each in ids:
        runs.create(a_run(each, project=stores.project), experiment="bench")
        whole = Points(np.arange(points), np.arange(points) * 1000, values)
        for at in range(0, points, BLOCK_POINTS):
            part = Points._make(column[at : at + BLOCK_POINTS] for column in whole)
            runs.append([block_of(each, "loss", f"j:{at}-{at + len(part.values) - 1}", part)])
    if drawn:
        return times_of(lambda: runs.sample(ids, "loss", width=1000))
    return times_of(lambda: [join(points_of(block) for block in runs.blocks(each, "loss")) for each in ids])


# The physical limit: narrow tables with an index each, and the whole join


def made_by_sqlite(*, folder: str, count: int, **_: str) -> Numbers:
    with sqlite3.connect(Path(folder) / "runs.db") as connection:
        for table, kind in (("p", "TEXT"), ("m", "REAL")):
            connection.execute(f"CREATE TABLE {table} (run INT, k TEXT, v {kind}, PRIMARY KEY (k, run)) WITHOUT ROWID")
            connection.execute(f"CREATE INDEX {table}_by_value ON {table} (k, v, run)")
        for at, (params, metrics, _tags) in enumerate(rows(count)):
            connection.executemany("INSERT INTO p VALUES (?, ?, ?)", [(at, *pair) for pair in params.items()])
            connection.executemany("INSERT INTO m VALUES (?, ?, ?)", [(at, *pair) for pair in metrics.items()])
    return {}


def of_sqlite(*, folder: str, **_: str) -> Numbers:
    connection = sqlite3.connect(Path(folder) / "runs.db")
    sql = (
        "SELECT p.run FROM p JOIN m ON m.run = p.run AND m.k = 'm00' JOIN m AS o ON o.run = p.run AND o.k = 'm01' "
        f"WHERE p.k = 'p01' AND p.v = 'c' AND m.v > 0.5 ORDER BY o.v DESC LIMIT {FOUND}"
    )
    return times_of(lambda: connection.execute(sql).fetchall())


# MLflow


def made_by_mlflow(*, folder: str, count: int, **_: str) -> Numbers:
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    import mlflow

    path = Path(folder) / "mlflow.db"
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    experiment = int(mlflow.set_experiment("bench").experiment_id)
    now_ms, draw = int(time.time() * 1000) - 10**8, random.Random(7)
    tables: dict[str, list[tuple[object, ...]]] = {name: [] for name in COLUMNS}
    for at, (params, metrics, tags) in enumerate(rows(count)):
        run_id, began, name = uuid.UUID(int=draw.getrandbits(128)).hex, now_ms + at, f"run-{at}"
        own = {"mlflow.user": "u", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL"}
        facts = (
            run_id,
            name,
            "UNKNOWN",
            "",
            "",
            "u",
            "FINISHED",
            began,
            began + 1000,
            "",
            "active",
            f"a/{run_id}",
            experiment,
        )
        tables["runs"].append(facts)
        tables["params"] += [(key, value, run_id) for key, value in params.items()]
        tables["metrics"] += [(key, value, began, run_id, 0, False) for key, value in metrics.items()]
        tables["latest_metrics"] += [(key, value, began, 0, False, run_id) for key, value in metrics.items()]
        tables["tags"] += [(key, value, run_id) for key, value in (own | {"mlflow.runName": name} | tags).items()]
    with sqlite3.connect(path) as connection:
        for name, columns in COLUMNS.items():
            marks = ", ".join("?" * (columns.count(",") + 1))
            connection.executemany(f"INSERT INTO {name} ({columns}) VALUES ({marks})", tables[name])
    return {"bytes_per_run": path.stat().st_size / count}


COLUMNS = {
    "runs": "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, "
    "source_version, lifecycle_stage, artifact_uri, experiment_id",
    "params": "key, value, run_uuid",
    "metrics": "key, value, timestamp, run_uuid, step, is_nan",
    "latest_metrics": "key, value, timestamp, step, is_nan, run_uuid",
    "tags": "key, value, run_uuid",
}


def of_mlflow(*, folder: str, query: str, **_: str) -> Numbers:
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{Path(folder) / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("bench").experiment_id
    where, order = OF_MLFLOW[query]
    return times_of(lambda: client.search_runs([experiment], where, order_by=order, max_results=FOUND))


# Measuring


def times_of(ask: Any) -> Numbers:
    """The first call, and how long later ones take: 25, and as many more as fit into a few seconds, at most 50."""
    took: list[float] = []
    cpu = 0.0
    until = time.perf_counter() + LONGEST_S
    while len(took) < 26 or (len(took) < 51 and time.perf_counter() < until):
        cpu, began = time.process_time(), time.perf_counter()
        found = ask()
        took.append((time.perf_counter() - began) * 1e3)
        cpu = (time.process_time() - cpu) * 1e3
    first, later = took[0], sorted(took[1:])
    return {
        "first_ms": first,
        "p50_ms": later[len(later) // 2],
        "p95_ms": later[len(later) * 95 // 100],
        "max_ms": later[-1],
        "last_cpu_ms": cpu,
        "found": len(found),
    }


def of_size(bench: Bench, count: int, whos: Sequence[str]) -> Path:
    """Measure searches in the files of some; the folder of clew's."""
    folders = {who: bench.fresh() for who in whos}
    for who in whos:
        made = bench.child(f"made_by_{who}", who, folder=folders[who], count=count)
        if who == CLEW:
            shown = ["us_per_run", "cpu_us_per_run", "bytes_per_run", "index_bytes_per_run", "index_us_per_update"]
            bench.show(f"{count:,} runs, written", **made, shown=shown, durability="kill")
    for query in QUERIES:
        able = [who for who in whos if who == CLEW or query in (OF_MLFLOW if who == "mlflow" else ("most pass",))]
        medians = {who: bench.child(f"of_{who}", who, folder=folders[who], query=query) for who in able}
        limits = {"p95_ms": at_most(10 if count <= 100_000 else 30)}
        shown = ("first_ms", "p50_ms", "last_cpu_ms")
        figure = f"{count:,} runs, {query}"
        bench.show_all(figure, medians, targets=limits, compared=shown, process_start="not included")
    for who, folder in folders.items():
        if who != CLEW:
            shutil.rmtree(folder)
    return folders[CLEW]


def on_postgresql(bench: Bench, server: Any, count: int, source: Path) -> None:
    """The same searches over the same runs in a database."""
    folder, ledger = bench.fresh(), server.make()
    bench.child("copied_to_postgresql", folder=folder, source=source, ledger=ledger)
    for query in ("newest", "two orders") if bench.small else QUERIES:
        found = bench.child("of_clew", folder=folder, query=query, ledger=ledger)
        limits = {"p95_ms": at_most(10 if count <= 100_000 else 30, SHARED)}
        shown = ["first_ms", "p50_ms", "last_cpu_ms", "found"]
        bench.show(f"{count:,} runs, {query}, PostgreSQL", **found, targets=limits, shown=shown)
    server.drop(ledger)


def written_to_postgresql(bench: Bench, server: Any, count: int) -> None:
    """How long runs take that come one by one."""
    made = bench.child("made_by_clew", folder=bench.fresh(), count=count, ledger=server.make())
    shown = ["us_per_run", "cpu_us_per_run"]
    bench.show(f"{count:,} runs, written, PostgreSQL", **made, shown=shown, durability="kill")


def charts(bench: Bench) -> None:
    count, points = (50, 10_000) if not bench.small else (2, 100)
    for title, drawn, limit in (("1,000 pixels wide", "yes", 30), ("all points", "", 150)):
        folder = bench.fresh()
        found = bench.child("of_charts", folder=folder, count=count, points=points, drawn=drawn)
        shown = ["first_ms", "last_cpu_ms"]
        figure = f"{count} runs of {points:,} points, {title}"
        bench.show(figure, **found, targets={"p50_ms": at_most(limit)}, shown=shown, process_start="not included")


def main(bench: Bench) -> None:
    from clew.testing.postgres import PostgresServer

    charts(bench)
    base = Path(tempfile.mkdtemp(prefix="clew-pg-"))  # a socket's path is short
    server = PostgresServer(base / "data")
    try:
        written_to_postgresql(bench, server, bench.size(1_000, small=50))
        for count in bench.sizes((1_000, 10_000, 100_000, 1_000_000), small=(50,)):
            # MLflow has no answer at 50,000
            made = of_size(bench, count, [CLEW, "sqlite", *(bench.peers if count <= 20_000 else [])])
            on_postgresql(bench, server, count, made)
            shutil.rmtree(made)
    finally:
        server.stop()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    run(main, "search", ("mlflow",))
