"""The ASGI application in front of the server's own: what belongs to MLflow's API is answered here, bare and fast.

A framework costs more than most of these requests. Everything else goes on to the application behind. Which project a
request means: the path before `/api` (`/projects/NAME`), the header `X-MLFLOW-WORKSPACE`, or the server's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from clew import __version__
from clew.core.contracts.ledger import Ledger
from clew.core.errors import Corrupt
from clew.server.caller import admit, project_for
from clew.server.host import Host
from clew.server.mlflow import links
from clew.server.mlflow.artifacts import Download, receive
from clew.server.mlflow.body import read_body, read_query
from clew.server.mlflow.call import Call
from clew.server.mlflow.crumbs import Crumbs
from clew.server.mlflow.elsewhere import GROUPS, not_here
from clew.server.mlflow.experiments import ensure_default
from clew.server.mlflow.limits import check_batch_bytes
from clew.server.mlflow.log import log_batch
from clew.server.mlflow.refusal import Refusal, answer_of, invalid
from clew.server.mlflow.routes import PATTERNS, ROUTES, Route
from clew.server.mlflow.uploads import receive_part
from clew.server.receive import IN_MEMORY_BYTES, received
from clew.server.request import in_thread
from clew.server.uploads import uploads_folder

__all__ = ["MlflowDoor"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

_JSON = b"application/json"
_PREFIXES = ("/api/", "/ajax-api/")
_TAKE_FILES = (receive, receive_part)
_HINT = "clients of MLflow send what stands in MLFLOW_TRACKING_TOKEN"
_HTTP_CODES = {401: "UNAUTHENTICATED", 429: "REQUEST_LIMIT_EXCEEDED"}
_MOST_BODY_BYTES, _PIECE = 32 << 20, 1 << 20
_INFO = {
    "store_type": "SqlStore",
    "workspaces_enabled": False,
    "trace_archival_enabled": False,
    "multipart_uploads_enabled": True,
    "multipart_downloads_enabled": False,
    "presigned_upload_run_id_supported": False,
    "presigned_upload_model_id_supported": False,
    "features_enabled": {"gateway": False},
}
_encode = msgspec.json.Encoder().encode


class MlflowDoor:
    """Answers MLflow's API, and hands on all else.

    Args:
        behind: the application that answers all else.
        host_of: the server's projects.
    """

    def __init__(self, behind: App, host_of: Callable[[], Host]) -> None:
        self._behind, self._host_of = behind, host_of
        self._furnished: WeakKeyDictionary[Ledger, set[str]] = WeakKeyDictionary()
        self._crumbs = Crumbs()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parted = _part(scope) if scope["type"] == "http" else None
        if parted is None:
            await self._behind(scope, receive, send)
            return
        project, before, path = parted
        if not path:
            await _send(send, 200, links.PAGE, b"text/html; charset=utf-8", links.HEADERS)
            return
        what = f"{scope['method']} {scope['path']}"
        try:
            answer = await self._answer(scope, receive, project, before, path)
        except Exception as error:  # noqa: BLE001 - a door: whatever it is gets an answer
            status, body = answer_of(_plain(error), what)
            headers = [(b"www-authenticate", b'Basic realm="clew"')] if status == 401 else []
            await _send(send, status, body, _JSON, headers)
            return
        if isinstance(answer, Download):
            await _send_file(send, answer)
            return
        if isinstance(answer, str):
            await _send(send, 200, answer.encode(), b"text/plain; charset=utf-8")
            return
        await _send(send, 200, answer, _JSON)

    async def _answer(
        self, scope: Scope, receive: Receive, project: str, before: str, path: str
    ) -> bytes | str | Download:
        """JSON, a plain text, or a file."""
        if path in ("health", "version"):
            return "OK" if path == "health" else __version__
        if path == "3.0/mlflow/server-info":
            return _encode(_INFO)
        try:
            route, found = _find(scope["method"], path)
        except Refusal:
            await _drain(receive)
            raise
        scope["path_template"] = route.path
        headers: dict[bytes, bytes] = dict(scope["headers"])
        caller = {"project": project or headers.get(b"x-mlflow-workspace", b"").decode("latin-1")}
        for name in ("authorization", "host", "origin"):
            caller[name] = headers.get(name.encode(), b"").decode("latin-1")
        caller["address"] = (scope.get("client") or ("",))[0]
        caller["url"] = _url(scope, headers, before)
        caller["query"] = scope.get("query_string", b"").decode("latin-1")
        let_in = partial(self._let_in, route, receive, found, caller)
        if route.verb in _TAKE_FILES:
            call = await let_in()
            async with received(_pieces(receive), uploads_folder(call.stores)) as content:
                return _encode(await in_thread(route.verb, call, content))
        body = await _body(receive, let_in)
        return await in_thread(self._run, route, body, scope["method"], found, caller)

    def _run(
        self, route: Route, body: bytes, method: str, found: Mapping[str, str], caller: Mapping[str, str]
    ) -> bytes | Download:
        """Let a request in and answer it; in a thread, since it waits for the ledger."""
        call = self._call(route, found, caller)
        if route.kind is None:
            told = route.verb(call)
            return told if isinstance(told, Download) else _encode(told)
        if route.verb is log_batch:
            check_batch_bytes(body)
        query = call.query if method == "GET" or not body else ""
        return _encode(route.verb(call, read_query(route.kind, query) if query else read_body(route.kind, body)))

    def _call(self, route: Route, found: Mapping[str, str], caller: Mapping[str, str]) -> Call:
        host = self._host_of()
        user = admit(host, caller, caller["address"], project=caller["project"] or None)
        project = project_for(host, user, caller["project"] or host.own_name, route.action)
        call = Call(
            host=host,
            project=project,
            stores=host.stores(project, actor=user.name),
            url=caller["url"],
            authorization=caller["authorization"],
            path=found,
            query=caller["query"],
            crumbs=self._crumbs,
        )
        furnished = self._furnished.setdefault(host.ledger, set())
        if project.id not in furnished:
            ensure_default(call)
            furnished.add(project.id)
        return call

    async def _let_in(
        self, route: Route, receive: Receive, found: Mapping[str, str], caller: Mapping[str, str]
    ) -> Call:
        """Let a request in before its body is read."""
        try:
            return await in_thread(self._call, route, found, caller)
        except Exception:
            await _drain(receive)
            raise


def _part(scope: Scope) -> tuple[str, str, str] | None:
    """Project, what stands before `/api`, and what stands behind it, nothing for a link that a client printed; None for
    what is not MLflow's."""
    path: str = scope["path"]
    project = before = ""
    if path.startswith("/projects/"):
        project, slash, rest = path[len("/projects/") :].partition("/")
        if not slash or not project:
            return None
        before, path = f"/projects/{project}", f"/{rest}"
        if path in ("/health", "/version"):
            return project, before, path[1:]
    if path == "/" and scope["method"] == "GET":
        return project, before, ""
    for prefix in _PREFIXES:
        rest = path[len(prefix) :]
        if path.startswith(prefix) and rest.startswith(("2.0/mlflow", "3.0/mlflow")):
            return project, before, rest
    return None


