"""Who may do what: every role, every action, every route that the application has; nobody sees another project."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import pytest
from litestar import Litestar

from clew.client.objects import HttpObjects
from clew.core.types.account import ProjectRole
from clew.core.types.edge import Role, node
from clew.core.types.run import Artifact, RunStatus
from clew.loop.in_place import InPlace
from clew.policy.access import Action, may
from clew.settings import Settings
from clew.testing.ledger.examples import an_endpoint
from clew.testing.runs import a_block, a_run
from clew.testing.services import KEY, a_package, a_version, an_entry

NATIVE = "/api/v1"
OF_THE_SERVER = {"create_project", "add_user", "list_users", "disable_user", "enable_user"}
"""Handlers that only an admin of the server may call."""

OF_ANYBODY = {"me", "list_projects", "add_token", "list_tokens", "revoke_token"}
"""Handlers for whoever has a token; they speak of the caller."""

ARRIVALS = f"{NATIVE}/arrivals/"
"""Below are routes of objects again, of a project that is not there yet: for an admin of the server only."""

STORES = {"put_object", "append_upload", "find_upload", "sign_upload"}
"""Handlers that take a digest of what need not be there."""

WITHOUT_TOKEN = {"/health", "/version", "/api", "/api/openapi.json", "/api/{path:str}"}
WITH_ANY_TOKEN = {"/metrics"}


class Route(NamedTuple):
    """One method of one path."""

    name: str
    method: str
    path: str
    action: Action | None

    def target(self, ids: dict[str, str], project: str) -> str:
        values = {**ids, "project": project}
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: quote(values[found[1]], safe=""), self.path)
        query = {key: ids.get(value, value) for key, value in QUERIES.get(self.name, {}).items()}
        return f"{path}?{urlencode(query)}" if query else path


QUERIES = {
    "get_blocks": {"run": "run", "key": "loss"},
    "find_steps": {"key": KEY},
    "resolve_dataset_version": {"reference": "flights@1"},
    "resolve_model_version": {"reference": "delay@1"},
    "lineage_up": {"start": "data_node"},
    "lineage_down": {"start": "run_node"},
    "append_upload": {"offset": "0"},
    "sign_upload": {"size": "1"},
    "take_upload": {"name": "part"},
    "why_prediction": {"prediction": "prediction"},
    "impact_of": {"reference": "flights@1"},
    "stream_events": {"after": "-1"},  # a mistake that is found behind the door: a stream would not end
}


def bodies(ids: dict[str, str], secret: str) -> dict[str, Any]:
    """What each handler that takes a body is sent: JSON, or bytes as they are. `secret` is a mark to look for."""
    run = a_run("03c0" + "3" * 28)
    wish = {"reference": "delay@1", "alias": "mine", "reason": secret}
    version = a_version_of(ids, secret)
    return {
        "create_project": {"name": "new"},
        "add_user": {"name": "bob"},
        "disable_user": None,
        "enable_user": None,
        "add_token": {"name": "mine"},
        "put_member": {"role": "viewer"},
        "create_run": {"run": msgspec.to_builtins(run), "experiment": secret},
        "describe_run": {"tags": {"mark": secret}},
        "finish_run": {"status": "finished", "ended_us": 5},
        "link_run": {"node": ids["data_node"], "role": "input"},
        "add_artifact": {
            "run": ids["run"],
            "path": secret,
            "digest": ids["digest"],
            "size_bytes": 1,
            "media_type": "text/plain",
            "created_us": 1,
        },
        "append_blocks": msgspec.msgpack.encode([a_block(secret, run=ids["run"], key=secret)]),
        "resume_run": {},
        "fork_run": {"of": ids["run"], "step": 0},
        "beat_run": {},
        "get_summaries": {"runs": [ids["run"]]},
        "search_runs": {"where": "status = running"},
        "sample_series": {"runs": [ids["run"]], "key": "loss"},
        "put_steps": msgspec.msgpack.encode({"entries": [an_entry(ids["run"], key="c" * 64)], "steps": []}),
        "commit_version": {"version": version, "parents": [ids["data_node"]]},
        "register_model": {"name": "delay", "package": ids["package"]},
        "approve_model_version": {"note": secret},
        "judge_version": msgspec.msgpack.encode({"reference": "delay@1", "alias": "champion"}),
        "promote_version": msgspec.msgpack.encode(wish),
        "rollback_alias": {"reason": secret},
        "remove_alias": {"reason": secret},
        "lineage_references": {"nodes": [ids["data_node"], ids["run_node"], ids["model_node"]]},
        "positions_of_events": {"ids": [ids["event"]]},
        "put_object": b"something",
        "append_upload": b"something",
        "end_upload": {},
        "sign_upload": {},
        "take_upload": {},
        "add_labels": {"file": ids["digest"], "name": "labels.csv", "label": "late", "by_id": "id"},
        "cancel_job": {},
        "verify_chain": {},
        "put_objects": msgspec.msgpack.encode([b"something"]),
        "missing_objects": {"digests": [ids["digest"]]},
        "delete_objects": {"digests": [ids["digest"]]},
        "take_in_project": {"rows": ids["digest"]},
        "count_elsewhere": {"ids": [ids["run"]]},
    }


def a_version_of(ids: dict[str, str], name: str) -> dict[str, Any]:
    return {
        "id": "05" * 16,
        "dataset": "06" * 16,
        "name": name,
        "kind": "files",
        "number": 1,
        "digest": ids["digest"],
        "manifest": ids["digest"],
        "rows": 1,
        "size_bytes": 1,
        "created_us": 1,
        "created_by": "mallory",
        "run": ids["run"],
    }


def routes_of(app: Litestar) -> list[Route]:
    """Every handler of the native API."""
    found = []
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if handler.handler_name != "options_handler" and route.path.startswith(NATIVE):
                methods = sorted(handler.http_methods)
                action = None if route.path.startswith(ARRIVALS) else handler.opt.get("action")
                found += [Route(handler.handler_name, m, route.path, action) for m in methods]
    return found


@pytest.fixture
def routes(running: tuple[Litestar, str]) -> list[Route]:
    return routes_of(running[0])


def fill(served: Any) -> dict[str, str]:
    """One of everything in the project `late`, and how it is named."""
    project = InPlace(served.stores, Settings())
    run = project.runs.create(a_run(), experiment="e")
    project.runs.append([a_block("s", run=run.id)])
    data = project.datasets.commit(a_version(project))
    project.runs.link(run.id, node("data", data.id), Role.INPUT)
    digest = project.objects.put(b"kept")
    artifact = Artifact(run=run.id, path="a", digest=digest, size_bytes=4, media_type="text/plain", created_us=1)
    project.runs.add_artifact(artifact)
    project.steps.put([an_entry(run.id)], [])
    package = a_package(project, run=run.id)
    model = project.models.register("delay", package)
    project.aliases.promote("delay@1", "other")
    ended = project.runs.create(a_run("04d0" + "4" * 28), experiment="e")
    project.runs.finish(ended.id, RunStatus.FINISHED, ended_us=2)
    return {
        "ended": ended.id,
        "run": run.id,
        "run_node": node("run", run.id),
        "data_node": node("data", data.id),
        "model_node": node("model", model.id),
        "digest": digest,
        "package": package,
        "name": "delay",
        "alias": "other",
        "user": "ann",
        "event": project.events.list().items[0].id,
        "data": data.id,
        "id": data.id,
        "upload": "07" * 16,
        "arriving": "09" * 16,
        "prediction": "0a" * 16,
        "job": "08" * 16,
    }


def ids_for(route: Route, ids: dict[str, str]) -> dict[str, str]:
    """Some words in paths mean different things."""
    if route.path.endswith("/stream"):  # one that goes on has no end
        return {**ids, "run": ids["ended"]}
    if "/model-versions/" in route.path:
        return {**ids, "id": ids["model_node"].partition(":")[2]}
    return {**ids, "name": "flights"} if "/datasets/" in route.path else ids


def ask(served: Any, method: str, target: str, body: Any = None, token: str = "") -> tuple[int, bytes]:
    """Status and body of one request."""
    at = urlsplit(served.url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    headers["content-type"] = "application/vnd.msgpack" if isinstance(body, bytes) else "application/json"
    sent = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    connection.request(method, target, sent, headers)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def body_for(route: Route, ids: dict[str, str], secret: str = "mark") -> Any:
    """The body of a route; one that takes a body and is not in the table fails here."""
    if route.method in ("GET", "HEAD", "DELETE"):
        return None
    return bodies(ids, secret)[route.name]


def test_every_route_says_what_it_does(routes: list[Route]) -> None:
    for route in routes:
        if route.action is None:
            known = OF_THE_SERVER | OF_ANYBODY
            assert route.name in known or route.path.startswith(ARRIVALS), f"{route.name} says no action"
            assert "{project" not in route.path, f"{route.path} is in a project, and {route.name} says no action"
        else:
            assert "{project" in route.path
        if route.method in ("GET", "HEAD"):
            assert route.action in (Action.READ, None), f"{route.name} is a GET that does not only read"


def test_paths_beside_the_api_are_few(running: tuple[Litestar, str], serve: Callable[..., Any]) -> None:
    served = serve()
    for route in running[0].routes:
        if route.path.startswith(NATIVE) or "mlflow" in route.path:
            continue
        assert route.path in WITHOUT_TOKEN | WITH_ANY_TOKEN, route.path
        status, _ = ask(served, "GET", route.path.replace("{path:str}", "x"))
        assert (status == 401) == (route.path in WITH_ANY_TOKEN), route.path


@pytest.mark.parametrize("role", [None, *ProjectRole])
def test_every_role_may_do_what_the_table_says(
    serve: Callable[..., Any], routes: list[Route], role: ProjectRole | None
) -> None:
    served = serve()
    ids = fill(served)
    served.token("ann", ProjectRole.VIEWER)
    token = served.token("me", role)
    for route in sorted(routes, key=lambda route: route.name == "delete_objects"):
        used = ids_for(route, ids)
        status, said = ask(served, route.method, route.target(used, "late"), body_for(route, used), token)
        if route.name in OF_ANYBODY:
            assert status not in (401, 403), (route, said)
        elif route.action is None:
            assert status == 403, (route, said)
        elif may(role, route.action):
            assert status not in (401, 403), (route, said)
            assert status < 500, (route, said)
            assert b'"kind":"project"' not in said
        else:
            assert status == (404 if role is None else 403), (route, said)


def test_without_a_token_nothing_answers(serve: Callable[..., Any], routes: list[Route]) -> None:
    served = serve()
    ids = fill(served)
    before = len(served.stores.ledger.read().__enter__().events.list("p", limit=1000).items)
    for route in routes:
        used = ids_for(route, ids)
        for token in ("", "clew_wrong", "Ã©", "clew_" + "A" * 5000):
            status, _ = ask(served, route.method, route.target(used, "late"), body_for(route, used), token)
            assert status in (401, 429, 431), (route, token)
            if not token:
                assert status == 401
    with served.host.ledger.read() as tx:
        assert len(tx.events.list("p", limit=1000).items) <= before + 1


def test_another_project_is_not_there(serve: Callable[..., Any], routes: list[Route]) -> None:
    """An admin of `other` asks there for everything of `late` by its true names, and learns and changes nothing."""
    served = serve()
    ids = fill(served)
    served.token("ann", ProjectRole.VIEWER)
    token = served.token("you", ProjectRole.ADMIN, project="q")
    before = state_of(served)
    theirs = [ids[key] for key in ("run", "package", "event")] + [ids["data_node"][5:], ids["model_node"][6:]]
    for route in routes:
        used = ids_for(route, ids)
        if route.action is None:
            continue
        status, said = ask(served, route.method, route.target(used, "other"), body_for(route, used), token)
        assert status < 500, (route, said)
        if status < 400 and route.name not in STORES | {"missing_objects", "put_objects", "get_project"}:
            for secret in theirs:
                assert secret.encode() not in said, (route, said)
        empty = route.method == "GET" and status == 200 and said == b"[]"
        if re.search(r"\{(run|id|digest)", route.path) and route.name not in STORES and not empty:
            assert status in (400, 404), (route, status, said)
        status, _ = ask(served, route.method, route.target(used, "late"), body_for(route, used), token)
        assert status == 404, route
    assert state_of(served) == before


def state_of(served: Any) -> list[Any]:
    """Everything of the project `late` but the denials."""
    project = InPlace(served.stores, Settings())
    told = [event.id for event in project.events.list(limit=1000).items if not event.kind.startswith("access.")]
    runs = project.runs.list().items
    return [
        told,
        runs,
        [project.runs.artifacts(run.id) for run in runs],
        project.runs.summaries([run.id for run in runs]),
        [project.steps.of_run(run.id) for run in runs],
        project.datasets.versions("flights").items,
        project.models.versions("delay").items,
        project.models.aliases("delay"),
        sorted(project.objects.list()),
        [project.lineage.up(node("run", run.id)) for run in runs],
    ]


def test_denials_are_events(serve: Callable[..., Any]) -> None:
    served = serve()
    token = served.token("me", ProjectRole.VIEWER)
    run = {"run": msgspec.to_builtins(a_run()), "experiment": "e"}
    for _ in range(3):
        assert ask(served, "POST", f"{NATIVE}/projects/late/runs", run, token)[0] == 403
    with served.host.ledger.read() as tx:
        found = tx.events.list("p", kind="access.denied").items
    assert [(event.actor, event.facts) for event in found] == [("me", {"action": "write"})]


def test_a_revoked_token_is_nothing(serve: Callable[..., Any]) -> None:
    served = serve()
    token, path = served.token("me", ProjectRole.VIEWER), f"{NATIVE}/projects/late/runs"
    assert ask(served, "GET", path, None, token)[0] == 200
    with served.host.ledger.write() as tx:
        user = tx.accounts.find_user("me")
        (kept,) = tx.accounts.tokens(user.id)
        tx.accounts.put_token(msgspec.structs.replace(kept, revoked_us=5))
    assert ask(served, "GET", path, None, token)[0] == 401
    with served.host.ledger.write() as tx:
        tx.accounts.put_token(msgspec.structs.replace(kept, expires_us=5))
    assert ask(served, "GET", path, None, token)[0] == 401
    with served.host.ledger.write() as tx:
        tx.accounts.put_token(kept)
        tx.accounts.put_user(msgspec.structs.replace(user, disabled_us=5))
    assert ask(served, "GET", path, None, token)[0] == 401


def test_only_admins_make_projects_and_users(serve: Callable[..., Any]) -> None:
    served = serve()
    admin, user = served.token("root", admin=True), served.token("me", ProjectRole.ADMIN)
    for path, body in ((f"{NATIVE}/projects", {"name": "new"}), (f"{NATIVE}/users", {"name": "bob"})):
        assert ask(served, "POST", path, body, user)[0] == 403
        assert ask(served, "POST", path, body, admin)[0] == 201
        assert ask(served, "POST", path, body, admin)[0] == 409


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/%00",
        "/objects/..%2f",
    ],
)
def test_paths_lead_nowhere_else(serve: Callable[..., Any], path: str) -> None:
    served = serve()
    token = served.token("me", ProjectRole.ADMIN)
    status, said = ask(served, "GET", f"{NATIVE}/projects/late{path}", None, token)
    assert status in (400, 404), said
    assert b"root:" not in said


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", "a/../../b", "", "nul\0", "a" * 5000, "a\\..\\b"])
def test_artifacts_have_names_that_stay_in_a_folder(serve: Callable[..., Any], path: str) -> None:
    served = serve()
    ids = fill(served)
    token = served.token("me", ProjectRole.ADMIN)
    body = {**bodies(ids, "x")["add_artifact"], "path": path}
    status, said = ask(served, "POST", f"{NATIVE}/projects/late/runs/{ids['run']}/artifacts", body, token)
    assert status == 400, said


def test_odd_requests_are_mistakes_of_who_asks(serve: Callable[..., Any]) -> None:
    served = serve()
    token = served.token("me", ProjectRole.CONTRIBUTOR)
    for name in ("", "../../x", "z" * 32, "0" * 33):
        run = {"run": {**msgspec.to_builtins(a_run()), "id": name}, "experiment": "e"}
        status, told = ask(served, "POST", f"{NATIVE}/projects/late/runs", run, token)
        assert (status, "no id of a run" in str(told)) == (400, True)
    for over in ({"status": "finished"}, {"ended_us": 5}, {"deleted_us": 5}, {"purged_us": 5}):
        run = {"run": {**msgspec.to_builtins(a_run("05e0" + "5" * 28)), **over}, "experiment": "e"}
        status, told = ask(served, "POST", f"{NATIVE}/projects/late/runs", run, token)
        assert (status, "it has ended" in str(told)) == (400, True)
    for limit in (-1, 0, 10_001):
        assert ask(served, "GET", f"{NATIVE}/projects/late/objects?limit={limit}", None, token)[0] == 400
    assert ask(served, "GET", f"{NATIVE}/projects/late/objects?after=no-digest", None, token)[0] == 400
    digest = HttpObjects(served.connection(token)).put(b"id,late")
    file = {"file": digest, "name": "labels.\0csv", "label": "late"}
    status, told = ask(served, "POST", f"{NATIVE}/projects/late/endpoints/nobody/labels", file, token)
    assert (status, "no endpoint named" in str(told)) == (404, True)


def test_labels_that_cannot_be_read_are_spoken_of_by_their_own_name(serve: Callable[..., Any]) -> None:
    served = serve()
    token = served.token("me", ProjectRole.CONTRIBUTOR)
    with served.host.ledger.write() as tx:
        tx.endpoints.add(an_endpoint(name="live"))
    for content, name in ((b"id,late\n1,2,3\n", "outcomes.csv"), (b"x", "C:/outcomes.txt")):
        digest = HttpObjects(served.connection(token)).put(content)
        file = {"file": digest, "name": name, "label": "late", "by_id": "id"}
        status, told = ask(served, "POST", f"{NATIVE}/projects/late/endpoints/live/labels", file, token)
        assert (status, "outcomes." in str(told), "clew-labels" in str(told)) == (400, True, False), told
