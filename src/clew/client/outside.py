"""Transfers with addresses that a server has signed: no token goes there, and nobody there is believed anything."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from clew.core.errors import Unavailable

__all__ = ["Address", "send"]

_TIMEOUT_S = 60.0


class Address:
    """What a signed address holds, to be read once.

    Raises:
        Unavailable: it cannot be reached from here, or does not answer with it.
    """

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._connection, self._response = _asked("GET", url)
        if self._response.status != 200:
            self._connection.close()
            raise _refused(self._host, self._response)

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        """The bytes, piece by piece.

        Raises:
            Unavailable: the connection breaks.
        """
        try:
            while piece := self._response.read(size_bytes):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise _gone(self._host, error) from error
        finally:
            self._connection.close()


def send(url: str, chunks: Iterable[bytes], size_bytes: int) -> None:
    """Write bytes to a signed address.

    Raises:
        Unavailable: it cannot be reached from here, or does not take them.
    """
    connection, response = _asked("PUT", url, chunks, size_bytes)
    connection.close()
    if response.status not in (200, 201):
        raise _refused(urlsplit(url).netloc, response)


def _asked(
    method: str, url: str, body: Iterable[bytes] | None = None, size_bytes: int = 0
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unavailable(f"{url!r} is no address of a bucket")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    headers = {"content-type": "application/octet-stream", "content-length": str(size_bytes)} if body else {}
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers)
        return connection, connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise _gone(parts.netloc, error) from error
    except BaseException:
        connection.close()
        raise


def _refused(host: str, response: http.client.HTTPResponse) -> Unavailable:
    return Unavailable(f"{host} answers {response.status} {response.reason}")


def _gone(host: str, error: Exception) -> Unavailable:
    return Unavailable(f"{host} cannot be reached: {str(error) or type(error).__name__}", hint="repeat the command")
