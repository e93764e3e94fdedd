"""What happens to every request before the routes see it and after they answered: an id, compression, validators,
counts, and a line in the access log. Plain ASGI, around the whole application."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from clew.core.hashing import hash_bytes
from clew.server.coding import Unpacking, coding_for, packed_body
from clew.server.counts import Counts
from clew.server.request import in_thread

__all__ = ["REQUEST_ID", "front"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID = b"x-request-id"
_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_COMPRESSED = (b"application/json", b"text/plain", b"application/vnd.msgpack")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LEAST_BYTES, _LARGE_BYTES = 1024, 1 << 20
_MOST_SHOWN = 200
_log = logging.getLogger("clew.access")


def front(inner: Application, counts: Callable[[], Counts]) -> Application:
    """An application around another one.

    Args:
        inner: has the routes.
        counts: where requests are counted.
    """

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        answer = _Answer(scope, send)
        counted = counts()
        counted.active += 1
        started = time.perf_counter()
        try:
            await inner(scope, _unpacked(scope, receive), answer.send)
        finally:
            seconds = time.perf_counter() - started
            counted.active -= 1
            counted.observe(*_counted_as(scope), answer.status, seconds)
            if _log.isEnabledFor(logging.INFO):
                _write(scope, answer, seconds)

    return handle


class _Answer:
    """A response on its way out. One that comes in one piece is given a validator and compressed."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._asked = dict(scope["headers"])
        given = self._asked.get(REQUEST_ID, b"")
        self.id = given if _ID.fullmatch(given) else secrets.token_hex(8).encode()
        self._method, self._send = scope["method"], send
        self._start: Message | None = None
        self.status, self.size_bytes = 0, 0

    async def send(self, message: Message) -> None:
        """Pass a message on; the start waits for the first of the body."""
        if message["type"] == "http.response.start":
            self.status, self._start = message["status"], message
            return
        body = bytes(message.get("body", b""))
        if self._start is not None:
            start, self._start = self._start, None
            headers = [*start["headers"], (REQUEST_ID, self.id), (b"x-content-type-options", b"nosniff")]
            if not message.get("more_body", False):
                large = len(body) > _LARGE_BYTES  # the loop has others to answer meanwhile
                headers, body = await in_thread(self._whole, headers, body) if large else self._whole(headers, body)
            await self._send({**start, "status": self.status, "headers": headers})
        self.size_bytes += len(body)
        await self._send({**message, "body": body})

    def _whole(self, headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        named = {name.lower(): value for name, value in headers}
        kind = named.get(b"content-type", b"").partition(b";")[0]
        if kind not in _COMPRESSED or b"content-encoding" in named or not body or self._method == "HEAD":
            return headers, body
        if self._method == "GET" and self.status == 200 and b"etag" not in named:
            tag = f'W/"{hash_bytes(body)[:32]}"'.encode()
            headers = [*headers, (b"etag", tag), (b"cache-control", b"private, no-cache")]
            if tag in self._asked.get(b"if-none-match", b""):
                self.status = 304
                return [each for each in headers if each[0].lower() not in (b"content-length", b"content-type")], b""
        coding = coding_for(self._asked.get(b"accept-encoding", b"").decode("latin-1"))
        headers = [*headers, (b"vary", b"Accept-Encoding")]
        if not coding or len(body) < _LEAST_BYTES:
            return headers, body
        body = packed_body(body, coding)
        headers = [each for each in headers if each[0].lower() != b"content-length"]
        headers += [(b"content-encoding", coding.encode()), (b"content-length", str(len(body)).encode())]
        return headers, body


def _unpacked(scope: Scope, receive: Receive) -> Receive:
    """The body as the routes want it: they never see that it was compressed."""
    named = dict(scope["headers"])
    coding = named.get(b"content-encoding", b"").strip().lower().decode("latin-1")
    if coding in ("", "identity"):
        return receive
    scope["headers"] = [each for each in scope["headers"] if each[0] not in (b"content-encoding", b"content-length")]
    unpacking: Unpacking | None = None
    waiting: Iterator[bytes] = iter(())
    more = True

    async def unpack() -> Message:
        nonlocal unpacking, waiting, more
        unpacking = unpacking or Unpacking(coding)
        while True:
            piece = next(waiting, None)
            if piece is not None:
                return {"type": "http.request", "body": piece, "more_body": True}
            if not more:
                unpacking.end()
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await receive()
            if message["type"] != "http.request":
                return message
            more = message.get("more_body", False)
            waiting = unpacking.feed(message.get("body", b""))

    return unpack


def _counted_as(scope: Scope) -> tuple[str, str]:
    """The method, and the pattern of the route that answered: counts by what callers make up would grow without end."""
    method: str = scope["method"]
    route = str(scope.get("path_template") or "unknown").replace(" ", "")
    return method if method in _METHODS else "other", route


def _write(scope: Scope, answer: _Answer, seconds: float) -> None:
    user = getattr(getattr(scope.get("user"), "user", None), "name", "-")
    client = (scope.get("client") or ("-", 0))[0]
    path = scope["path"][:_MOST_SHOWN].encode("unicode_escape").decode()
    said = (client, user, scope["method"], path, answer.status, answer.size_bytes, seconds * 1000, answer.id.decode())
    _log.info("%s %s %s %s %d %d %.1fms %s", *said)
