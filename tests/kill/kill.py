"""Kills clew with `kill -9`, repeats the command, and looks whether anything is lost, doubled or half-done.

    python tests/kill/kill.py --kills 100 --seed 1

Each kill has a seed of its own, from which all that is drawn follows: `--only NAME --seed SEED --kills 1` repeats it.
Half of the kills come at a moment that is drawn from the undisturbed duration, the other half at an operation on the
disk or at a commit; the victim is the command or any process that it has started.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from loops import Loops
from operations import OPERATIONS, Operation
from sessions import SESSIONS, Demo, Up

PATIENCE_S = 120.0
KILLS_IN_A_SESSION = 9
CRASH = Path(__file__).with_name("crash.py")


@dataclass
class Measured:
    """An operation, a project for it, and how long it takes undisturbed: seconds, and points (`crash.py`)."""

    operation: Operation
    project: Path
    duration_s: float
    points: int


def command(words: list[str], crash: tuple[Path, int] | None = None) -> list[str]:
    if words[0].endswith(".py"):
        return [sys.executable, *words]
    if crash is not None:
        return [sys.executable, str(CRASH), str(crash[0]), str(crash[1]), *words]
    return [sys.executable, "-m", "clew", *words]


def start(words: list[str], folder: Path, said: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "CLEW_ACTOR": "killer", "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    with said.open("wb") as out:
        return subprocess.Popen(
            words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
        )


def measure(operation: Operation, root: Path, projects: dict[object, Path]) -> Measured:
    if operation.prepare not in projects:
        projects[operation.prepare] = root / f"project-{len(projects)}"
        operation.prepare(projects[operation.prepare])
    project, said = projects[operation.prepare], root / "said"
    folder, points = Path(shutil.copytree(project, root / "measured")), root / "points"
    words = [*operation.words, *operation.places(folder)]
    began = time.monotonic()
    process = start(command(words, (points, 0)), folder, said)
    assert process.wait(PATIENCE_S) == 0, said.read_text()
    duration_s = time.monotonic() - began
    operation.check(folder, [said.read_text(), said.read_text()])
    shutil.rmtree(folder)
    count = int(points.read_text()) if points.exists() else 0
    points.unlink(missing_ok=True)
    return Measured(operation, project, duration_s, count)


def kill_once(measured: Measured, root: Path, seed: int) -> str:
    """Kill, repeat and check; returns how it went.

    Raises:
        AssertionError: a promise is broken.
    """
    draw, operation = random.Random(seed), measured.operation
    folder = Path(shutil.copytree(measured.project, root / f"killed-{seed}"))
    said = [root / f"said-{seed}-first", root / f"said-{seed}-again"]
    words = [*operation.words, *operation.places(folder)]
    while True:
        at = draw.randint(1, measured.points) if measured.points and draw.random() < 0.5 else 0
        process = start(command(words, (root / "points", at) if at else None), folder, said[0])
        how = _wait_and_kill(process, measured, draw, at)
        if how:
            break
        shutil.rmtree(folder)  # it was faster than the killer
        folder = Path(shutil.copytree(measured.project, root / f"killed-{seed}"))
    again = start(command(words), folder, said[1])
    try:
        code = again.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        again.kill()
        raise AssertionError(f"the same command does not end: {said[1].read_text()[-500:]}") from None
    assert code == 0, f"the same command ends with {code}: {said[1].read_text()[-2000:]}"
    left = _orphans(folder)
    operation.check(folder, [path.read_text(errors="replace") for path in said])
    assert not left, f"processes are left: {left}"
    shutil.rmtree(folder)
    return how


def _wait_and_kill(process: subprocess.Popen[bytes], measured: Measured, draw: random.Random, at: int) -> str:
    if at:
        code = process.wait(PATIENCE_S)
        return f"at point {at} of {measured.points}" if code == -signal.SIGKILL else ""
    moment_s = draw.uniform(0.0, measured.duration_s)
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment_s)
        return ""
    with suppress(psutil.NoSuchProcess):
        whole = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        victim = draw.choice(whole)
        victim.kill()
        if victim.pid != process.pid:  # its parent sees it die, and may end as it likes
            code = process.wait(PATIENCE_S)
            return f"child after {moment_s:.2f} of {measured.duration_s:.2f} s, which ended with {code}"
        process.wait()
        return f"after {moment_s:.2f} of {measured.duration_s:.2f} s"
    return ""


def _orphans(folder: Path) -> list[str]:
    """What still runs in the project once the command has ended again."""
    until = time.monotonic() + 30.0
    while True:
        found = []
        for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
            if process.info["cwd"] and Path(process.info["cwd"]) == folder and process.pid != os.getpid():
                found.append(" ".join(process.info["cmdline"] or [])[:200])
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)


class Session:
    """The kills of one call: what is measured, what went wrong, and the lines that are printed. Threads share it."""

    def __init__(self, kills: int, root: Path) -> None:
        self.root, self._kills = root, kills
        self._lock, self._printed, self.failed = threading.Lock(), 0, 0
        self._measuring = threading.Lock()
        self._measured: dict[str, Measured] = {}
        self._projects: dict[object, Path] = {}

    def say(self, seed: int, name: str, how: str) -> None:
        """One line for each kill."""
        with self._lock:
            self._printed += 1
            print(f"{self._printed:4} of {self._kills}  seed {seed}  {name:<16} {how}", flush=True)

    def kill(self, operation: Operation, seed: int) -> None:
        """One kill of a command."""
        try:
            with self._measuring:
                if operation.name not in self._measured:
                    self._measured[operation.name] = measure(operation, self.root, self._projects)
            how = kill_once(self._measured[operation.name], self.root, seed)
        except Exception as error:  # noqa: BLE001 - whatever a check stumbles over is a promise that was broken
            self.failed += 1
            how = f"FAILED: {type(error).__name__}: {error}"
        self.say(seed, operation.name, how)

    def run(self, session: Demo | Up | Loops, seed: int, kills: int) -> None:
        """Some kills of a program that runs for long."""
        try:
            session.run(self.root, seed, kills, lambda how: self.say(seed, session.name, how))
        except Exception as error:  # noqa: BLE001 - as above
            self.failed += 1
            print(f"FAILED {session.name} seed {seed}: {type(error).__name__}: {error}", flush=True)


def plan(kills: int, seed: int, *, only: str, light: bool) -> Iterator[tuple[Operation | Demo | Up | Loops, int, int]]:
    """What is killed, with which seed, and how often: a third are programs that run for long."""
    operations = [one for one in OPERATIONS if only in one.name and not (light and one.heavy)]
    sessions = [one for one in SESSIONS if only in one.name and not (light and one.heavy)]
    long = (kills // 3 if operations else kills) if sessions else 0
    share = min(KILLS_IN_A_SESSION, -(-long // max(len(sessions), 1)))
    while long > 0:
        for session in sessions:
            some = min(share, long)
            if some:
                yield session, seed, some
            long, kills, seed = long - some, kills - some, seed + 1
    for number in range(kills if operations else 0):
        yield operations[number % len(operations)], seed + number, 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--only", default="", help="operations whose name holds this")
    parser.add_argument("--light", action="store_true", help="only what needs no model")
    given = parser.parse_args()
    began, root = time.monotonic(), Path(tempfile.mkdtemp(prefix="clew-kill-")).resolve()
    print(f"seed {given.seed}, in {root}", flush=True)
    here = Session(given.kills, root)
    with ThreadPoolExecutor(2) as pool:
        for what, seed, kills in plan(given.kills, given.seed, only=given.only, light=given.light):
            if isinstance(what, Operation):
                pool.submit(here.kill, what, seed)
            else:
                pool.submit(here.run, what, seed, kills)
    print(f"{given.kills - here.failed} of {given.kills} in {time.monotonic() - began:.0f} s")
    if not here.failed:
        shutil.rmtree(root)
    return 1 if here.failed else 0


if __name__ == "__main__":
    sys.exit(main())
