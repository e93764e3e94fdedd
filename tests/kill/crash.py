"""A clew command that kills itself: `python crash.py POINTS AT WORDS…`, for `clew WORDS…`.

A point is an operation on the project's disk (`clew.testing.disk`), or the moment before or behind a commit of the
ledger. SIGKILL comes at point AT; with 0 the command ends undisturbed and says in the file POINTS how many there were.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.disk import Fault, FaultyDisk


class Killer(FaultyDisk):
    """A disk behind whose n-th operation the process is dead."""

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def point(self, what: str) -> None:
        self._operate(what, str(self.folder), lambda: None)

    def _do_fsync(self, fd: int) -> None:
        super()._do_fsync(fd)
        self._real["fsync"](fd)


def main(points: Path, at: int, words: list[str]) -> None:
    killer = Killer(Path.cwd(), at=at, fault=Fault.CRASH)
    real = SqliteLedger.write

    @contextmanager
    def write(self: SqliteLedger, *given: Any, **more: Any) -> Iterator[Any]:
        with real(self, *given, **more) as tx:
            yield tx
            killer.point("before a commit")
        killer.point("behind a commit")

    SqliteLedger.write = write  # type: ignore[method-assign,assignment]
    sys.argv = ["clew", *words]
    with killer:
        try:
            runpy.run_module("clew", run_name="__main__", alter_sys=True)
        finally:
            if not at:
                points.write_text(str(killer.count))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
