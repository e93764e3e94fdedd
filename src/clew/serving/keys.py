"""Keys of endpoints: who may ask for decisions, and the check of every request.

A key is 256 random bits, shown once; what is stored is its BLAKE3 digest, in a file beside the ledger that only the
user can read (a key has too much entropy to be guessed, so that a slow hash would only cost every request). Not roles
or users: those are the server's. Threats: docs/design/serving.md.
"""

from __future__ import annotations

import fcntl
import hmac
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Exists, NotFound
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.store.objects.disk import sync_folder

__all__ = ["EndpointKey", "KeyRing", "add_key", "list_keys", "remove_key"]

_FILE = "endpoint-keys.json"
_PREFIX = "clew_"
_LOOK_S = 0.1
_MOST_ACCEPTED = 1000
_log = logging.getLogger("clew.serving")


class EndpointKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that an endpoint knows; `name` says whose it is."""

    endpoint: str
    name: str
    digest: Digest
    created_us: int
    created_by: str


def list_keys(folder: Path, endpoint: str = "") -> list[EndpointKey]:
    """The keys of an endpoint, or of all.

    Raises:
        Corrupt: the file cannot be read.
    """
    try:
        content = (folder / _FILE).read_bytes()
    except FileNotFoundError:
        return []
    try:
        keys = msgspec.json.decode(content, type=list[EndpointKey])
    except msgspec.DecodeError as error:
        raise Corrupt(f"{folder / _FILE} holds no keys: {error}", hint="remove it and add keys anew") from error
    return [key for key in keys if endpoint in ("", key.endpoint)]


def add_key(stores: Stores, endpoint: str, name: str) -> str:
    """Make a key; it is returned here and can never be read again.

    Raises:
        Exists: the endpoint has a key of this name.
    """
    secret = _PREFIX + secrets.token_urlsafe(32)
    key = EndpointKey(
        endpoint=endpoint,
        name=name,
        digest=hash_bytes(secret.encode()),
        created_us=stores.clock.now_us(),
        created_by=stores.actor,
    )
    with _changing(stores.folder) as keys:
        if any((each.endpoint, each.name) == (endpoint, name) for each in keys):
            raise Exists("key", f"{endpoint}/{name}", hint=f"clew keys remove {endpoint} {name}, or another --name")
        keys.append(key)
        _tell(stores, "endpoint.key_added", key)
    return secret


def remove_key(stores: Stores, endpoint: str, name: str) -> None:
    """Let a key count no more; replicas that run know it within a moment.

    Raises:
        NotFound: the endpoint has no key of this name.
    """
    with _changing(stores.folder) as keys:
        found = [each for each in keys if (each.endpoint, each.name) == (endpoint, name)]
        if not found:
            near = [each.name for each in keys if each.endpoint == endpoint]
            raise NotFound("key", f"{endpoint}/{name}", near=near[:3], hint="clew keys list")
        keys.remove(found[0])
        _tell(stores, "endpoint.key_removed", found[0])


class KeyRing:
    """The keys that an endpoint knows now. Used by one thread.

    Args:
        folder: the project's `.clew` folder.
        endpoint: its name.
        required: ask for a key also when there is none, so that nobody is let in once the last one is removed.
        clock: seconds that only go on.
    """

    def __init__(self, folder: Path, endpoint: str, *, required: bool, clock: Callable[[], float] = monotonic) -> None:
        self._folder, self._endpoint, self._required, self._clock = folder, endpoint, required, clock
        self._file = folder / _FILE
        self._seen = self._state()
        self._digests = self._read()
        self._looked = clock()
        self._accepted: set[str] = set()

    def allows(self, authorization: str) -> bool:
        """Whether the value of an `Authorization` header holds a key, where keys are wanted."""
        now = self._clock()
        if now - self._looked > _LOOK_S:
            self._looked = now
            self._look()
        if not self._digests:
            return not self._required
        if authorization in self._accepted:  # by a keyed hash first: how long that takes tells nothing of a key
            return True
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        digest = hash_bytes(secret.strip().encode())
        found = True in [hmac.compare_digest(digest, known) for known in self._digests]  # all of them, found or not
        if found and len(self._accepted) < _MOST_ACCEPTED:
            self._accepted.add(authorization)
        return found

    def _look(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        try:
            self._digests, self._seen = self._read(), state
            self._accepted.clear()
        except (Corrupt, OSError):  # those who were known stay known
            _log.exception("the keys of endpoint %s could not be read", self._endpoint)

    def _read(self) -> list[Digest]:
        return [key.digest for key in list_keys(self._folder, self._endpoint)]

    def _state(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


@contextmanager
def _changing(folder: Path) -> Iterator[list[EndpointKey]]:
    """The keys to change; written back as a whole when the block ends well, by one process at a time."""
    lock = os.open(folder / "endpoint-keys.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = list_keys(folder)
        yield keys
        draft = folder / f"{_FILE}.new"
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(msgspec.json.encode(keys))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / _FILE)
        sync_folder(folder)  # a key that was removed must not count again behind a loss of power
    finally:
        os.close(lock)


def _tell(stores: Stores, kind: str, key: EndpointKey) -> None:
    with stores.ledger.write() as tx:
        subject = node("project", stores.project)
        stores.tell(tx, kind, subject, {"endpoint": key.endpoint, "name": key.name, "digest": key.digest})
