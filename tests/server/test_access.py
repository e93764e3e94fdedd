"""Who may do what: every role, every action, every kind of route; nobody sees another project."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from clew.core.types.account import ProjectRole
from clew.testing.runs import ONE, a_run

RUN = msgspec.to_builtins({"run": a_run(), "experiment": "e"})
ROUTES = [
    ("read", "GET", "/runs", None),
    ("read", "GET", "/experiments", None),
    ("read", "POST", "/summaries", {"runs": []}),
    ("read", "GET", "/members", None),
    ("read", "GET", "", None),
    ("read", "POST", "/objects/missing", {"digests": []}),
    ("write", "POST", "/runs", RUN),
    ("write", "PATCH", f"/runs/{ONE}", {"tags": {"a": "b"}}),
    ("administer", "PUT", "/members/ann", {"role": "viewer"}),
    ("administer", "DELETE", "/members/ann", None),
    ("administer", "POST", "/objects/delete", {"digests": []}),
]
MAY = {
    None: set(),
    ProjectRole.VIEWER: {"read"},
    ProjectRole.CONTRIBUTOR: {"read", "write"},
    ProjectRole.MAINTAINER: {"read", "write"},
    ProjectRole.ADMIN: {"read", "write", "administer"},
}


def ask(served: Any, method: str, path: str, body: object = None, token: str = "", project: str = "late") -> int:
    """The status of one request."""
    at = urlsplit(served.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["content-type"] = "application/json"
    target = f"/api/v1/projects/{project}{path}" if not path.startswith("/api") else path
    connection.request(method, target, json.dumps(body) if body is not None else None, headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("role", list(MAY))
def test_every_role_may_do_what_the_table_says(serve: Callable[..., Any], role: ProjectRole | None) -> None:
    served = serve()
    served.token("ann", ProjectRole.VIEWER)
    token = served.token("me", role)
    for action, method, path, body in ROUTES:
        status = ask(served, method, path, body, token)
        if action in MAY[role]:
            assert status < 300, (method, path)
        else:
            assert status == (404 if role is None else 403), (method, path)


def test_without_a_token_nothing_answers(serve: Callable[..., Any]) -> None:
    served = serve()
    for token in ("", "clew_wrong", "é"):
        for _, method, path, body in ROUTES:
            assert ask(served, method, path, body, token.encode().decode("latin-1")) == 401


def test_another_project_is_not_there(serve: Callable[..., Any]) -> None:
    served = serve()
    token = served.token("me", ProjectRole.ADMIN)
    other = served.token("you", ProjectRole.ADMIN, project="q")
    assert ask(served, "POST", "/runs", RUN, token) == 201
    assert ask(served, "GET", f"/runs/{ONE}", None, token) == 200
    assert ask(served, "GET", f"/runs/{ONE}", None, other) == 404
    assert ask(served, "GET", f"/runs/{ONE}", None, other, project="other") == 404
    assert ask(served, "PATCH", f"/runs/{ONE}", {"tags": {"a": "b"}}, other, project="other") == 404
    assert ask(served, "GET", "/runs", None, token, project="nowhere") == 404


def test_denials_are_events(serve: Callable[..., Any]) -> None:
    served = serve()
    token = served.token("me", ProjectRole.VIEWER)
    assert ask(served, "POST", "/runs", RUN, token) == 403
    with served.host.ledger.read() as tx:
        found = tx.events.list("p", kind="access.denied").items
    assert [(event.actor, event.facts) for event in found] == [("me", {"action": "write"})]


def test_a_revoked_token_is_nothing(serve: Callable[..., Any]) -> None:
    served = serve()
    token = served.token("me", ProjectRole.VIEWER)
    assert ask(served, "GET", "/runs", None, token) == 200
    with served.host.ledger.write() as tx:
        user = tx.accounts.find_user("me")
        (kept,) = tx.accounts.tokens(user.id)
        tx.accounts.put_token(msgspec.structs.replace(kept, revoked_us=5))
    assert ask(served, "GET", "/runs", None, token) == 401
    with served.host.ledger.write() as tx:
        tx.accounts.put_token(msgspec.structs.replace(kept, expires_us=5))
    assert ask(served, "GET", "/runs", None, token) == 401


def test_only_admins_make_projects_and_users(serve: Callable[..., Any]) -> None:
    served = serve()
    admin, user = served.token("root", admin=True), served.token("me", ProjectRole.ADMIN)
    for path, body in (("/api/v1/projects", {"name": "new"}), ("/api/v1/users", {"name": "bob"})):
        assert ask(served, "POST", path, body, user) == 403
        assert ask(served, "POST", path, body, admin) == 201
        assert ask(served, "POST", path, body, admin) == 409
