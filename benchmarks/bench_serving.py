"""What a request costs: one row of 20 features, a boosted model of 100 trees, one replica on one core.

A replica is a real process on core 0, started by `clew serve`: requests are authenticated, validated, scored, logged
(level kill) and counted. The client is `wrk` on core 1 (Debian: `apt-get install wrk`), or a plain one of Python where
there is none, which is slower than a replica. CPU is that of the server's processes, divided by the requests that were
answered. The physical limit reads HTTP with the same parser, decodes with msgspec, scores with ONNX Runtime and
answers: nothing is checked, logged or counted. Peers serve a LightGBM model of 100 trees as their manuals say.
Also: the model alone, the start of a process, a change of the version under load, a rollback, and the commit of logs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import peers
from harness import CLEW, Bench, Numbers, at_least, at_most, run, spread

FEATURES = [f"x{i}" for i in range(20)]
MODEL = "bench"
LIMIT = "physical: HTTP, decode, score, answer"
LIMIT_OF_COMMITS = "physical: Parquet with fsync, a row in SQLite"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_LUA = """
wrk.method, wrk.body, wrk.headers = "POST", [==[%s]==], {["Content-Type"] = "application/json"}
if "%s" ~= "" then wrk.headers["Authorization"] = "Bearer %s" end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %%d %%d %%d %%f %%f %%f\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


# What is served


def rows_of(count: int, seed: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed).normal(size=(count, len(FEATURES)))


def late_of(values: Any) -> Any:
    return values[:, 0] + values[:, 1] * values[:, 2] > 0


def grow(folder: Path, trees: int) -> str:
    """A project with two versions of the model, the first of which answers, and a key; returns the key."""
    import polars as pl
    from sklearn.ensemble import HistGradientBoostingClassifier

    from clew.loop.fitted import Model
    from clew.serving.keys import add_key
    from clew.tracking.start import start
    from clew.workspace import Workspace, init_project

    init_project(folder)
    values = rows_of(4000, 1)
    train = pl.DataFrame(values, schema=FEATURES).with_columns(late=pl.Series(late_of(values)))
    with Workspace(folder) as workspace:
        for seed in (1, 2):
            estimator = HistGradientBoostingClassifier(max_iter=trees, early_stopping=False, random_state=seed)
            estimator.fit(train.select(FEATURES), train["late"].to_numpy())
            model = Model(MODEL, estimator, train=train, features=FEATURES)
            with start(workspace.recorder, capture=False, say=lambda _: None) as run:
                run.output(workspace.register(model, run.id))
        workspace.promote(f"{MODEL}@1", "live")
        return add_key(workspace.stores, MODEL, "bench")


def serve_limit(project: str) -> None:
    """The physical limit: answer with the graph of the first version, and do nothing else."""
    import msgspec
    import numpy as np

    from clew.core.types.package import FileRole
    from clew.registry.package import load_package
    from clew.serving.answer import Answer
    from clew.serving.listen import run
    from clew.serving.runtime import open_session
    from clew.workspace import Workspace

    with Workspace(Path(project)) as workspace:
        with workspace.stores.ledger.read() as tx:
            model = tx.models.find(workspace.stores.project, MODEL)
            assert model is not None
            [move] = tx.models.aliases(model.id)
            package = load_package(workspace.stores.objects, tx.models.version(move.version).package)
        file = package.find(FileRole.COMPILED)
        assert file is not None
        session = open_session(workspace.stores.objects.get(file.digest))
    decode, encode = msgspec.json.Decoder(dict[str, list[dict[str, float]]]).decode, msgspec.json.encode
    name = session.get_inputs()[0].name

    class Limit:
        def answer(self, method: str, path: str, body: bytes, started: float, authorization: str, **_: bool) -> Answer:
            if method == "GET":
                return Answer(b"{}")
            rows = np.array([list(row.values()) for row in decode(body)["rows"]])
            return Answer(encode({"scores": session.run(None, {name: rows})[0][:, -1].tolist()}))

        def refuse(self, status: int, text: str, *, hint: str = "") -> Answer:
            return Answer(text.encode(), status)

        def after(self, answer: Answer, method: str, started: float) -> None:
            """Nothing."""

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setblocking(False)
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    run(Limit(), listener)


