"""Starts a command that ends when its starter does, even one that was killed: `python -m clew.demo.tether PID WORDS…`.

On Linux the kernel is asked to send SIGTERM when process PID is gone; elsewhere the command simply starts, and the next
demo finds the endpoint that still runs. The process stays the same, so that whoever starts this knows its id.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["tether"]

_PR_SET_PDEATHSIG = 1


def tether(starter: int, words: list[str]) -> None:
    """Become `clew WORDS`, tied to the life of the process that started this one. Does not return."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != starter:  # it died before the kernel was asked
            raise SystemExit(1)
    os.execv(sys.executable, [sys.executable, "-m", "clew", *words])  # noqa: S606


if __name__ == "__main__":
    tether(int(sys.argv[1]), sys.argv[2:])
