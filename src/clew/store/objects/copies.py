"""Reading an object that lies in one place or in several: the first sound copy will do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO, Protocol, TypeVar

from clew.core.errors import Corrupt, NotFound
from clew.core.ids import Digest
from clew.store.objects.disk import Draft
from clew.store.objects.packs import PackedObject, Packs

__all__ = ["Copy", "copies", "first_sound"]

T = TypeVar("T")
C = TypeVar("C")

_MEND = "restore it from a backup, or remove .clew/cache and add the same data again"


class Copy(Protocol):
    """One place where an object lies."""

    @property
    def size(self) -> int:
        """Uncompressed bytes."""
        ...

    def read(self) -> bytes:
        """The verified bytes."""
        ...

    def open(self) -> BinaryIO:
        """A seekable handle, verified now."""
        ...

    def copy_to(self, draft: Draft) -> None:
        """Write the verified bytes."""
        ...


def copies(digest: Digest, packs: Packs, loose: Callable[[Digest], Iterable[C]]) -> Iterator[C | PackedObject]:
    """Every copy of an object: in the packs that are known, loose, and in packs that came meanwhile."""
    raw = bytes.fromhex(digest)
    with suppress(Corrupt):  # the last look, below, tells of damage
        yield from packs.find(raw)
    yield from loose(digest)
    while packs.refresh():  # others add packs, and a collector rewrites them
        with suppress(Corrupt):
            yield from packs.find(raw)
    yield from packs.find(raw)


def first_sound(digest: Digest, found: Iterator[C], packs: Packs, use: Callable[[C], T]) -> T:
    """What `use` makes of the first copy that is sound.

    Raises:
        Corrupt: there are only damaged ones, or a pack that may have held it is damaged.
        NotFound: there is none.
    """
    trouble: Corrupt | None = None
    try:
        for copy in found:
            try:
                return use(copy)
            except Corrupt as error:
                trouble = error
            except FileNotFoundError:  # collected, or moved to another pack, while we looked
                continue
    except Corrupt as error:
        trouble = error
    if trouble is None and packs.broken:
        first = next(iter(packs.broken.values()))
        trouble = Corrupt(f"object {digest} is not found, and {first.what}", hint=first.hint)
    if trouble is not None:
        what = trouble.what if digest in trouble.what else f"object {digest}: {trouble.what}"
        raise Corrupt(what, hint=trouble.hint or _MEND) from trouble
    raise NotFound("object", digest, hint=_MEND)