def save_mlflow(folder: str, who: str) -> Numbers:
    """Runs in the environment of the peer: a LightGBM model in MLflow's format."""
    import lightgbm
    import mlflow.lightgbm
    import pandas as pd

    values = rows_of(4000, 1)
    table = pd.DataFrame(values, columns=FEATURES)
    model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, verbose=-1).fit(table, late_of(values))
    signature = mlflow.models.infer_signature(table, model.predict(table))
    mlflow.lightgbm.save_model(model, str(Path(folder) / "model"), signature=signature)
    return {}


# Servers and clients


def pinned(core: int, words: Sequence[object]) -> list[str]:
    """A command on one core, where the machine has it."""
    given = [str(word) for word in words]
    return ["taskset", "-c", str(core), *given] if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else given


@contextlib.contextmanager
def process(words: Sequence[object], cwd: Path, **changes: Any) -> Iterator[subprocess.Popen[str]]:
    """A server on core 0, ended with its children."""
    with (cwd / "server.log").open("a") as log:
        started = subprocess.Popen(
            pinned(0, words), cwd=cwd, stderr=log, text=True, start_new_session=True, **{"stdout": log, **changes}
        )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)
        started.wait()


@contextlib.contextmanager
def replica(project: Path, words: Sequence[object] = ()) -> Iterator[tuple[int, str]]:
    """`clew serve`, or another server that prints its address in the same way: its process and the address."""
    clew = [sys.executable, "-m", "clew", "serve", f"{MODEL}@live", "--port", "0", "--json"]
    with process(words or clew, project, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        url = json.loads(started.stdout.readline())["url"]
        call(f"{url}/health")
        yield started.pid, url


def call(url: str, body: bytes | None = None, key: str = "") -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as answer:
        return json.load(answer)


def cpu_s(pid: int) -> float:
    """Seconds of CPU of a process and its children."""
    import psutil

    whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in whole)


def load(url: str, body: str, connections: int, seconds: float, key: str = "") -> Numbers:
    """Send a body again and again: how many were answered, how fast, and how many failed."""
    if seconds < 1 or not shutil.which("wrk"):
        return plain_load(url, body, seconds, key)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA % (body, key, key))
        script.flush()
        words = ["wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", "-s", script.name, url]
        said = subprocess.run(pinned(1, words), capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\S+) (\S+) (\S+)", said)
    assert found is not None, said
    requests, took_us, failed = (int(found[at]) for at in (1, 2, 3))
    times = {name: float(found[at]) for name, at in (("p50_us", 4), ("p99_us", 5), ("max_us", 6))}
    return {"requests": requests, "requests_per_s": requests / took_us * 1e6, "failed": failed, **times}


def plain_load(url: str, body: str, seconds: float, key: str) -> Numbers:
    """One connection of Python, where there is no `wrk`."""
    import http.client
    from urllib.parse import urlsplit

    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.netloc, timeout=20)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    times, failed, until = [], 0, time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < until:
        sent = time.perf_counter()
        connection.request("POST", at.path, body, headers)
        response = connection.getresponse()
        response.read()
        failed += response.status != 200
        times.append((time.perf_counter() - sent) * 1e6)
    connection.close()
    took = time.perf_counter() - began
    return {"requests": len(times), "requests_per_s": len(times) / took, "failed": failed, **spread(times, "us")}


def under_load(pid: int, url: str, body: str, seconds: float, key: str = "") -> Numbers:
    """CPU per request and requests a second at 32 connections, and what a lone client waits."""
    load(url, body, 32, seconds / 5, key)  # warm
    before = cpu_s(pid)
    many = load(url, body, 32, seconds, key)
    cpu = (cpu_s(pid) - before) / many["requests"] * 1e6
    lone = load(url, body, 1, seconds, key)
    times = {name: many[name] for name in ("p50_us", "p99_us", "max_us")}
    return {
        "cpu_us": cpu,
        "requests_per_s": many["requests_per_s"],
        **times,
        "lone_p50_us": lone["p50_us"],
        "lone_p99_us": lone["p99_us"],
        "max_lone_us": lone["max_us"],
        "failed": many["failed"] + lone["failed"],
    }


