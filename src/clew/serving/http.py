"""HTTP/1.1 for an application that answers at once: bytes in, one call, bytes out, without a task per request.

llhttp (by httptools) reads the messages; this module bounds them, keeps their order, and writes what comes back in one
piece. Keep-alive, pipelining, chunked bodies, `Expect: 100-continue` and HEAD are understood; trailers and offers to
upgrade are ignored. Not a general server: no streaming, no TLS; nor the listening (`clew.serving.listen`). Why not
uvicorn: docs/decisions/0012-own-http.md.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from time import perf_counter
from typing import Protocol
from urllib.parse import unquote_to_bytes

from clew.core.extras import require
from clew.core.loopback import is_foreign
from clew.serving.answer import Answer

__all__ = ["Application", "Connection", "Door", "Limits"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON_TYPES = {b"", b"application/json", b"text/json", b"text/plain", b"application/x-www-form-urlencoded"}
"""What clients say of JSON; the last one is what curl says when it is told nothing."""
_READ_BYTES = 64 << 10
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Application(Protocol):
    """What answers. Called from one thread, one request after the other, in the order of arrival."""

    def answer(
        self, method: str, path: str, body: bytes, started: float, authorization: str, *, foreign: bool, is_csv: bool
    ) -> Answer:
        """Answer a whole request; `foreign` is as in `clew.core.loopback`. A body is JSON, or CSV. Never raises."""
        ...

    def refuse(self, status: int, text: str, *, hint: str = "") -> Answer:
        """Answer what never became a whole request."""
        ...

    def after(self, answer: Answer, method: str, started: float) -> None:
        """The answer has been handed to the network. Never raises."""
        ...


@dataclass(frozen=True)
class Limits:
    """Bounds of what a client may take up.

    Args:
        body_bytes: of one body; more is refused with 413.
        held_bytes: of all bodies that are on their way in, together; more is refused with 503.
        head_bytes: of a request line with its headers; more is refused with 431.
        connections: at a time; more are refused with 503.
        request_s: seconds from the first byte of a request to its last one; slower is refused with 408.
        idle_s: seconds for which a connection is kept without a request.
        linger_s: seconds for which we read on, to no effect, so that a client that still sends can read a refusal.
    """

    body_bytes: int = 16 << 20
    held_bytes: int = 256 << 20
    head_bytes: int = 64 << 10
    connections: int = 1000
    request_s: float = 30.0
    idle_s: float = 75.0
    linger_s: float = 2.0


class _Refused(Exception):
    def __init__(self, status: int, text: str, hint: str = "") -> None:
        self.status, self.text, self.hint = status, text, hint
        super().__init__(text)


class Door:
    """What the connections of one listener share. `now` is `perf_counter`, to the second.

    They read into one `buffer`, one after the other: asyncio would make a new one of 256 KiB for each read, which costs
    ten times what the read does.
    """

    def __init__(self, application: Application, limits: Limits) -> None:
        self.application, self.limits = application, limits
        self.parser_of = require("httptools").HttpRequestParser
        self.parser_error: type[Exception] = require("httptools").HttpParserError
        self.upgrade: type[Exception] = require("httptools").HttpParserUpgrade
        self.connections: set[Connection] = set()
        self.held_bytes = 0
        self.stopping = False
        self.heads: dict[tuple[int, bytes], bytes] = {}
        self.buffer = memoryview(bytearray(_READ_BYTES))
        self.tick()

    def tick(self) -> None:
        """Move the clock, and with it the date in the headers; end what took too long."""
        self.now = perf_counter()
        self.heads.clear()
        self._date = formatdate(usegmt=True)
        for connection in list(self.connections):
            connection.look(self.now)

    def head(self, answer: Answer) -> bytes:
        """The status line and the headers up to the number of bytes."""
        found = self.heads.get((answer.status, answer.content_type))
        if found is None:
            line = f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, '')}\r\ndate: {self._date}\r\ncontent-type: "
            found = line.encode() + answer.content_type + b"\r\ncontent-length: "
            self.heads[answer.status, answer.content_type] = found
        return found


class Connection(asyncio.BufferedProtocol):
    """One connection. `_since` is when its state began: waiting, receiving, not being read by the client, lingering."""

    def __init__(self, door: Door) -> None:
        self._door, self._application = door, door.application
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # from `connection_made` on
        self._parser = door.parser_of(self)
        self._receiving = self._blocked = self._lingering = False
        self._since = door.now
        self._raw = self._size = self._hosts = 0
        self._clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        self._transport = transport  # type: ignore[assignment]  # a listener on TCP gives nothing else
        connections, limit = self._door.connections, self._door.limits.connections
        connections.add(self)
        if len(connections) > limit:
            self._refuse(_Refused(503, f"{limit} connections are open already", "try again later"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        """Let go of it."""
        self._door.connections.discard(self)
        self._clear()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as asyncio calls it
        """Where to read into."""
        return self._door.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read on; every whole request is answered from within."""
        if self._lingering:
            return
        self._raw += nbytes
        try:
            self._parser.feed_data(self._door.buffer[:nbytes])
            if self._raw > self._door.limits.head_bytes + 8 * self._size:  # what is no body: headers, chunk sizes
                raise _Refused(431, "the headers are too large")
        except _Refused as refused:
            self._refuse(refused)
        except self._door.upgrade:
            self._transport.close()
        except self._door.parser_error as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, _Refused) else _Refused(400, f"this is no HTTP: {error}"))

    def eof_received(self) -> bool:
        """The client sends no more, and has had all its answers."""
        return False

    def pause_writing(self) -> None:
        """The client does not read its answers: we read no more requests."""
        self._blocked, self._since = True, self._door.now
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._blocked, self._since = False, self._door.now
        self._transport.resume_reading()

    def look(self, now: float) -> None:
        """End this connection if it takes too long."""
        limits, waited = self._door.limits, now - self._since
        if self._lingering or self._blocked:
            if waited > (limits.linger_s if self._lingering else limits.request_s):
                self._transport.abort()
        elif self._receiving:
            if waited > limits.request_s:
                self._refuse(_Refused(408, f"no whole request within {limits.request_s:g} s"))
        elif waited > limits.idle_s or self._door.stopping:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    # What llhttp calls, in this order.

    def on_message_begin(self) -> None:
        self._receiving, self._since = True, self._door.now

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)
        if size == 4 and name.lower() == b"host":
            self._hosts += 1
            self._host = value.decode("latin-1")
        elif size == 6 and name.lower() == b"expect":
            self._expect = value
        elif size == 6 and name.lower() == b"origin":
            self._origin = value.decode("latin-1")
        elif size == 13 and name.lower() == b"authorization":
            self._authorization = value.decode("latin-1")
        elif size == 14 and name.lower() == b"content-length" and not self._chunks:
            self._check_size(int(value) if value.isdigit() else 0)
        elif size == 12 and name.lower() == b"content-type":
            if value != b"application/json":
                self._is_csv = _says_csv(value)
        elif size == 16 and name.lower() == b"content-encoding" and value.lower() != b"identity":
            raise _Refused(415, f"content-encoding {_shown(value)} is not understood here", "send it uncompressed")

    def on_headers_complete(self) -> None:
        self._raw = 0
        if self._hosts != 1 and self._parser.get_http_version() == "1.1":
            raise _Refused(400, "a request needs one Host header")
        if self._expect:
            if self._expect.lower() != b"100-continue":
                raise _Refused(417, "nothing but 100-continue can be expected")
            self._transport.write(_CONTINUE)

    def on_body(self, chunk: bytes) -> None:
        self._check_size(self._size + len(chunk))
        self._raw -= len(chunk)
        self._size += len(chunk)
        self._door.held_bytes += len(chunk)
        if self._door.held_bytes > self._door.limits.held_bytes:
            raise _Refused(503, "too many bodies are on their way in", "try again later")
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        if self._transport.is_closing():  # what was sent behind a request that was to be the last
            return
        started = perf_counter()
        chunks, parser = self._chunks, self._parser
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        method, authorization, url = parser.get_method().decode(), self._authorization, self._url
        is_csv = self._is_csv
        foreign = is_foreign(self._host, self._origin)
        keep = parser.should_keep_alive() and not self._door.stopping
        self._clear()
        self._receiving, self._since, self._raw = False, self._door.now, 0
        answer = self._application.answer(
            method, _path(url), body, started, authorization, foreign=foreign, is_csv=is_csv
        )
        self._write(answer, keep=keep, bodiless=method == "HEAD")
        self._application.after(answer, method, started)

    def _clear(self) -> None:
        self._door.held_bytes -= self._size
        self._url, self._authorization, self._expect = b"", "", b""
        self._host = self._origin = ""
        self._hosts = self._size = 0
        self._is_csv = False
        self._chunks: list[bytes] = []

    def _check_size(self, size: int) -> None:
        limit = self._door.limits.body_bytes
        if size > limit:
            raise _Refused(413, f"the body is larger than {limit} bytes", "send fewer rows at once")

    def _write(self, answer: Answer, *, keep: bool, bodiless: bool = False) -> None:
        body = answer.body
        if keep and not bodiless and not answer.allow and self._parser.get_http_version() == "1.1":
            self._transport.write(b"%b%d\r\n\r\n%b" % (self._door.head(answer), len(body), body))
            return
        more = b"connection: keep-alive\r\n" if keep else b"connection: close\r\n"
        more += b"allow: %b\r\n" % answer.allow if answer.allow else b""
        self._transport.write(
            b"%b%d\r\n%b\r\n%b" % (self._door.head(answer), len(body), more, b"" if bodiless else body)
        )
        if not keep:
            self._transport.close()

    def _refuse(self, refused: _Refused) -> None:
        """Answer, and read on for a moment: closed at once, the client could lose the answer while it still sends."""
        if self._transport.is_closing():
            return
        answer = self._application.refuse(refused.status, refused.text, hint=refused.hint)
        self._clear()
        body = answer.body
        self._transport.write(b"%b%d\r\nconnection: close\r\n\r\n%b" % (self._door.head(answer), len(body), body))
        self._transport.write_eof()
        self._lingering, self._since = True, self._door.now


def _says_csv(content_type: bytes) -> bool:
    """Whether a body is CSV, and not JSON; refuses what is neither."""
    kind, _, parameters = content_type.lower().partition(b";")
    kind, charset = kind.strip(), parameters.partition(b"charset=")[2].strip(b'" ')
    is_csv = kind == b"text/csv"
    known = is_csv or kind in _JSON_TYPES or kind.endswith(b"+json")
    if not known or charset not in (b"", b"utf-8", b"utf8", b"us-ascii"):
        raise _Refused(415, f"content-type {_shown(content_type)} is not understood here", "send JSON in UTF-8")
    return is_csv


def _shown(value: bytes) -> str:
    return repr(value[:60].decode("latin-1"))


def _path(url: bytes) -> str:
    """The path of a target: without the query, and of an absolute one without scheme and host."""
    path = url.partition(b"?")[0]
    if not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("utf-8", "replace")
