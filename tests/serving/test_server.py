"""What keeps an endpoint from starting changes nothing."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from clew.serving import server
from clew.serving.compaction import journal_folder
from clew.serving.endpoint import declare
from clew.testing.life import Life


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def never(address: object) -> None:
    pytest.fail(f"it answers at {address}")


def state(life: Life) -> object:
    with life.stores.ledger.read() as tx:
        project = life.stores.project
        return tx.endpoints.list(project), tx.datasets.list(project), tx.events.list(project).items


@pytest.mark.parametrize("name", ["late", "fresh"])
@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"host": "0.0.0.0"}, Denied, "is not loopback"),
        ({"port": "taken"}, Unavailable, "Address already in use"),
        ({"alias": "chmpion"}, NotFound, r"delay@champion"),
        ({"alias": "2"}, NotFound, "clew model promote delay@2 NAME"),
        ({"alias": "champin"}, NotFound, "did you mean delay@champion?"),
        ({"alias": "latest"}, NotFound, "clew model promote delay@latest NAME"),
        ({"model": "dleay"}, NotFound, "delay"),
    ],
)
def test_an_endpoint_that_cannot_start_is_not_declared(
    life: Life, taken: int, name: str, changes: dict[str, str], error: type[Exception], words: str
) -> None:
    before = state(life)
    with pytest.raises(error, match=words):
        life.workspace.serve(
            name,
            model=changes.get("model", "delay"),
            alias=changes.get("alias", "champion"),
            host=changes.get("host", "127.0.0.1"),
            port=taken if "port" in changes else 0,
            ready=never,
        )
    assert state(life) == before


def test_names_that_no_endpoint_can_have(life: Life) -> None:
    for name in ("", "a/b", "a@b", "x" * 101):
        with pytest.raises(Invalid, match="cannot be the name of an endpoint"):
            declare(life.stores, name, model="delay", alias="champion")


def test_an_endpoint_follows_another_alias_and_keeps_its_logs(life: Life) -> None:
    life.workspace.promote("delay@2", "trial")
    moved = declare(life.stores, "late", model="delay", alias="trial")
    assert (moved.id, moved.alias) == (life.endpoint.id, "trial")
    assert (moved.predictions, moved.labels) == (life.endpoint.predictions, life.endpoint.labels)
    assert declare(life.stores, "late", model="delay", alias="trial") == moved


def test_a_name_that_other_data_has_is_a_conflict(life: Life) -> None:
    import polars as pl

    life.workspace.data.add("other.labels", pl.DataFrame({"a": [1]}))
    with pytest.raises(Conflict, match=r"other\.labels"):
        declare(life.stores, "other", model="delay", alias="champion")


def test_a_replica_that_somebody_looks_at_keeps_no_other_from_starting(life: Life) -> None:
    folder = journal_folder(life.stores, life.endpoint.id) / "replica-1"
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as `is_live` does for a moment
        journal = server._replica(life.stores, life.endpoint)
    assert journal.folder.name == "replica-2"
    journal.close()


def test_a_replica_that_ends_while_it_is_looked_for_has_no_address(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    path = journal_folder(life.stores, life.endpoint.id) / "replica-1" / "address.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")

    def ends(folder: Path) -> bool:
        (folder / path.name).unlink()
        return True

    monkeypatch.setattr(server, "is_live", ends)
    assert server.find_address(life.stores, life.endpoint) is None


def test_what_cannot_start_lets_go_of_its_port(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: list[int] = []

    def no_room(_stores: object, _endpoint: object) -> None:
        raise Unavailable("no room")

    def listen(host: str, port: int) -> socket.socket:
        listener = server_listen(host, port)
        ports.append(listener.getsockname()[1])
        return listener

    server_listen = server._listen
    monkeypatch.setattr(server, "_listen", listen)
    monkeypatch.setattr(server, "_replica", no_room)
    with pytest.raises(Unavailable, match="no room"):
        life.workspace.serve("late", model="delay", alias="champion", host="127.0.0.1", port=0, ready=never)
    server_listen("127.0.0.1", ports[0]).close()
