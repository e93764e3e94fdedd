"""Large objects come in pieces, and go on where they were cut off: by the network, or by a server that starts anew."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from clew.client import upload as uploading
from clew.client.connection import Connection
from clew.client.objects import HttpObjects
from clew.core.errors import Conflict, Invalid, NotFound, Unavailable
from clew.core.hashing import hash_bytes
from clew.server import uploads
from clew.store.objects.local import LocalObjects
from clew.workspace import init_project

PIECE = 1 << 16


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "_PIECE_BYTES", PIECE)
    monkeypatch.setattr(uploading, "_WAIT_S", 0.01)
    monkeypatch.setattr("clew.client.objects._WHOLE_BYTES", PIECE)


def test_a_large_file_comes_in_pieces(serve: Callable[..., Any], tmp_path: Path) -> None:
    served = serve(open=True)
    data = os.urandom(5 * PIECE + 7)
    (tmp_path / "large").write_bytes(data)
    objects = HttpObjects(served.connection())
    digest = objects.put_file(tmp_path / "large")
    assert objects.get(digest) == data
    assert list((served.host.folder / "uploads" / "p").iterdir()) == []
    assert objects.put_file(tmp_path / "large") == digest


def test_what_is_there_is_not_sent_again(serve: Callable[..., Any]) -> None:
    connection = serve(open=True).connection()
    data = os.urandom(4 * PIECE)
    digest, path = hash_bytes(data), f"/uploads/{hash_bytes(data)}"
    connection.request("PUT", path, data[: 2 * PIECE + 5], query={"offset": "0"})
    sent: list[int] = []
    request = connection.request

    def watched(method: str, path: str, body: Any = None, *args: Any, **more: Any) -> Any:
        if method == "PUT":
            sent.append(len(body))
        return request(method, path, body, *args, **more)

    connection.request = watched  # type: ignore[method-assign]
    uploading.upload(connection, digest, [data])
    assert sum(sent) == 2 * PIECE - 5
    assert HttpObjects(connection).get(digest) == data


def test_pieces_fit_together_or_are_refused(serve: Callable[..., Any]) -> None:
    connection = serve(open=True).connection()
    path = f"/uploads/{'a' * 64}"
    connection.request("PUT", path, b"12345", query={"offset": "0"})
    for offset in ("0", "6"):
        with pytest.raises(Conflict, match="5 bytes are there"):
            connection.request("PUT", path, b"x", query={"offset": offset})
    with pytest.raises(Invalid, match="not aaa"):
        connection.send("POST", f"{path}/end", {}, uploads.Upload)
    assert connection.get(path, uploads.Upload).offset == 0
    with pytest.raises(NotFound):
        connection.send("POST", f"{path}/end", {}, uploads.Upload)
    with pytest.raises((Invalid, NotFound)):
        connection.get("/uploads/..%2fetc", uploads.Upload)


def test_an_answer_that_was_lost_costs_nothing(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    connection = serve(open=True).connection()
    data = os.urandom(4 * PIECE)
    request, calls = connection.request, [0]

    def unsure(method: str, path: str, *args: Any, **more: Any) -> Any:
        answer = request(method, path, *args, **more)
        calls[0] += 1
        if method == "PUT" and calls[0] % 2:
            raise Unavailable("the connection broke before the answer came")
        return answer

    connection.request = unsure  # type: ignore[method-assign]
    uploading.upload(connection, hash_bytes(data), [data])
    assert HttpObjects(connection).get(hash_bytes(data)) == data


def test_old_pieces_are_forgotten(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    connection = served.connection()
    connection.request("PUT", f"/uploads/{'a' * 64}", b"old", query={"offset": "0"})
    file = served.host.folder / "uploads" / "p" / ("a" * 64)
    os.utime(file, (1, 1))
    connection.request("PUT", f"/uploads/{'b' * 64}", b"new", query={"offset": "0"})
    assert not file.exists()


def test_what_mlflows_clients_left_stands_in_nobodys_way(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    folder = served.host.folder / "uploads" / "p" / ("0" * 32)
    folder.mkdir(parents=True)
    (folder / "1.part").write_bytes(b"old")
    os.utime(folder, (1, 1))
    served.connection().request("PUT", f"/uploads/{'b' * 64}", b"new", query={"offset": "0"})
    assert not folder.exists()


def test_a_disk_that_refuses_is_no_defect(serve: Callable[..., Any]) -> None:
    served = serve(open=True)
    connection = served.connection()
    (served.host.folder / "uploads").write_bytes(b"no folder")
    with pytest.raises(Unavailable, match="could not keep a piece of an upload"):
        connection.request("PUT", f"/uploads/{'a' * 64}", b"x", query={"offset": "0"})
    with pytest.raises(Unavailable, match="could not keep what is received"):
        connection.request("PUT", f"/objects/{'a' * 64}", b"x" * (2 << 20))


def test_what_is_received_lies_where_it_is_to_stay(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """`/tmp` may be memory, and another disk costs another copy."""
    served = serve(open=True)
    put, files = LocalObjects.put_file, []

    def put_file(objects: LocalObjects, path: Path) -> Any:
        files.append(path)
        return put(objects, path)

    monkeypatch.setattr(LocalObjects, "put_file", put_file)
    data = os.urandom(2 << 20)
    served.connection().request("PUT", f"/objects/{hash_bytes(data)}", data)
    assert [path.parent for path in files] == [served.host.folder / "uploads" / "p"]
    assert not files[0].exists()


def test_an_object_that_ends_too_early_ends_the_answer(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(open=True)
    digest = HttpObjects(served.connection()).put(b"some bytes")
    monkeypatch.setattr(LocalObjects, "size", lambda *_: 99)
    url = f"{served.url}/api/v1/projects/late/objects/{digest}"
    with pytest.raises(http.client.IncompleteRead), urllib.request.urlopen(url, timeout=30) as answer:
        answer.read()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Server:
    """`clew server --open` as a process, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        words = ["-m", "clew", "server", "--open", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """End all its processes; the port is free then."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(family, timeout=60)


def test_a_server_that_is_killed_on_the_way_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init_project(tmp_path, name="late")
    server = Server(tmp_path)
    monkeypatch.setattr(uploading, "_TRIES", 1000)
    monkeypatch.setattr(uploading, "_MOST_WAIT_S", 0.1)
    data = os.urandom(20 * PIECE)
    connection = Connection(server.url, "late")

    def slowly() -> Any:
        for at in range(0, len(data), PIECE):
            if at == 7 * PIECE:
                server.kill()
                threading.Timer(0.3, server.start).start()
            yield data[at : at + PIECE]

    try:
        until = time.monotonic() + 60
        while True:
            try:
                connection.get("", object)
                break
            except Unavailable:
                assert time.monotonic() < until
                time.sleep(0.05)
        uploading.upload(connection, hash_bytes(data), slowly())
        assert HttpObjects(connection).get(hash_bytes(data)) == data
    finally:
        connection.close()
        server.kill()
