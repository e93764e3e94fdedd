"""Who is let in, to which project, and what hostile requests get: over plain HTTP."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from clew.audit.verify import verify
from clew.core.contracts.stores import Stores
from clew.core.types.account import ProjectRole
from clew.core.types.edge import node
from clew.loop.care.trash import purge_logged
from clew.registry.reference import resolve
from clew.server.mlflow import crumbs, uploads
from clew.store.objects.local import LocalObjects
from clew.testing.ledger import examples as some
from clew.tracking.branch import branch_of
from clew.tracking.revise import purge

Ask = Callable[..., tuple[int, Any]]


def opened(asked: urllib.request.Request) -> tuple[int, Any]:
    """Status and body of an answer, also of one that refuses."""
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            status, told = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, told = error.code, error.read()
    try:
        return status, json.loads(told)
    except ValueError:
        return status, told


@pytest.fixture
def ask(served: Any) -> Ask:
    """Asks the server; status and body."""
    tokens = {
        "viewer": served.token("vic", ProjectRole.VIEWER),
        "contributor": served.token("con", ProjectRole.CONTRIBUTOR),
        "admin": served.token("bob", ProjectRole.ADMIN),
        "stranger": served.token("sue", ProjectRole.ADMIN, project="q"),
        "": "",
    }

    def act(
        method: str, path: str, body: Any = None, *, who: str = "admin", data: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        content = json.dumps(body).encode() if data is None and body is not None else data
        asked = urllib.request.Request(f"{served.url}{path}", content, method=method)
        asked.add_header("Content-Type", "application/json")
        if tokens[who]:
            asked.add_header("Authorization", f"Bearer {tokens[who]}")
        for name, value in headers.items():
            asked.add_header(name.replace("_", "-"), value)
        return opened(asked)

    act.tokens = tokens  # type: ignore[attr-defined]
    return act


API = "/api/2.0/mlflow"


def new_run(ask: Ask, before: str = "", **how: Any) -> str:
    status, told = ask("POST", f"{before}{API}/runs/create", {"experiment_id": "0", "run_name": "r"}, **how)
    assert status == 200, told
    run: str = told["run"]["info"]["run_id"]
    return run


def test_who_has_no_token_is_asked_for_one(ask: Ask) -> None:
    status, told = ask("GET", f"{API}/experiments/get?experiment_id=0", who="")
    assert (status, told["error_code"]) == (401, "UNAUTHENTICATED")
    status, told = ask("GET", f"{API}/experiments/get?experiment_id=0", who="", Authorization="Bearer clew_forged")
    assert status == 401


def test_an_open_server_answers_no_page_of_another_site(serve: Any) -> None:
    served = serve(open=True)
    for headers, status in (({}, 200), ({"Origin": "https://elsewhere.test"}, 403), ({"Host": "elsewhere.test"}, 403)):
        asked = urllib.request.Request(f"{served.url}{API}/experiments/get?experiment_id=0", headers=headers)
        found, told = opened(asked)
        assert (found, told.get("error_code")) == (status, None if status == 200 else "PERMISSION_DENIED")


def test_an_address_with_many_wrong_tokens_has_to_wait(ask: Ask) -> None:
    found = {
        ask("GET", f"{API}/experiments/get?experiment_id=0", who="", Authorization=f"Bearer clew_{n}")[0]
        for n in range(200)
    }
    assert found == {401, 429}
    assert ask("GET", f"{API}/experiments/get?experiment_id=0")[0] in (200, 429)


def test_a_token_is_a_password_too(ask: Ask) -> None:
    basic = base64.b64encode(b"ann:" + ask.tokens["viewer"].encode()).decode()  # type: ignore[attr-defined]
    status, _ = ask("GET", f"{API}/experiments/get?experiment_id=0", who="", Authorization=f"Basic {basic}")
    assert status == 200


@pytest.mark.parametrize(
    ("who", "method", "path", "status"),
    [
        ("viewer", "POST", "runs/create", 403),
        ("viewer", "POST", "runs/search", 200),
        ("contributor", "POST", "runs/create", 200),
        ("contributor", "POST", "experiments/delete", 403),
        ("contributor", "POST", "registered-models/alias", 403),
        ("contributor", "POST", "runs/delete", 403),
        ("contributor", "DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/" + "0" * 32 + "/artifacts/a.txt", 403),
        ("stranger", "POST", "runs/search", 404),
    ],
)
def test_roles(ask: Ask, who: str, method: str, path: str, status: int) -> None:
    whole = path if path.startswith("/") else f"{API}/{path}"
    assert ask(method, whole, {"experiment_id": "0"}, who=who)[0] == status


def test_code_of_a_run_is_where_its_tags_say_whichever_request_brings_them(ask: Ask, served: Any) -> None:
    git = "mlflow.source.git."
    told = {f"{git}commit": "c0ffee", f"{git}branch": "nightly", f"{git}repoURL": "https://ann:pw@example.org/a.git"}
    tags = [{"key": key, "value": value} for key, value in told.items()]
    status, made = ask("POST", f"{API}/runs/create", {"experiment_id": "0", "tags": tags})
    assert status == 200, made
    created, one_by_one, together = made["run"]["info"]["run_id"], new_run(ask), new_run(ask)
    for tag in tags:
        assert ask("POST", f"{API}/runs/set-tag", {"run_id": one_by_one, **tag})[0] == 200
    assert ask("POST", f"{API}/runs/log-batch", {"run_id": together, "tags": tags})[0] == 200
    with served.stores.ledger.read() as tx:
        for run in (tx.runs.get(each) for each in (created, one_by_one, together)):
            assert run.commit == "c0ffee"
            assert branch_of(served.stores.objects, run) == ("nightly", "https://example.org/a.git")


def test_where_no_project_is_named_that_of_the_folder_is_meant(serve: Any) -> None:
    """Not the one that was made first; and roles count: whoever has none in it is told to name one."""
    served = serve(own="q")
    asked = urllib.request.Request(f"{served.url}{API}/runs/create", b'{"experiment_id": "0"}', method="POST")
    asked.add_header("Authorization", f"Bearer {served.token('boss', admin=True)}")
    run_id = opened(asked)[1]["run"]["info"]["run_id"]
    with served.stores.ledger.read() as tx:
        assert tx.runs.get(run_id).project == "q"
    asked.add_header("Authorization", f"Bearer {served.token('con', ProjectRole.CONTRIBUTOR)}")
    status, told = opened(asked)
    assert (status, told["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "the address ends in /projects/NAME; yours here: late" in told["message"]


def test_a_project_is_named_by_path_or_header(ask: Ask) -> None:
    late, other = new_run(ask), new_run(ask, "/projects/other", who="stranger")
    assert ask("GET", f"/projects/other{API}/runs/get?run_id={other}", who="stranger")[0] == 200
    by_header = {"who": "stranger", "X_MLFLOW_WORKSPACE": "other"}
    assert ask("GET", f"{API}/runs/get?run_id={other}", **by_header)[0] == 200
    assert ask("GET", f"{API}/runs/get?run_id={late}", **by_header)[0] == 404
    assert ask("GET", f"/projects/late{API}/runs/get?run_id={other}")[0] == 404
    assert ask("GET", "/projects/late/health") == (200, b"OK")
    assert ask("GET", "/projects/late/version")[0] == 200


def test_nothing_of_another_project_is_reached(ask: Ask, served: Any) -> None:
    run = new_run(ask)
    files = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts"
    assert ask("PUT", f"{files}/a.txt", data=b"secret")[0] == 200
    _, told = ask("POST", f"{API}/logged-models", {"experiment_id": "0", "name": "m"})
    model = told["model"]["info"]["model_id"]
    assert ask("POST", f"{API}/registered-models/create", {"name": "m"})[0] == 200
    there = "/projects/other"
    tries = [
        ("GET", f"{API}/runs/get?run_id={run}", None),
        ("POST", f"{API}/runs/update", {"run_id": run, "status": "FAILED"}),
        ("POST", f"{API}/runs/delete", {"run_id": run}),
        ("POST", f"{API}/runs/restore", {"run_id": run}),
        ("POST", f"{API}/runs/log-metric", {"run_id": run, "key": "a", "value": 1, "timestamp": 1}),
        ("POST", f"{API}/runs/log-parameter", {"run_id": run, "key": "a", "value": "1"}),
        ("POST", f"{API}/runs/log-batch", {"run_id": run, "tags": [{"key": "a", "value": "1"}]}),
        ("POST", f"{API}/runs/set-tag", {"run_id": run, "key": "a", "value": "1"}),
        ("POST", f"{API}/runs/log-inputs", {"run_id": run, "datasets": []}),
        ("GET", f"{API}/metrics/get-history?run_id={run}&metric_key=a", None),
        ("GET", f"{API}/artifacts/list?run_id={run}", None),
        ("GET", f"{files}/a.txt", None),
        ("PUT", f"{files}/b.txt", {}),
        ("DELETE", f"{files}/a.txt", None),
        ("GET", f"/api/2.0/mlflow-artifacts/artifacts?path=0/{run}/artifacts", None),
        ("GET", f"{API}/logged-models/{model}", None),
        ("PATCH", f"{API}/logged-models/{model}", {"status": "LOGGED_MODEL_READY"}),
        ("DELETE", f"{API}/logged-models/{model}", None),
        ("GET", f"{API}/logged-models/{model}/artifacts/directories", None),
        ("GET", f"{API}/registered-models/get?name=m", None),
        ("POST", f"{API}/logged-models", {"experiment_id": "0", "name": "n", "source_run_id": run}),
    ]
    for method, path, body in tries:
        status, told = ask(method, there + path, body, who="stranger")
        assert status == 404, (method, path, told)
    new_run(ask, there, who="stranger")
    measured = {"key": "a", "value": 1, "timestamp": 1, "model_id": model}
    mine = new_run(ask, there, who="stranger")
    status, told = ask("POST", f"{there}{API}/runs/log-metric", {"run_id": mine, **measured}, who="stranger")
    assert status == 404, told
    _, told = ask("POST", f"{there}{API}/registered-models/create", {"name": "x"}, who="stranger")
    source = {"name": "x", "source": f"mlflow-artifacts:/0/{run}/artifacts", "run_id": run}
    assert ask("POST", f"{there}{API}/model-versions/create", source, who="stranger")[0] == 400
    source = {"name": "x", "source": "s3://bucket/m", "run_id": run}
    assert ask("POST", f"{there}{API}/model-versions/create", source, who="stranger")[0] == 404
    for verb in ("log-inputs", "outputs"):
        used = {"run_id": mine, "models": [{"model_id": model}]}
        assert ask("POST", f"{there}{API}/runs/{verb}", used, who="stranger")[0] == 404
    with served.host.ledger.read() as tx:
        assert [edge.run for start in (node("run", run), node("logged", model)) for edge in tx.edges.down(start)] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/0/RUN/artifacts/../../../x"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/0/RUN/artifacts/%2e%2e/%2e%2e/x"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/RUN/artifacts/..%5cx"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/RUN/artifacts/"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/etc/passwd"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=../.."),
        ("GET", f"{API}/artifacts/list?run_id=RUN&path=../x"),
        ("GET", f"{API}/runs/search"),
        ("POST", f"{API}/runs/get"),
        ("POST", "/api/3.0/mlflow/traces"),
        ("POST", f"{API}/webhooks"),
        ("GET", f"{API}/metrics/get-history?run_id=RUN&metric_key=a&page_token=%FF"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/complete/0/RUN/artifacts"),
        ("PUT", "/api/2.0/mlflow-artifacts/mpu/part/..%2f..%2fx/1"),
    ],
)
def test_hostile_requests_are_refused(ask: Ask, method: str, path: str) -> None:
    status, told = ask(method, path.replace("RUN", new_run(ask)), data=b"x")
    assert status in (400, 404, 501), told
    assert told["error_code"]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"[" * 100_000, b'{"run_id": {"a": 1}}', b"\xff", b'"{}"', b"1e999"]
)
def test_strange_bodies_are_no_defects(ask: Ask, body: bytes) -> None:
    for path in ("runs/create", "runs/log-batch", "runs/search", "experiments/create", "model-versions/create"):
        status, told = ask("POST", f"{API}/{path}", data=body)
        assert status < 500, (path, told)


def test_large_files_come_in_parts(ask: Ask, served: Any) -> None:
    run = new_run(ask)
    create = f"/api/2.0/mlflow-artifacts/mpu/create/0/{run}/artifacts/big"
    status, told = ask("POST", create, {"path": "/tmp/x/file.bin", "num_parts": 3})
    assert status == 200
    parts = [b"a" * 2_000_000, b"b" * 10, b"c"]
    for credential, content in zip(told["credentials"], parts, strict=True):
        path = credential["url"].removeprefix(served.url)
        assert ask("PUT", path, data=content, who="", **credential["headers"])[0] == 200
    done = {"path": "/tmp/x/file.bin", "upload_id": told["upload_id"], "parts": [{"part_number": n} for n in (1, 2, 3)]}
    assert ask("POST", create.replace("create", "complete"), done)[0] == 200
    assert ask("GET", f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/big/file.bin")[1] == b"".join(parts)
    assert ask("POST", create.replace("create", "complete"), done)[0] == 404
    _, told = ask("POST", create, {"path": "other.bin", "num_parts": 1})
    gone = {"path": "other.bin", "upload_id": told["upload_id"]}
    assert ask("POST", create.replace("create", "abort"), gone)[0] == 200
    assert ask("POST", create.replace("create", "complete"), {**gone, "parts": [{"part_number": 1}]})[0] == 404


def test_a_request_sent_again_adds_nothing(ask: Ask) -> None:
    run = new_run(ask)
    points = [{"key": "loss", "value": n / 7, "timestamp": n, "step": n} for n in range(50)]
    for _ in range(3):
        assert ask("POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": points})[0] == 200
    _, told = ask("GET", f"{API}/metrics/get-history?run_id={run}&metric_key=loss")
    assert [each["step"] for each in told["metrics"]] == list(range(50))


def test_a_path_of_mlflow_that_lacks_a_slash_is_answered(ask: Ask) -> None:
    run = new_run(ask)
    data = {"dataset": {"name": "rows", "digest": "1", "source_type": "local", "source": "{}"}}
    assert ask("POST", f"{API}/runs/log-inputs", {"run_id": run, "datasets": [data]})[0] == 200
    status, told = ask("POST", f"{API}experiments/search-datasets", {"experiment_ids": ["0"]})
    assert (status, [each["name"] for each in told["dataset_summaries"]]) == (200, ["rows"])


def test_a_model_may_have_a_name_that_clew_would_not_give(ask: Ask, served: Any) -> None:
    name = "A model of März"
    assert ask("POST", f"{API}/registered-models/create", {"name": name})[0] == 200
    assert ask("POST", f"{API}/model-versions/create", {"name": name, "source": "s3://bucket/m"})[0] == 200
    assert ask("POST", f"{API}/registered-models/alias", {"name": name, "alias": "mine", "version": "1"})[0] == 200
    with served.host.ledger.read() as tx:
        assert resolve(tx, "p", f"{name}@mine").number == 1


@pytest.mark.parametrize("source", ["s3://[bucket/m", "s3://%5Bbucket/m", "s3://[::1%5D/m"])
def test_a_source_that_is_no_address_is_the_callers_mistake(ask: Ask, source: str) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "m"})[0] == 200
    assert ask("POST", f"{API}/model-versions/create", {"name": "m", "source": source})[0] == 400


@pytest.mark.parametrize(
    "address",
    ["http://evil/x", "HTTPS://evil/x", " http://evil/x", "ht\ttp://evil/x", "mlflow-artifacts://evil/x"],
)
def test_no_address_makes_clients_send_their_token_to_another_host(ask: Ask, address: str) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "m"})[0] == 200
    for path, body in {
        "experiments/create": {"name": "e", "artifact_location": address},
        "model-versions/create": {"name": "m", "source": address},
    }.items():
        status, told = ask("POST", f"{API}/{path}", body)
        assert (status, "their token" in told.get("message", "")) == (400, True), path


def test_an_address_is_judged_as_clients_take_it_apart(ask: Ask) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "m"})[0] == 200
    run = new_run(ask)
    source = f"mlflow-artifacts://%2F@evil.test/0/{run}/artifacts/model"
    status, told = ask("POST", f"{API}/model-versions/create", {"name": "m", "source": source, "run_id": run})
    assert (status, "their token" in told.get("message", "")) == (400, True)


@pytest.mark.parametrize(
    "source",
    [
        *("http://evil/x", " http://evil/x", "mlflow-artifacts://evil/x", "//evil/x", "s3://b/x"),
        *("/etc", "../x", "a/b", "..", "~", "\\\\evil\\share", "C:/x"),
    ],
)
def test_what_calls_itself_a_prompt_has_no_files(ask: Ask, source: str) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "m"})[0] == 200
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    body = {"name": "m", "source": source, "tags": tags}
    assert ask("POST", f"{API}/model-versions/create", body)[0] == 400
    assert ask("POST", f"{API}/model-versions/create", {**body, "source": "dummy-source"})[0] == 200


@pytest.mark.parametrize("location", ["s3://bucket/x#part", "s3://[bucket", "relative", "file:///etc", "s3://b/../x"])
def test_a_place_that_no_client_could_use_is_refused(ask: Ask, location: str) -> None:
    assert ask("POST", f"{API}/experiments/create", {"name": "e", "artifact_location": location})[0] == 400


@pytest.mark.parametrize("location", ["s3://bucket/x", "dbfs:/x", "mlflow-artifacts:/deep/er"])
def test_an_experiment_may_have_a_place_of_its_own(ask: Ask, location: str) -> None:
    assert ask("POST", f"{API}/experiments/create", {"name": "e", "artifact_location": location})[0] == 200


def test_the_greatest_step_is_told_as_it_came(ask: Ask) -> None:
    run, most = new_run(ask), (1 << 63) - 1
    point = {"run_id": run, "key": "loss", "value": 1, "timestamp": 1, "step": most}
    assert ask("POST", f"{API}/runs/log-metric", point)[0] == 200
    _, got = ask("GET", f"{API}/runs/get?run_id={run}")
    _, history = ask("GET", f"{API}/metrics/get-history?run_id={run}&metric_key=loss")
    assert [got["run"]["data"]["metrics"][0]["step"], history["metrics"][0]["step"]] == [most, most]


def test_a_run_keeps_its_name_without_the_tag(ask: Ask) -> None:
    run = new_run(ask)
    assert ask("POST", f"{API}/runs/delete-tag", {"run_id": run, "key": "mlflow.runName"})[0] == 200
    assert ask("GET", f"{API}/runs/get?run_id={run}")[1]["run"]["info"]["run_name"] == "r"


def test_no_experiment_is_not_the_first_one(ask: Ask) -> None:
    new_run(ask)
    for path, body in {"runs/create": {}, "runs/search": {"experiment_ids": [""]}}.items():
        status, told = ask("POST", f"{API}/{path}", body)
        assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), path
    assert ask("POST", f"{API}/runs/create", data=b"no JSON")[0] == 400
    assert len(ask("POST", f"{API}/runs/search", {"experiment_ids": [0]})[1]["runs"]) == 1


@pytest.mark.parametrize("before", ["", "/projects/late"])
def test_links_that_clients_print_lead_to_a_command(ask: Ask, before: str) -> None:
    status, page = ask("GET", f"{before}/", who="")
    assert (status, b"clew runs list" in page, b"CLEW_SERVER=" in page) == (200, True, True)
    assert ask("POST", f"{before}/", who="")[0] in (404, 405)


def test_there_are_no_webhooks(ask: Ask) -> None:
    assert ask("GET", f"{API}/webhooks") == (200, {"webhooks": []})
    assert ask("POST", f"{API}/webhooks", {"name": "a"})[0] == 501


def test_a_tag_called_name_is_no_name(ask: Ask) -> None:
    for name in ("delay", "late"):
        tags = [{"key": "name", "value": "late"}]
        assert ask("POST", f"{API}/registered-models/create", {"name": name})[0] == 200
        asked = {"name": name, "source": "s3://bucket/m", "tags": tags}
        assert ask("POST", f"{API}/model-versions/create", asked)[0] == 200
    _, told = ask("GET", f"{API}/model-versions/search?filter=tags.name%3D'late'")
    assert sorted(each["name"] for each in told["model_versions"]) == ["delay", "late"]


def test_a_guarded_alias_asks_the_gate(ask: Ask) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "delay"})[0] == 200
    run = new_run(ask)
    files = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/MLmodel"
    assert ask("PUT", files, data=b"flavors:\n  python_function:\n    loader_module: x\n")[0] == 200
    source = {"name": "delay", "source": f"runs:/{run}/model", "run_id": run}
    assert ask("POST", f"{API}/model-versions/create", source)[0] == 200
    status, told = ask("POST", f"{API}/registered-models/alias", {"name": "delay", "alias": "champion", "version": "1"})
    assert (status, told["error_code"]) == (403, "PERMISSION_DENIED")
    assert "allow_pickle" in told["message"]
    assert ask("POST", f"{API}/registered-models/alias", {"name": "delay", "alias": "mine", "version": "1"})[0] == 200


def test_points_that_come_one_by_one_become_full_blocks(ask: Ask, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.server.mlflow.crumbs.EVERY", 20)
    run = new_run(ask)
    for step in range(50):
        point = {"run_id": run, "key": "loss", "value": step / 7, "timestamp": step, "step": step}
        assert ask("POST", f"{API}/runs/log-metric", point)[0] == 200
    with served.host.ledger.read() as tx:
        assert len(tx.series.blocks(run, "loss")) == 1 + 10
    assert ask("POST", f"{API}/runs/log-metric", {**point, "step": 1, "timestamp": 1, "value": 1 / 7})[0] == 200
    assert ask("POST", f"{API}/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 5})[0] == 200
    with served.host.ledger.read() as tx:
        assert len(tx.series.blocks(run, "loss")) == 1
    _, told = ask("GET", f"{API}/metrics/get-history?run_id={run}&metric_key=loss")
    assert [each["step"] for each in told["metrics"]] == list(range(50))


def test_an_experiment_comes_back_without_the_runs_that_were_purged(ask: Ask, served: Any) -> None:
    number = ask("POST", f"{API}/experiments/create", {"name": "tries"})[1]["experiment_id"]
    made = {"experiment_id": number, "run_name": "r"}
    gone, kept = (ask("POST", f"{API}/runs/create", made)[1]["run"]["info"]["run_id"] for _ in range(2))
    assert ask("POST", f"{API}/experiments/delete", {"experiment_id": number})[0] == 200
    with served.host.ledger.write() as tx:
        purge(served.host.stores(served.host.project("late"), actor="test"), tx, tx.runs.get(gone))
    assert ask("POST", f"{API}/experiments/restore", {"experiment_id": number}) == (200, {})
    found = ask("POST", f"{API}/runs/search", {"experiment_ids": [number]})[1]
    assert [run["info"]["run_id"] for run in found["runs"]] == [kept]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "experiments/get?experiment_id=1" + "0" * 30, None),
        ("POST", "runs/create", {"experiment_id": "0", "start_time": 1 << 62}),
        ("POST", "runs/search", {"experiment_ids": ["1" + "0" * 30]}),
        ("POST", "experiments/create", {"name": "\ud800"}),
        ("POST", "registered-models/create", {"name": "\udfff"}),
    ],
)
def test_what_no_database_can_hold_is_the_callers_mistake(ask: Ask, method: str, path: str, body: Any) -> None:
    status, told = ask(method, f"{API}/{path}", body)
    assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), told


@pytest.mark.parametrize(
    "wrong",
    [
        {"dataset_name": "n" * 501},
        {"dataset_digest": "d" * 37},
        {"dataset_name": "a\0b"},
        {"dataset_digest": "\0"},
        {"model_id": "\0"},
        {"dataset_name": "\U00020000" * 500},
    ],
    ids=["name", "digest", "zero in a name", "zero in a digest", "zero in a model", "bytes"],
)
def test_numbers_of_a_model_have_texts_that_every_database_takes(ask: Ask, wrong: dict[str, str]) -> None:
    run = new_run(ask)
    _, told = ask("POST", f"{API}/logged-models", {"experiment_id": "0", "name": "m"})
    point = {"key": "a", "value": 1, "timestamp": 1, "model_id": told["model"]["info"]["model_id"]}
    point |= {"dataset_name": "n" * 500, "dataset_digest": "d" * 36}
    assert ask("POST", f"{API}/runs/log-metric", {"run_id": run, **point})[0] == 200
    for path, body in (("log-metric", point | wrong), ("log-batch", {"metrics": [point | wrong]})):
        status, told = ask("POST", f"{API}/runs/{path}", {"run_id": run, **body})
        assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), told


def test_a_logged_model_that_was_purged_stays_as_it_is(ask: Ask, served: Any) -> None:
    run = new_run(ask)
    _, told = ask("POST", f"{API}/logged-models", {"experiment_id": "0", "name": "m"})
    model = told["model"]["info"]["model_id"]
    assert ask("DELETE", f"{API}/logged-models/{model}")[0] == 200
    stores = served.host.stores(served.host.project("late"), actor="test")
    assert [each.id for each in purge_logged(stores, until_us=1 << 62)] == [model]
    with stores.ledger.read() as tx:
        before = tx.logged_models.get(model)
    point = {"run_id": run, "key": "a", "value": 1, "timestamp": 1, "model_id": model}
    for method, path, body in (
        ("POST", "runs/log-metric", point),
        ("PATCH", f"logged-models/{model}", {"status": "LOGGED_MODEL_READY"}),
        ("PATCH", f"logged-models/{model}/tags", {"tags": [{"key": "a", "value": "b"}]}),
        ("POST", f"logged-models/{model}/params", {"params": [{"key": "a", "value": "b"}]}),
        ("DELETE", f"logged-models/{model}", {}),
    ):
        status, told = ask(method, f"{API}/{path}", body)
        assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), (path, told)
        assert "was purged" in told["message"]
    with stores.ledger.read() as tx:
        assert (tx.logged_models.get(model), tx.logged_models.metrics([model])) == (before, [])
    assert ask("GET", f"{API}/logged-models/{model}?allow_deleted=true")[0] == 200


@pytest.mark.parametrize("path", ["runs/search", "logged-models/search"])
def test_a_search_for_very_many_fields_is_refused(ask: Ask, path: str) -> None:
    def search(fields: int, orders: int) -> tuple[int, Any]:
        by: list[Any] = [f"metrics.o{n}" for n in range(orders)]
        by = [{"field_name": each} for each in by] if path.startswith("logged") else by
        clauses = " AND ".join(f"metrics.m{n} > 0" for n in [*range(fields), *range(fields)])
        return ask("POST", f"{API}/{path}", {"experiment_ids": ["0"], "filter": clauses, "order_by": by})

    assert search(60, 40)[0] == 200
    for fields, orders in ((101, 0), (60, 41), (0, 101)):
        status, told = search(fields, orders)
        assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), told
        assert "at most 100 fields" in told["message"]


def test_points_that_come_in_small_batches_become_full_blocks(
    ask: Ask, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.server.mlflow.crumbs.EVERY", 20)
    run = new_run(ask)
    for step in range(50):
        points = [{"key": key, "value": step / 7, "timestamp": step, "step": step} for key in ("loss", "acc")]
        assert ask("POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": points})[0] == 200
    with served.host.ledger.read() as tx:
        assert [len(tx.series.blocks(run, key)) for key in ("loss", "acc")] == [1 + 10] * 2


def test_runs_that_log_little_do_not_make_others_merge_at_each_point(monkeypatch: pytest.MonkeyPatch) -> None:
    merged: list[str] = []
    monkeypatch.setattr(crumbs, "merge_run", lambda _, run: merged.append(run))
    monkeypatch.setattr(crumbs, "_MOST_RUNS", 10)
    counting, stores = crumbs.Crumbs(), cast("Stores", None)
    for number in range(20):
        counting.count(stores, f"short {number}")
    for _ in range(2 * crumbs.EVERY):
        counting.count(stores, "long")
    assert merged == ["long", "long"]


def test_a_parent_is_taken_away_with_its_tag(ask: Ask, served: Any) -> None:
    parent, child = new_run(ask), new_run(ask)
    tag = {"run_id": child, "key": "mlflow.parentRunId"}
    for value, kept in ((parent, parent), ("no run", ""), (parent, parent)):
        assert ask("POST", f"{API}/runs/set-tag", {**tag, "value": value})[0] == 200
        with served.host.ledger.read() as tx:
            assert tx.runs.get(child).parent == kept
    assert ask("POST", f"{API}/runs/delete-tag", tag)[0] == 200
    _, told = ask("GET", f"{API}/runs/get?run_id={child}")
    assert "mlflow.parentRunId" not in [each["key"] for each in told["run"]["data"]["tags"]]


def test_nobody_fills_the_memory_who_is_not_let_in(ask: Ask, served: Any) -> None:
    """A body of unknown length is refused while it still comes."""
    at = urlsplit(served.url)
    with socket.create_connection((at.hostname or "", at.port or 0), timeout=20) as connection:
        connection.sendall(f"POST {API}/runs/search HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(OSError):  # closed by the server
            for _ in range(40):  # beyond what it reads of one who may be let in
                connection.sendall(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        assert b" 401 " in connection.recv(100)


def test_uploads_that_nobody_finished_are_forgotten(ask: Ask, served: Any) -> None:
    run = new_run(ask)
    create, begin = f"/api/2.0/mlflow-artifacts/mpu/create/0/{run}/artifacts", {"path": "a", "num_parts": 1}
    old = served.host.folder / "uploads" / "p" / ask("POST", create, begin)[1]["upload_id"]
    os.utime(old, (1, 1))
    fresh = served.host.folder / "uploads" / "p" / ask("POST", create, begin)[1]["upload_id"]
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_file_that_is_asked_for_twice_is_put_together_twice(
    ask: Ask, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that lost patience asks again, while its first request still reads what it put together."""
    run = new_run(ask)
    create = f"/api/2.0/mlflow-artifacts/mpu/create/0/{run}/artifacts"
    upload = ask("POST", create, {"path": "a", "num_parts": 1})[1]["upload_id"]
    assert ask("PUT", f"/api/2.0/mlflow-artifacts/mpu/part/{upload}/1", data=b"x" * 99)[0] == 200
    files: list[Path] = []

    def keep(call: Any, place: Any, content: Path) -> None:
        files.append(content)
        if len(files) == 1:
            assert ask("POST", create.replace("create", "complete"), done)[0] == 200
        else:
            kept(call, place, content)

    kept, done = uploads.keep, {"path": "a", "upload_id": upload, "parts": [{"part_number": 1}]}
    monkeypatch.setattr(uploads, "keep", keep)
    assert ask("POST", create.replace("create", "complete"), done)[0] == 200
    assert len(set(files)) == 2


