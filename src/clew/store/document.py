"""Small JSON documents in a `.clew` folder, each a struct in a file of its own. Not those of the rows of a ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from clew.core.errors import Corrupt
from clew.store.objects.disk import Draft, disk_errors, sync_folder

__all__ = ["add_document", "find_document", "put_document"]

T = TypeVar("T")


def find_document(path: Path, kind: type[T]) -> T | None:
    """What a file holds, if it is there.

    Raises:
        Corrupt: it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{path} is damaged: {error}", hint="restore it from a backup") from error


def add_document(path: Path, content: object) -> bool:
    """Write a file; False when there is one. Survives *power*."""
    with _drafted(path, content) as draft:
        try:
            os.link(draft.path, path)
        except FileExistsError:
            return False
        sync_folder(path.parent)
    return True


def put_document(path: Path, content: object) -> None:
    """Write a file, in place of one that is there. Survives *power*."""
    with _drafted(path, content) as draft:
        draft.publish(path)
        sync_folder(path.parent)


@contextmanager
def _drafted(path: Path, content: object) -> Iterator[Draft]:
    with disk_errors(f"write {path}"), Draft(path.parent, mode=0o666) as draft:
        draft.write(msgspec.json.encode(content))
        draft.sync()
        yield draft
