"""Bytes that come into a bucket past the server: a signed address to write to, and what is done with what came there.

Whoever has the address may write anything, and write again. So it leads to a key of its own, below `arriving/`; what
came there is copied where nobody else can write, read against its digest there, and only then becomes an object.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from clew.core.contracts.objects import Objects
from clew.core.errors import Invalid, NotFound
from clew.core.hashing import Hasher
from clew.core.ids import Digest
from clew.store.objects.bucket_object import loose_key
from clew.store.objects.cached import CachedObjects
from clew.store.objects.names import checked
from clew.store.objects.remote import ARRIVING, RemoteObjects

__all__ = ["LARGEST_BYTES", "Address", "Direct", "direct_of"]

LARGEST_BYTES = 4 << 30
"""What a bucket takes in one request, and copies in one."""

_NAME = re.compile(r"[0-9a-f]{32}")


class Address(NamedTuple):
    """Where an object may be written to, and the name by which it is spoken of afterwards."""

    url: str
    name: str


class Direct:
    """Writing into a bucket past the server."""

    def __init__(self, objects: RemoteObjects) -> None:
        self._objects, self._bucket = objects, objects.bucket

    def find_address(self, digest: Digest, *, valid_s: int) -> Address | None:
        """An address to which anyone can write for a while; None where the bucket gives none."""
        name = os.urandom(16).hex()
        url = self._bucket.find_url(_key(checked(digest), name, "sent"), valid_s=valid_s, verb="PUT")
        return Address(url, name) if url is not None else None

    def take_in(self, digest: Digest, name: str) -> None:
        """Make what was written an object.

        Raises:
            NotFound: nothing was.
            Invalid: it has another digest; it is removed.
        """
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name!r} is no name of an upload")
        sent, kept = _key(checked(digest), name, "sent"), _key(digest, name, "kept")
        try:
            self._bucket.copy(sent, kept)
        except FileNotFoundError as error:
            raise NotFound("upload", digest) from error
        try:
            hasher = Hasher()
            for piece in self._bucket.read_to(kept):
                hasher.update(piece)
            if hasher.hexdigest() != digest:
                what = f"what was uploaded has the digest {hasher.hexdigest()}, not {digest}"
                raise Invalid(what, hint="send it again")
            if self._objects.missing([digest]):
                self._bucket.copy(kept, loose_key(digest))
        finally:
            self._bucket.remove([sent, kept])


def direct_of(objects: Objects) -> Direct | None:
    """Writing into the bucket behind some objects, if there is one."""
    inner = objects.inner if isinstance(objects, CachedObjects) else objects
    return Direct(inner) if isinstance(inner, RemoteObjects) else None


def _key(digest: Digest, name: str, what: str) -> str:
    return f"{ARRIVING}/{name}-{digest[:16]}/{what}"
