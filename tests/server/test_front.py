"""What happens around every request: ids, compression both ways, validators, counts, and patience with bad bodies."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import zstandard

from clew.core.types.account import ProjectRole
from clew.core.types.run import Run
from clew.server.coding import coding_for, packed_body
from clew.server.counts import Counts, forget_counts
from clew.server.doorkeeper import Doorkeeper
from clew.server.front import front
from clew.testing.runs import a_run

_CUT = gzip.compress(b"{}", mtime=0)[:-4]
API = "/api/v1/projects/late"


def ask(
    served: Any, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    at = urlsplit(served.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    found = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    connection.close()
    return found


def many_runs(served: Any, count: int = 30) -> None:
    from clew.tracking.runs import LedgerRuns

    for number in range(count):
        run: Run = a_run(f"01a0{number:028x}")
        LedgerRuns(served.stores).create(run, experiment="e")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_answers_are_compressed_and_validated(serve: Callable[..., Any], coding: str) -> None:
    served = serve(open=True)
    many_runs(served)
    plain = ask(served, "GET", f"{API}/runs")
    status, headers, body = ask(served, "GET", f"{API}/runs", accept_encoding=coding)
    assert (status, headers["content-encoding"]) == (200, coding)
    unpacked = (
        gzip.decompress(body) if coding == "gzip" else zstandard.ZstdDecompressor().decompressobj().decompress(body)
    )
    assert unpacked == plain[2]
    assert len(body) < len(plain[2]) / 3
    again = ask(served, "GET", f"{API}/runs", if_none_match=headers["etag"])
    assert (again[0], again[2]) == (304, b"")
    assert ask(served, "GET", f"{API}/runs", if_none_match='W/"else"')[0] == 200


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_bodies_may_be_compressed(serve: Callable[..., Any], pack: Callable[[bytes], bytes]) -> None:
    served = serve(open=True)
    coding = "gzip" if pack is gzip.compress else "zstd"
    body = pack(json.dumps({"digests": ["0" * 64] * 100}).encode())
    status, _, said = ask(
        served, "POST", f"{API}/objects/missing", body, content_type="application/json", content_encoding=coding
    )
    assert status == 200, said
    assert json.loads(said) == {"digests": ["0" * 64]}


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_bomb_is_refused_before_it_takes_memory(serve: Callable[..., Any], coding: str) -> None:
    served = serve(open=True)
    zeros = b"\0" * (256 << 20)
    body = gzip.compress(zeros, 9) if coding == "gzip" else zstandard.ZstdCompressor().compress(zeros)
    del zeros
    for method, path in (("POST", "/objects"), ("POST", "/runs"), ("PUT", f"/objects/{'a' * 64}")):
        status, _, said = ask(served, method, f"{API}{path}", body, content_encoding=coding)
        assert status == 413, (path, said)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", b"nonsense", 400),
        ("zstd", b"nonsense", 400),
        ("br", b"", 415),
        ("gzip", _CUT, 400),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_the_callers_mistake(
    serve: Callable[..., Any], coding: str, body: bytes, status: int
) -> None:
    found = ask(serve(open=True), "POST", f"{API}/runs", body, content_type="application/json", content_encoding=coding)
    assert found[0] == status, found


def test_a_body_that_is_too_large_is_refused(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    assert ask(served, "POST", f"{API}/runs", b" " * (11 << 20), content_type="application/json")[0] == 413


def test_every_answer_has_an_id(serve: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    served = serve()
    token = served.token("ann", ProjectRole.VIEWER)
    with caplog.at_level(logging.INFO, "clew.access"):
        _, headers, _ = ask(served, "GET", f"{API}/runs", authorization=f"Bearer {token}", x_request_id="from-a-proxy")
        assert headers["x-request-id"] == "from-a-proxy"
        _, headers, _ = ask(served, "GET", "/nowhere%0aforged", x_request_id="no good")
        assert len(headers["x-request-id"]) == 16
        until = time.monotonic() + 60  # a line is written behind its answer
        while not (lines := [each for each in caplog.messages if "forged" in each]) and time.monotonic() < until:
            time.sleep(0.01)
    [first] = [each for each in caplog.messages if each.endswith(" from-a-proxy")]
    [second] = lines
    assert " ann GET /api/v1/projects/late/runs 200 " in first
    assert token not in first
    assert "\\n" in second
    assert "\n" not in second


def test_requests_are_counted_by_route(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    ask(served, "GET", f"{API}/runs/01a0")
    ask(served, "GET", f"{API}/runs/01a1")
    text = ask(served, "GET", "/metrics")[2].decode()
    line = 'clew_server_requests_total{method="GET",route="/api/v1/projects/{project}/runs/{run}",status="404"} 2'
    assert line in text.splitlines()


def test_requests_of_mlflows_clients_are_counted_by_route(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    path = "/api/2.0/mlflow/experiments/get"
    assert ask(served, "GET", f"{path}?experiment_id=0")[0] == 200
    counted = ask(served, "GET", "/metrics")[2].decode().splitlines()
    assert any(f'method="GET",route="{path}",status="200"' in line for line in counted)


def test_methods_that_callers_make_up_do_not_fill_the_memory(tmp_path: Path) -> None:
    counts = Counts(tmp_path)

    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 405, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask_oddly() -> None:
        async def send(message: Any) -> None: ...

        for number in range(100):
            scope = {"type": "http", "method": f"X{number}", "path": "/", "headers": []}
            await front(nothing, lambda: counts)(scope, send, send)

    asyncio.run(ask_oddly())
    assert 'clew_server_requests_total{method="other",route="unknown",status="405"} 100' in counts.text()


@pytest.mark.parametrize("size_bytes", [10_000, 2 << 20])
def test_large_answers_are_compressed_beside_the_loop(
    tmp_path: Path, size_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    sent: list[Any] = []

    def packed(body: bytes, coding: str) -> bytes:
        threads.append(threading.current_thread())
        return packed_body(body, coding)

    async def tell(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"x" * size_bytes})

    async def ask_for_it() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"accept-encoding", b"gzip")]}
        await front(tell, lambda: Counts(tmp_path))(scope, send, send)

    monkeypatch.setattr("clew.server.front.packed_body", packed)
    asyncio.run(ask_for_it())
    assert gzip.decompress(sent[1]["body"]) == b"x" * size_bytes
    assert [thread is threading.main_thread() for thread in threads] == [size_bytes < 1 << 20]


def test_counts_are_read_while_they_grow(tmp_path: Path) -> None:
    counts, before = Counts(tmp_path), sys.getswitchinterval()

    def grow() -> None:
        for number in range(3000):
            counts.observe("GET", f"/{number}", 200, 0.001)

    growing = threading.Thread(target=grow)
    sys.setswitchinterval(1e-6)
    try:
        growing.start()
        while growing.is_alive():
            counts.text()
    finally:
        sys.setswitchinterval(before)
        growing.join()
    assert counts.text().count("clew_server_requests_total{") == 3000


def test_metrics_need_a_token(serve: Callable[..., Any]) -> None:
    served = serve()
    assert ask(served, "GET", "/metrics")[0] == 401
    assert ask(served, "GET", "/metrics", authorization=f"Bearer {served.token('prometheus')}")[0] == 200


def test_counts_of_all_processes_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid in (1, 2, 3):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        counts = Counts(tmp_path)
        counts.observe("GET", "/a", 200, 0.002)
        counts.write()
    assert 'clew_server_requests_total{method="GET",route="/a",status="200"} 3' in counts.text()
    assert 'clew_server_seconds_bucket{method="GET",route="/a",le="0.0025"} 3' in counts.text()
    monkeypatch.setattr("os.getpid", os.getppid)
    forget_counts(tmp_path)
    monkeypatch.setattr("os.getpid", lambda: 3)
    assert 'status="200"} 1' in counts.text()


def test_codings_are_chosen_by_what_is_accepted() -> None:
    assert coding_for("gzip, deflate, br, zstd") == "zstd"
    assert coding_for("gzip;q=0.5") == "gzip"
    assert coding_for("gzip;q=0, zstd; q=0.0") == ""
    assert coding_for("") == ""


def test_who_tries_tokens_has_to_wait(serve: Callable[..., Any]) -> None:
    served = serve()
    token = served.token("ann", ProjectRole.VIEWER)
    assert ask(served, "GET", f"{API}/runs", authorization=f"Bearer {token}")[0] == 200
    statuses = [ask(served, "GET", f"{API}/runs", authorization=f"Bearer clew_{n}")[0] for n in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    assert int(ask(served, "GET", f"{API}/runs", authorization="Bearer clew_x")[1]["retry-after"]) <= 60
    assert ask(served, "GET", f"{API}/runs", authorization=f"Bearer {token}")[0] == 200
    with served.host.ledger.read() as tx:
        [told] = tx.events.list("p", kind="access.refused").items
    assert told.facts == {"address": "127.0.0.1"}


def test_a_window_ends() -> None:
    now = [0.0]
    keeper = Doorkeeper(tries=2, window_s=10, now=lambda: now[0])
    assert [keeper.refused("a"), keeper.refused("a")] == [True, False]
    assert keeper.waits_s("a", "x") == 10
    assert keeper.waits_s("b", "x") == 0
    keeper.good("x")
    assert keeper.waits_s("a", "x") == 0
    now[0] = 10.0
    assert keeper.waits_s("a", "y") == 0
    assert keeper.refused("a")


def test_a_server_without_tokens_answers_no_other_site(serve: Callable[..., Any]) -> None:
    origins = ("https://example.org", "http://localhost:3000", "null")
    foreign = ({"host": "rebound.example.org"}, *({"origin": origin} for origin in origins))
    for number, headers in enumerate(foreign):
        served = serve(open=True)
        status, _, body = ask(served, "GET", f"{API}/runs", **headers)
        assert (status, b"no page but its own" in body) == (403, True)
        assert ask(served, "GET", f"{API}/runs", origin=served.url)[0] == 200
        closed = serve()
        token = closed.token(f"ann{number}", ProjectRole.VIEWER)
        assert ask(closed, "GET", f"{API}/runs", authorization=f"Bearer {token}", **headers)[0] == 200
