"""Reads an MLflow server over its REST API, a few requests at a time. Without MLflow's client."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
import time
import urllib.parse
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import IO, Any

from clew.core.address import http_parts
from clew.core.errors import Invalid, NotFound, Unavailable
from clew.core.types.logged_model import LoggedMetric
from clew.core.types.run import Experiment
from clew.core.types.run_input import RunInput
from clew.loop.imports import mlflow_words as words
from clew.loop.imports.foreign import ForeignFile, ForeignLogged, ForeignModel, ForeignRun

__all__ = ["MlflowServer"]

_API = "/api/2.0/mlflow/"
_THREADS, _AHEAD = 8, 16
_PAGE, _POINTS, _PIECE_BYTES = 1000, 25_000, 1 << 20
_TRIES, _TIMEOUT_S = 4, 60.0
_HINT = "is this the address of an MLflow server?"


class MlflowServer:
    """`clew.loop.imports.foreign.Source` over HTTP.

    Who asks is said as MLflow's client says it: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD.

    Args:
        url: the server, as MLFLOW_TRACKING_URI has it.

    Raises:
        Invalid: the address is none.
    """

    name = "mlflow"

    def __init__(self, url: str) -> None:
        parts = http_parts(url)
        if parts is None:
            raise Invalid(f"{url!r} names no server", hint="for example: http://localhost:5000")
        self._url, self._parts = url, parts
        self._here = threading.local()
        self._headers = {"accept": "application/json", **_credentials(os.environ)}
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()
        self._open: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Let go of connections."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()

    def counts(self) -> dict[str, int]:
        """A server counts nothing."""
        return {}

    def experiments(self) -> list[Experiment]:
        found = list(self._pages("experiments/search", "experiments", {"view_type": "ALL"}))
        found.sort(key=lambda each: int(each["experiment_id"]))
        self._names = {each["experiment_id"]: words.experiment_name(each["name"]) for each in found}
        return [words.experiment_of(each, _pairs(each.get("tags"))) for each in found]

    def runs(self) -> Iterator[ForeignRun]:
        """Histories of some runs are asked for while others are written."""
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="clew-import") as pool:
            ahead: list[Any] = []
            for told in self._search("runs/search", "runs", {"run_view_type": "ALL", "order_by": ["start_time ASC"]}):
                ahead.append(pool.submit(self._run, told))
                if len(ahead) > _AHEAD:
                    yield ahead.pop(0).result()
            for each in ahead:
                yield each.result()

    def logged_models(self) -> Iterator[ForeignLogged]:
        for told in self._search("logged-models/search", "models", {"max_results": 50}):
            info = told["info"]
            data = told.get("data", {})
            model = words.logged_model_of(info, params=_pairs(data.get("params")), tags=_pairs(info.get("tags")))
            metrics = tuple(_metric(model.id, each) for each in data.get("metrics", []))
            files = partial(self._logged_files, model.id)
            yield ForeignLogged(model, self._names[info["experiment_id"]], metrics, files)

    def models(self) -> Iterator[ForeignModel]:
        for told in self._pages("registered-models/search", "registered_models", {}, get=True):
            name = told["name"]
            query = {"filter": "name='{}'".format(name.replace("'", "\\'"))}
            rows = self._pages("model-versions/search", "model_versions", query, get=True)
            made = sorted(
                (words.model_version_of(row, _pairs(row.get("tags"))) for row in rows), key=lambda each: each.number
            )
            aliases = {each["alias"]: int(each["version"]) for each in told.get("aliases", [])}
            yield ForeignModel(words.model_of(told, _pairs(told.get("tags"))), tuple(made), aliases)

    def _run(self, told: dict[str, Any]) -> ForeignRun:
        info, data = told["info"], told.get("data", {})
        run_id = info["run_id"]
        run = words.run_of(
            run_id,
            name=info.get("run_name", ""),
            status=info["status"],
            user=info.get("user_id", ""),
            times=(info.get("start_time"), info.get("end_time"), None),
            params=_pairs(data.get("params")),
            tags=_pairs(data.get("tags")),
            deleted=info.get("lifecycle_stage") == "deleted",
        )
        keys = sorted({metric["key"] for metric in data.get("metrics", [])})
        return ForeignRun(
            run=run,
            experiment=self._names[info["experiment_id"]],
            series=words.points_of_rows(point for key in keys for point in self._history(run_id, key)),
            inputs=tuple(_inputs(run_id, told)),
            files=partial(self._run_files, run_id),
        )

    def _history(self, run: str, key: str) -> Iterator[tuple[object, ...]]:
        query = {"run_id": run, "metric_key": key, "max_results": _POINTS}
        for each in self._pages("metrics/get-history", "metrics", query, get=True):
            value = float(each["value"])
            yield key, int(each["timestamp"]), int(each.get("step", 0)), value, value != value

    def _run_files(self, run: str, folder: str = "") -> Iterator[ForeignFile]:
        for each in self._pages("artifacts/list", "files", {"run_id": run, "path": folder}, get=True):
            path = each["path"]
            if each.get("is_dir"):
                yield from self._run_files(run, path)
            else:
                query = urllib.parse.urlencode({"path": path, "run_uuid": run})
                content = partial(self._fetch, f"/get-artifact?{query}")
                yield ForeignFile(path, content, int(each.get("file_size", -1)))

    def _logged_files(self, model: str, folder: str = "") -> Iterator[ForeignFile]:
        query = {"artifact_directory_path": folder} if folder else {}
        for each in self._pages(f"logged-models/{model}/artifacts/directories", "files", query, get=True):
            path = each["path"]
            if each.get("is_dir"):
                yield from self._logged_files(model, path)
            else:
                asked = urllib.parse.urlencode({"artifact_file_path": path})
                content = partial(self._fetch, f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?{asked}")
                yield ForeignFile(path, content, int(each.get("file_size", -1)))

    def _search(self, verb: str, field: str, query: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        ids = list(self._names)
        for at in range(0, len(ids), 100):
            yield from self._pages(verb, field, {"experiment_ids": ids[at : at + 100], **query})

    def _pages(
        self, verb: str, field: str, query: Mapping[str, object], *, get: bool = False
    ) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            asked = {"max_results": _PAGE, **query, **({"page_token": token} if token else {})}
            page = self._ask(f"{_API}{verb}", asked, get=get)
            yield from page.get(field, [])
            token = page.get("next_page_token", "")
            if not token:
                return

    def _ask(self, path: str, asked: Mapping[str, object], *, get: bool) -> dict[str, Any]:
        """What the server says, which is an object."""
        answer = BytesIO()
        if get:
            self._fetch(f"{path}?{urllib.parse.urlencode(asked)}", answer)
        else:
            self._fetch(path, answer, body=json.dumps(asked).encode())
        try:
            found: object = json.loads(answer.getvalue())
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Invalid(f"{self._url} does not answer as MLflow does", hint=_HINT)
        return found

    def _fetch(self, path: str, out: IO[bytes], *, body: bytes | None = None) -> None:
        """Write the answer to one request, a POST where it has a body, into a file; what may be repeated is."""
        headers = self._headers | ({"content-type": "application/json"} if body is not None else {})
        method, trouble = "GET" if body is None else "POST", ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(0.2 * 4 ** (attempt - 1))
            connection = self._connection()
            try:
                connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
                answer = connection.getresponse()
                if answer.status == 200:
                    return _write(answer, out)
                data = answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()  # the next request opens it anew
                trouble = str(error) or type(error).__name__
                continue
            trouble = f"{answer.status}: {data[:300].decode('utf-8', 'replace')}"
            if answer.status == 404:
                raise NotFound("page", f"{self._url}{path}", hint=_HINT)
            if answer.status < 500 and answer.status != 429:
                break
        raise Unavailable(
            f"{self._url} did not answer {path.partition('?')[0]}: {trouble}",
            hint="look at the address, and at MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME and …_PASSWORD",
        )

    def _connection(self) -> http.client.HTTPConnection:
        """This thread's own."""
        found: http.client.HTTPConnection | None = getattr(self._here, "connection", None)
        if found is None:
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            found = self._here.connection = kind(str(self._parts.hostname), self._parts.port, timeout=_TIMEOUT_S)
            with self._lock:
                self._open.append(found)
        return found


