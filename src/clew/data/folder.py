"""One folder of a files version as an object: its entries, in the order of their names. Format: docs/design/data.md."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import IntEnum

import msgspec

from clew.core.errors import Corrupt
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest

__all__ = ["EMPTY", "NEVER_DATA", "Entry", "EntryKind", "decode", "encode"]

_HEAD = b"clewtree\0"
_DIGEST_BYTES = 32

NEVER_DATA = frozenset({b".clew", b".git"})
"""Folders that are left out of data. One that claims to hold them would put hooks or rows where programs trust them."""


class EntryKind(IntEnum):
    """What an entry is."""

    FILE = 0
    EXECUTABLE = 1
    LINK = 2
    FOLDER = 3


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One name in a folder.

    `size_bytes` and `files` are sums over everything below; a file or a link counts as one. `content` is the raw
    digest of a file's bytes or of a folder's object, and the target itself of a symbolic link.
    """

    name: bytes
    kind: EntryKind
    size_bytes: int
    files: int
    content: bytes

    @property
    def digest(self) -> Digest:
        """The name of the object with the content; only files and folders have one."""
        return Digest(self.content.hex())

    @property
    def text(self) -> str:
        """The name as Python shows it; bytes that are no UTF-8 become surrogates."""
        return os.fsdecode(self.name)


_decoder = msgspec.msgpack.Decoder(list[Entry])
_encoder = msgspec.msgpack.Encoder()


def encode(entries: Iterable[Entry]) -> bytes:
    """The object of a folder."""
    return _HEAD + _encoder.encode(sorted(entries, key=lambda entry: entry.name))


def decode(data: bytes) -> list[Entry]:
    """The entries of a folder, by name.

    Raises:
        Corrupt: the bytes are no folder, or hold a name that could lead elsewhere.
    """
    if not data.startswith(_HEAD):
        raise Corrupt("an object that should be a folder is none", hint="a newer clew may have written it")
    try:
        entries = _decoder.decode(memoryview(data)[len(_HEAD) :])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"a folder object cannot be read ({error})") from error
    last = b""
    for entry in entries:
        if entry.name <= last or b"/" in entry.name or b"\0" in entry.name or entry.name in (b".", b".."):
            raise Corrupt(f"a folder object holds the name {entry.name!r}, which cannot be")
        if entry.kind is EntryKind.FOLDER and entry.name in NEVER_DATA:
            raise Corrupt(f"a folder object holds a folder {entry.name!r}, which is never data")
        if entry.kind is not EntryKind.LINK and len(entry.content) != _DIGEST_BYTES:
            raise Corrupt(f"the entry {entry.name!r} of a folder object names no object")
        if entry.kind is EntryKind.LINK and (not entry.content or b"\0" in entry.content):
            raise Corrupt(f"the link {entry.name!r} of a folder object leads nowhere")
        last = entry.name
    return entries


EMPTY = hash_bytes(encode([]))
"""The digest of a folder without entries."""
