"""One object under a key of its own in a bucket."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import BinaryIO

from clew.core.errors import Corrupt
from clew.core.hashing import Hasher
from clew.core.ids import Digest
from clew.store.objects.bucket import Bucket
from clew.store.objects.disk import Draft
from clew.store.objects.names import is_digest

__all__ = ["BucketObject", "digest_of", "loose_key"]


def loose_key(digest: Digest) -> str:
    """The key of an object that has one of its own."""
    return f"loose/{digest[:2]}/{digest}"


def digest_of(key: str) -> Digest | None:
    """The object that a key of its own is of."""
    name = key.rpartition("/")[2]
    return Digest(name) if is_digest(name) else None


@dataclass(frozen=True)
class BucketObject:
    """One object under a key of its own, which may be missing (`FileNotFoundError`)."""

    bucket: Bucket
    digest: Digest
    key: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.bucket.size(self.key)

    def read(self) -> bytes:
        """The verified bytes."""
        data = self.bucket.read(self.key)
        if Hasher(data, max_threads=Hasher.AUTO).hexdigest() != self.digest:
            raise self._mismatch()
        return data

    def head(self, length: int) -> bytes:
        """The first bytes, unverified."""
        return self.bucket.read_at(self.key, 0, min(length, self.size))

    def open(self) -> BinaryIO:
        """A file of this machine with the verified bytes, which is gone when it is closed."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            self._pour(file)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def copy_to(self, draft: Draft) -> None:
        """Write the verified bytes."""
        self._pour(draft)

    def verify(self) -> None:
        """Read everything against the digest."""
        self._pour(None)

    def _pour(self, target: BinaryIO | Draft | None) -> None:
        hasher = Hasher()
        for chunk in self.bucket.read_to(self.key):
            hasher.update(chunk)
            if target is not None:
                target.write(chunk)
        if hasher.hexdigest() != self.digest:
            raise self._mismatch()

    def _mismatch(self) -> Corrupt:
        return Corrupt(f"object {self.digest} in {self.bucket.address} does not match its name")
