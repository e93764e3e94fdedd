"""Which workers of this machine live: each holds a lock on a file of its own, which dies with it.

A job of a worker that is gone need not wait for its lease. Of workers on other machines nothing is known here, and
their leases run out as ever. Process ids say nothing: they are used again, and mean something else in a container.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from clew.core.errors import Unavailable
from clew.core.ids import IdSource, is_id

__all__ = ["Presence"]


class Presence:
    """This worker's own lock, and a look at those of the others. Use it as a context manager, or call `close`.

    Args:
        folder: the project's `.clew`.
        ids: gives this worker its id.

    Raises:
        Unavailable: the folder cannot be written.
    """

    def __init__(self, folder: Path, ids: IdSource) -> None:
        self._folder, self.id = folder / "workers", ids()
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{self.id}"
        try:
            self._folder.mkdir(exist_ok=True)
            try:
                self._fd = self._appear()
            except FileNotFoundError:  # who looked for the dead took the draft away before it was locked
                self._fd = self._appear()
        except OSError as error:
            raise Unavailable(f"no worker can run in {folder}: {error.strerror}") from error

    def _appear(self) -> int:
        """Make this worker's file and lock it, before it has its name."""
        draft = self._folder / f"{self.id}.new"
        fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # nobody else holds it for longer than a look
            draft.rename(self._folder / self.id)
        except OSError:
            os.close(fd)
            raise
        return fd

    def dead(self) -> list[str]:
        """The ids of workers that are gone and have not been forgotten."""
        found = [path for path in self._folder.iterdir() if path.name != self.id and _is_free(path)]
        for path in found:
            if not is_id(path.name):  # it died before it had its name, and never held anything
                path.unlink(missing_ok=True)
        return [path.name for path in found if is_id(path.name)]

    def forget(self, id: str) -> None:
        """What a dead worker held is free: nobody has to look at it again."""
        (self._folder / id).unlink(missing_ok=True)

    def close(self) -> None:
        """Be gone."""
        if self._fd >= 0:
            self.forget(self.id)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Presence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_free(path: Path) -> bool:
    with suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return path.exists()
    return False
