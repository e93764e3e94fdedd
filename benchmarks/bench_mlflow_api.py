"""What MLflow's own REST calls cost a server: CPU of its processes for one request, with one worker.

One caller that keeps its connection asks one thing after the other. The peer is MLflow's own server over SQLite, with
one worker too. The servers have started when measuring begins; the caller's own CPU is not in the figures. Every
answer of clew survives the kill of the process that gave it.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
from harness import CLEW, Bench, Numbers, at_most, run

import clew

TARGETS = {
    "log-metric": at_most(1.0),
    "log-batch of 1000": at_most(6.0),
    "get run": at_most(0.7),
    "search 100 runs": at_most(3.0),
    "history of 3000 points": at_most(8.0),
}
"""Milliseconds of CPU."""


def main(bench: Bench) -> None:
    count = bench.size(400, small=3)
    medians = bench.compare(
        lambda who, folder: bench.child("serve", server=who, python=peers.python_of(who), folder=folder, count=count)
    )
    for figure, target in TARGETS.items():
        rows = {who: _of(figure, numbers) for who, numbers in medians.items()}
        bench.show_all(figure, rows, targets={"cpu_ms": target}, compared=["p50_ms"], durability="kill", requests=count)
    starts = {who: {"start_s": rows["start_s"], "memory_mb": rows["memory_mb"]} for who, rows in medians.items()}
    bench.show_all("start until healthy", starts, targets={"start_s": at_most(1.5), "memory_mb": at_most(200)})


def _of(figure: str, numbers: Numbers) -> Numbers:
    return {name: numbers[f"{figure}/{name}"] for name in ("cpu_ms", "p50_ms")}


def serve(who: str, server: str, python: str, folder: str, count: int) -> Numbers:
    """Start a server with its own Python, ask it, and say what that cost it. Who asks is the same for each server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    if server == CLEW:
        sources = Path(clew.__file__).parent
        subprocess.run([python, "-m", "compileall", "-q", sources], check=True)  # as pip does when it installs
        subprocess.run([python, "-m", "clew", "init"], cwd=folder, check=True, capture_output=True)
        words = ["-m", "clew", "server", "--open", "--port", str(port)]
    else:
        words = ["-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
        words += ["--artifacts-destination", f"{folder}/files", "--host", "127.0.0.1", "--port", str(port)]
    began = time.perf_counter()
    with Path(folder, "log").open("wb") as log:
        process = subprocess.Popen([python, *words], cwd=folder, stdout=log, stderr=log, env=environ)
    try:
        _wait(port, process)
        started = time.perf_counter() - began
        return {"start_s": started, **_measure(port, process.pid, count)}
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
        except OSError:
            time.sleep(0.02)
    raise SystemExit("the server ended")


class Caller:
    """One caller on one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        self._connection.request(method, f"/api/2.0/mlflow/{path}", body=content, headers=headers)
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {told[:300]!r}")
        return json.loads(told or b"{}")


def _measure(port: int, pid: int, count: int) -> Numbers:
    call = Caller(port)
    experiment = call("POST", "experiments/create", {"name": "bench"})["experiment_id"]
    runs = [_new_run(call, experiment, number) for number in range(100)]
    first = runs[0]
    for start in range(0, 3000, 1000):
        call("POST", "runs/log-batch", {"run_id": first, "metrics": _points("history", start, 1000)})
    batch_run = _new_run(call, experiment, 100)
    search = {"experiment_ids": [experiment], "max_results": 100, "order_by": ["metrics.loss DESC"]}
    search["filter"] = "params.depth != '-1'"
    history = f"metrics/get-history?run_id={first}&metric_key=history"
    few = max(3, count // 4)

    def batch(number: int) -> Any:
        return call("POST", "runs/log-batch", {"run_id": batch_run, "metrics": _points("b", number * 1000, 1000)})

    def one(number: int) -> Any:
        point = {"run_id": runs[1], "key": "single", "value": 0.5, "timestamp": number, "step": number}
        return call("POST", "runs/log-metric", point)

    found: Numbers = {}
    for figure, times, act in (
        ("log-metric", count, one),
        ("log-batch of 1000", few, batch),
        ("get run", count, lambda _: call("GET", f"runs/get?run_id={first}")),
        ("search 100 runs", few, lambda _: call("POST", "runs/search", search)),
        (
            "history of 3000 points",
            few,
            lambda _: call("GET", history),
        ),
    ):
        found |= {f"{figure}/{name}": value for name, value in _cost(pid, times, act).items()}
    found["memory_mb"] = sum(each.memory_info().rss for each in _processes(pid)) / 2**20
    return found


def _new_run(call: Caller, experiment: str, number: int) -> str:
    told = call(
        "POST", "runs/create", {"experiment_id": experiment, "run_name": f"r{number}", "start_time": number + 1}
    )
    id_: str = told["run"]["info"]["run_id"]
    metrics = [{"key": key, "value": number / 7, "timestamp": 1, "step": 1} for key in ("loss", "acc", "auc", "f1")]
    params = [{"key": key, "value": str(number)} for key in ("depth", "rate", "trees", "seed", "leaves")]
    tags = [{"key": "team", "value": "risk"}]
    call("POST", "runs/log-batch", {"run_id": id_, "metrics": metrics, "params": params, "tags": tags})
    return id_


def _points(key: str, start: int, count: int) -> list[Numbers]:
    return [
        {"key": key, "value": 1 / (number + 1), "timestamp": number, "step": number}
        for number in range(start, start + count)
    ]


def _cost(pid: int, times: int, act: Callable[[int], Any]) -> Numbers:
    for number in range(3):
        act(1_000_000 + number)
    walls = []
    before = _cpu_s(pid)
    for number in range(times):
        began = time.perf_counter()
        act(number)
        walls.append(time.perf_counter() - began)
    return {"cpu_ms": (_cpu_s(pid) - before) / times * 1000, "p50_ms": sorted(walls)[len(walls) // 2] * 1000}


def _processes(pid: int) -> list[Any]:
    import psutil

    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def _cpu_s(pid: int) -> float:
    total = 0.0
    for each in _processes(pid):
        used = each.cpu_times()
        total += used.user + used.system
    return total


if __name__ == "__main__":
    run(main, "mlflow_api", known_peers=("mlflow",))
