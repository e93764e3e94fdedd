"""Objects as a process sees them that never waits for a server: what it writes stays here until it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from clew.core.contracts.objects import ObjectBatch, Objects
from clew.core.ids import Digest
from clew.store.objects.local import LocalObjects
from clew.tracking.journal import Journal

__all__ = ["KeptObjects", "kept_folder"]


def kept_folder(folder: Path, journal: str) -> Path:
    """Where bytes wait beside the outbox of a journal."""
    return folder / f"{journal}.objects"


class KeptObjects:
    """`clew.core.contracts.objects.Objects`: writes stay on this machine until they are sent.

    Args:
        behind: the objects of the project.
        journal: of this process; its folder is where bytes wait.
    """

    def __init__(self, behind: Objects, journal: Journal) -> None:
        self._behind, self._journal = behind, journal
        self._kept = LocalObjects(kept_folder(journal.folder, journal.id))

    @property
    def kept(self) -> LocalObjects:
        """Where bytes wait; a forked child has a place of its own."""
        folder = kept_folder(self._journal.folder, self._journal.id)
        if folder != self._kept.folder:
            self._kept = LocalObjects(folder)
        return self._kept

    def put(self, data: bytes) -> Digest:
        return self.kept.put(data)

    def put_file(self, path: Path) -> Digest:
        return self.kept.put_file(path)

    def batch(self) -> AbstractContextManager[ObjectBatch]:
        return self.kept.batch()

    def get(self, digest: Digest) -> bytes:
        return self._holder(digest).get(digest)

    def open(self, digest: Digest) -> BinaryIO:
        return self._holder(digest).open(digest)

    def save(self, digest: Digest, path: Path) -> None:
        self._holder(digest).save(digest, path)

    def size(self, digest: Digest) -> int:
        return self._holder(digest).size(digest)

    def find_path(self, digest: Digest) -> Path | None:
        return self._holder(digest).find_path(digest)

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:
        return self._holder(digest).find_url(digest, valid_s=valid_s)

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Which of these do not wait here. What the server has is not asked: that would be waiting for it."""
        return self.kept.missing(digests)

    def list(self, *, after: str = "") -> Iterator[Digest]:
        return self._behind.list(after=after)

    def delete(self, digests: Iterable[Digest]) -> None:
        self._behind.delete(digests)

    def _holder(self, digest: Digest) -> Objects:
        return self._behind if self.kept.missing([digest]) else self.kept