def requests_of(who: str, folder: Path, project: Path, key: str, seconds: float) -> Numbers:
    """What requests cost of one contestant; of clew, those of the Open Inference Protocol too."""
    row = rows_of(1, 3)[0].tolist()
    if who.startswith("mlflow"):
        return requests_of_mlflow(folder, row, seconds)
    body = json.dumps({"rows": [dict(zip(FEATURES, row, strict=True))]})
    if who == LIMIT:
        with replica(project, [sys.executable, Path(__file__).resolve(), "limit", project]) as (pid, url):
            return under_load(pid, url, body, seconds)
    tensor = {"name": "x", "shape": [1, len(FEATURES)], "datatype": "FP64", "data": row}
    with replica(project) as (pid, url):
        found = under_load(pid, f"{url}/predict", body, seconds, key)
        before, infer = cpu_s(pid), f"{url}/v2/models/{MODEL}/infer"
        more = load(infer, json.dumps({"inputs": [tensor]}), 32, seconds, key)
        found["failed"] += more["failed"]
        return found | {"infer_cpu_us": (cpu_s(pid) - before) / more["requests"] * 1e6}


def requests_of_mlflow(folder: Path, row: list[float], seconds: float) -> Numbers:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = peers.python_of("mlflow")
    given = json.dumps({"folder": str(folder), "who": "mlflow"})
    told = folder / "told.json"
    words = [python, Path(__file__), "--child", "save_mlflow", "--told", told, "--given", given]
    subprocess.run(list(map(str, words)), check=True, capture_output=True, cwd=folder)
    serve = [python, "-m", "mlflow", "models", "serve", "-m", folder / "model", "-p", port, "--env-manager", "local"]
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    body = json.dumps({"dataframe_split": {"columns": FEATURES, "data": [row]}})
    with process(serve, folder, env=environment) as started:
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                call(f"http://127.0.0.1:{port}/invocations", body.encode())
                break
            assert time.monotonic() < until, (folder / "server.log").read_text()[-2000:]
            time.sleep(0.2)
        return under_load(started.pid, f"http://127.0.0.1:{port}/invocations", body, seconds)


# What is measured beside requests


