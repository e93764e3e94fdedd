"""Programs that run for long: killed again and again in one project, started again, and counted at the end."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import psutil
from loops import Loops
from operations import a_project_that_lives, sound

from clew.core.types.job import JobState
from clew.demo.calendar import days_of, live_from_us
from clew.demo.traffic import load_year
from clew.testing.life import Life
from clew.workspace import open_workspace

Tell = Callable[[str], None]
DAYS = 5
PATIENCE_S = 150.0
_NAMES = {"serve": "the endpoint", "worker": "the worker", "run": "the training"}

DEMO = """
import json, sys
from pathlib import Path
import msgspec
from clew.demo.calendar import days_of
from clew.demo.perform import perform
from clew.demo.standing import Standing
done = perform(Path(sys.argv[1]), days_of()[: int(sys.argv[2])], standing=Standing())
found = done.review.result
print(json.dumps([found.flights_served, found.predictions_logged, found.labels_joined]))
"""


def start(words: list[str], folder: Path, said: Path) -> subprocess.Popen[bytes]:
    with said.open("ab") as out:
        return subprocess.Popen(
            words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )


def family(process: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    """The process and those below it, by what they are."""
    found: dict[str, psutil.Process] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        found["the driver"] = psutil.Process(process.pid)
        for child in found["the driver"].children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                words = child.cmdline()
                name = next((word for word in _NAMES if word in words), "")
                if name:
                    found[_NAMES[name]] = child
    return found


def until_all_run(process: subprocess.Popen[bytes]) -> None:
    """Wait for endpoint and worker, or for the end."""
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and len(family(process)) < 3 and time.monotonic() < until:
        time.sleep(0.02)


def kill_one(process: subprocess.Popen[bytes], draw: random.Random) -> str:
    """Kill any of them; who it was."""
    living = family(process)
    if not living:
        return ""
    name = draw.choice(sorted(living))
    with contextlib.suppress(psutil.NoSuchProcess):
        living[name].kill()
        if name == "the driver":
            process.wait()
        return name
    return ""


class Demo:
    """The first days of the demo: driver, endpoint and worker."""

    name, heavy = "demo", True

    def __init__(self) -> None:
        self._template: Path | None = None

    def run(self, root: Path, seed: int, kills: int, tell: Tell) -> None:
        """Kill until there were enough, and let it come to its end.

        Raises:
            AssertionError: a promise is broken.
        """
        draw, folder, said = random.Random(seed), root / f"demo-{seed}", root / f"demo-{seed}.said"
        shutil.copytree(self._prepared(root), folder)
        words = [sys.executable, "-c", DEMO, str(folder), str(DAYS)]
        done, process = 0, start(words, folder, said)
        while True:
            if done < kills:
                if draw.random() < 0.75:
                    until_all_run(process)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(draw.uniform(0.0, 2.0))
            else:
                process.wait(PATIENCE_S)
            if process.returncode is None:
                victim = kill_one(process, draw)
                if victim:
                    done += 1
                    tell(f"{victim}")
            if process.poll() is not None:
                assert process.returncode in (0, -signal.SIGKILL), said.read_text()[-2000:]
                if process.returncode == 0 and done >= kills:
                    break
                if process.returncode == 0:  # the days are over: from the beginning, for the kills that are left
                    self._check(folder, said)
                    shutil.rmtree(folder)
                    shutil.copytree(self._prepared(root), folder)
                process = start(words, folder, said)
        self._check(folder, said)
        shutil.rmtree(folder)

    def _prepared(self, root: Path) -> Path:
        """A demo that has served its first two days."""
        if self._template is None:
            folder, said = root / "demo", root / "demo.said"
            assert start([sys.executable, "-c", DEMO, str(folder), "2"], root, said).wait(300) == 0, said.read_text()
            self._template = folder
        return self._template

    def _check(self, folder: Path, said: Path) -> None:
        counted = json.loads(said.read_text().splitlines()[-1])
        days, year = days_of()[:DAYS], load_year()
        served = len(year.keys(live_from_us(), days[-1].high_us))
        labelled = len(year.keys(live_from_us(), days[-1].labelled_us))
        assert counted == [served, served, labelled], (counted, served, labelled)
        with open_workspace(folder) as workspace:
            sound(workspace)
            with workspace.stores.ledger.read() as tx:
                jobs = tx.jobs.list(workspace.stores.project, limit=1000)
            assert {job.state for job in jobs} == {JobState.DONE}, [(job.key, job.state, job.reason) for job in jobs]


class Up:
    """`clew up`: a supervisor, an endpoint that is asked all the time, and a worker."""

    name, heavy = "up", True

    def __init__(self) -> None:
        self._template: Path | None = None

    def run(self, root: Path, seed: int, kills: int, tell: Tell) -> None:
        """Kill until there were enough, and count what was answered.

        Raises:
            AssertionError: a promise is broken.
        """
        draw, folder, said = random.Random(seed), root / f"up-{seed}", root / f"up-{seed}.said"
        if self._template is None:
            self._template = root / "up"
            a_project_that_lives(self._template)
            with (self._template / "clew.toml").open("a") as file:
                file.write('\n[endpoints.late]\nmodel = "delay"\nalias = "champion"\nport = 0\n')
        shutil.copytree(self._template, folder)
        words = [sys.executable, "-m", "clew", "up"]
        process, asked, answered, done = start(words, folder, said), 0, set[str](), 0
        while done < kills:
            until = time.monotonic() + draw.uniform(0.2, 3.0)
            asked = ask_until(folder, until, asked, answered)
            victim = kill_one(process, draw)
            done += bool(victim)
            if victim:
                tell(victim)
            if process.poll() is not None:
                process = start(words, folder, said)
        before, patience = len(answered), time.monotonic() + PATIENCE_S
        while len(answered) < before + 20:
            assert time.monotonic() < patience, f"the endpoint does not come back: {said.read_text()[-2000:]}"
            asked = ask_until(folder, time.monotonic() + 0.5, asked, answered)
        process.terminate()
        process.wait(PATIENCE_S)
        self._check(folder, asked, answered)
        shutil.rmtree(folder)

    def _check(self, folder: Path, asked: int, answered: set[str]) -> None:
        """All that was answered is in the log once, and nothing that was not asked."""
        from clew.loop.watch import compact_endpoint

        life = Life(folder)
        try:
            compact_endpoint(life.monitor)
            with life.stores.ledger.read() as tx:
                batches = tx.logs.list(life.endpoint.predictions)
            frames = [pl.read_parquet(io.BytesIO(life.stores.objects.get(batch.object))) for batch in batches]
            keys = [key for key in pl.concat(frames)["key"].to_list() if key.startswith("asked ")]
        finally:
            life.close()
        assert len(keys) == len(set(keys)), "a decision is logged twice"
        assert answered <= set(keys), f"lost: {sorted(answered - set(keys))[:5]}"
        assert set(keys) <= {f"asked {number}" for number in range(asked)}


def ask_until(folder: Path, until: float, asked: int, answered: set[str]) -> int:
    """Ask one request after the other, each with a key of its own; how many there were by now."""
    while time.monotonic() < until:
        for url in addresses(folder):
            key = f"asked {asked}"
            asked += 1
            rows = [{"hour": asked % 24, "wind": 0.1}]
            body = json.dumps({"rows": rows, "keys": [key], "time": "2013-02-20T00:00:00Z"})
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
            try:
                connection.request("POST", "/predict", body, {"content-type": "application/json"})
                if connection.getresponse().status == 200:
                    answered.add(key)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            finally:
                connection.close()
        else:
            time.sleep(0.005)
    return asked


def addresses(folder: Path) -> Iterator[str]:
    """Where replicas of the endpoint say that they answer."""
    for path in (folder / ".clew" / "decisions").glob("*/*/address.json"):
        with contextlib.suppress(OSError, ValueError):
            yield json.loads(path.read_bytes())["url"]


SESSIONS: list[Demo | Up | Loops] = [
    Demo(),
    Up(),
    Loops("log embedded"),
    Loops("log remote", servers=1),
    Loops("log server", servers=1, deadly=True),
    Loops("log servers", servers=2, deadly=True, database=True),
]
