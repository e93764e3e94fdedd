"""`clew up`: a worker and the endpoints of a project as processes of their own, started again when they die.

Not a replacement for systemd or a container platform: it watches children of one terminal and ends them with itself.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType

from clew.core.errors import Conflict, Unavailable
from clew.loop.tether import Tether

__all__ = ["alone", "supervise"]

_LOCK = "up.lock"

_LOOK_S = 0.2
_PATIENCE_S, _IMPATIENCE_S = 10.0, 5.0
_SHORTEST_LIFE_S = 5.0
_LONGEST_WAIT_S = 30.0
_ASK_S = 2.0
_REFUSALS = (2, 5, 8)
"""Exit codes of `clew.cli.errors` that stay until somebody changes something: `Invalid`, `Denied`, `MissingExtra`.

Only a start ends with them, however long it takes on a busy machine: what runs outlives such errors."""


class _Child:
    """One command, and when it may be started again."""

    def __init__(self, name: str, words: Sequence[str], root: Path, missing: Callable[[], str] = lambda: "") -> None:
        self.name, self._words, self._root, self._missing = name, words, root, missing
        self.given_up = False
        self._first, self._told = True, ""
        self.process: subprocess.Popen[bytes] | None = None
        self._tether: Tether | None = None
        self._started, self._wait_s, self._not_before = 0.0, 0.0, 0.0

    def start(self) -> None:
        command = [sys.executable, "-m", "clew", *self._words]
        if self._tether is not None:
            self._tether.cut()
        self._tether = Tether(signal.SIGTERM)
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=self._root,
            start_new_session=True,
            pass_fds=self._tether.fds,
            env={**os.environ, **self._tether.environment},
        )
        self._started = time.monotonic()

    def look(self, tell: Callable[[str], None]) -> None:
        """Start it when it is not running; one that dies young is given ever more time.

        One whose first start is refused for a reason that the next one would meet too is given up.
        """
        now = time.monotonic()
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            if code in _REFUSALS and self._first:
                self.process, self.given_up = None, True
                return
            self._first = False
            young = now - self._started < _SHORTEST_LIFE_S
            self._wait_s = min(_LONGEST_WAIT_S, max(1.0, self._wait_s * 2)) if young else 0.0
            self._not_before, self.process = now + self._wait_s, None
            tell(f"{self.name} ended with exit code {code}; it is started again in {self._wait_s:.0f} s")
        if now < self._not_before:
            return
        if missing := self._missing():
            self._not_before = now + _ASK_S
            if missing != self._told:
                tell(f"{self.name} is started once that is mended: {missing}")
        else:
            self.start()
        self._told = missing


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only `clew up` of a folder while the block runs. The lock dies with its holder, also after `kill -9`.

    Two would share the work well enough, but each would want the endpoints' ports, and restart what lost them for ever.

    Args:
        folder: the project's `.clew`.

    Raises:
        Conflict: one runs already.
        Unavailable: the folder cannot be written.
    """
    try:
        fd = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"nothing can be started in {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace")
            raise Conflict(
                f"clew up runs in {folder.parent} already, as process {holder or 'unknown'}",
                hint="stop that one first; clew worker adds a worker beside it, clew serve a replica",
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(fd)


def supervise(
    root: Path, endpoints: Sequence[str], *, tell: Callable[[str], None], missing: Callable[[str], str]
) -> None:
    """Keep a worker and the endpoints running until SIGINT or SIGTERM.

    Args:
        root: the project's folder.
        endpoints: names of endpoints that `clew.toml` declares.
        tell: told what happens, in words.
        missing: says what an endpoint lacks to start; "" for nothing.

    Raises:
        Unavailable: one of them is refused at its first start; it has said why.
    """
    children = [_Child("the worker", ["worker"], root)]
    children += [
        _Child(f"endpoint {name}", ["serve", "--endpoint", name], root, partial(missing, name)) for name in endpoints
    ]
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not stopped:
            for child in children:
                child.look(tell)
                if child.given_up:
                    raise Unavailable(f"{child.name} cannot be started, for the reason above")
            time.sleep(_LOOK_S)
    finally:
        _end([child.process for child in children if child.process is not None])
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask all of them to end after what they are at; then at once; then make them."""
    for number, patience_s in ((signal.SIGTERM, _PATIENCE_S), (signal.SIGTERM, _IMPATIENCE_S), (signal.SIGKILL, None)):
        left = [process for process in processes if process.poll() is None]
        for process in left:
            os.killpg(process.pid, number)
        until = time.monotonic() + (patience_s or 0.0)
        for process in left:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=None if patience_s is None else max(0.0, until - time.monotonic()))