def model_alone(kind: str, turns: int, who: str) -> Numbers:
    """Microseconds of one row through a model, as it was fitted and compiled."""
    from clew.core.types.package import Decision
    from clew.registry.columns import columns_of
    from clew.registry.signature import infer_signature
    from clew.serving.compile import compile_model
    from clew.serving.runtime import CompiledRuntime, OriginalRuntime

    estimator, table = fitted(kind)
    rows = columns_of(table)
    signature = infer_signature(estimator, rows)
    made = compile_model(estimator, signature, rows)
    assert made.graph is not None, made.compilation.reason
    assert made.compilation.graph is not None
    one = rows.take([0]).values
    compiled = CompiledRuntime(made.graph, made.compilation.graph, signature, Decision())
    original = OriginalRuntime(estimator, signature, Decision())
    ours, theirs = times_of(compiled, one, turns), times_of(original, one, max(turns // 20, 3))
    return {**spread(ours, "us"), "scikit_learn_p50_us": statistics.median(theirs)}


def times_of(runtime: Any, row: Any, turns: int) -> list[float]:
    clock, found = time.perf_counter_ns, []
    for _ in range(turns + 10):
        began = clock()
        runtime.decide(row)
        found.append((clock() - began) / 1e3)
    return found[10:]


def fitted(kind: str) -> tuple[Any, Any]:
    """A fitted model and its rows."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    values = rows_of(2000, 1)
    table = pd.DataFrame(values, columns=FEATURES)
    if kind == "ColumnTransformer pipeline":
        table["kind"] = ["abcd"[at % 4] for at in range(len(table))]
        numbers = make_pipeline(SimpleImputer(), StandardScaler())
        parts = [("number", numbers, FEATURES), ("text", OneHotEncoder(handle_unknown="ignore"), ["kind"])]
        model: Any = make_pipeline(ColumnTransformer(parts), LogisticRegression())
    elif kind == "forest":
        model = RandomForestClassifier(100, max_depth=8, random_state=1, n_jobs=1)
    else:
        model = LogisticRegression()
    return model.fit(table, late_of(values)), table


def started_in(project: Path) -> Numbers:
    """Seconds from the start of a process until it answers."""
    began = time.perf_counter()
    with replica(project):
        return {"wall_s": time.perf_counter() - began}


def swaps(project: Path, key: str, seconds: float) -> Numbers:
    """A quiet time under load, and one in which the version changes twice a second."""
    from clew.workspace import Workspace

    body = json.dumps({"rows": [dict(zip(FEATURES, rows_of(1, 3)[0].tolist(), strict=True))]})
    stop, moved = threading.Event(), 0
    with Workspace(project) as workspace, replica(project) as (_, url):

        def move() -> None:
            nonlocal moved
            while not stop.wait(seconds / 10):
                moved += 1
                workspace.promote(f"{MODEL}@{1 + moved % 2}", "live")

        load(f"{url}/predict", body, 32, seconds / 5, key)
        quiet = load(f"{url}/predict", body, 32, seconds, key)
        mover = threading.Thread(target=move)
        mover.start()
        moving = load(f"{url}/predict", body, 32, seconds, key)
        stop.set()
        mover.join()
        back = rolled_back(workspace, url, key)
    return {
        "failed": moving["failed"] + quiet["failed"],
        "added_p99_us": moving["p99_us"] - quiet["p99_us"],
        "quiet_p99_us": quiet["p99_us"],
        "swaps": moved,
        "rollback_s": back,
    }


def rolled_back(workspace: Any, url: str, key: str) -> float:
    """Seconds from the call of a rollback until the earlier version answers."""
    body = json.dumps({"rows": [dict(zip(FEATURES, rows_of(1, 3)[0].tolist(), strict=True))]}).encode()

    def wait(version: int) -> None:
        while call(f"{url}/predict", body, key)["version"] != version:
            time.sleep(0.002)

    for version in (1, 2):
        workspace.promote(f"{MODEL}@{version}", "live")
        wait(version)
    began = time.perf_counter()
    workspace.aliases.rollback(MODEL, "live")
    wait(1)
    return time.perf_counter() - began


def commits(project: str, turns: int, rows: int, who: str) -> Numbers:
    """Milliseconds in which logged rows become a durable batch of the endpoint's log, without their counts."""
    from clew.registry.package import load_package
    from clew.serving.compaction import compact, journal_folder
    from clew.serving.endpoint import find_endpoint
    from clew.serving.journal import ReplicaJournal
    from clew.serving.records import DecisionRecord, encode
    from clew.workspace import Workspace

    values, found, cpu = rows_of(rows, 5), [], 0.0
    with Workspace(Path(project)) as workspace:
        stores = workspace.stores
        endpoint = find_endpoint(stores, MODEL)
        with stores.ledger.read() as tx:
            [move] = tx.models.aliases(endpoint.model)
            signature = load_package(stores.objects, tx.models.version(move.version).package).signature
        for turn in range(turns + 1):
            compact(stores, endpoint, signature_of=lambda _: signature)
            journal = ReplicaJournal(journal_folder(stores, endpoint.id) / f"bench-{turn}", stores.ids)
            for row in values.tolist():
                at_us = stores.clock.now_us()
                record = DecisionRecord(
                    first_id=stores.ids(), request="", time_us=at_us, received_us=at_us, latency_us=50, rows=1, keys=[],
                    version=move.version, runtime="onnxruntime", scores=[row[0]], decisions=[row[0] > 0],
                    columns={name: [value] for name, value in zip(FEATURES, row, strict=True)},
                )  # fmt: skip
                journal.append(encode(record))
            cpu_before, began = time.process_time(), time.perf_counter()
            moved = compact(stores, endpoint, signature_of=lambda _: signature)
            cpu += (time.process_time() - cpu_before) * 1e3 / (turns + 1)
            found.append((time.perf_counter() - began) * 1e3)
            assert moved.predictions == rows
            journal.close()
    return {**spread(found[1:], "ms"), "cpu_ms": cpu}


def commits_limit(folder: str, turns: int, rows: int, who: str) -> Numbers:
    """The physical limit of a commit: the same rows as Parquet, a file with fsync, and a row in SQLite."""
    import io
    import sqlite3

    import polars as pl

    found = []
    database = sqlite3.connect(Path(folder) / "limit.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE batch (name TEXT PRIMARY KEY, size INTEGER)")
    values = rows_of(rows, 5)
    columns = dict(zip(FEATURES, values.T.tolist(), strict=True)) | {"id": [f"{at:032x}" for at in range(rows)]}
    for turn in range(turns + 1):
        began = time.perf_counter()
        buffer = io.BytesIO()
        pl.DataFrame(columns).write_parquet(buffer, compression="zstd")
        with (Path(folder) / f"{turn}.parquet").open("wb") as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
        database.execute("INSERT INTO batch VALUES (?, ?)", (f"batch {turn}", buffer.tell()))
        found.append((time.perf_counter() - began) * 1e3)
    database.close()
    return spread(found[1:], "ms")


def main(bench: Bench) -> None:
    turns = bench.size(5000, small=50)
    kinds = (("logistic", 8), ("forest", 12), ("ColumnTransformer pipeline", 30))
    for kind, limit in kinds[:1] if bench.small else kinds:
        alone = bench.repeat(lambda kind=kind: bench.child("model_alone", kind=kind, turns=turns))
        told = {key: alone[key] for key in ("p50_us", "p99_us", "max_us", "scikit_learn_p50_us")}
        bench.show(f"one row through the model alone, {kind}", **told, targets={"p50_us": at_most(limit)})
    project = bench.fresh()
    key = grow(project, bench.size(100, small=3))
    seconds = 0.2 if bench.small else 5.0
    client = "http.client, 1 connection" if bench.small or not shutil.which("wrk") else "wrk"
    ready = bench.repeat(lambda: started_in(project))
    bench.show("from the start of the process to the first answer", **ready, targets={"wall_s": at_most(0.8)})
    targets = {
        "cpu_us": at_most(90),
        "infer_cpu_us": at_most(90, "A tensor is cut into columns, and the answer repeats names and shapes."),
        "requests_per_s": at_least(9000),
        "lone_p50_us": at_most(250),
        "lone_p99_us": at_most(2000),
    }
    found = bench.compare(lambda who, folder: requests_of(who, folder, project, key, seconds), LIMIT)
    facts = {"durability": "kill", "client": client, "process_start": "not included"}
    bench.show_all("a request, 32 connections and 1", found, targets=targets, compared=["p99_us"], **facts)
    swapped = bench.repeat(lambda: swaps(project, key, seconds))
    targets = {"failed": at_most(0), "added_p99_us": at_most(1000), "rollback_s": at_most(1)}
    bench.show("two changes of the version a second, 32 connections", **swapped, targets=targets, **facts)
    rows = 1000
    times = {"turns": bench.size(20, small=2), "rows": rows}
    each = "Nearly all is CPU: each record names its columns and is decoded by itself; off the request path."
    found = {CLEW: bench.child("commits", project=project, **times)}
    found[LIMIT_OF_COMMITS] = bench.child("commits_limit", folder=bench.fresh(), **times)
    facts = {"durability": "power", "off": "the request path"}
    bench.show_all(f"a commit of {rows} logged rows", found, targets={"p50_ms": at_most(8, each)}, **facts)


if __name__ == "__main__":
    if sys.argv[1:2] == ["limit"]:
        serve_limit(sys.argv[2])
    else:
        run(main, "serving", ("mlflow",))
