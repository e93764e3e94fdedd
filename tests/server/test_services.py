"""The services and objects over HTTP pass the suites that those in place pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clew.client.accounts import HttpAccounts
from clew.client.objects import HttpObjects
from clew.client.project import HttpProject
from clew.client.runs import HttpRuns
from clew.core.clock import SystemClock
from clew.core.contracts.accounts import AccountService
from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunService, Services
from clew.core.contracts.stores import Stores
from clew.core.ids import Digest, Ids
from clew.core.paging import Page, items_of
from clew.store.objects.folder import PackFolder
from clew.testing.accounts import AccountServiceContract
from clew.testing.objects import ObjectsContract
from clew.testing.runs import RunServiceContract
from clew.testing.services import ServicesContract


class TestRuns(RunServiceContract):
    @pytest.fixture
    def service(self, serve: Callable[..., Any]) -> RunService:
        return HttpRuns(serve(open=True).connection())


class TestObjects(ObjectsContract):
    @pytest.fixture
    def objects(self, serve: Callable[..., Any], tmp_path: Path) -> Objects:
        return HttpObjects(serve(open=True).connection())


def test_pages_of_objects_read_together_what_one_list_does(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = serve(open=True).connection()
    objects = HttpObjects(connection)
    with objects.batch() as batch:
        every = sorted(batch.put(b"%d" % i) for i in range(4000))
    read: list[int] = []
    read_at = PackFolder.read_at

    def told(folder: PackFolder, path: str, offset: int, length: int) -> bytes:
        read.append(length)
        return read_at(folder, path, offset, length)

    monkeypatch.setattr(PackFolder, "read_at", told)
    assert list(objects.list()) == every
    whole = sum(read)
    read.clear()
    page = partial(connection.get, "/objects", Page[Digest], limit=200)
    assert list(items_of(page)) == every
    assert sum(read) < whole * 1.2


class TestServices(ServicesContract):
    @pytest.fixture
    def served(self, serve: Callable[..., Any]) -> Any:
        return serve(open=True)

    @pytest.fixture
    def behind(self, served: Any) -> Stores:
        stores: Stores = served.host.stores(served.host.project("late"), actor="ann")
        return stores

    @pytest.fixture
    def project(self, served: Any, tmp_path: Path) -> Services:
        clock = SystemClock()
        connection = served.connection()
        return HttpProject(connection, clock=clock, ids=Ids(clock), actor="ann", folder=tmp_path)


class TestAccounts(AccountServiceContract):
    @pytest.fixture
    def accounts(self, serve: Callable[..., Any]) -> AccountService:
        served = serve()
        return HttpAccounts(served.connection(served.token("boss", admin=True), project=""), "late")

    @pytest.fixture
    def known(self) -> set[str]:
        return {"boss"}
