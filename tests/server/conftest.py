"""A server in a thread, on real sockets, and connections to it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
import uvicorn
from litestar import Litestar

from clew.client.connection import Connection
from clew.core.contracts.stores import Stores
from clew.core.types.account import Member, ProjectRole
from clew.core.types.project import Project
from clew.server.app import make_app
from clew.server.host import Host
from clew.settings import settings_of
from clew.store.objects.local import LocalObjects
from clew.testing.project import open_stores


@dataclass
class Served:
    """A running server and the host behind it."""

    url: str
    host: Host
    stores: Stores
    connections: list[Connection]

    def token(self, name: str, role: ProjectRole | None = None, *, project: str = "p", admin: bool = False) -> str:
        """A token of a new user with a role in a project."""
        accounts = self.host.accounts(actor="test")
        user = accounts.add_user(name, admin=admin)
        if role is not None:
            with self.host.ledger.write() as tx:
                tx.accounts.put_member(Member(project=project, user=user.id, role=role))
        return accounts.add_token(name, "test").secret

    def connection(self, token: str = "", project: str = "late") -> Connection:
        made = Connection(self.url, project, token)
        self.connections.append(made)
        return made


Serve = Callable[..., Served]


class InThread(uvicorn.Server):
    """A server that a test starts and stops."""

    def install_signal_handlers(self) -> None: ...


@pytest.fixture(scope="session")
def running() -> Iterator[tuple[Litestar, str]]:
    """One application on a socket, for all tests; each puts its own host behind it."""
    app = make_app(cast("Host", None))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    server = InThread(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    yield app, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def serve(running: tuple[Litestar, str], tmp_path: Path) -> Iterator[Serve]:
    """Puts a fresh folder behind the server, with the projects `late` (id p) and `other` (id q)."""
    app, url = running
    stores = open_stores(tmp_path / "server")
    with stores.ledger.write() as tx:
        tx.projects.add(Project(id="p", name="late", created_us=1))
        tx.projects.add(Project(id="q", name="other", created_us=1))
    connections: list[Connection] = []

    def start(*, open: bool = False, settings: str = "", own: str = "p") -> Served:
        host = Host(
            ledger=stores.ledger,
            own=own,
            objects_of=lambda project: LocalObjects(tmp_path / "server" / f"objects-{project.id}"),
            clock=stores.clock,
            ids=stores.ids,
            folder=stores.folder,
            open=open,
            settings_of=lambda _: settings_of(settings),
        )
        app.state.host = host
        return Served(url, host, stores, connections)

    yield start
    for connection in connections:
        connection.close()
    stores.ledger.close()
