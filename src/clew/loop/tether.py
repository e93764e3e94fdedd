"""Ties a process to the one that started it, so that it ends with it, whatever ended that one: `kill -9` too.

Who starts holds the writing end of a pipe, which the kernel closes when its process is gone; who was started waits at
the other end. Not a lease (`clew.worker`), which reaches over machines and takes a minute.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from types import TracebackType

__all__ = ["VARIABLE", "Tether", "follow"]

VARIABLE = "CLEW_TETHER"
"""Environment variable: the pipe of the starter, and the signal with which to end; taken out by `follow`."""


class Tether:
    """Holds one process. Use it as a context manager around its life, or call `cut` when it has ended.

    Args:
        number: what the process gets when the starter is gone. SIGKILL is for it and its whole group, which it must
            lead; any other signal is for itself, so that it can end in order.
    """

    def __init__(self, number: signal.Signals) -> None:
        self._theirs, self._ours = os.pipe()
        self._number = number

    @property
    def fds(self) -> tuple[int, ...]:
        """What to pass on (`pass_fds`)."""
        return (self._theirs,)

    @property
    def environment(self) -> dict[str, str]:
        """What to add to the environment."""
        return {VARIABLE: f"{self._theirs}:{int(self._number)}"}

    def cut(self) -> None:
        """Let go: a process that still runs ends."""
        for fd in (self._theirs, self._ours):
            with suppress(OSError):
                os.close(fd)

    def __enter__(self) -> Tether:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()


def follow() -> None:
    """End with the process that started this one, if it asked for that."""
    fd, _, number = os.environ.pop(VARIABLE, "").partition(":")
    if not (fd.isdigit() and number.isdigit()):
        return
    try:
        os.set_inheritable(int(fd), False)
    except OSError:  # a variable that came from elsewhere
        return
    threading.Thread(target=_end_with, args=(int(fd), int(number)), name="clew-tether", daemon=True).start()


def _end_with(fd: int, number: int) -> None:
    with suppress(OSError):
        os.read(fd, 1)
    if number == signal.SIGKILL:
        os.killpg(os.getpgrp(), number)
    os.kill(os.getpid(), number)
