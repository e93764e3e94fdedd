"""The services and objects over HTTP pass the suites that those in place pass."""

from __future__ import annotations

from collections.abc import Callable
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
from clew.core.ids import Ids
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
