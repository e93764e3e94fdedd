"""A connection whose answers are lost or not read to their end: nothing is done twice."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from clew.client.accounts import HttpAccounts
from clew.client.connection import Connection
from clew.client.models import HttpAliases
from clew.client.objects import HttpObjects
from clew.client.project import HttpProject
from clew.client.runs import HttpRuns
from clew.client.upload import upload
from clew.core.clock import SystemClock
from clew.core.errors import Conflict, Invalid, Unavailable
from clew.core.hashing import hash_bytes
from clew.core.ids import Ids
from clew.core.types.account import ProjectRole
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


@contextmanager
def answering(*answers: bytes) -> Iterator[Connection]:
    """Somebody who gives these answers one after the other, the last one again and again, and hangs up each time."""
    left = list(answers)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 20)
                    connection.sendall(left.pop(0) if len(left) > 1 else left[0])

        threading.Thread(target=answer, daemon=True).start()
        connection = Connection(f"http://127.0.0.1:{listener.getsockname()[1]}", "late")
        yield connection
        connection.close()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_an_answer_that_is_cut_off_is_a_server_that_is_gone(status: str) -> None:
    cut = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{{".encode()
    with answering(cut) as connection, pytest.raises(Unavailable, match="cannot be reached"):
        connection.get("/runs", object)


def said(text: bytes, media_type: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
    return head % (media_type, len(text)) + text


PAGE = said(b"<p/>", b"text/html")


def test_a_page_is_no_answer_to_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.client.upload._TRIES", 1)
    nothing = said(b'{"offset": 0}')
    with answering(nothing, PAGE) as connection, pytest.raises(Unavailable, match="something else"):
        upload(connection, hash_bytes(b"x"), [b"x"])


def test_a_page_does_not_say_that_an_object_is_stored(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    lacks = said(b'{"digests": ["%s"]}' % hash_bytes(b"x").encode())
    for send in (lambda to: to.put(b"x"), lambda to: to.put_file(tmp_path / "x")):
        with answering(lacks, PAGE) as connection, pytest.raises(Unavailable, match="nothing was to be said"):
            send(HttpObjects(connection))


@pytest.mark.parametrize(
    "ask",
    [
        lambda to: HttpRuns(to).get(""),
        lambda to: HttpAccounts(to, "late").disable_user(""),
        lambda to: HttpAccounts(to, "late").enable_user(""),
        lambda to: HttpAccounts(to, "late").revoke_token("ann", ""),
        lambda to: HttpAccounts(to, "late").put_member("", ProjectRole.VIEWER),
        lambda to: HttpAccounts(to, "late").remove_member(""),
    ],
)
def test_an_empty_name_asks_for_nothing_else(ask: Callable[[Connection], object]) -> None:
    with answering(said(b"null")) as connection, pytest.raises(Invalid, match="names nothing"):
        ask(connection)
