"""Which project of a shared ledger a folder belongs to: `.clew/project.json`.

The ledger holds rows of many projects, the folder the bytes of one. The claim ties them, so that neither another
folder of the same name nor another database is taken for the right one. It holds no secret.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from clew.core.errors import Corrupt
from clew.store.objects.disk import Draft, disk_errors, sync_folder

__all__ = ["Claim", "claim", "find_claim", "settle"]

_FILE = "project.json"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A folder's project.

    Attributes:
        project: its id.
        ledger: where the ledger was when it was made, for people.
        added: whether the ledger is known to hold the project.
    """

    project: str
    ledger: str
    added: bool = False


def find_claim(folder: Path) -> Claim | None:
    """The claim of a `.clew` folder, if it has one.

    Raises:
        Corrupt: it cannot be read.
    """
    path = folder / _FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Claim)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{path} is damaged: {error}", hint="restore it from a backup") from error


def claim(folder: Path, wanted: Claim) -> Claim:
    """The claim of a folder: the one that is there, or else `wanted`, which is written down. Survives *power*."""
    found = find_claim(folder)
    if found is not None:
        return found
    with disk_errors(f"write {folder / _FILE}"), _draft(folder, wanted) as draft:
        try:
            os.link(draft.path, folder / _FILE)
        except FileExistsError:  # a process that started beside this one was faster
            return find_claim(folder) or wanted
        sync_folder(folder)
    return wanted


def settle(folder: Path, known: Claim) -> None:
    """Note that the ledger holds the project."""
    with disk_errors(f"write {folder / _FILE}"), _draft(folder, known) as draft:
        draft.publish(folder / _FILE)


def _draft(folder: Path, content: Claim) -> Draft:
    draft = Draft(folder, mode=0o666)
    draft.write(msgspec.json.encode(content))
    draft.sync()
    return draft
