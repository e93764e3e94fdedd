"""One replica as a real process, asked while its model is replaced and while it is stopped."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from clew.serving.compaction import journal_folder
from clew.serving.journal import read_frames, segments
from clew.serving.keys import add_key
from clew.serving.records import DecisionRecord, decode
from clew.testing.life import Life

ROW = json.dumps({"rows": [{"hour": 5, "wind": 0.5}]})


PATIENT = ["-c", """
import sys
from functools import partial
from clew.cli.main import main
from clew.serving import server
from clew.serving.http import Limits
server.run = partial(server.run, limits=Limits(linger_s=60.0))
sys.exit(main(sys.argv[1:]))
"""]  # fmt: skip
"""A clew that waits for a minute, at its end, for what has begun to come."""

_PATIENCE_S = 60.0


@contextmanager
def replica(
    life: Life, *words: str, alias: str = "champion", clew: Sequence[str] = ("-m", "clew")
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves a model, and its address."""
    command = [sys.executable, *clew, "serve", f"delay@{alias}", "--name", "late", "--port", "0", "--json"]
    process = subprocess.Popen([*command, *words], cwd=life.workspace.root, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, urlsplit(json.loads(process.stdout.readline())["url"]).netloc
    finally:
        process.kill()
        process.communicate()


class Client(threading.Thread):
    """Asks without a pause until told to stop; `failures` has whatever was no decision."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self._connection = http.client.HTTPConnection(place, timeout=_PATIENCE_S)
        self.ids: list[str] = []
        self.versions: list[int] = []
        self.failures: list[Any] = []
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            try:
                status, answer = ask(self._connection)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(error)
                return
            if status != 200:
                self.failures.append(answer)
                return
            self.ids.append(answer["predictions"][0]["id"])
            self.versions.append(answer["version"])

    def until(self, version: int) -> None:
        """Wait until this version answers."""
        end = time.monotonic() + _PATIENCE_S
        while not self.versions or self.versions[-1] != version:
            assert time.monotonic() < end, self.failures
            time.sleep(0.005)

    def finish(self) -> None:
        self.stopped = True
        self.join()
        self._connection.close()


def ask(connection: http.client.HTTPConnection, path: str = "/predict", key: str = "") -> tuple[int, Any]:
    connection.request("POST", path, ROW, {"Authorization": f"Bearer {key}"} if key else {})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def logged(life: Life) -> set[str]:
    root = journal_folder(life.stores, life.endpoint.id)
    payloads = [payload for path in segments(root / "replica-1") for payload, _ in read_frames(path)]
    return {record.first_id for record in map(decode, payloads) if isinstance(record, DecisionRecord)}


def test_no_request_fails_while_versions_change_and_every_one_is_logged(life: Life) -> None:
    life.workspace.promote("delay@1", "live")  # a name without a gate
    with replica(life, alias="live") as (process, place):
        clients = [Client(place) for _ in range(3)]
        for client in clients:
            client.start()
        clients[0].until(1)
        for version in (2, 1, 2):
            life.workspace.promote(f"delay@{version}", "live")
            clients[0].until(version)
        life.workspace.aliases.rollback("delay", "live")
        clients[0].until(1)
        for client in clients:
            client.finish()
        assert [client.failures for client in clients] == [[], [], []]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=_PATIENCE_S) == 0
    answered = [each for client in clients for each in client.ids]
    assert len(answered) == len(set(answered))
    assert set(answered) == logged(life)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replica_that_is_told_to_stop_answers_what_it_has_and_ends_well(life: Life, number: signal.Signals) -> None:
    with replica(life) as (process, place):
        clients = [Client(place) for _ in range(2)]
        for client in clients:
            client.start()
        clients[0].until(1)
        process.send_signal(number)
        assert process.wait(timeout=_PATIENCE_S) == 0
        for client in clients:
            client.finish()
    answered = {each for client in clients for each in client.ids}
    assert answered <= logged(life)
    assert not list(journal_folder(life.stores, life.endpoint.id).glob("*/address.json"))


def test_beyond_loopback_a_replica_answers_those_who_have_a_key(life: Life) -> None:
    secret = add_key(life.stores, "late", "ann")
    with replica(life, "--host", "0.0.0.0") as (_, place):
        connection = http.client.HTTPConnection("127.0.0.1", int(place.rpartition(":")[2]), timeout=_PATIENCE_S)
        assert ask(connection, key=secret)[0] == 200
        assert ask(connection, path="/v2/models/delay/infer", key=secret)[0] == 400
        for path in ("/predict", "/v2/models/delay/infer"):
            for wrong in ("", "wrong"):
                status, answer = ask(connection, path, wrong)
                assert (status, answer["code"]) == (401, "unauthorized")
        connection.close()


def test_a_client_that_is_in_the_middle_of_a_request_gets_its_answer(life: Life) -> None:
    with replica(life, clew=PATIENT) as (process, place):
        connection = http.client.HTTPConnection(place, timeout=_PATIENCE_S)
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Length", str(len(ROW)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 ")
        process.send_signal(signal.SIGTERM)
        wait_until_nobody_listens(place)
        connection.send(ROW.encode())
        response = connection.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        assert process.wait(timeout=_PATIENCE_S) == 0


def wait_until_nobody_listens(place: str) -> None:
    host, _, port = place.partition(":")
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionError:
            return
        time.sleep(0.005)
    pytest.fail("it goes on")


def test_a_killed_replica_has_logged_whatever_it_answered(life: Life) -> None:
    with replica(life) as (process, place):
        clients = [Client(place) for _ in range(2)]
        for client in clients:
            client.start()
        clients[0].until(1)
        time.sleep(0.2)
        process.kill()
        process.wait()
        for client in clients:
            client.finish()
    assert {each for client in clients for each in client.ids} <= logged(life)
