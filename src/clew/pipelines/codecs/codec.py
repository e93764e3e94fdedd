"""What a codec is: one kind of value to bytes and back.

Two promises that the tests hold for each of them: *faithful*, `decode(encode(value))` is the same value with the same
types; *deterministic*, the same value gives the same bytes, in every process and however it was built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from clew.core.ids import Digest

__all__ = ["NO_FILES", "Codec", "Files"]


class Files(Protocol):
    """Where codecs keep whole files, which do not fit into memory. `clew.core.contracts.objects.Objects` is one."""

    def put_file(self, path: Path) -> Digest:
        """Store a file's bytes."""
        ...

    def save(self, digest: Digest, path: Path) -> None:
        """Write a stored file."""
        ...


class _NoFiles:
    def put_file(self, path: Path) -> Digest:
        raise NotImplementedError(path)

    def save(self, digest: Digest, path: Path) -> None:
        raise NotImplementedError(path)


NO_FILES: Files = _NoFiles()
"""For codecs that keep no files."""


class Codec(Protocol):
    """One kind of value to bytes and back. A step's `codec=` option takes any of these."""

    @property
    def name(self) -> str:
        """How entries name it: short, unique, never changed."""
        ...

    def encode(self, value: object, files: Files) -> bytes:
        """The bytes of a value.

        Raises:
            Invalid: this value cannot be encoded; the error says which part of it.
        """
        ...

    def decode(self, data: bytes, files: Files) -> object:
        """The value of the bytes.

        Raises:
            Corrupt: the bytes are none of this codec's.
        """
        ...
