"""Two servers on one PostgreSQL, as processes: what one of them was told holds at the other at once."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from clew.client import upload as uploading
from clew.client.accounts import HttpAccounts
from clew.client.connection import Connection
from clew.client.objects import HttpObjects
from clew.client.runs import HttpRuns
from clew.core.errors import Denied
from clew.core.types.account import ProjectRole
from clew.core.types.run import RunStatus
from clew.core.types.series import SeriesBlock
from clew.testing.runs import a_run
from clew.tracking.series import Points, block_of
from clew.workspace import init_project

TRAININGS, BATCHES = 8, 12
PIECE = 1 << 16


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, str]]:
    """The address of `clew server`, and the token of its admin where it made one."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = [sys.executable, "-m", "clew", "server", "--port", str(port), "--json"]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        yield told["url"], told["token"]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture
def two(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Connection]]:
    """Connections of the admin to each of two servers."""
    monkeypatch.setenv("CLEW_LEDGER", postgres_url)
    init_project(tmp_path, name="late", environ=os.environ)
    with server(tmp_path) as (one, token), server(tmp_path) as (other, none):
        assert token
        assert not none
        connections = [Connection(url, "late", token) for url in (one, other)]
        yield connections
        for connection in connections:
            connection.close()


def series(connection: Connection, run: str) -> Iterator[int]:
    """How many points a run has, whenever its stream says so, until that ends."""
    at = urlsplit(connection.url)
    listening = http.client.HTTPConnection(at.hostname or "", at.port, timeout=20)
    with closing(listening):
        listening.request("GET", f"/api/v1/projects/late/runs/{run}/stream", headers=connection._headers())
        response = listening.getresponse()
        assert response.status == 200
        kind = ""
        for line in response:
            name, _, value = line.decode().strip().partition(": ")
            kind = value if name == "event" else kind
            if name == "data" and kind == "series":
                yield next(each["count"] for each in json.loads(value) if each["key"] == "loss")


def a_point(run: str, at: int, key: str = "loss") -> SeriesBlock:
    """A block of one point, at a step."""
    points = Points(np.array([at]), np.array([at * 1000]), np.array([at / 2]))
    return block_of(run, key, f"j:{at}-{at}", points)


def train(two: list[Connection], number: int) -> str:
    """A run whose batches go to either server, some of them to both at once."""
    draw, runs = random.Random(number), [HttpRuns(connection) for connection in two]
    run = draw.choice(runs).create(a_run(f"01a0{number:028x}"), experiment="e").id
    with ThreadPoolExecutor(2) as pool:
        for batch in range(BATCHES):
            blocks = [a_point(run, batch, key) for key in ("loss", "acc")]
            chosen = runs if draw.random() < 0.3 else [draw.choice(runs)]
            for sent in [pool.submit(each.append, blocks) for each in chosen]:
                sent.result()
    return run


def test_what_one_server_was_told_holds_at_the_other(two: list[Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (HttpRuns(connection) for connection in two)

    # no point is lost or doubled, whichever server it went to
    with ThreadPoolExecutor(TRAININGS) as pool:
        trained = list(pool.map(lambda number: train(two, number), range(TRAININGS)))
    sources = [f"j:{batch}-{batch}" for batch in range(BATCHES)]
    for run in trained:
        for key in ("loss", "acc"):
            assert [block.source for block in there.blocks(run, key)] == sources
    assert {one.count for one in here.summaries(trained)} == {BATCHES}

    # who listens at one hears what is logged at the other, to the end of the run
    with closing(series(two[1], trained[0])) as counts:
        assert next(counts) == BATCHES
        here.append([a_point(trained[0], 99)])
        assert next(counts) == BATCHES + 1
        here.finish(trained[0], RunStatus.FINISHED, ended_us=9)
        assert list(counts) == []

    # a large file that came in pieces to one is read at the other
    monkeypatch.setattr(uploading, "_PIECE_BYTES", PIECE)
    monkeypatch.setattr("clew.client.objects._WHOLE_BYTES", PIECE)
    data = os.urandom(4 * PIECE + 7)
    sent = HttpObjects(two[0]).put(data)
    assert HttpObjects(two[1]).get(sent) == data

    # a token that is revoked at one is refused by the other, and so is what a role does not allow
    accounts = HttpAccounts(two[0].to_server(), "late")
    accounts.add_user("ann")
    accounts.put_member("ann", ProjectRole.CONTRIBUTOR)
    secret = accounts.add_token("ann", "laptop")
    ann = Connection(two[1].url, "late", secret.secret)
    HttpRuns(ann).append([a_point(trained[1], 100)])
    accounts.put_member("ann", ProjectRole.VIEWER)
    with pytest.raises(Denied, match="viewer"):
        HttpRuns(ann).append([a_point(trained[1], 101)])
    accounts.revoke_token("ann", secret.id)
    with pytest.raises(Denied, match="does not know this token"):
        HttpRuns(ann).get(trained[1])
    ann.close()
