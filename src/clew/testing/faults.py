"""Stores that fail as real ones do: wrappers with the same contracts, for tests of what stands above them.

A call can fail in two ways. *Before*: nothing happened. *After*: it happened, and the caller was not told, as when a
connection breaks between a commit and its answer. Whoever calls again must come to the same state from both.
Disks that fail are `clew.testing.disk`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from clew.core.contracts.ledger import Durability, Ledger, Transaction
from clew.core.contracts.objects import ObjectBatch, Objects
from clew.core.errors import Unavailable
from clew.core.ids import Digest
from clew.core.types.edge import Node

__all__ = ["FaultyLedger", "FaultyObjects", "Plan", "When"]


class When(StrEnum):
    """Whether a call that fails has happened."""

    BEFORE = "before"
    AFTER = "after"


class Plan:
    """Which call fails: the `at`-th one, counted from 1; 0 for none. Stores that share a plan share its count.

    Args:
        at: the number of the call.
        when: whether it has happened.
        lasting: every later call fails too, before it happens, as on a disk that stays full.
    """

    def __init__(self, at: int = 0, when: When = When.BEFORE, *, lasting: bool = False) -> None:
        self.at, self.when, self.lasting, self.calls = at, when, lasting, 0

    def next(self) -> When | None:
        """Count a call that writes; how it fails, if it does."""
        self.calls += 1
        if self.calls == self.at:
            return self.when
        return When.BEFORE if self.lasting and 0 < self.at < self.calls else None

    @contextmanager
    def call(self, what: str) -> Iterator[None]:
        """Let what stands in the block fail when it is due."""
        fails = self.next()
        if fails is When.BEFORE:
            raise Unavailable(f"a test lets {what} fail")
        yield
        if fails is When.AFTER:
            raise Unavailable(f"a test lets {what} fail; whether it happened is not known")


class FaultyLedger:
    """A ledger whose write transactions fail as a plan says."""

    def __init__(self, inner: Ledger, plan: Plan) -> None:
        self._inner, self._plan = inner, plan

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with self._inner.read() as tx:
            yield tx

    @contextmanager
    def write(
        self, durability: Durability = Durability.POWER, *, within: Node | tuple[Node, ...] = ""
    ) -> Iterator[Transaction]:
        """The block runs in both cases: what fails is its commit."""
        fails = self._plan.next()
        with self._inner.write(durability, within=within) as tx:
            yield tx
            if fails is When.BEFORE:
                raise Unavailable("a test lets a commit fail")
        if fails is When.AFTER:
            raise Unavailable("a test lets a commit fail; whether it happened is not known")

    def close(self) -> None:
        self._inner.close()


class FaultyObjects:
    """An objects store whose puts fail as a plan says."""

    def __init__(self, inner: Objects, plan: Plan) -> None:
        self._inner, self._plan = inner, plan

    def put(self, data: bytes) -> Digest:
        with self._plan.call("a put"):
            return self._inner.put(data)

    def put_file(self, path: Path) -> Digest:
        with self._plan.call("a put"):
            return self._inner.put_file(path)

    @contextmanager
    def batch(self) -> Iterator[ObjectBatch]:
        """What fails is the end of the batch."""
        with self._plan.call("a batch"), self._inner.batch() as batch:
            yield batch

    def get(self, digest: Digest) -> bytes:
        return self._inner.get(digest)

    def open(self, digest: Digest) -> BinaryIO:
        return self._inner.open(digest)

    def save(self, digest: Digest, path: Path) -> None:
        self._inner.save(digest, path)

    def size(self, digest: Digest) -> int:
        return self._inner.size(digest)

    def find_path(self, digest: Digest) -> Path | None:
        return self._inner.find_path(digest)

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:
        return self._inner.find_url(digest, valid_s=valid_s)

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return self._inner.missing(digests)

    def list(self, *, after: str = "") -> Iterator[Digest]:
        return self._inner.list(after=after)

    def delete(self, digests: Iterable[Digest]) -> None:
        with self._plan.call("a deletion"):
            self._inner.delete(digests)
