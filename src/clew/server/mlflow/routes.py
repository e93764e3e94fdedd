"""Which verb answers which method and path, and what it takes to be let in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints

from clew.policy.access import Action
from clew.server.mlflow import (
    artifacts,
    experiments,
    history,
    inputs,
    log,
    logged_models,
    model_versions,
    runs,
    uploads,
)
from clew.server.mlflow import registered_models as models
from clew.server.mlflow.search_logged import search_logged_models
from clew.server.mlflow.search_runs import search_runs

__all__ = ["PATTERNS", "ROUTES", "Route", "Verb"]

Verb = Callable[..., Any]


class Route(NamedTuple):
    """A verb, what it does, and the struct that it takes; None where it takes a file or nothing."""

    verb: Verb
    action: Action
    kind: Any


def _route(verb: Verb, action: Action) -> Route:
    return Route(verb, action, get_type_hints(verb).get("asked"))


_READ, _WRITE, _MANAGE = Action.READ, Action.WRITE, Action.MANAGE
_TABLE: list[tuple[str, str, Verb, Action]] = [
    ("POST", "experiments/create", experiments.create_experiment, _WRITE),
    ("GET", "experiments/get", experiments.get_experiment, _READ),
    ("GET", "experiments/get-by-name", experiments.get_experiment_by_name, _READ),
    ("POST", "experiments/search", experiments.search_experiments, _READ),
    ("GET", "experiments/search", experiments.search_experiments, _READ),
    ("POST", "experiments/update", experiments.update_experiment, _WRITE),
    ("POST", "experiments/delete", experiments.delete_experiment, _MANAGE),
    ("POST", "experiments/restore", experiments.restore_experiment, _MANAGE),
    ("POST", "experiments/set-experiment-tag", experiments.set_experiment_tag, _WRITE),
    ("POST", "experiments/delete-experiment-tag", experiments.delete_experiment_tag, _WRITE),
    ("POST", "experiments/search-datasets", inputs.search_datasets, _READ),
    ("POST", "runs/create", runs.create_run, _WRITE),
    ("GET", "runs/get", runs.get_run, _READ),
    ("POST", "runs/update", runs.update_run, _WRITE),
    ("POST", "runs/delete", runs.delete_run, _MANAGE),
    ("POST", "runs/restore", runs.restore_run, _MANAGE),
    ("POST", "runs/search", search_runs, _READ),
    ("POST", "runs/log-metric", log.log_metric, _WRITE),
    ("POST", "runs/log-parameter", log.log_param, _WRITE),
    ("POST", "runs/log-batch", log.log_batch, _WRITE),
    ("POST", "runs/set-tag", log.set_tag, _WRITE),
    ("POST", "runs/delete-tag", log.delete_tag, _WRITE),
    ("POST", "runs/log-inputs", inputs.log_inputs, _WRITE),
    ("POST", "runs/outputs", inputs.log_outputs, _WRITE),
    ("POST", "runs/log-model", log.log_model, _WRITE),
    ("GET", "metrics/get-history", history.get_history, _READ),
    ("GET", "metrics/get-history-bulk", history.get_history_bulk, _READ),
    ("GET", "metrics/get-history-bulk-interval", history.get_history_bulk_interval, _READ),
    ("GET", "artifacts/list", artifacts.list_artifacts, _READ),
    ("POST", "logged-models", logged_models.create_logged_model, _WRITE),
    ("POST", "logged-models/search", search_logged_models, _READ),
    ("POST", "registered-models/create", models.create_model, _WRITE),
    ("GET", "registered-models/get", models.get_model, _READ),
    ("GET", "registered-models/search", models.search_models, _READ),
    ("PATCH", "registered-models/update", models.update_model, _WRITE),
    ("POST", "registered-models/rename", models.rename_model, _WRITE),
    ("DELETE", "registered-models/delete", models.delete_model, _MANAGE),
    ("POST", "registered-models/set-tag", models.set_model_tag, _WRITE),
    ("DELETE", "registered-models/delete-tag", models.delete_model_tag, _WRITE),
    ("POST", "registered-models/get-latest-versions", models.get_latest_versions, _READ),
    ("GET", "registered-models/get-latest-versions", models.get_latest_versions, _READ),
    ("POST", "registered-models/alias", models.set_alias, _MANAGE),
    ("GET", "registered-models/alias", models.get_version_by_alias, _READ),
    ("DELETE", "registered-models/alias", models.delete_alias, _MANAGE),
    ("POST", "model-versions/create", model_versions.create_version, _WRITE),
    ("GET", "model-versions/get", model_versions.get_version, _READ),
    ("GET", "model-versions/search", model_versions.search_versions, _READ),
    ("PATCH", "model-versions/update", model_versions.update_version, _WRITE),
    ("DELETE", "model-versions/delete", model_versions.delete_version, _MANAGE),
    ("POST", "model-versions/transition-stage", model_versions.transition_stage, _MANAGE),
    ("POST", "model-versions/set-tag", model_versions.set_version_tag, _WRITE),
    ("DELETE", "model-versions/delete-tag", model_versions.delete_version_tag, _WRITE),
    ("GET", "model-versions/get-download-uri", model_versions.get_download_uri, _READ),
]
_WITH_IDS: list[tuple[str, str, Verb, Action]] = [
    ("GET", "logged-models/{model}", logged_models.get_logged_model, _READ),
    ("PATCH", "logged-models/{model}", logged_models.finalize_logged_model, _WRITE),
    ("DELETE", "logged-models/{model}", logged_models.delete_logged_model, _MANAGE),
    ("PATCH", "logged-models/{model}/tags", logged_models.set_logged_tags, _WRITE),
    ("DELETE", "logged-models/{model}/tags/{key}", logged_models.delete_logged_tag, _WRITE),
    ("POST", "logged-models/{model}/params", logged_models.add_logged_params, _WRITE),
    ("GET", "logged-models/{model}/artifacts/directories", logged_models.list_logged_files, _READ),
    ("GET", "mlflow-artifacts/artifacts", artifacts.list_proxied, _READ),
    ("GET", "mlflow-artifacts/artifacts/{path*}", artifacts.download, _READ),
    ("PUT", "mlflow-artifacts/artifacts/{path*}", artifacts.receive, _WRITE),
    ("DELETE", "mlflow-artifacts/artifacts/{path*}", artifacts.delete_artifact, _WRITE),
    ("POST", "mlflow-artifacts/mpu/create/{path*}", uploads.create_upload, _WRITE),
    ("POST", "mlflow-artifacts/mpu/complete/{path*}", uploads.complete_upload, _WRITE),
    ("POST", "mlflow-artifacts/mpu/abort/{path*}", uploads.abort_upload, _WRITE),
    ("PUT", "mlflow-artifacts/mpu/part/{upload}/{part}", uploads.receive_part, _WRITE),
]

ROUTES = {(method, path): _route(verb, action) for method, path, verb, action in _TABLE}
"""By method and path behind `/api/2.0/mlflow/`."""

PATTERNS = [(method, path.split("/"), _route(verb, action)) for method, path, verb, action in _WITH_IDS]
"""Those with parts that stand for something: `{one}` part, or `{all*}` that are left."""
