"""Reads an MLflow server over its REST API, a few requests at a time. Without MLflow's client."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import urllib.parse
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from clew.core.errors import Invalid, NotFound, Unavailable
from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.model import Model
from clew.core.types.run import Experiment
from clew.core.types.run_input import RunInput
from clew.loop.imports.foreign import ForeignFile, ForeignLogged, ForeignModel, ForeignRun
from clew.loop.imports.mlflow_words import (
    LOGGED_STATUSES,
    dataset_input,
    experiment_name,
    model_input,
    model_version,
    points_of_rows,
    run_of,
    us,
)

__all__ = ["MlflowServer"]

_API = "/api/2.0/mlflow/"
_THREADS, _AHEAD = 8, 16
_PAGE, _POINTS = 1000, 25_000
_TRIES, _TIMEOUT_S = 4, 60.0


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
        parts = urllib.parse.urlsplit(url)
        if not parts.hostname:
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
        self._names = {each["experiment_id"]: experiment_name(each["name"]) for each in found}
        return [
            Experiment(
                id="",
                project="",
                name=experiment_name(each["name"]),
                created_us=us(each.get("creation_time")) or 1,
                tags=_pairs(each.get("tags")),
                updated_us=us(each.get("last_update_time")),
                deleted_us=us(each.get("last_update_time")) or 1 if each.get("lifecycle_stage") == "deleted" else 0,
            )
            for each in sorted(found, key=lambda each: int(each["experiment_id"]))
        ]

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
            yield ForeignLogged(
                _logged(told), self._names[info["experiment_id"]], partial(self._logged_files, info["model_id"])
            )

    def models(self) -> Iterator[ForeignModel]:
        for told in self._pages("registered-models/search", "registered_models", {}, get=True):
            name = told["name"]
            model = Model(
                id="",
                project="",
                name=name,
                created_us=us(told.get("creation_timestamp")),
                description=told.get("description", ""),
                tags=_pairs(told.get("tags")),
                updated_us=us(told.get("last_updated_timestamp")),
            )
            query = {"filter": "name='{}'".format(name.replace("'", "\\'"))}
            rows = list(self._pages("model-versions/search", "model_versions", query, get=True))
            made = [model_version(self._version(row), _pairs(row.get("tags"))) for row in rows]
            aliases = {each["alias"]: int(each["version"]) for each in told.get("aliases", [])}
            yield ForeignModel(model, tuple(sorted(made, key=lambda each: each.number)), aliases)

    def _run(self, told: dict[str, Any]) -> ForeignRun:
        info, data = told["info"], told.get("data", {})
        run_id = info["run_id"]
        run = run_of(
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
            series=points_of_rows(point for key in keys for point in self._history(run_id, key)),
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
                content = partial(self._ask, "GET", f"/get-artifact?{query}")
                yield ForeignFile(path, content, int(each.get("file_size", -1)))

    def _logged_files(self, model: str, folder: str = "") -> Iterator[ForeignFile]:
        query = {"artifact_directory_path": folder} if folder else {}
        for each in self._pages(f"logged-models/{model}/artifacts/directories", "files", query, get=True):
            path = each["path"]
            if each.get("is_dir"):
                yield from self._logged_files(model, path)
            else:
                asked = urllib.parse.urlencode({"artifact_file_path": path})
                content = partial(
                    self._ask, "GET", f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?{asked}"
                )
                yield ForeignFile(path, content, int(each.get("file_size", -1)))

    def _version(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row of a version, in the names of the database."""
        names = {"creation_time": row.get("creation_timestamp"), "last_updated_time": row.get("last_updated_timestamp")}
        return row | names

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
            if get:
                told = self._ask("GET", f"{_API}{verb}?{urllib.parse.urlencode(asked)}")
            else:
                told = self._ask("POST", f"{_API}{verb}", json.dumps(asked).encode())
            page = json.loads(told)
            yield from page.get(field, [])
            token = page.get("next_page_token", "")
            if not token:
                return

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """One request; what may be repeated is."""
        headers = self._headers | ({"content-type": "application/json"} if body is not None else {})
        trouble = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(0.2 * 4 ** (attempt - 1))
            connection = self._connection()
            try:
                connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()  # the next request opens it anew
                trouble = str(error) or type(error).__name__
                continue
            if answer.status == 200:
                return data
            trouble = f"{answer.status}: {data[:300].decode('utf-8', 'replace')}"
            if answer.status == 404:
                raise NotFound("page", f"{self._url}{path}", hint="is this the address of an MLflow server?")
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
        yield dataset_input(run, each["dataset"], _pairs(each.get("tags")))
    for each in used.get("model_inputs", []):
        yield model_input(run, each["model_id"], output=False, step=0)
    for each in told.get("outputs", {}).get("model_outputs", []):
        yield model_input(run, each["model_id"], output=True, step=int(each.get("step", 0)))


def _logged(told: dict[str, Any]) -> LoggedModel:
    info, data = told["info"], told.get("data", {})
    metrics = tuple(
        LoggedMetric(
            key=each["key"],
            value=float(each["value"]),
            step=int(each.get("step", 0)),
            time_us=us(each.get("timestamp")),
            run=each.get("run_id", ""),
            dataset=each.get("dataset_name", ""),
            digest=each.get("dataset_digest", ""),
        )
        for each in data.get("metrics", [])
    )
    return LoggedModel(
        id=info["model_id"],
        project="",
        experiment="",
        name=info["name"],
        status=LOGGED_STATUSES[info["status"]],
        created_us=us(info.get("creation_timestamp_ms")),
        run=info.get("source_run_id", ""),
        type=info.get("model_type", ""),
        reason=info.get("status_message", ""),
        params=_pairs(data.get("params")),
        tags=_pairs(info.get("tags")),
        metrics=metrics,
        updated_us=us(info.get("last_updated_timestamp_ms")),
    )
