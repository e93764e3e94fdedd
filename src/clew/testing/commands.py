"""Commands of clew as real processes: for tests of what several of them do to one project."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

__all__ = ["Commands"]

T = TypeVar("T")
_NAP_S = 0.05


class Commands:
    """Commands of clew in a folder, each with what it says in a file of its own. End them at the end: `end`.

    Args:
        folder: where they run; what they say is kept there.
        patience_s: how long anything may take.
    """

    def __init__(self, folder: Path, *, patience_s: float = 90.0) -> None:
        self._folder, self._patience_s = folder, patience_s
        self._all: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start one, and go on."""
        with (self._folder / f"said-{len(self._all)}").open("wb") as said:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "clew", *words],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self._all.append(process)
        return process

    def run(self, *words: str) -> tuple[int, str]:
        """Run one to its end: its exit code, and all that it said."""
        at = len(self._all)
        code = self.start(*words).wait(self._patience_s)
        return code, (self._folder / f"said-{at}").read_text()

    def until(self, found: Callable[[], T | None]) -> T:
        """Ask again and again until there is an answer; what the commands said is part of the failure."""
        end = time.monotonic() + self._patience_s
        while (answer := found()) is None:
            if time.monotonic() > end:
                said = "\n".join(path.read_text()[-2000:] for path in sorted(self._folder.glob("said-*")))
                raise AssertionError(f"nothing after {self._patience_s:g} s\n{said}")
            time.sleep(_NAP_S)
        return answer

    def end(self) -> None:
        """End all that still run."""
        for process in self._all:
            process.terminate()
        for process in self._all:
            process.wait(self._patience_s)