def test_a_file_that_ends_too_early_ends_the_answer(ask: Ask, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(ask)
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a.txt"
    assert ask("PUT", path, data=b"some bytes")[0] == 200
    monkeypatch.setattr(LocalObjects, "size", lambda *_: 99)
    with pytest.raises(http.client.IncompleteRead):
        ask("GET", path)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("runs/delete-tag", {"run_id": "RUN", "key": "\ud800"}, 404),
        ("runs/search", {"experiment_ids": ["0"], "filter": "\ud800"}, 400),
        ("experiments/create", {"name": "a", "artifact_location": "\ud800"}, 400),
    ],
)
def test_a_refusal_can_quote_half_a_character(ask: Ask, path: str, body: dict[str, Any], status: int) -> None:
    body = {key: new_run(ask) if value == "RUN" else value for key, value in body.items()}
    found, told = ask("POST", f"{API}/{path}", body)
    assert found == status, told
    assert r"\ud800" in told["message"]


def test_models_that_old_clients_note_stay_readable_however_many_there_are(ask: Ask, served: Any) -> None:
    run = new_run(ask)
    model = {"artifact_path": "net" * 1000, "flavors": {}, "utc_time_created": "now", "run_id": run}
    for _ in range(4):
        assert ask("POST", f"{API}/runs/log-model", {"run_id": run, "model_json": json.dumps(model)}) == (200, {})
    assert ask("POST", f"{API}/runs/update", {"run_id": run, "status": "FINISHED"})[0] == 200
    model["utc_time_created"] = "last"
    assert ask("POST", f"{API}/runs/log-model", {"run_id": run, "model_json": json.dumps(model)}) == (200, {})
    with served.host.ledger.read() as tx:
        history = json.loads(tx.runs.get(run).tags["mlflow.log-model.history"])
        told = [event.facts for event in tx.events.list("p", kind="run.described").items]
    assert [each["utc_time_created"] for each in history] == ["now"] * 4 + ["last"]
    entries = [each["appended"]["mlflow.log-model.history"] for each in told if "appended" in each]
    assert [json.loads(entry) for entry in entries] == history[::-1], "an event tells what came, not the whole"
    assert not [each for each in told if "mlflow.log-model.history" in each.get("tags", {})]
    assert verify(served.host.stores(served.host.project("late"), actor="test")).problems == []
    for text in ("5", "[]", "null", "[" * 3000, "{"):
        status, told = ask("POST", f"{API}/runs/log-model", {"run_id": run, "model_json": text})
        assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), text
    for tag in ("no JSON", "{}"):
        assert (
            ask("POST", f"{API}/runs/set-tag", {"run_id": run, "key": "mlflow.log-model.history", "value": tag})[0]
            == 200
        )
        status, told = ask("POST", f"{API}/runs/log-model", {"run_id": run, "model_json": json.dumps(model)})
        assert (status, told["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), tag


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(
            f"{BOMB}mlflow_version: *a59\nflavors: {{python_function: {{python_version: *a59}}}}\n", 200, id="long"
        ),
        ("""signature: {inputs: '[{"type": "tensor", "tensor-spec": {"shape": 5}}]'}""", 200),
        ("made: 2001-99-99", 400),
        ("[" * 3000, 400),
        ("one: two: three", 400),
        ("a text", 400),
    ],
)
def test_a_strange_description_of_a_model_is_taken_or_refused(ask: Ask, content: str, status: int) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "delay"})[0] == 200
    run = new_run(ask)
    files = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/MLmodel"
    assert ask("PUT", files, data=content.encode())[0] == 200
    source = {"name": "delay", "source": f"runs:/{run}/model", "run_id": run}
    found, told = ask("POST", f"{API}/model-versions/create", source)
    assert found == status, told


