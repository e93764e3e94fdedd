"""Load on servers: 32 clients at once send batches of points to two servers on one PostgreSQL, and read.

Each client has a run of its own and sends a batch, waits, and sends the next one, first at the pace of a training that
logs much, then without pause, when clients wait for each other; now and then it sends one twice, as a client does whose
answer was lost. At the end every run must hold each point once. The database runs on this machine with fsync, from the
package index, as do servers and clients, so that all of them share its cores. Clients are as cheap as can be, and the
CPU of each kind is counted by itself. The start of a server is measured from its command to the first answer.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness import Bench, Numbers, at_most, run, spread

POINTS = 1000
CLIENTS = 32
PROJECT = "load"
CPU = ["cpu_ms_per_request", "database_cpu_ms_per_request", "client_cpu_ms_per_request"]


class Server:
    """`clew server` as a process."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        words = [sys.executable, "-m", "clew", "server", "--open", "--port", str(self.port), "--json"]
        began = time.perf_counter()
        self.process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True)
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).read()
                break
            except OSError:
                if self.process.poll() is not None or time.perf_counter() - began > 60:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.01)
        self.start_s = time.perf_counter() - began

    def used(self) -> tuple[float, float]:
        return used_by(self.process.pid)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)


def used_by(pid: int) -> tuple[float, float]:
    """CPU seconds and proportional megabytes of a process and those below it."""
    import psutil

    top = psutil.Process(pid)
    times, memory = 0.0, 0.0
    for each in (top, *top.children(recursive=True)):
        cpu = each.cpu_times()
        times += cpu.user + cpu.system
        memory += each.memory_full_info().pss / 1e6
    return times, memory


