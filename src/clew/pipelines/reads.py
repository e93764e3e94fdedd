"""What a step reads from outside of its arguments: files, listings of folders, environment variables.

A read is a kind and a name; what it gives now is its digest. A key is extended by the reads that earlier executions
made under it (docs/design/cache-key.md, "Observed reads").
"""

from __future__ import annotations

import os
from collections.abc import Collection
from enum import StrEnum

import msgspec

from clew.core.canonical import digest_of
from clew.core.errors import Invalid
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.pipelines.closure.distributions import version_of
from clew.pipelines.file_digests import digest_of_file, digest_of_glob, digest_of_listing, presence

__all__ = ["Read", "ReadKind", "declared", "extended", "give", "of_variable"]


class ReadKind(StrEnum):
    """What is read."""

    FILE = "file"
    FILES = "files"
    FOLDER = "folder"
    PRESENCE = "presence"
    ENVIRONMENT = "environment"
    DISTRIBUTION = "distribution"


class Read(msgspec.Struct, frozen=True, order=True):
    """One thing that is read; `name` is a path as the code gave it, a pattern, or a variable."""

    kind: ReadKind
    name: str

    @property
    def ingredient(self) -> str:
        """How a key names it."""
        return f"{self.kind} {self.name}"


def give(read: Read) -> str:
    """The digest of what a read gives now; a variable that is not set gives `unset`."""
    if read.kind is ReadKind.FILE:
        return digest_of_file(read.name)
    if read.kind is ReadKind.FILES:
        return digest_of_glob(read.name)
    if read.kind is ReadKind.FOLDER:
        return digest_of_listing(read.name)
    if read.kind is ReadKind.PRESENCE:
        return presence(read.name)
    if read.kind is ReadKind.DISTRIBUTION:
        return version_of(read.name) or ""
    return of_variable(os.environ.get(read.name))


def of_variable(value: str | None) -> str:
    """The digest of a variable's value, `unset` for None."""
    return "unset" if value is None else hash_bytes(value.encode("utf-8", "surrogateescape"))


def extended(key: Digest, given: dict[str, str]) -> Digest:
    """A key extended by what some reads give, by their ingredient."""
    return digest_of("clew.reads/0", [key, given])


def declared(inputs: Collection[str]) -> tuple[list[Read], frozenset[str]]:
    """The reads that a step declares, and the doors it declares to go through.

    Args:
        inputs: paths, patterns, `env:NAME`; `network`, `programs` and `native` (libraries that read files unseen) for
            what cannot be known and is the user's word.

    Raises:
        Invalid: one of them is empty.
    """
    reads: list[Read] = []
    doors: set[str] = set()
    for each in inputs:
        if not each:
            raise Invalid("an empty text is no input", hint="inputs=['data/*.csv', 'env:TZ', 'network']")
        if each in ("network", "programs", "native"):
            doors.add(each)
        elif each.startswith("env:"):
            reads.append(Read(ReadKind.ENVIRONMENT, each[4:]))
        elif any(sign in each for sign in "*?["):
            reads.append(Read(ReadKind.FILES, each))
        else:
            reads.append(Read(ReadKind.FILE, each))
    return reads, frozenset(doors)