def _find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a path, and what its parts stand for.

    Raises:
        Refusal: there is none.
    """
    version, _, rest = path.partition("/")
    short = rest.removeprefix("mlflow/")
    if short.startswith("mlflowexperiments/"):
        short = short.removeprefix("mlflow")  # MLflow's own paths lack a slash there
    route = ROUTES.get((method, short)) if version == "2.0" else None
    if route is not None:
        return route, {}
    parts = short.strip("/").split("/")
    for wanted, pattern, found in PATTERNS:
        if wanted == method and version == "2.0":
            matched = _match(pattern, parts)
            if matched is not None:
                return found, matched
    if parts[0] in GROUPS or version == "3.0":
        raise not_here(parts[0] if parts[0] in GROUPS else "traces")
    raise Refusal("ENDPOINT_NOT_FOUND", f"no endpoint {method} {path}")


def _match(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for place, wanted in enumerate(pattern):
        if wanted.endswith("*}"):
            if len(parts) <= place:
                return None
            found[wanted[1:-2]] = "/".join(parts[place:])
            return found
        if place >= len(parts):
            return None
        if wanted.startswith("{"):
            found[wanted[1:-1]] = parts[place]
        elif wanted != parts[place]:
            return None
    return found if len(parts) == len(pattern) else None


def _url(scope: Scope, headers: Mapping[bytes, bytes], before: str) -> str:
    """This server as the caller reached it, proxies counted in."""
    scheme = headers.get(b"x-forwarded-proto", b"").decode("latin-1") or scope.get("scheme", "http")
    return f"{scheme}://{headers.get(b'host', b'').decode('latin-1')}{before}"


def _plain(error: Exception) -> Exception:
    """What the guard of the server raises, in the words of this API."""
    from litestar.exceptions import HTTPException

    if isinstance(error, HTTPException):
        detail = f"{error.detail} ({_HINT})" if error.status_code == 401 else error.detail
        return Refusal(_HTTP_CODES.get(error.status_code, "BAD_REQUEST"), detail)
    if isinstance(error, OverflowError):
        return invalid("a number in the request is beyond 64 bits")
    if isinstance(error, UnicodeEncodeError):
        return invalid("a text in the request holds half a character")
    return error


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refusal("ABORTED", "the caller went away")
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _drain(receive: Receive) -> None:
    """Take in a body that nobody wants: a caller that still sends would not read the refusal."""
    taken = 0
    async for piece in _pieces(receive):
        taken += len(piece)
        if taken > _MOST_BODY_BYTES:
            return


async def _body(receive: Receive, let_in: Callable[[], Awaitable[object]]) -> bytes:
    """A whole body. One that takes memory is read on only when its caller was let in."""
    held, known = bytearray(), False
    async for piece in _pieces(receive):
        held += piece
        if len(held) > _MOST_BODY_BYTES:
            raise Refusal("BAD_REQUEST", f"the body is longer than {_MOST_BODY_BYTES} bytes")
        if len(held) > IN_MEMORY_BYTES and not known:
            await let_in()
            known = True
    return bytes(held)


async def _send(
    send: Send, status: int, body: bytes, kind: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    told = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})


async def _send_file(send: Send, answer: Download) -> None:
    name = "".join(c if c.isalnum() or c in "._- " else "_" for c in answer.name if ord(c) < 128)
    headers = [
        (b"content-type", answer.media_type.encode()),
        (b"content-length", str(answer.size_bytes).encode()),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"etag", f'"{answer.digest}"'.encode()),
    ]
    with answer.file as file:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        left = answer.size_bytes
        while left:
            piece = await in_thread(file.read, min(_PIECE, left))
            if not piece:
                raise Corrupt(f"{answer.name} ends {left} bytes too early", hint="clew doctor")
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
