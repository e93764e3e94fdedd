"""A connection to a server: one per thread, kept open, and errors as the server meant them."""

from __future__ import annotations

import copy
import http.client
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, cast
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from clew.core.errors import ClewError, Denied, Invalid, NotFound, Unavailable
from clew.core.problem import Problem, error_of

__all__ = ["ELSEWHERE", "Connection", "named", "quoted"]

T = TypeVar("T")
Body = bytes | Iterable[bytes] | None

_JSON, _PACKED = "application/json", "application/vnd.msgpack"

ELSEWHERE = 307
"""What is asked for has another address, in `location`."""


def quoted(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def named(text: str) -> str:
    """A name that is asked for.

    Raises:
        Invalid: it is empty, and would ask for something else than it says.
    """
    if not text:
        raise Invalid("an empty name names nothing")
    return text


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    error: Problem


class Connection:
    """Requests to one project of a server, or to the server itself. Threads and forked processes may share it.

    Args:
        url: of the server, such as `https://clew.example.org`.
        project: its name there; empty to speak of the server itself.
        token: proves who asks; empty where the server asks nobody.
        timeout_s: how long an answer may take.
    """

    def __init__(self, url: str, project: str, token: str = "", *, timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(f"{url!r} is no address of a server", hint="for example https://clew.example.org")
        self.url, self.project = url.rstrip("/"), project
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        within = f"/projects/{quoted(project)}" if project else ""
        self._root = f"{parts.path.rstrip('/')}/api/v1{within}"
        self._token, self._timeout_s = token, timeout_s
        self._open: dict[tuple[int, int], http.client.HTTPConnection] = {}
        self._lock = threading.Lock()

    def to_server(self) -> Connection:
        """The same connection, speaking of the server and no project; closed with this one."""
        view = copy.copy(self)
        view.project, view._root = "", self._root.rpartition("/projects/")[0] if self.project else self._root
        return view

    def to_arriving(self, id: str) -> Connection:
        """The same connection, speaking of a project that comes to the server as a whole; closed with this one."""
        view = self.to_server()
        view._root += f"/arrivals/{id}"
        return view

    def get(self, path: str, kind: type[T], /, **query: object) -> T:
        """Read something."""
        return self.ask("GET", path, kind, query=query)

    def send(self, method: str, path: str, value: object, kind: type[T] | None = None) -> T:
        """Send a value as JSON, and read what comes back; `kind` of None expects nothing."""
        return self.ask(method, path, kind, msgspec.json.encode(value), {"content-type": _JSON, "accept": _PACKED})

    def pack(self, path: str, value: object, kind: type[T] | None = None) -> T:
        """Send a value as MessagePack."""
        return self.ask("POST", path, kind, msgspec.msgpack.encode(value), {"content-type": _PACKED})

    def ask(
        self,
        method: str,
        path: str,
        kind: type[T] | None = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, object] | None = None,
    ) -> T:
        """One request, and what comes back; `kind` of None expects nothing.

        Raises:
            Unavailable: something else comes back.
        """
        data, media_type = self.request(method, path, body, headers, query=query)
        if kind is not None:
            return self._decoded(data, media_type, kind)
        if data:  # a page of a proxy does not say that something was stored
            what = f"the server {self.url} answers {len(data)} bytes where nothing was to be said"
            raise Unavailable(what, hint="is it a clew server of this version?")
        return cast("T", None)

    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, object] | None = None,
    ) -> tuple[bytes, str]:
        """One request; its body and the type of it.

        Raises:
            ClewError: what the server says, as the error that it is.
            Unavailable: the server cannot be reached.
        """
        response = self.open(method, path, body, headers, query=query)
        return self.whole(response), response.headers.get_content_type()

    def open(
        self,
        method: str,
        path: str,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, object] | None = None,
        elsewhere: bool = False,
    ) -> http.client.HTTPResponse:
        """One request whose answer is read by the caller, to its end; with `elsewhere`, a redirection is one too."""
        asked = urlencode({key: value for key, value in (query or {}).items() if value not in ("", None)})
        target = f"{self._root}{path}" + (f"?{asked}" if asked else "")
        for again in (True, False):
            connection, fresh = self._connection()
            try:
                if connection.sock is None:
                    connection.connect()
                    cast("socket.socket", connection.sock).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.request(method, target, body, {**self._headers(), **(headers or {})})
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                # A server closes connections that were idle; every call is idempotent. One that is slow is not asked
                # again: it would have the same to do twice.
                may_repeat = body is None or isinstance(body, bytes)
                if again and not fresh and may_repeat and not isinstance(error, TimeoutError):
                    continue
                raise self._gone(error) from error
            break
        if response.status >= 300 and not (elsewhere and response.status == ELSEWHERE):
            raise self._refused(response, method, path)
        return response

    def whole(self, response: http.client.HTTPResponse) -> bytes:
        """All that an answer holds.

        Raises:
            Unavailable: the connection breaks.
        """
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise self._gone(error) from error

    def pieces(self, response: http.client.HTTPResponse, size_bytes: int) -> Iterator[bytes]:
        """What an answer holds, piece by piece.

        Raises:
            Unavailable: the connection breaks.
        """
        try:
            while piece := response.read(size_bytes):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise self._gone(error) from error
        finally:
            if not response.isclosed():  # it was not read to its end: what is asked next would get the rest
                self._drop()

    def close(self) -> None:
        """Let go of every connection of this process."""
        with self._lock:
            mine = {owner: each for owner, each in self._open.items() if owner[0] == os.getpid()}
            self._open.clear()
        for connection in mine.values():
            connection.close()

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"} if self._token else {}

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """This thread's connection, and whether it is new; one that was made before a fork is left alone."""
        owner = (os.getpid(), threading.get_ident())
        found = self._open.get(owner)
        if found is not None:
            return found, False
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        made = kind(self._host, self._port, timeout=self._timeout_s)
        with self._lock:
            alive = {(owner[0], thread.ident) for thread in threading.enumerate()}
            for gone in [key for key in self._open if key[0] == owner[0] and key not in alive]:
                self._open.pop(gone).close()
            self._open[owner] = made
        return made, True

    def _drop(self) -> None:
        """Let go of this thread's connection, such as one whose answer was not read to its end."""
        with self._lock:
            found = self._open.pop((os.getpid(), threading.get_ident()), None)
        if found is not None:
            found.close()

    def _gone(self, error: Exception) -> Unavailable:
        said = str(error) or type(error).__name__
        return Unavailable(f"the server {self.url} cannot be reached: {said}", hint="clew server starts one")

    def _refused(self, response: http.client.HTTPResponse, method: str, path: str) -> ClewError:
        data = self.whole(response)
        if response.will_close:
            self._drop()
        if response.status == 401:
            said = "does not know this token" if self._token else "asks for a token, and none is kept here"
            return Denied(f"the server {self.url} {said}", hint=f"clew login {self.url}, or set CLEW_TOKEN")
        try:
            return error_of(msgspec.json.decode(data, type=_Answer).error)
        except msgspec.DecodeError:
            if response.status == 404 and method == "HEAD":  # which has no body to say more
                return NotFound("object", path.rpartition("/")[2])
            return Unavailable(f"the server {self.url} answers {response.status} {response.reason}")

    def _decoded(self, data: bytes, media_type: str, kind: type[T]) -> T:
        try:
            if media_type == _PACKED:
                return msgspec.msgpack.decode(data, type=kind)
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:
            what = f"the server {self.url} answers something else: {error}"
            raise Unavailable(what, hint="is it a clew server of this version?") from error