def test_an_alias_that_an_endpoint_serves_is_not_taken_away(ask: Ask, served: Any) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "delay"})[0] == 200
    assert ask("POST", f"{API}/model-versions/create", {"name": "delay", "source": "s3://bucket/m"})[0] == 200
    alias = {"name": "delay", "alias": "mine", "version": "1"}
    assert ask("POST", f"{API}/registered-models/alias", alias)[0] == 200
    with served.host.ledger.write() as tx:
        model = tx.models.find("p", "delay")
        tx.endpoints.add(some.change(some.an_endpoint(alias="mine"), model=model.id))
    for path in ("registered-models/alias", "model-versions/delete", "registered-models/delete"):
        status, told = ask("DELETE", f"{API}/{path}", alias)
        assert (status, told["error_code"]) == (409, "RESOURCE_CONFLICT"), path
    assert ask("GET", f"{API}/registered-models/alias?name=delay&alias=mine")[0] == 200


def test_who_moves_an_alias_beside_others_is_not_refused(ask: Ask) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "m"})[0] == 200
    for _ in range(6):
        assert ask("POST", f"{API}/model-versions/create", {"name": "m", "source": "s3://bucket/m"})[0] == 200

    def move(number: int) -> int:
        return ask("POST", f"{API}/registered-models/alias", {"name": "m", "alias": "a", "version": str(number)})[0]

    with ThreadPoolExecutor(6) as clients:
        assert list(clients.map(move, range(1, 7))) == [200] * 6


