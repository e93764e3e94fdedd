"""Which project of a shared ledger a folder belongs to: `.clew/project.json`.

The ledger holds rows of many projects, the folder the bytes of one. The claim ties them, so that neither another
folder of the same name nor another database is taken for the right one. It holds no secret.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from clew.store.document import add_document, find_document, put_document

__all__ = ["Claim", "claim", "find_claim", "server_of", "settle"]

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
    return find_document(folder / _FILE, Claim)


def server_of(found: Claim | None) -> str:
    """The address of the project on the server that it was moved into; "" where it was not."""
    return found.ledger if found is not None and found.ledger.startswith(("http://", "https://")) else ""


def claim(folder: Path, wanted: Claim) -> Claim:
    """The claim of a folder: the one that is there, or else `wanted`, which is written down. Survives *power*."""
    found = find_claim(folder)
    if found is None and not add_document(folder / _FILE, wanted):  # a process that started beside this was faster
        found = find_claim(folder)
    return found or wanted


def settle(folder: Path, known: Claim) -> None:
    """Note that the ledger holds the project."""
    put_document(folder / _FILE, known)
