"""The OpenAPI document says what the server does: names, bodies, errors; and nothing that it allows makes a defect."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from clew.server.app import make_app
from clew.server.host import Host
from clew.server.reference import render_reference

STREAMS = ("stream_events", "stream_run")


@pytest.fixture
def document(serve: Callable[..., Any]) -> dict[str, Any]:
    at = urlsplit(serve(open=True).url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port)
    connection.request("GET", "/api/openapi.json")
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if path.startswith("/api/v1") and isinstance(operation, dict)
    ]


def test_the_document_is_enough_for_a_typed_client(document: dict[str, Any]) -> None:
    found = operations(document)
    names = [operation["operationId"] for operation in found]
    assert len(set(names)) == len(names) > 40
    schemas = document["components"]["schemas"]
    for operation in found:
        assert operation["security"] == [{"token": []}]
        assert operation["description"]
        error = operation["responses"]["404"]["content"]["application/json"]["schema"]
        assert error == {"$ref": "#/components/schemas/Wrong"}
    assert set(schemas["Problem"]["required"]) == {"code", "message"}
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas, reference


def test_the_page_tells_every_route(document: dict[str, Any]) -> None:
    page = render_reference(make_app(cast("Host", None)))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/v1") and isinstance(operation, dict):
                assert f"| `{method.upper()} {path.removeprefix('/api/v1')}` | " in page
    assert " |  |" not in page


@schemathesis.serializer("application/vnd.msgpack")
def packed(_: Any, value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except OverflowError:  # a number that MessagePack does not know
        return b"\xc0"


def test_nothing_that_the_document_allows_is_a_defect(serve: Callable[..., Any], document: dict[str, Any]) -> None:
    served = serve(open=True)
    tried = 0
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        if operation.definition.raw["operationId"] in STREAMS or not operation.path.startswith("/api/v1"):
            continue

        @settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def attempt(case: schemathesis.Case) -> None:
            if "project" in (case.path_parameters or {}):
                case.path_parameters["project"] = "late"
            case.call_and_validate(base_url=served.url, checks=[not_a_server_error], timeout=20)

        attempt()
        tried += 1
    assert tried > 40
