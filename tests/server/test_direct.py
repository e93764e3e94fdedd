"""Large objects past the server: its bucket signs addresses, and nothing is believed of what comes there."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from clew.client import outside
from clew.client.connection import Connection
from clew.client.objects import HttpObjects
from clew.core.errors import Denied, Invalid, NotFound, Unavailable
from clew.core.hashing import hash_bytes
from clew.core.types.account import ProjectRole
from clew.core.types.project import Project
from clew.store.objects import CachedObjects, RemoteObjects
from clew.store.objects.bucket import open_bucket
from clew.store.objects.collection import collection_of
from clew.testing.clock import ManualClock

LARGE = 33 << 20


class Bucketed:
    """A server whose projects have their bytes in a bucket, and what went through the server."""

    def __init__(self, served: Any, address: str, folder: Path) -> None:
        self.bucket = open_bucket(address)
        self.objects = CachedObjects(RemoteObjects(self.bucket, folder / "local"), folder / "kept", limit_bytes=1 << 30)
        served.host._objects["p"] = self.objects
        self.connection = served.connection()
        self.client = HttpObjects(self.connection)
        self.asked: list[str] = []
        real = self.connection.open

        def watched(method: str, path: str, *given: Any, **more: Any) -> Any:
            self.asked.append(f"{method} {path.split('/')[1]} {path.rpartition('/')[2]}")
            return real(method, path, *given, **more)

        self.connection.open = watched


@pytest.fixture
def there(serve: Callable[..., Any], s3_bucket: str, tmp_path: Path) -> Bucketed:
    return Bucketed(serve(open=True), s3_bucket, tmp_path)


@pytest.fixture(scope="module")
def data() -> bytes:
    return os.urandom(LARGE)


def test_large_bytes_do_not_pass_through_the_server(there: Bucketed, data: bytes, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(data)
    digest = there.client.put_file(source)
    assert digest == hash_bytes(data)
    assert [each.split()[2] for each in there.asked] == ["missing", "address", "arrived"]
    assert [each.key for each in there.bucket.list("arriving")] == []
    there.client.save(digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert not list((tmp_path / "kept").glob("*/*")), "the server has fetched nothing"
    with there.client.open(digest) as file:
        assert file.read() == data


def test_where_the_bucket_cannot_be_reached_the_server_hands_over(
    there: Bucketed, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "large"
    source.write_bytes(data)
    real = there.bucket.find_url

    def elsewhere(*given: Any, **more: Any) -> str:
        return str(real(*given, **more)).replace("127.0.0.1", "127.0.0.9")

    monkeypatch.setattr(there.bucket, "find_url", elsewhere)
    monkeypatch.setattr(outside, "_TIMEOUT_S", 2.0)
    digest = there.client.put_file(source)
    assert any(each.startswith("PUT uploads") for each in there.asked)
    HttpObjects(there.connection).save(digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_what_is_not_what_it_says_does_not_become_an_object(there: Bucketed) -> None:
    digest = hash_bytes(b"what is meant")
    c = there.connection
    address = c.send("POST", f"/uploads/{digest}/address?size=3", {}, dict[str, str])
    with pytest.raises(NotFound):
        c.request("POST", f"/uploads/{digest}/arrived", query={"name": address["name"]})
    outside.send(address["url"], [b"abc"], 3)
    with pytest.raises(Invalid, match="has the digest"):
        c.request("POST", f"/uploads/{digest}/arrived", query={"name": address["name"]})
    assert there.objects.missing([digest])
    assert list(there.bucket.list()) == []
    with pytest.raises(Invalid, match="no name of an upload"):
        c.request("POST", f"/uploads/{digest}/arrived", query={"name": "../../loose"})


def test_whoever_writes_again_changes_nothing(there: Bucketed) -> None:
    digest = hash_bytes(b"first")
    address = there.connection.send("POST", f"/uploads/{digest}/address?size=5", {}, dict[str, str])
    outside.send(address["url"], [b"first"], 5)
    there.connection.request("POST", f"/uploads/{digest}/arrived", query={"name": address["name"]})
    outside.send(address["url"], [b"other"], 5)
    assert there.objects.get(digest) == b"first"


def test_an_address_reads_one_object_for_a_while(there: Bucketed) -> None:
    digest, other = there.objects.put(b"x" * (9 << 20)), there.objects.put(b"y")
    url = there.objects.find_url(digest, valid_s=60) or ""
    with urllib.request.urlopen(url) as answer:
        assert hash_bytes(answer.read()) == digest
    assert "X-Amz-Expires=60" in url
    with pytest.raises(urllib.error.HTTPError):  # nor does it lead to what lies beside it
        urllib.request.urlopen(url.replace(digest, other).replace("loose", "nothing"))


def test_a_redirection_that_nobody_asked_for_is_no_answer(tmp_path: Path) -> None:
    """A proxy that sends all to https has stored nothing."""

    class Proxy(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(307)
            self.send_header("location", "https://elsewhere.example.org/")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        connection = Connection(f"http://127.0.0.1:{proxy.server_port}", "late")
        try:
            with pytest.raises(Unavailable, match="answers 307"):
                connection.request("PUT", f"/objects/{'a' * 64}", b"bytes")
        finally:
            connection.close()
            proxy.shutdown()
            thread.join()


def test_who_may_not_write_gets_no_address(serve: Callable[..., Any], s3_bucket: str, tmp_path: Path) -> None:
    served = serve()
    there = Bucketed(served, s3_bucket, tmp_path)
    viewer = served.connection(served.token("vic", ProjectRole.VIEWER))
    with pytest.raises(Denied):
        viewer.send("POST", f"/uploads/{'a' * 64}/address?size=3", {}, dict[str, str])
    digest = there.objects.put(b"x" * (9 << 20))
    with HttpObjects(viewer).open(digest) as file:
        assert file.read(1) == b"x"


def test_a_server_without_a_bucket_takes_the_bytes_itself(
    serve: Callable[..., Any], data: bytes, tmp_path: Path
) -> None:
    served = serve(open=True)
    (tmp_path / "large").write_bytes(data)
    client = HttpObjects(served.connection())
    digest = client.put_file(tmp_path / "large")
    assert served.host.stores(Project(id="p", name="", created_us=0), actor="x").objects.get(digest) == data
    client.save(digest, tmp_path / "back")
    assert (tmp_path / "back").stat().st_size == LARGE


def test_what_was_sent_and_never_asked_for_is_collected(s3_bucket: str, tmp_path: Path) -> None:
    bucket = open_bucket(s3_bucket)
    clock = ManualClock()
    objects = RemoteObjects(bucket, tmp_path, clock=clock)
    bucket.write("arriving/abc/sent", b"12345")
    written_us = next(bucket.list("arriving")).written_us
    clock.us = written_us + 3600 * 10**6
    assert collection_of(objects).expire(until_us=1 << 62) == 0
    clock.us = written_us + 25 * 3600 * 10**6
    assert collection_of(objects).expire(until_us=0) == 5
    assert list(bucket.list()) == []
