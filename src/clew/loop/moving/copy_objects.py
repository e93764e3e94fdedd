"""Copies objects from one store to another: what is there already is not sent again, and every byte is verified."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt
from clew.core.ids import Digest

__all__ = ["copy_objects"]

_AT_ONCE = 1000
_SMALL_BYTES, _BATCH_BYTES = 1 << 20, 64 << 20


def copy_objects(source: Objects, target: Objects, *, tell: Callable[[int], None]) -> int:
    """Copy everything that is missing. Reads are verified by the source, and names are given by the target anew.

    Args:
        source: where objects are.
        target: where they are to be.
        tell: hears how many were looked at.

    Returns:
        How many objects the source has.

    Raises:
        Corrupt: one cannot be read, or is not there afterwards.
    """
    digests, count = source.list(), 0
    while some := list(islice(digests, _AT_ONCE)):
        absent = target.missing(some)
        _copy(source, target, sorted(absent))
        if lost := target.missing(absent):
            raise Corrupt(f"{len(lost)} objects did not arrive, {min(lost)} among them", hint="repeat the command")
        count += len(some)
        tell(count)
    return count


def _copy(source: Objects, target: Objects, digests: Sequence[Digest]) -> None:
    small: list[list[Digest]] = [[]]
    large: list[Digest] = []
    held = 0
    for digest in digests:
        size = source.size(digest)
        if size >= _SMALL_BYTES:
            large.append(digest)
            continue
        held += size
        if held > _BATCH_BYTES:  # what a server is sent together is held in memory
            small.append([])
            held = size
        small[-1].append(digest)
    for some in small:
        with target.batch() as batch:
            for digest in some:
                _same(digest, batch.put(source.get(digest)))
    for digest in large:
        with tempfile.TemporaryDirectory(prefix="clew-move-") as folder:
            path = Path(folder, digest)
            source.save(digest, path)
            _same(digest, target.put_file(path))


def _same(wanted: Digest, found: Digest) -> None:
    if wanted != found:
        raise Corrupt(f"object {wanted} became {found} on its way", hint="repeat the command")
