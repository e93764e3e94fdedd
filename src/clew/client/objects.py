"""Objects on a server: bytes travel streamed, and every read is verified here again."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from clew.client.connection import ELSEWHERE, Connection
from clew.client.outside import Address, send
from clew.client.upload import upload
from clew.core.errors import Corrupt, Unavailable
from clew.core.hashing import Hasher, hash_bytes
from clew.core.ids import Digest
from clew.core.paging import Page, items_of
from clew.store.objects.disk import Draft, disk_errors, saving
from clew.store.objects.names import checked
from clew.store.objects.source import open_source

__all__ = ["HttpObjects"]

_PIECE, _WHOLE_BYTES = 1 << 20, 32 << 20
_BATCH_BYTES, _BATCH_ITEMS = 16 << 20, 10_000
_HELD_BYTES = 64 << 20
_ASKED = 5_000
_BYTES = {"content-type": "application/octet-stream"}


class _Address(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    name: str


class _Digests(msgspec.Struct, frozen=True, kw_only=True):
    digests: list[Digest]


class HttpObjects:
    """`clew.core.contracts.objects.Objects` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection
        self._direct = True

    def put(self, data: bytes) -> Digest:
        digest = hash_bytes(data)
        if self.missing([digest]):
            self._c.ask("PUT", _path(digest), None, bytes(data), _BYTES)
        return digest

    def put_file(self, path: Path) -> Digest:
        with open_source(path) as source:
            hasher, size_bytes = Hasher(), source.size_bytes
            for chunk in source.chunks():
                hasher.update(chunk)
        digest = Digest(hasher.hexdigest())
        if self.missing([digest]):
            if size_bytes > _WHOLE_BYTES and self._sent_direct(digest, path):
                return digest
            with open_source(path) as source:
                if source.size_bytes > _WHOLE_BYTES:
                    upload(self._c, digest, source.chunks())
                    return digest
                length = {"content-length": str(source.size_bytes)}
                self._c.ask("PUT", _path(digest), None, source.chunks(), {**_BYTES, **length})
        return digest

    @contextmanager
    def batch(self) -> Iterator[_Batch]:
        with closing(_Batch()) as batch:
            yield batch
            self._send(batch)

    def get(self, digest: Digest) -> bytes:
        data, _ = self._c.request("GET", _path(checked(digest)))
        if hash_bytes(data) != digest:
            raise _damaged(digest)
        return data

    def open(self, digest: Digest) -> BinaryIO:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the caller, who closes it
        try:
            self._download(digest, file)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def save(self, digest: Digest, path: Path) -> None:
        with saving(path) as draft:
            self._download(digest, draft)

    def size(self, digest: Digest) -> int:
        response = self._c.open("HEAD", _path(checked(digest)))
        response.read()
        return int(response.headers["content-length"])

    def find_path(self, digest: Digest) -> Path | None:
        self.size(digest)
        return None

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:  # noqa: ARG002 - a server is asked with a token
        checked(digest)
        return None

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        wanted = list({checked(digest) for digest in digests})
        found: set[Digest] = set()
        for at in range(0, len(wanted), _ASKED):
            found.update(
                self._c.send("POST", "/objects/missing", {"digests": wanted[at : at + _ASKED]}, _Digests).digests
            )
        return found

    def list(self, *, after: str = "") -> Iterator[Digest]:
        return items_of(partial(self._c.get, "/objects", Page[Digest]), after=after)

    def delete(self, digests: Iterable[Digest]) -> None:
        gone = [checked(digest) for digest in digests]
        for at in range(0, len(gone), _ASKED):
            self._c.send("POST", "/objects/delete", {"digests": gone[at : at + _ASKED]})

    def _send(self, batch: _Batch) -> None:
        """Send what is missing of a batch, as much at once as a server takes."""
        some: list[bytes] = []
        size = 0
        for digest in sorted(self.missing(batch.held), key=batch.held.__getitem__):
            data = batch.get(digest)
            if len(data) > _BATCH_BYTES:
                self.put(data)
                continue
            if size + len(data) > _BATCH_BYTES or len(some) == _BATCH_ITEMS:
                self._c.pack("/objects", some, _Digests)
                some, size = [], 0
            some.append(data)
            size += len(data)
        if some:
            self._c.pack("/objects", some, _Digests)

    def _sent_direct(self, digest: Digest, path: Path) -> bool:
        """Send a file past the server, where a bucket takes it from here; False where the server has to."""
        if not self._direct:
            return False
        with open_source(path) as source:
            asked = {"size": source.size_bytes}
            address = self._c.ask("POST", f"/uploads/{digest}/address", _Address, query=asked)
            if not address.url:
                return False
            try:
                send(address.url, source.chunks(), source.size_bytes)
            except Unavailable:  # the server reaches it, this machine does not
                self._direct = False
                return False
        self._c.ask("POST", f"/uploads/{digest}/arrived", query={"name": address.name})
        return True

    def _download(self, digest: Digest, target: BinaryIO | Draft) -> None:
        hasher = Hasher()
        with closing(self._body(digest)) as pieces:
            for piece in pieces:
                hasher.update(piece)
                target.write(piece)
        if hasher.hexdigest() != digest:
            raise _damaged(digest)

    def _body(self, digest: Digest) -> Generator[bytes]:
        """The bytes of an object as they come: from a bucket past the server, where it can be reached from here."""
        path = _path(checked(digest))
        asked = {"direct": "true"} if self._direct else None
        response = self._c.open("GET", path, query=asked, elsewhere=self._direct)
        if response.status == ELSEWHERE:
            self._c.whole(response)
            try:
                address = Address(response.headers["location"])
            except Unavailable:  # the server reaches it, this machine does not
                self._direct = False
                response = self._c.open("GET", path)
            else:
                yield from address.pieces(_PIECE)
                return
        yield from self._c.pieces(response, _PIECE)


class _Batch:
    """`clew.core.contracts.objects.ObjectBatch`: held in memory, and from some length on in a file of this machine.

    `held` says where in it each object begins, and how long it is.
    """

    def __init__(self) -> None:
        self.held: dict[Digest, tuple[int, int]] = {}
        self._file = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES)  # noqa: SIM115 - closed at the end of the batch
        self._lock = threading.Lock()

    def put(self, data: bytes) -> Digest:
        digest = hash_bytes(data)
        with self._lock, disk_errors("hold a batch for the server"):
            if digest not in self.held:
                at = self._file.seek(0, os.SEEK_END)
                self._file.write(data)
                self.held[digest] = at, len(data)
        return digest

    def get(self, digest: Digest) -> bytes:
        """An object that was put."""
        at, length = self.held[digest]
        with self._lock, disk_errors("read what was held for the server"):
            self._file.seek(at)
            return self._file.read(length)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


def _path(digest: Digest) -> str:
    return f"/objects/{digest}"


def _damaged(digest: Digest) -> Corrupt:
    return Corrupt(f"object {digest} came damaged from the server", hint="repeat the command")