def test_latest_is_an_alias_that_the_newest_version_always_has(ask: Ask) -> None:
    assert ask("POST", f"{API}/registered-models/create", {"name": "m"})[0] == 200
    path = f"{API}/registered-models/alias?name=m&alias="
    status, told = ask("GET", path + "latest")
    assert (status, told["message"]) == (404, "Latest version not found for model m.")
    for _ in range(3):
        assert ask("POST", f"{API}/model-versions/create", {"name": "m", "source": "s3://bucket/m"})[0] == 200
    assert ask("DELETE", f"{API}/model-versions/delete", {"name": "m", "version": "3"})[0] == 200
    assert {ask("GET", path + alias)[1]["model_version"]["version"] for alias in ("latest", "Latest")} == {"2"}
    assert ask("GET", path + "none")[0] == 400


def test_no_alias_gets_past_the_gate_by_a_new_name_of_its_model(serve: Any) -> None:
    served = serve(settings="[gate.free]\naliases = []\n[gate.also]\naliases = []\n")
    tokens = {role: served.token(role, role) for role in (ProjectRole.CONTRIBUTOR, ProjectRole.MAINTAINER)}

    def act(path: str, body: dict[str, Any], role: ProjectRole = ProjectRole.MAINTAINER) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {tokens[role]}", "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        return opened(urllib.request.Request(f"{served.url}{API}/{path}", content, headers, method="POST"))

    def renamed(name: str, new_name: str, role: ProjectRole = ProjectRole.MAINTAINER) -> tuple[int, str]:
        status, told = act("registered-models/rename", {"name": name, "new_name": new_name}, role)
        return status, told.get("error_code", "")

    for name in ("free", "bare"):
        assert act("registered-models/create", {"name": name})[0] == 200
        assert act("model-versions/create", {"name": name, "source": "s3://bucket/m"})[0] == 200
    assert act("registered-models/alias", {"name": "free", "alias": "champion", "version": "1"})[0] == 200
    assert renamed("free", "delay") == (403, "PERMISSION_DENIED")
    assert renamed("free", "also", ProjectRole.CONTRIBUTOR) == (403, "PERMISSION_DENIED")
    assert renamed("free", "also") == (200, "")
    assert renamed("bare", "delay") == (200, "")
    with served.host.ledger.write() as tx:
        model = tx.models.find("p", "delay")
        move = some.change(some.a_move(1, 1), model=model.id, version=tx.models.find_version(model.id, 1).id)
        tx.models.move_alias(move)
    assert renamed("delay", "free") == (403, "PERMISSION_DENIED"), "an endpoint would follow it to where no gate is"
    assert renamed("delay", "arrival") == (200, "")