def _write(answer: http.client.HTTPResponse, out: IO[bytes]) -> None:
    """All of an answer, in the place of what an earlier one left."""
    out.seek(0)
    out.truncate()
    shutil.copyfileobj(answer, out, _PIECE_BYTES)
    if answer.length:  # told, and not there
        raise http.client.IncompleteRead(b"", answer.length)


def _credentials(environ: Mapping[str, str]) -> dict[str, str]:
    token, user = environ.get("MLFLOW_TRACKING_TOKEN"), environ.get("MLFLOW_TRACKING_USERNAME")
    if token:
        return {"authorization": f"Bearer {token}"}
    if user:
        pair = f"{user}:{environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}


def _pairs(found: list[dict[str, str]] | None) -> dict[str, str]:
    return {each["key"]: each.get("value", "") for each in found or []}


def _inputs(run: str, told: dict[str, Any]) -> Iterator[RunInput]:
    used = told.get("inputs", {})
    for each in used.get("dataset_inputs", []):
        yield words.dataset_input(run, each["dataset"], _pairs(each.get("tags")))
    for each in used.get("model_inputs", []):
        yield words.model_input(run, each["model_id"], output=False, step=0)
    for each in told.get("outputs", {}).get("model_outputs", []):
        yield words.model_input(run, each["model_id"], output=True, step=int(each.get("step", 0)))


def _metric(model: str, told: dict[str, Any]) -> LoggedMetric:
    return LoggedMetric(
        model=model,
        key=told["key"],
        value=float(told["value"]),
        step=int(told.get("step", 0)),
        time_us=words.us(told.get("timestamp")),
        run=told.get("run_id", ""),
        dataset=told.get("dataset_name", ""),
        digest=told.get("dataset_digest", ""),
    )
