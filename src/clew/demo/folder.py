"""The folder of the demo: an ordinary project, with its `clew.toml` and `train.py` written out for people to read.

The lock file comes first and stays: it marks the folder as the demo's own, so that nothing of anybody else's is ever
removed, and it keeps a second demo out while one runs. A lock dies with its process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from clew.core.errors import Conflict, Exists, Unavailable
from clew.workspace import FOLDER, init_project

__all__ = ["FILES", "REPORT", "hold", "start_over", "write_project"]

FILES = ("clew.toml", "train.py")
REPORT = "report.html"
_LOCK = ".demo.lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Have the folder for oneself while the block runs; it is made when it is missing.

    Raises:
        Conflict: another demo runs in it.
        Exists: it holds files that are not the demo's.
        Unavailable: it cannot be written.
    """
    lock = folder / _LOCK
    try:
        if folder.exists() and not lock.exists() and any(folder.iterdir()):
            raise Exists("folder", str(folder), hint="name an empty one, or a new one: clew demo --folder DIR")
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be used: {error.strerror}", hint="clew demo --folder DIR") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"a demo runs in {folder} already", hint="wait for it, or name another --folder") from error
        yield
    finally:
        os.close(fd)


def start_over(folder: Path) -> None:
    """Remove what the demo made; the folder must be held.

    Raises:
        Unavailable: something cannot be removed.
    """
    try:
        for name in (FOLDER, "__pycache__"):
            with suppress(FileNotFoundError):
                shutil.rmtree(folder / name)
        for name in (*FILES, REPORT):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"{error.filename} cannot be removed: {error.strerror}") from error


def write_project(folder: Path) -> None:
    """Make the project, or what is missing of it; files that are there stay as they are.

    Raises:
        Unavailable: the folder cannot be written.
    """
    source = files("clew.demo") / "project"
    try:
        for name in FILES:
            if not (folder / name).exists():
                fresh = folder / f".{name}.new"
                fresh.write_bytes((source / name).read_bytes())
                fresh.replace(folder / name)
    except OSError as error:
        raise Unavailable(f"no project can be made in {folder}: {error.strerror}") from error
    if not (folder / FOLDER).is_dir():
        init_project(folder)
