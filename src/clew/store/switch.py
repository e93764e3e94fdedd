"""The last step of a move: from one moment on, a folder's rows or bytes are elsewhere.

What is to be done is written down first, durably, in `.clew/move.json`. Then it is done, in steps that may be repeated:
whoever opens the project after a crash in between finishes it. The old ledger stays, as `ledger.moved.db`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from clew.store.claim import Claim, settle
from clew.store.document import find_document, put_document
from clew.store.objects.choose import ObjectsPlace, settle_place
from clew.store.objects.disk import disk_errors, sync_folder

__all__ = ["FRESH", "MOVED", "Switch", "begin_switch", "finish_switch"]

FRESH, MOVED = "ledger.fresh.db", "ledger.moved.db"
"""The file that is to become the ledger, and the one that was it."""

_FILE = "move.json"
_BESIDE = ("", "-wal", "-shm")


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """What is to hold from now on; what is None stays as it is.

    Attributes:
        claim: the rows are in the ledger that this names.
        fresh: the rows are in the file `ledger.fresh.db`.
        place: the bytes are there.
        home: the bytes are in the folder.
    """

    claim: Claim | None = None
    fresh: bool = False
    place: ObjectsPlace | None = None
    home: bool = False


def begin_switch(folder: Path, wanted: Switch) -> None:
    """Write down what is to hold: from now on it does. Survives *power*."""
    put_document(folder / _FILE, wanted)


def finish_switch(folder: Path) -> None:
    """Do what was begun, if something was.

    Raises:
        Corrupt: what was written down cannot be read.
    """
    path = folder / _FILE
    wanted = find_document(path, Switch)
    if wanted is None:
        return
    with disk_errors(f"finish the move of {folder.parent}"):
        if wanted.claim is not None:
            settle(folder, wanted.claim)
            _rename(folder / "ledger.db", folder / MOVED)
        if wanted.fresh:
            _rename(folder / FRESH, folder / "ledger.db")
            (folder / "project.json").unlink(missing_ok=True)
        if wanted.place is not None or wanted.home:
            settle_place(folder, wanted.place)
        sync_folder(folder)
        path.unlink(missing_ok=True)
        sync_folder(folder)


def _rename(old: Path, new: Path) -> None:
    """Rename a database with the files beside it; those of an earlier one make way.

    The database itself goes last, both times: as long as it is there, what lies beside it is of the same time.
    """
    if old.exists():
        for end in reversed(_BESIDE) if new.exists() else ():
            new.with_name(new.name + end).unlink(missing_ok=True)
        for end in reversed(_BESIDE):
            with suppress(FileNotFoundError):
                old.with_name(old.name + end).rename(new.with_name(new.name + end))
