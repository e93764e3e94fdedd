"""What a request costs: one row of 20 features, a gradient-boosted model of 100 trees, a replica on one core.

The replica is a real process on core 0; the client, `wrk`, has core 1 (Debian: `apt-get install wrk`). CPU per request
is the replica's own, divided by what the client counted. Prints one JSON line per figure; the machine is calibrated,
and the physical limit (the smallest ASGI application that decodes, scores and answers) is measured, in the same run.
`--seconds` and `--rows` make it small. Start-up of processes is in no figure but "start".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FEATURES = [f"x{i}" for i in range(20)]
MODEL = "bench"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_LUA = """
wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
wrk.body = {body}
{key}
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %f %f %f\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


def show(figure: str, **numbers: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps({"benchmark": "serving", "figure": figure, **numbers}) + "\n")
    sys.stdout.flush()


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def calibrate(folder: Path) -> None:
    """How fast this machine is right now."""
    from clew.core.hashing import hash_bytes

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


def table(rows: int, seed: int) -> Any:
    """Rows of 20 numbers, and whether they are late."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, len(FEATURES)))
    late = values[:, 0] + values[:, 1] * values[:, 2] + rng.normal(size=rows) > 0
    return pl.DataFrame(values, schema=FEATURES).with_columns(late=pl.Series(late))


def grow(folder: Path) -> None:
    """A project with two versions of the model, of which the first answers."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from clew.loop.fitted import Model
    from clew.tracking.start import start
    from clew.workspace import Workspace, init_project

    init_project(folder)
    train, test = table(4000, 1), table(500, 2)
    with Workspace(folder) as workspace:
        for seed in (1, 2):
            model = HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=seed)
            model.fit(train.select(FEATURES), train["late"].to_numpy())
            fitted = Model(MODEL, model, train=train, test=test, label="late", features=FEATURES)
            with start(workspace.stores, capture=False, say=lambda _: None) as run:
                run.output(workspace.register(fitted, run.id))
        workspace.promote(f"{MODEL}@1", "champion")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def pinned(core: int, words: Sequence[object]) -> list[str]:
    """A command on one core, where the machine has it."""
    given = [str(word) for word in words]
    return ["taskset", "-c", str(core), *given] if (os.cpu_count() or 1) > 1 else given


@contextmanager
def server(
    words: Sequence[object], cwd: Path, environ: dict[str, str] | None = None
) -> Iterator[tuple[int, str, float]]:
    """A server that prints one JSON line with its `url`: its process, the address, and the seconds until it was up."""
    began = time.perf_counter()
    process = subprocess.Popen(
        pinned(0, words), cwd=cwd, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environ or {})}
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        ask(f"{url}/health")
        yield process.pid, url, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def ask(url: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10) as answer:
        return json.load(answer)


class Load:
    """What `wrk` counted."""

    def __init__(self, text: str) -> None:
        found = re.search(r"RESULT (\d+) (\d+) (\d+) (\S+) (\S+) (\S+)", text)
        if found is None:
            raise SystemExit(f"wrk said: {text}")
        self.requests, self.failed = int(found[1]), int(found[3])
        self.per_s = self.requests / int(found[2]) * 1e6
        self.p50_us, self.p99_us, self.max_us = (float(found[at]) for at in (4, 5, 6))


def load(url: str, body: bytes, connections: int, seconds: float, key: str = "") -> Load:
    """Send a body again and again."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        header = f'wrk.headers["Authorization"] = "Bearer {key}"' if key else ""
        script.write(_LUA.format(body=json.dumps(body.decode()), key=header))
        script.flush()
        words = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", script.name, url]
        return Load(subprocess.run(pinned(1, words), capture_output=True, text=True, check=True).stdout)


def under_load(name: str, pid: int, url: str, body: bytes, seconds: float, *, key: str = "", **more: object) -> None:
    """CPU per request and requests a second at 32 connections, and what a lone client waits."""
    load(url, body, 32, 1, key)  # warm
    before = cpu_s(pid)
    many = load(url, body, 32, seconds, key)
    cpu = (cpu_s(pid) - before) / many.requests
    lone = load(url, body, 1, seconds, key)
    show(
        name,
        cpu_us_per_request=rounded(cpu * 1e6),
        requests_per_s=rounded(many.per_s),
        p50_us=rounded(many.p50_us),
        p99_us=rounded(many.p99_us),
        max_us=rounded(many.max_us),
        lone_p50_us=rounded(lone.p50_us),
        lone_p99_us=rounded(lone.p99_us),
        lone_max_us=rounded(lone.max_us),
        failed=many.failed + lone.failed,
        client="wrk, 32 connections, and 1 for the lone client",
        **more,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of load for each figure")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to measure")
    asked = parser.parse_args()
    row = table(1, 3).select(FEATURES).row(0, named=True)
    body = json.dumps({"rows": [row]}).encode()
    tensor = {"name": "x", "shape": [1, len(FEATURES)], "datatype": "FP64", "data": list(row.values())}
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        calibrate(folder)
        project = folder / "project"
        project.mkdir()
        grow(project)
        clew = [sys.executable, "-m", "clew", "serve", f"{MODEL}@champion", "--port", "0", "--json"]
        with server(clew, project) as (pid, url, up_s):
            show("start", seconds=rounded(up_s))
            under_load("predict", pid, f"{url}/predict", body, asked.seconds, durability="kill")
            infer = f"{url}/v2/models/{MODEL}/infer"
            under_load("infer", pid, infer, json.dumps({"inputs": [tensor]}).encode(), asked.seconds, durability="kill")


if __name__ == "__main__":
    main()
