"""Where packs lie: what a folder of this machine and a bucket must both be able to do. Packs are never changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from clew.store.objects.disk import Draft

__all__ = ["PackPlace"]


class PackPlace(Protocol):
    """A place of packs, each under a path of its own. Threads may share one.

    A path that is gone raises `FileNotFoundError`: others take packs away at any time.
    """

    def list(self) -> list[str]:
        """The paths of all packs there are now."""
        ...

    def size(self, path: str) -> int:
        """Length of a pack in bytes."""
        ...

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        """Just so many bytes. `Corrupt` when the pack has fewer."""
        ...

    def forget(self, path: str) -> None:
        """Let go of what is held of a pack: it may have been replaced."""
        ...

    def holds(self, path: str) -> bool:
        """Whether a pack still has this path."""
        ...

    def publish(self, drafts: Iterable[tuple[Draft, str]]) -> None:
        """Give synchronised drafts their names, durably."""
        ...

    def remove(self, path: str) -> None:
        """Take a pack away, durably."""
        ...

    def settle(self) -> None:
        """Make sure that names that other processes just gave survive a loss of power."""
        ...
