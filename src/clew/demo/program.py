"""A long-running `clew …` beside the replay, as a process of its own, with its output in a file.

It is kept alive: whoever needs it calls `ensure`, and a process that died is started again. It ends with this process,
whatever ends that.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from clew.core.errors import Unavailable
from clew.loop.tether import Tether

__all__ = ["Program"]

_GOODBYE_S = 10.0
_SHORTEST_LIFE_S = 60.0  # on a busy machine a start that fails takes many seconds
_MOST_DEATHS, _MOST_KILLS = 3, 30
_SHOWN_LINES = 6


class Program:
    """One program.

    Args:
        words: what comes after `clew`.
        folder: where it runs: the project.
        log: where its output goes.
    """

    def __init__(self, words: list[str], *, folder: Path, log: Path) -> None:
        self.words, self.log, self.starts = words, log, 0
        self._folder, self._started_s, self._deaths, self._kills = folder, 0.0, 0, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._tether: Tether | None = None

    @property
    def pid(self) -> int:
        """Of the process; 0 when it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def ensure(self) -> bool:
        """Start it unless it runs; whether it had to be started.

        Raises:
            Unavailable: it has died young again and again; the end of its output is part of the error.
        """
        if self.pid:
            return False
        if self._process is not None:
            young = time.monotonic() - self._started_s < _SHORTEST_LIFE_S
            if not young:
                self._deaths = self._kills = 0
            elif self._process.returncode == -signal.SIGKILL:  # somebody else did that, or memory ran out
                self._kills += 1
            else:
                self._deaths += 1
        if self._deaths >= _MOST_DEATHS or self._kills >= _MOST_KILLS:
            raise Unavailable(
                f"clew {' '.join(self.words)} ended {self._deaths + self._kills} times, each soon after its start:\n"
                f"{self.tail()}",
                hint=f"see {self.log}",
            )
        self.starts, self._started_s = self.starts + 1, time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "clew", *self.words]
        self._let_go()
        self._tether = Tether(signal.SIGTERM)
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=self._tether.fds,
                env={**os.environ, **self._tether.environment},
                start_new_session=True,  # Ctrl-C is for the replay, which then ends the others in order
            )
        return True

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._let_go()

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._let_go()

    def _let_go(self) -> None:
        if self._tether is not None:
            self._tether.cut()
            self._tether = None

    def tail(self) -> str:
        """The end of its output."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_SHOWN_LINES:])
