"""A bucket, or a part of one: a few calls over `obstore`, which speaks S3, GCS and Azure and retries by itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clew.core.errors import Corrupt, Invalid, Unavailable
from clew.core.extras import require

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["Bucket", "Stored", "is_bucket", "open_bucket"]

_SCHEMES = {"s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "memory"}
_RETRY_S = timedelta(seconds=60)
_AT_ONCE = 1000
_CHUNK_BYTES = 4 << 20


def is_bucket(place: str) -> bool:
    """Whether a place is the address of a bucket, not a folder."""
    return place.partition("://")[0].lower() in _SCHEMES


def open_bucket(address: str) -> Bucket:
    """The bucket at an address such as `s3://BUCKET/PREFIX`.

    Credentials, region and endpoint come from the environment, in the variables of the store's own tools
    (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_KEY`, …).

    Raises:
        Invalid: the address or what the environment says cannot be used.
        MissingExtra: obstore is not installed.
    """
    store = require("obstore.store")
    plain = any(os.environ.get(name, "").startswith("http://") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))
    options: dict[str, Any] = {} if address.startswith("memory:") else {"retry_config": {"retry_timeout": _RETRY_S}}
    if plain:
        options["client_options"] = {"allow_http": True}
    try:
        return Bucket(store.from_url(address, **options), address)
    except Exception as error:  # each kind of store refuses in its own way, and all of it is a matter of settings
        raise Invalid(
            f"the bucket {address} cannot be opened: {_first_line(error)}", hint="for example: s3://BUCKET/PREFIX"
        ) from error


class Stored(NamedTuple):
    """A key with the length of what it has, and when that was written, by the bucket's clock."""

    key: str
    size: int
    written_us: int


class Bucket:
    """What is stored under keys. A key is written whole or not at all, and what was written survives *host*.

    Raises:
        FileNotFoundError: nothing has the key.
        Unavailable: the bucket does not answer, or refuses.
    """

    def __init__(self, store: ObjectStore, address: str) -> None:
        self._store, self.address = store, address.rstrip("/")
        self._api = require("obstore")

    def read(self, key: str) -> bytes:
        """All bytes of a key."""
        with self._errors("read", key):
            return bytes(self._api.get(self._store, key).bytes())

    def read_to(self, key: str) -> Iterator[bytes]:
        """All bytes of a key, piece by piece."""
        with self._errors("read", key):
            for piece in self._api.get(self._store, key).stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(piece)

    def read_at(self, key: str, offset: int, length: int) -> bytes:
        """Just so many bytes. `Corrupt` when there are fewer."""
        if not length:
            return b""
        with self._errors("read", key):
            data = bytes(self._api.get_range(self._store, key, start=offset, length=length))
        if len(data) != length:
            raise Corrupt(f"{self.address}/{key} is cut short")
        return data

    def size(self, key: str) -> int:
        """Length in bytes."""
        with self._errors("look at", key):
            return int(self._api.head(self._store, key)["size"])

    def holds(self, key: str) -> bool:
        """Whether something has the key."""
        try:
            self.size(key)
        except FileNotFoundError:
            return False
        return True

    def write(self, key: str, data: bytes | Path) -> None:
        """Store bytes, or a file, under a key."""
        with self._errors("write", key):
            self._api.put(self._store, key, data)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        """Every key below a prefix, by key, behind another one."""
        with self._errors("list", prefix):
            for page in self._api.list(self._store, prefix or None, offset=after or None, chunk_size=_AT_ONCE):
                for entry in page:
                    yield Stored(entry["path"], int(entry["size"]), round(entry["last_modified"].timestamp() * 1e6))

    def copy(self, key: str, target: str) -> None:
        """Store what has a key under another one too; the bytes stay within the bucket."""
        with self._errors("copy", key):
            self._api.copy(self._store, key, target)

    def remove(self, keys: Iterable[str]) -> None:
        """Take keys away; those that are not there are ignored."""
        wanted = list(keys)
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            with self._errors("delete", some[0]), suppress(FileNotFoundError):
                self._api.delete(self._store, some)

    def find_url(self, key: str, *, valid_s: int, verb: str = "GET") -> str | None:
        """An address from which anyone can read the key (write it: `PUT`) for a while; None where there is none."""
        try:
            return str(self._api.sign(self._store, verb, key, timedelta(seconds=valid_s)))
        except (TypeError, ValueError, self._api.exceptions.BaseError):  # stores in memory and folders cannot sign
            return None

    @contextmanager
    def _errors(self, verb: str, key: str) -> Iterator[None]:
        kinds = self._api.exceptions
        try:
            yield
        except (FileNotFoundError, kinds.NotFoundError) as error:
            if verb == "write":
                raise self._no_bucket() from error
            raise FileNotFoundError(f"{self.address}/{key}") from error
        except (kinds.PermissionDeniedError, kinds.UnauthenticatedError, PermissionError) as error:
            raise Unavailable(
                f"could not {verb} {self.address}/{key}: {_first_line(error)}",
                hint="look at the credentials in the environment, and at what they may do with this bucket",
            ) from error
        except (kinds.BaseError, OSError) as error:
            if "NoSuchBucket" in str(error):
                raise self._no_bucket() from error
            raise Unavailable(
                f"could not {verb} {self.address}/{key}: {_first_line(error)}",
                hint="look at the network and the bucket, then run the same command again",
            ) from error

    def _no_bucket(self) -> Unavailable:
        return Unavailable(f"there is no bucket at {self.address}", hint="make it first, or look at its name")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