class Sender:
    """Sends batches over one connection at the least cost, so that what is measured is the server."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._socket = socket.create_connection((at.hostname, at.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST /api/v1/projects/{PROJECT}/blocks HTTP/1.1\r\nhost: {at.netloc}\r\n"
            "content-type: application/vnd.msgpack\r\ncontent-length: "
        ).encode()

    def append(self, body: bytes) -> None:
        self._socket.sendall(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            some = self._socket.recv(1 << 16)
            if not some:
                raise OSError("the server closed the connection")
            answer += some
        if not answer.startswith(b"HTTP/1.1 204"):
            raise OSError(answer[:200].decode(errors="replace"))

    def close(self) -> None:
        self._socket.close()


def load(urls: list[str], clients: int, seconds: float, seed: int, pause_s: float, who: str) -> Numbers:
    """Some clients in one process: what each call took, and how many points each run must have."""
    from msgspec import msgpack, structs

    from clew.client.connection import Connection
    from clew.client.runs import HttpRuns
    from clew.core.clock import SystemClock
    from clew.core.ids import Ids
    from clew.testing.runs import a_block, a_run

    ids, took, sent, failed = Ids(SystemClock()), [], {}, []
    reads: list[float] = []
    until = time.perf_counter() + seconds

    def client(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        url = urls[number % len(urls)]
        connection, sender = Connection(url, PROJECT), Sender(url)
        runs = HttpRuns(connection)
        try:
            mine = runs.create(a_run(ids(), name=f"load {seed} {number}"), experiment="load")
            batch = 0
            while time.perf_counter() < until:
                block = a_block(f"{mine.id}@{batch}", run=mine.id, last=chance.random(), step=float(batch))
                body = msgpack.encode([structs.replace(block, count=POINTS, points=chance.randbytes(8 * POINTS))])
                for _ in range(2 if chance.random() < 0.05 else 1):
                    began = time.perf_counter()
                    sender.append(body)
                    took.append((time.perf_counter() - began) * 1e3)
                batch += 1
                time.sleep(pause_s * chance.uniform(0.5, 1.5))
                if batch % 10 == 0:
                    began = time.perf_counter()
                    runs.get(mine.id)
                    reads.append((time.perf_counter() - began) * 1e3)
            sent[mine.id] = batch * POINTS
        except Exception as error:  # noqa: BLE001 - what goes wrong is what this looks for
            failed.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()
            sender.close()

    cpu = time.process_time()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"took": took, "reads": reads, "sent": sent, "failed": failed, "cpu_s": time.process_time() - cpu}


def lost_and_doubled(url: str, sent: dict[str, int]) -> int:
    """Points that are there and were not sent, or the other way round."""
    from clew.client.connection import Connection
    from clew.client.runs import HttpRuns

    connection = Connection(url, PROJECT)
    runs = HttpRuns(connection)
    wrong = 0
    for mine, count in sent.items():
        [series] = runs.summaries([mine])
        wrong += abs(series.count - count)
    connection.close()
    return wrong


def crowd(bench: Bench, urls: list[str], clients: int, seconds: float, *, pause_s: float) -> list[Numbers]:
    """Clients in two processes, so that they are not what is waited for."""
    found: list[Numbers] = []

    def one(seed: int) -> None:
        found.append(bench.child("load", urls=urls, clients=clients // 2, seconds=seconds, seed=seed, pause_s=pause_s))

    threads = [threading.Thread(target=one, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def measure(
    bench: Bench, servers: list[Server], database: int, clients: int, seconds: float, *, pause_s: float
) -> None:
    """Let clients loose, and show what came of it. `database` is the process id of PostgreSQL."""
    before = sum(server.used()[0] for server in servers), used_by(database)[0]
    found = crowd(bench, [server.url for server in servers], clients, seconds, pause_s=pause_s)
    cpu = sum(server.used()[0] for server in servers) - before[0]
    cpu_database = used_by(database)[0] - before[1]
    took = [ms for each in found for ms in each["took"]]
    reads = [ms for each in found for ms in each["reads"]]
    sent: dict[str, Any] = {run: count for each in found for run, count in each["sent"].items()}
    failed = [error for each in found for error in each["failed"]]
    if failed:
        sys.stderr.write(json.dumps(failed[:5]) + "\n")
    pace = f"{1 / pause_s:.0f} batches a second each" if pause_s else "without pause"
    limits = {"errors": at_most(0), "points_lost_or_doubled": at_most(0)}
    bench.show(
        f"{clients} clients, {pace}, two servers, one PostgreSQL: a batch of {POINTS} points",
        **spread(took, "ms"),
        batches_per_s=len(took) / seconds,
        cpu_ms_per_request=cpu * 1e3 / (len(took) + len(reads)),
        database_cpu_ms_per_request=cpu_database * 1e3 / (len(took) + len(reads)),
        client_cpu_ms_per_request=sum(each["cpu_s"] for each in found) * 1e3 / (len(took) + len(reads)),
        errors=len(failed),
        points_lost_or_doubled=lost_and_doubled(servers[0].url, sent),
        targets={"p99_ms": at_most(100), **limits},
        shown=["p50_ms", "p99_ms", "max_ms", "batches_per_s", *CPU],
        durability="power",
    )
    if reads:
        bench.show(f"{clients} clients, {pace}: reading a run", **spread(reads, "ms"), shown=["p50_ms", "p99_ms"])


def main(bench: Bench) -> None:
    from clew.testing.postgres import PostgresServer
    from clew.workspace import init_project

    seconds, clients = (0.6, 8) if bench.small else (60.0, CLIENTS)
    base = Path(tempfile.mkdtemp(prefix="clew-pg-"))  # a socket's path is short
    postgres = PostgresServer(base / "data", durable=True)
    os.environ["CLEW_LEDGER"] = postgres.make()
    servers: list[Server] = []
    try:
        folder = bench.fresh()
        init_project(folder, name=PROJECT)
        servers = [Server(folder), Server(folder)]
        memory = max(server.used()[1] for server in servers)
        database = int((base / "data" / "postmaster.pid").read_text().partition("\n")[0])
        measure(bench, servers, database, clients, seconds, pause_s=0.2)
        measure(bench, servers, database, clients, seconds, pause_s=0.0)
        start = min(server.start_s for server in servers)
        bench.show(
            "start of a server, to its first answer",
            wall_s=start,
            memory_mb=memory,
            targets={"wall_s": at_most(1.5), "memory_mb": at_most(200)},
        )
    finally:
        for server in servers:
            server.stop()
        postgres.stop()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    run(main, "server")
