"""Trainings that log, embedded and through servers: they are killed, or the servers are; then points are counted.

What `log` returned from must be there once and in order, and no more than the one call that was under way (`logger.py`
says how far each loop came).
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from logger import METRICS, PACK
from operations import sound

from clew.core.errors import NotFound
from clew.core.types.run import RunStatus
from clew.testing.postgres import PostgresServer
from clew.tracking.cut import read_cut
from clew.tracking.series import join, points_of
from clew.workspace import Workspace, init_project

Tell = Callable[[str], None]
PATIENCE_S = 120.0
LOGGER = Path(__file__).with_name("logger.py")
CLEW = [sys.executable, "-m", "clew"]


@dataclass
class Place:
    """A folder to run programs in, and the environment that they run with."""

    folder: Path
    environ: dict[str, str]

    def start(self, words: list[str], said: str) -> subprocess.Popen[bytes]:
        with (self.folder.parent / said).open("ab") as out:
            return subprocess.Popen(
                words,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(self.folder), "PYTHONUNBUFFERED": "1", **self.environ},
                start_new_session=True,
            )

    def said(self, said: str) -> str:
        return (self.folder.parent / said).read_text(errors="replace")[-3000:]


@dataclass
class Training:
    """One process that logs, and what it says that it has logged."""

    place: Place
    number: int
    seed: int
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        words = [sys.executable, str(LOGGER), str(self._file), str(self.stop), str(self.seed)]
        self.process = self.place.start(words, "training.said")

    @property
    def _file(self) -> Path:
        return self.place.folder.parent / f"acknowledged-{self.number}"

    @property
    def stop(self) -> Path:
        return self.place.folder.parent / f"stop-{self.number}"

    def logged(self) -> tuple[str, list[int]]:
        """The run, and how many points of each metric were logged; no run where it did not get so far."""
        data = self._file.read_bytes() if self._file.exists() else b""
        counts = [int.from_bytes(data[PACK * at : PACK * (at + 1)], "little") for at in range(len(METRICS))]
        return data[PACK * len(METRICS) :].decode(), counts

    def await_points(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not any(self.logged()[1]):
            assert self.process.poll() is None, self.place.said("training.said")
            assert time.monotonic() < until, "nothing is logged"
            time.sleep(0.01)

    def await_drain(self) -> None:
        """Wait for a moment at which points are on their way, which are few: a batch that may be stored or not."""
        folder, until = self.place.folder / ".clew" / "journals" / self.logged()[0], time.monotonic() + 5.0
        while time.monotonic() < until:
            cuts = [read_cut(path) for path in folder.glob("*.cut")]
            if any(cut is not None and cut.drained < cut.taken for cut in cuts):
                return
            time.sleep(0.0005)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.stop.touch()
        assert self.process.wait(PATIENCE_S) == 0, self.place.said("training.said")

    def check(self, workspace: Workspace, *, killed: bool) -> None:
        run, counts = self.logged()
        if not run:
            return
        try:
            status = workspace.runs.get(run).status
        except NotFound:  # killed on its way to the first point
            assert killed, run
            assert not any(counts), run
            return
        assert status is (RunStatus.KILLED if killed else RunStatus.FINISHED), (run, status)
        for metric, count in zip(METRICS, counts, strict=True):
            blocks = workspace.runs.blocks(run, metric)
            points = join(points_of(block) for block in blocks)
            there = len(points.values)
            facts = f"{metric} of {run}: {count} acknowledged, {there} there, {[block.source for block in blocks]}"
            assert points.steps.tolist() == list(range(there)), f"not in order, or doubled: {facts}"
            assert points.values.tolist() == [step / 2 for step in range(there)], facts
            assert count <= there <= count + killed, facts


class Served:
    """`clew server` on a port that it keeps."""

    def __init__(self, place: Place, number: int) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._place, self._said = place, f"server-{number}.said"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._launch()
        self.await_answer()

    def _launch(self) -> None:
        self.process = self._place.start([*CLEW, "server", "--open", "--port", str(self.port)], self._said)

    def await_answer(self) -> None:
        """Wait until it answers. It starts a process that was killed anew, or ends where that happens too often."""
        until = time.monotonic() + PATIENCE_S
        while True:
            with suppress(OSError):
                urllib.request.urlopen(f"{self.url}/health", timeout=5).read()
                return
            if self.process.poll() is not None:
                self._launch()
            assert time.monotonic() < until, f"the server does not answer: {self._place.said(self._said)}"
            time.sleep(0.02)

    def kill(self, draw: random.Random) -> str:
        """Kill the process that answers, the one that started it, or both at once; who it was."""
        first = psutil.Process(self.process.pid)
        answering = first.children(recursive=True)
        who, victims = draw.choice(
            [
                ("the server", [first, *answering]),
                ("the first process of the server", [first]),
                ("the process of the server that answers", answering),
            ]
        )
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        if first in victims:
            self.process.wait()
            _, left = psutil.wait_procs(answering, timeout=10)
            assert not left, f"{left} outlive the server"
        return who

    def revive(self) -> None:
        """Start it again, unless it does so by itself."""
        if self.process.poll() is not None:
            self.start()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)


class Loops:
    """Loops that log.

    Args:
        name: what the kills are called.
        servers: that the loops log through; 0 where they log into the project of their folder.
        deadly: whether the servers are killed, and not the loops.
        database: whether the project is on PostgreSQL.
    """

    def __init__(self, name: str, *, servers: int = 0, deadly: bool = False, database: bool = False) -> None:
        self.name, self.heavy = name, database
        self._servers, self._deadly, self._database = servers, deadly, database

    def run(self, root: Path, seed: int, kills: int, tell: Tell) -> None:
        """Kill so often, and count what was logged.

        Raises:
            AssertionError: a promise is broken.
        """
        base = root / f"{self.name.replace(' ', '-')}-{seed}"
        base.mkdir()
        postgres = PostgresServer(root.parent / f"{root.name}-postgres-{seed}") if self._database else None
        environ = {"CLEW_LEDGER": postgres.make()} if postgres is not None else {}
        home = Place(base / "home", environ)
        servers: list[Served] = []
        try:
            init_project(home.folder, name="home", environ={**os.environ, **environ})
            servers = [Served(home, number) for number in range(self._servers)]
            places = [_beside(base, number, server) for number, server in enumerate(servers)] or [home]
            draw = random.Random(seed)
            gone = (_kill_servers if self._deadly else _kill_loops)(places, servers, draw, kills, tell)
            for server in servers:
                server.await_answer()
            for place in places:
                _run([*CLEW, "sync"], place, "sync.said")
            with Workspace(home.folder, environ={**os.environ, **environ}) as workspace:
                for training, killed in gone:
                    training.check(workspace, killed=killed)
                sound(workspace)
            left = [path for place in places for path in place.folder.glob(".clew/journals/*/*")]
            assert not left, left
        finally:
            for server in servers:
                server.stop()
            if postgres is not None:
                postgres.stop()


def _kill_loops(
    places: list[Place], _servers: list[Served], draw: random.Random, kills: int, tell: Tell
) -> list[tuple[Training, bool]]:
    """Kill one training after the other; now and then also who brings home what it left."""
    found = []
    for number in range(kills):
        training = Training(draw.choice(places), number, draw.randrange(1 << 30))
        if draw.random() < 0.85:
            training.await_points()
            if draw.random() < 0.5:
                training.await_drain()
                time.sleep(draw.choice((0.0, 0.001, 0.01)))
            else:
                time.sleep(draw.uniform(0.0, 3.0))
        else:
            time.sleep(draw.uniform(0.0, 1.0))
        training.kill()
        found.append((training, True))
        how = f"with {sum(training.logged()[1]):,} points logged"
        if draw.random() < 0.4:
            syncing = training.place.start([*CLEW, "sync"], "sync.said")
            with suppress(subprocess.TimeoutExpired):
                syncing.wait(draw.uniform(0.1, 1.0))
            syncing.kill()
            syncing.wait()
            how += ", and clew sync behind it"
        tell(how)
    return found


def _kill_servers(
    places: list[Place], servers: list[Served], draw: random.Random, kills: int, tell: Tell
) -> list[tuple[Training, bool]]:
    """Kill servers while trainings log through them, and start them again."""
    found = [Training(draw.choice(places), number, draw.randrange(1 << 30)) for number in range(3)]
    for training in found:
        training.await_points()
    for _ in range(kills):
        time.sleep(draw.uniform(0.2, 2.5))
        victim = draw.choice(servers)
        how = victim.kill(draw)
        time.sleep(draw.uniform(0.0, 0.5))
        victim.revive()
        tell(how)
    time.sleep(draw.uniform(0.0, 1.0))
    for training in found:
        training.end()
    return [(training, False) for training in found]


def _beside(base: Path, number: int, server: Served) -> Place:
    """A folder of somebody who logs through a server."""
    place = Place(base / f"away-{number}", {"CLEW_SERVER": f"{server.url}/projects/home", "CLEW_LEDGER": "sqlite"})
    init_project(place.folder, name="away")
    return place


def _run(words: list[str], place: Place, said: str) -> None:
    """Run a program to its end."""
    assert place.start(words, said).wait(PATIENCE_S) == 0, place.said(said)
