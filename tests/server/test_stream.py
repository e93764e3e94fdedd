"""Events and runs as they come: in order, without gaps, again from where a listener was cut off."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from clew.audit.seal import seal
from clew.core.types.run import RunStatus
from clew.testing.runs import ONE, a_block, a_run
from clew.tracking.runs import LedgerRuns

API = "/api/v1/projects/late"


def add_run(served: Any, number: int) -> None:
    LedgerRuns(served.stores).create(a_run(f"01a0{number:028x}"), experiment="e")


@contextmanager
def listening(served: Any, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    at = urlsplit(served.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=20)
    connection.request("GET", f"{API}{path}", headers={name.replace("_", "-"): v for name, v in headers.items()})
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers.get_content_type() == "text/event-stream"
    yield response
    connection.close()


def take(response: http.client.HTTPResponse, count: int) -> list[dict[str, str]]:
    """Some messages of a stream."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    while len(found) < count:
        line = response.readline().decode().rstrip("\n")
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif line == "":
            found += [fields] if "data" in fields else []
            fields = {}
    return found


def test_a_listener_gets_what_was_and_what_comes(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    for number in range(3):
        add_run(served, number)
    with listening(served, "/events/stream") as response:
        first = take(response, 3)
        add_run(served, 3)
        first += take(response, 1)
    assert [message["id"] for message in first] == ["1", "2", "3", "4"]
    assert {message["event"] for message in first} == {"run.created"}
    assert [json.loads(message["data"])["subject"][-1] for message in first] == ["0", "1", "2", "3"]


def test_a_listener_that_was_cut_off_goes_on(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    for number in range(5):
        add_run(served, number)
    seal(served.stores)
    with listening(served, "/events/stream?after=1", last_event_id="3") as response:
        assert [message["id"] for message in take(response, 2)] == ["4", "5"]
    with listening(served, "/events/stream?after=4") as response:
        assert [message["id"] for message in take(response, 1)] == ["5"]


def test_many_listeners_hear_the_same(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    count, writers = 60, 3
    heard: list[list[int]] = []

    def listen() -> None:
        with listening(served, "/events/stream") as response:
            heard.append([int(message["id"]) for message in take(response, count)])

    def write(first: int) -> None:
        for number in range(first, count, writers):
            add_run(served, number)

    threads = [threading.Thread(target=listen) for _ in range(8)]
    threads += [threading.Thread(target=write, args=(first,)) for first in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert heard == [list(range(1, count + 1))] * 8


@pytest.mark.parametrize("position", ["-1", "x", "99999999999999999999"])
def test_what_is_no_position_is_refused(serve: Callable[..., Any], position: str) -> None:
    served = serve(open=True)
    at = urlsplit(served.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port)
    connection.request("GET", f"{API}/events/stream?after={position}")
    assert connection.getresponse().status == 400
    connection.close()


def test_a_run_is_seen_as_it_goes_on(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    runs = LedgerRuns(served.stores)
    run = runs.create(a_run(), experiment="e")
    runs.append([a_block("one", last=0.5)])
    with listening(served, f"/runs/{run.name}/stream") as response:
        series, began = take(response, 2)
        assert json.loads(series["data"])[0]["last"] == 0.5
        assert json.loads(began["data"])["status"] == "running"
        runs.append([a_block("two", last=0.25, step=1.0)])
        assert [each["count"] for each in json.loads(take(response, 1)[0]["data"])] == [2]
        runs.finish(ONE, RunStatus.FINISHED, ended_us=9)
        assert json.loads(take(response, 1)[0]["data"])["status"] == "finished"
        assert response.read() == b""
