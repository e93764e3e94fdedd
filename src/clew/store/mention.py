"""What names an object in a text: 64 hex digits; and which texts name none, though they hold such words."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import BinaryIO

from clew.core.ids import Digest

__all__ = ["digests_in", "mentions_of", "pieces_of", "tells_of_removable"]

_WORD = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_STRIDE = 32
_PIECE_BYTES = 4 << 20
_OVERLAP_BYTES = 65
"""A word, and the byte before it."""

_SAMPLED = bytes(0x68 if chr(each) in "0123456789abcdef" else 0x2E for each in range(256))
_PAIR = re.compile(rb"hh+")
_INLINE = re.compile(r'"([A-Za-z0-9+/]{86,}={0,2})"')
"""Bytes within JSON, such as the small output of a step; shorter ones have no room for a digest."""
_PURGED = re.compile(r'"purged_us":[1-9][0-9]*\}\Z')
"""The last field of a row, and not a parameter of this name."""
_REMOVABLE = re.compile(
    r'"kind":"(?:run\.(?:artifact_added|described|ended|points_added|resumed|deleted|restored|purged)'
    r'|dataset\.\w+|log\.appended|version\.(?:added|described|deleted|restored|purged))"'
)


def digests_in(data: bytes) -> Iterator[Digest]:
    """Every word of 64 hex digits in some bytes.

    Only around two neighbours among every 32nd byte that are both hex digits can there be one; the rest is passed over.
    """
    for pair in _PAIR.finditer(data[::_STRIDE].translate(_SAMPLED)):
        start, end = _STRIDE * (pair.start() - 1) - 1, _STRIDE * pair.end() + 1
        for word in _WORD.findall(data[max(start, 0) : end]):
            yield Digest(word.decode())


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file in pieces, each with the end of the one before, so that no name is cut."""
    rest = b""
    while piece := file.read(_PIECE_BYTES):
        whole = rest + piece
        yield whole
        rest = whole[-_OVERLAP_BYTES:]


def mentions_of(text: str) -> Iterator[Digest]:
    """What a text of the ledger may name, also in bytes that it holds as base64.

    A row that was purged names nothing, though it stays as a record.
    """
    if _PURGED.search(text):
        return
    yield from digests_in(text.encode("utf-8", "surrogatepass"))
    for found in _INLINE.findall(text):
        try:
            yield from digests_in(base64.b64decode(found, validate=True))
        except binascii.Error:
            continue


def tells_of_removable(event: str) -> bool:
    """Whether an event tells of rows that can be removed, and that name for themselves what they need.

    Other events hold what nothing else does: the digests of reports and of certificates.
    """
    return _REMOVABLE.search(event) is not None
