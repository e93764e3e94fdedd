"""The client of an endpoint: what it says, what it hears, and that silence and refusal are two things."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from clew.core.errors import Invalid, Unavailable
from clew.demo.caller import Caller, Serving


class Endpoint(BaseHTTPRequestHandler):
    """Answers as an endpoint does, and remembers what it was told; `/predict` with no rows is refused."""

    protocol_version = "HTTP/1.1"
    heard: list[tuple[str, Any]]
    connections: set[int]

    def do_GET(self) -> None:
        self._answer(200, {"endpoint": "delay", "model": "delay", "version": 2, "shadows": [3, 1]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.heard.append((self.path, body))
        self.connections.add(self.client_address[1])
        if self.path == "/predict" and not body["rows"]:
            self._answer(400, {"error": "0 rows in one request"})
        elif self.path == "/predict":
            self._answer(200, {"version": 2, "predictions": [{"decision": True, "id": "0"}] * len(body["rows"])})
        else:
            self._answer(200, {"accepted": len(body["labels"])})

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def endpoint() -> Iterator[HTTPServer]:
    Endpoint.heard, Endpoint.connections = [], set()
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def caller(endpoint: HTTPServer) -> Iterator[Caller]:
    found = Caller(f"http://127.0.0.1:{endpoint.server_port}")
    yield found
    found.close()


def test_decisions_labels_and_versions_over_one_connection(caller: Caller) -> None:
    answered = caller.ask(b'{"rows": [{}, {}]}')
    assert (answered.version, answered.decisions) == (2, [True, True])
    assert answered.took_ms > 0
    caller.tell([("UA-1", True), ("UA-2", False)], at_us=1_360_540_800_000_000)
    assert Endpoint.heard[-1] == (
        "/labels",
        {
            "labels": [{"key": "UA-1", "label": True}, {"key": "UA-2", "label": False}],
            "time": "2013-02-11T00:00:00Z",
        },
    )
    assert caller.serving() == Serving("delay", "delay", 2, [3, 1])
    assert len(Endpoint.connections) == 1


def test_a_refusal_is_passed_on_in_the_words_of_the_endpoint(caller: Caller) -> None:
    with pytest.raises(Invalid, match=r"status 400.*0 rows in one request"):
        caller.ask(b'{"rows": []}')
    assert caller.ask(b'{"rows": [{}]}').decisions == [True], "the connection still works"


def test_silence_is_unavailable(endpoint: HTTPServer) -> None:
    caller = Caller("http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="does not answer"):
        caller.ask(b"{}")
