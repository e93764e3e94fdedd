"""How a `.clew` folder begins: in one go, by one process at a time. What a killed one left, the next one removes."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clew.store.objects.disk import DRAFT_NAME, remove_abandoned

__all__ = ["begin_folder", "beginning"]

_GIT = ".gitignore"


@contextmanager
def beginning(folder: Path) -> Iterator[None]:
    """Begin a project in a folder: others wait meanwhile, and nothing half-made of earlier ones is there.

    Raises:
        OSError: the folder cannot be read.
    """
    fd = os.open(folder, os.O_RDONLY)
    try:
        if _lock(fd):
            _sweep(folder)
        yield
    finally:
        os.close(fd)


def begin_folder(folder: Path) -> None:
    """Make a folder in one go: git never sees one without its `.gitignore`.

    Raises:
        OSError: it is there, or cannot be made.
    """
    draft = folder.with_name(f"{folder.name}-{secrets.token_hex(8)}")
    draft.mkdir()
    try:
        (draft / _GIT).write_text("*\n", encoding="utf-8")
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _lock(fd: int) -> bool:
    """Whether the lock of a folder is held now; some file systems have none."""
    with suppress(OSError, ImportError):
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX)
        return True
    return False


def _sweep(folder: Path) -> None:
    """Remove drafts: files that nobody holds, and folders in which nothing but their beginning is."""
    for path in folder.glob(".clew-*"):
        if DRAFT_NAME.fullmatch(path.name):
            remove_abandoned(path)
        elif re.fullmatch(r"\.clew-[0-9a-f]{16}", path.name):
            with suppress(OSError):
                if {each.name for each in path.iterdir()} <= {_GIT}:
                    shutil.rmtree(path)
