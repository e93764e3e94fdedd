"""A connection whose answers are lost or not read to their end: nothing is done twice."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from clew.client.models import HttpAliases
from clew.client.objects import HttpObjects
from clew.client.project import HttpProject
from clew.core.clock import SystemClock
from clew.core.errors import Conflict, Unavailable
from clew.core.ids import Ids
from clew.testing.services import a_package


def test_a_rollback_whose_answer_was_lost_goes_back_once(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(open=True)
    clock = SystemClock()
    project = HttpProject(served.connection(), clock=clock, ids=Ids(clock), actor="ann", folder=served.stores.folder)
    for seed in (1, 2, 3):
        project.models.register("delay", a_package(project, seed))
        project.aliases.promote(f"delay@{seed}", "mine")
    real = http.client.HTTPConnection.getresponse
    posts: list[str] = []

    def lost(self: Any) -> http.client.HTTPResponse:
        answer = real(self)
        if self.sent == "POST":
            posts.append(self.sent)
            if len(posts) == 1:
                raise http.client.RemoteDisconnected("a worker of the server died behind its transaction")
        return answer

    send = http.client.HTTPConnection.request

    def request(self: Any, method: str, *given: Any, **named: Any) -> None:
        self.sent = method
        send(self, method, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(http.client.HTTPConnection, "getresponse", lost)
        patched.setattr(http.client.HTTPConnection, "request", request)
        with pytest.raises(Conflict):
            HttpAliases(project.connection, project.objects).rollback("delay", "mine")
    assert len(posts) == 2
    assert [move.number for move in project.aliases.moves("delay", "mine")] == [1, 2, 3, 2]


class Full(BytesIO):
    """A file on a full disk."""

    def write(self, _: Any) -> int:
        raise OSError("no space left")


def test_what_was_not_read_to_its_end_is_not_in_the_way(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(open=True)
    objects = HttpObjects(served.connection())
    digest = objects.put(bytes(5 << 20))
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryFile", Full)
        with pytest.raises(OSError, match="no space"):
            objects.open(digest)
    asked: list[str] = []
    real = http.client.HTTPConnection.request
    monkeypatch.setattr(
        http.client.HTTPConnection,
        "request",
        lambda self, *given, **named: (asked.append(given[0]), real(self, *given, **named)),
    )
    assert objects.size(digest) == 5 << 20
    assert asked == ["HEAD"]  # once, not once more on another connection


def test_a_slow_server_is_not_asked_twice(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    objects = HttpObjects(serve(open=True).connection())
    digest = objects.put(b"x")
    asked: list[str] = []

    def slow(_: Any) -> None:
        asked.append("once")
        raise TimeoutError("timed out")

    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", slow)
    with pytest.raises(Unavailable, match="timed out"):
        objects.size(digest)
    assert asked == ["once"]
