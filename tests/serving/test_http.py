"""The HTTP server over a real socket, byte by byte."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from clew.serving.answer import Answer, error_answer
from clew.serving.http import Connection, Door, Limits

LIMITS = Limits(body_bytes=1000, held_bytes=1500, head_bytes=2000, connections=4, request_s=60.0, linger_s=60.0)
"""With time enough for a client that the machine keeps waiting."""

HOST = b"Host: a\r\n"


class Echo:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.after_calls = 0

    def answer(
        self, method: str, path: str, body: bytes, started: float, authorization: str, *, foreign: bool, is_csv: bool
    ) -> Answer:
        if path == "/whose":
            return Answer(b"foreign" if foreign else b"ours")
        if path == "/kind":
            return Answer(b"csv" if is_csv else b"json")
        if path == "/other":
            return Answer(b"{}", status=405, allow=b"POST")
        big = "x" * 3_000_000 if path == "/big" else ""
        asked = {"method": method, "path": path, "body": body.decode(), "key": authorization, "big": big}
        return Answer(json.dumps(asked).encode())

    def refuse(self, status: int, text: str, *, hint: str = "") -> Answer:
        return error_answer(status, text, code="refused", hint=hint)

    def after(self, answer: Answer, method: str, started: float) -> None:
        self.after_calls += 1


class Served:
    """A door that listens, with a fast sweep."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.echo = Echo()
        self.door = Door(self.echo, limits)
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        async def main() -> None:
            self._end = asyncio.Event()
            server = await self._loop.create_server(lambda: Connection(self.door), sock=self._listener)
            while not self._end.is_set():
                await asyncio.sleep(0.05)
                self.door.tick()
            server.close()
            for connection in list(self.door.connections):
                connection.abort()
            await asyncio.sleep(0)

        self._loop.run_until_complete(main())
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=60)

    def say(self, *pieces: bytes, pause_s: float = 0.0) -> bytes:
        """Everything that comes back for some bytes on a connection of their own."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
            connection.shutdown(socket.SHUT_WR)
            return everything(connection)


def everything(connection: socket.socket) -> bytes:
    got = b""
    try:
        while piece := connection.recv(1 << 16):
            got += piece
    except ConnectionResetError:
        pass
    return got


def bodies(raw: bytes) -> list[Any]:
    """The JSON bodies of some answers in a row."""
    found = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        size = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        found.append(json.loads(rest[:size]))
        raw = rest[size:]
    return found


def statuses(raw: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", raw)]


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    yield found
    found.close()


@pytest.fixture
def hasty() -> Iterator[Served]:
    """One that sends slow clients away."""
    found = Served(replace(LIMITS, request_s=0.3))
    yield found
    found.close()


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_requests_in_one_go_are_answered_in_their_order(served: Served) -> None:
    one = b"POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 2\r\n\r\nhi"
    raw = served.say(one + b"GET /second HTTP/1.1\r\n" + HOST + b"\r\n" + one)
    assert statuses(raw) == [200] * 3
    first, second, third = bodies(raw)
    assert first == third == {"method": "POST", "path": "/a b", "body": "hi", "key": "Bearer k", "big": ""}
    assert (second["path"], second["body"], second["key"]) == ("/second", "", "")
    assert served.echo.after_calls == 3


def test_connections_whose_bytes_come_by_turns_do_not_mix(served: Served) -> None:
    texts = [bytes([letter]) * 600 for letter in b"ab"]
    heads = [b"POST /%c HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n" % text[0] for text in texts]
    whole = [head + text for head, text in zip(heads, texts, strict=True)]
    with served.connect() as one, served.connect() as other:
        for at in range(0, len(whole[0]), 40):
            for connection, request in zip((one, other), whole, strict=True):
                connection.sendall(request[at : at + 40])
                time.sleep(0.002)
        for connection, text in zip((one, other), texts, strict=True):
            connection.shutdown(socket.SHUT_WR)
            [answer] = bodies(everything(connection))
            assert (answer["path"], answer["body"]) == (f"/{text[:1].decode()}", text.decode())


def test_a_request_in_single_bytes(served: Served) -> None:
    raw = (
        b"POST /p HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n4\r\n you\r\n0\r\nT: v\r\n\r\n"
    )
    [answer] = bodies(served.say(*(raw[i : i + 1] for i in range(len(raw)))))
    assert (answer["path"], answer["body"]) == ("/p", "hi you")


@pytest.mark.parametrize(
    ("request_", "kept", "says"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True, b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False, b"connection: close"),
        (b"GET / HTTP/1.0\r\n\r\n", False, b"connection: close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, b"connection: keep-alive"),
    ],
)
def test_connections_are_kept_when_both_sides_say_so(served: Served, request_: bytes, kept: bool, says: bytes) -> None:
    with served.connect() as connection:
        connection.sendall(request_)
        raw = connection.recv(4096)
        assert statuses(raw) == [200]
        assert says in raw
        if kept:
            connection.sendall(request_)
            assert statuses(connection.recv(4096)) == [200]
        else:
            assert everything(connection) == b""


def test_head_has_no_body_and_the_length_that_get_has(served: Served) -> None:
    raw = served.say(b"HEAD /x HTTP/1.1\r\n" + HOST + b"\r\nGET /y HTTP/1.1\r\n" + HOST + b"\r\n")
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert b"content-length: " in head
    assert rest.startswith(b"HTTP/1.1 200")


def test_a_refused_method_is_told_with_those_that_are_not(served: Served) -> None:
    raw = served.say(b"GET /other HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b"\r\nallow: POST\r\n" in raw
    assert bodies(raw) == [{}]


def test_a_client_that_waits_for_continue_gets_it(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"POST /p HTTP/1.1\r\n" + HOST + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi")
        assert bodies(connection.recv(4096))[0]["body"] == "hi"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Expect: miracles\r\nContent-Length: 2\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n%b\r\n" % (b"x" * 500) * 3,
            413,
        ),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %b\r\n\r\n" % (b"9" * 5000), 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", 415),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", 415),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Type: text/csv; charset=latin-1\r\n\r\n", 415),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Type: application/json; charset=latin-1\r\n\r\n", 415),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Type: \xff\r\n\r\n", 415),
        (b"\x16\x03\x01\x02\x00", 400),
        (bytes(4000), 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000, 431),
        (b"GET /" + b"y" * 70_000, 431),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nT: " + b"y" * 700_000, 431),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(served: Served, request_: bytes, status: int) -> None:
    raw = served.say(request_)
    assert statuses(raw) == [status]
    assert b"connection: close" in raw
    assert served.echo.after_calls == 0
    eventually(lambda: not served.door.connections)
    assert served.door.held_bytes == 0


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: Application/JSON; Charset=UTF-8",
        b"Content-Type: application/cloudevents+json",
        b"Content-Type: application/x-www-form-urlencoded",
        b"Content-Type: text/plain",
        b"Content-Encoding: identity",
    ],
)
def test_what_may_be_json_is_taken(served: Served, header: bytes) -> None:
    raw = served.say(b"POST / HTTP/1.1\r\n" + HOST + header + b"\r\nContent-Length: 2\r\n\r\nhi")
    assert [body["body"] for body in bodies(raw)] == ["hi"]


def test_what_a_body_is_said_to_be_goes_with_it_and_not_with_the_next_one(served: Served) -> None:
    csv = b"POST /kind HTTP/1.1\r\n" + HOST + b"Content-Type: Text/CSV; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi"
    raw = served.say(csv + b"POST /kind HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi")
    assert (raw.count(b"\r\n\r\ncsv"), raw.count(b"\r\n\r\njson")) == (1, 1)


def test_half_a_body_is_no_request(served: Served) -> None:
    assert served.say(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nhi") == b""
    assert served.echo.after_calls == 0


def test_garbage_behind_a_request_does_not_touch_it(served: Served) -> None:
    raw = served.say(b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n", b"\x16\x03\x01\r\n\r\n", pause_s=0.05)
    assert statuses(raw) == [200, 400]
    assert served.echo.after_calls == 1


def test_a_refusal_can_be_read_by_a_client_that_still_sends(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 90000\r\n\r\n")
        for _ in range(9):
            connection.sendall(b"x" * 10_000)
            time.sleep(0.005)
        assert statuses(everything(connection)) == [413]


def test_an_offer_to_upgrade_is_answered_and_not_taken(served: Served) -> None:
    raw = served.say(b"GET /x HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert statuses(raw) == [200]


def test_nothing_is_read_behind_the_last_request(served: Served) -> None:
    one = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert statuses(served.say(one + one)) == [200]
    assert served.echo.after_calls == 1


@pytest.mark.parametrize("sent", [b"POST / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc"])
def test_a_slow_client_is_sent_away(hasty: Served, sent: bytes) -> None:
    with hasty.connect() as connection:
        connection.sendall(sent)
        assert statuses(everything(connection)) == [408]
    assert hasty.door.held_bytes == 0


def test_a_client_that_sends_a_byte_now_and_then_is_sent_away(hasty: Served) -> None:
    with hasty.connect() as connection:
        connection.settimeout(0.02)
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        answer = b""
        while not answer:
            try:
                answer = connection.recv(4096)
            except TimeoutError:
                connection.sendall(b"y")
        assert statuses(answer) == [408]


def test_too_many_connections_are_refused(served: Served) -> None:
    kept = [served.connect() for _ in range(LIMITS.connections)]
    for connection in kept:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert statuses(connection.recv(4096)) == [200]
    with served.connect() as extra:
        assert statuses(everything(extra)) == [503]
    for connection in kept:
        connection.close()
    eventually(lambda: not served.door.connections)
    assert statuses(served.say(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")) == [200]


def test_bodies_on_their_way_are_bounded_together(served: Served) -> None:
    half = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n" + b"x" * 900
    with served.connect() as first, served.connect() as second:
        first.sendall(half)
        eventually(lambda: served.door.held_bytes == 900)
        second.sendall(half)
        assert statuses(everything(second)) == [503]
        first.sendall(b"x" * 100)
        assert statuses(first.recv(4096)) == [200]
    assert served.door.held_bytes == 0


def test_a_client_that_does_not_read_stops_being_read(hasty: Served) -> None:
    ask = b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n"
    with hasty.connect() as connection:
        with suppress(ConnectionError):  # it is sent away while we ask on
            for _ in range(8):
                connection.sendall(ask)
                time.sleep(0.02)
        eventually(lambda: not hasty.door.connections)
        assert hasty.echo.after_calls < 8


def test_a_stop_closes_what_waits_and_answers_what_comes(served: Served) -> None:
    with served.connect() as waiting, served.connect() as sending:
        sending.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert statuses(sending.recv(100)) == [100]  # it has come
        eventually(lambda: len(served.door.connections) == 2)
        served.door.stopping = True
        assert everything(waiting) == b""
        sending.sendall(b"hi")
        raw = everything(sending)
        assert statuses(raw) == [200]
        assert b"connection: close" in raw


def test_a_request_that_a_browser_sent_for_another_site_is_known(served: Served) -> None:
    """By each request's own headers, also where several come over one connection."""
    here, there = b"Host: localhost:1\r\n", b"Host: rebound.example.org\r\n"
    origin = b"Origin: https://example.org\r\n"
    sent = b"".join(b"GET /whose HTTP/1.1\r\n%b\r\n" % headers for headers in (here, there, here + origin, here))
    with socket.create_connection(served.address) as client:
        client.sendall(sent + b"GET /end HTTP/1.1\r\nConnection: close\r\n" + here + b"\r\n")
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert re.findall(rb"\r\n\r\n(ours|foreign)", received) == [b"ours", b"foreign", b"foreign", b"ours"]
