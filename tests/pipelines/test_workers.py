"""Steps in worker processes, and pipelines whose process is killed: real processes, real scripts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from clew.pipelines import LedgerSteps
from clew.testing.project import open_stores

HEAD = """
import json, os, sys, time
from pathlib import Path
from clew.pipelines import session, step
from clew.testing.project import open_stores

WORKERS = int(os.environ.get("WORKERS", "2"))

def act(run, work):
    stores = open_stores(Path(".clew"))
    told = []
    with session(stores, run, workers=WORKERS, listener=told.append):
        value = work()
    print(json.dumps({"value": value, "steps": [[t.step, t.outcome.value, t.inputs, t.reason] for t in told]}))
"""


def script(folder: Path, body: str) -> Path:
    path = folder / "job.py"
    path.write_text(HEAD + textwrap.dedent(body))
    return path


def start(path: Path, *args: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(path), *args],
        cwd=path.parent,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])  # type: ignore[no-any-return]


def failed(process: subprocess.Popen[str]) -> str:
    _, err = process.communicate(timeout=100)
    assert process.returncode != 0
    return err


GRAPH = """
import polars as pl

@step
def part(i):
    return pl.DataFrame({"i": [i] * 3})

@step
def pid(i):
    return os.getpid()

@step
def join(parts):
    return int(pl.concat(parts)["i"].sum())

@step
def write(i):
    path = Path("out") / f"{i}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(str(i))
    return path

def work():
    parts = [part.submit(i) for i in range(4)]
    total = join.submit(parts)
    pids = pid.map(range(6))
    files = [p.read_text() for p in write.map([7, 8])]
    return [total.result(), len({*pids} - {os.getpid()}) > 0, files]

if __name__ == "__main__":
    act(sys.argv[1], work)
"""


def test_a_graph_runs_in_workers_and_comes_from_the_cache_without(tmp_path: Path) -> None:
    path = script(tmp_path, GRAPH)
    first = finish(start(path, "run1"))
    assert first["value"] == [18, True, ["7", "8"]]
    assert [step[1] for step in first["steps"]] == ["executed"] * 13
    for name in ("7.txt", "8.txt"):
        (tmp_path / "out" / name).unlink()
    for run, workers in (("run2", "2"), ("run3", "0")):
        again = finish(start(path, run, WORKERS=workers))
        assert again["value"] == [18, True, ["7", "8"]]
        assert {step[1] for step in again["steps"]} == {"cached"}
    done = LedgerSteps(open_stores(tmp_path / ".clew")).of_run("run1")
    joined = next(each for each in done if each.step == "join")
    assert len(joined.inputs) == 4
    assert sorted(each.position for each in done) == list(range(1, 14))


def test_a_failure_in_a_worker_names_the_step_and_shows_where(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        @step
        def fails(x):
            return deep(x)

        def deep(x):
            raise ValueError(f"broken by {x}")

        def work():
            return fails.submit(3).result()

        if __name__ == "__main__":
            act("run1", work)
        """,
    )
    err = failed(start(path))
    assert "step fails(x=3) raised ValueError: broken by 3" in err
    assert "in deep" in err


def test_a_failure_that_nobody_asks_for_ends_the_run(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        @step
        def fails(x):
            raise ValueError("broken")

        def work():
            fails.submit(3)

        if __name__ == "__main__":
            act("run1", work)
        """,
    )
    assert "step fails(x=3) raised ValueError: broken" in failed(start(path))


def test_a_worker_that_dies_is_said_to_have_died(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        @step
        def dies(x):
            os._exit(3)

        def work():
            return dies.submit(3).result()

        if __name__ == "__main__":
            act("run1", work)
        """,
    )
    assert "step dies lost its worker process" in failed(start(path))


def test_a_global_that_only_the_script_has_is_never_kept_wrong(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        FACTOR = 1

        @step
        def scaled(x):
            return x * FACTOR

        def work():
            return scaled.submit(3).result()

        if __name__ == "__main__":
            FACTOR = 2
            act("run1", work)
        """,
    )
    assert "is not the same in a worker process" in failed(start(path))
    assert finish(start(path, WORKERS="0"))["value"] == 6


def test_a_file_read_in_a_worker_is_an_input(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        @step
        def reads(x):
            return open("d.txt").read()

        def work():
            return reads.submit(3).result()

        if __name__ == "__main__":
            act(sys.argv[1], work)
        """,
    )
    for run, text, outcome in (
        ("a", "1", "executed"),
        ("b", "1", "cached"),
        ("c", "2", "executed"),
        ("d", "1", "cached"),
    ):
        (tmp_path / "d.txt").write_text(text)
        told = finish(start(path, run))
        assert told["value"] == text
        assert told["steps"][0][1] == outcome


SLOW = """
@step
def slow(i):
    time.sleep(0.05)
    return i * i

def work():
    total = sum(slow.map(range(24))) if WORKERS else sum(slow(i) for i in range(24))
    if "stay" in sys.argv:
        time.sleep(100)
    return total

if __name__ == "__main__":
    act(sys.argv[1], work)
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_killed_pipeline_goes_on_where_it_was(tmp_path: Path, workers: str) -> None:
    path = script(tmp_path, SLOW)
    for run, enough in (("first", 4), ("second", 8)):
        process = start(path, run, WORKERS=workers)
        _wait_for(tmp_path, enough, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = _kept(tmp_path)
    assert kept >= 8
    told = finish(start(path, "last", WORKERS=workers))
    assert told["value"] == sum(i * i for i in range(24))
    cached = sum(step[1] == "cached" for step in told["steps"])
    assert cached >= kept
    assert len(told["steps"]) == 24


def test_an_interrupt_ends_the_workers_and_the_same_command_goes_on(tmp_path: Path) -> None:
    path = script(tmp_path, SLOW)
    process = start(path, "first", "stay")  # so that the signal never comes too late
    _wait_for(tmp_path, 3, process)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in failed(process)
    told = finish(start(path, "second"))
    assert told["value"] == sum(i * i for i in range(24))
    assert sum(step[1] == "cached" for step in told["steps"]) >= 3


def _kept(folder: Path) -> int:
    stores = open_stores(folder / ".clew")
    try:
        return len(LedgerSteps(stores).newest("slow", limit=100))
    finally:
        stores.ledger.close()


def _wait_for(folder: Path, enough: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many results are kept."""
    until_s = time.monotonic() + 90
    while time.monotonic() < until_s:
        over = process.poll() is not None  # before the look: what ends behind it has kept enough
        if (folder / ".clew" / "ledger.db").exists() and _kept(folder) >= enough:
            return
        if over:
            raise AssertionError(process.communicate()[1])
        time.sleep(0.02)
    raise AssertionError("it took too long")
