"""Which verb answers which method and path, and what it takes to be let in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from clew.server.mlflow.elsewhere import list_webhooks
from clew.server.mlflow.search_logged import search_logged_models
from clew.server.mlflow.search_runs import search_runs

__all__ = ["PATTERNS", "ROUTES", "Route", "Verb"]

Verb = Callable[..., Any]


class Route(NamedTuple):
    """A verb, what it does, the struct that it takes (None where it takes a file or nothing), and its whole path."""

    verb: Verb
    action: Action
    kind: Any
    path: str


_VERBS: dict[Action, dict[str, Verb]] = {
    Action.READ: {
        "GET experiments/get": experiments.get_experiment,
        "GET experiments/get-by-name": experiments.get_experiment_by_name,
        "POST experiments/search": experiments.search_experiments,
        "GET experiments/search": experiments.search_experiments,
        "POST experiments/search-datasets": inputs.search_datasets,
        "GET runs/get": runs.get_run,
        "POST runs/search": search_runs,
        "GET metrics/get-history": history.get_history,
        "GET metrics/get-history-bulk": history.get_history_bulk,
        "GET metrics/get-history-bulk-interval": history.get_history_bulk_interval,
        "GET webhooks": list_webhooks,
        "GET artifacts/list": artifacts.list_artifacts,
        "POST logged-models/search": search_logged_models,
        "GET registered-models/get": models.get_model,
        "GET registered-models/search": models.search_models,
        "POST registered-models/get-latest-versions": models.get_latest_versions,
        "GET registered-models/get-latest-versions": models.get_latest_versions,
        "GET registered-models/alias": models.get_version_by_alias,
        "GET model-versions/get": model_versions.get_version,
        "GET model-versions/search": model_versions.search_versions,
        "GET model-versions/get-download-uri": model_versions.get_download_uri,
        "GET logged-models/{model}": logged_models.get_logged_model,
        "GET logged-models/{model}/artifacts/directories": logged_models.list_logged_files,
        "GET mlflow-artifacts/artifacts": artifacts.list_proxied,
        "GET mlflow-artifacts/artifacts/{path*}": artifacts.download,
    },
    Action.WRITE: {
        "POST experiments/create": experiments.create_experiment,
        "POST experiments/update": experiments.update_experiment,
        "POST experiments/set-experiment-tag": experiments.set_experiment_tag,
        "POST experiments/delete-experiment-tag": experiments.delete_experiment_tag,
        "POST runs/create": runs.create_run,
        "POST runs/update": runs.update_run,
        "POST runs/log-metric": log.log_metric,
        "POST runs/log-parameter": log.log_param,
        "POST runs/log-batch": log.log_batch,
        "POST runs/set-tag": log.set_tag,
        "POST runs/delete-tag": log.delete_tag,
        "POST runs/log-inputs": inputs.log_inputs,
        "POST runs/outputs": inputs.log_outputs,
        "POST runs/log-model": log.log_model,
        "POST logged-models": logged_models.create_logged_model,
        "POST registered-models/create": models.create_model,
        "PATCH registered-models/update": models.update_model,
        "POST registered-models/set-tag": models.set_model_tag,
        "DELETE registered-models/delete-tag": models.delete_model_tag,
        "POST model-versions/create": model_versions.create_version,
        "PATCH model-versions/update": model_versions.update_version,
        "POST model-versions/set-tag": model_versions.set_version_tag,
        "DELETE model-versions/delete-tag": model_versions.delete_version_tag,
        "PATCH logged-models/{model}": logged_models.finalize_logged_model,
        "PATCH logged-models/{model}/tags": logged_models.set_logged_tags,
        "DELETE logged-models/{model}/tags/{key}": logged_models.delete_logged_tag,
        "POST logged-models/{model}/params": logged_models.add_logged_params,
        "PUT mlflow-artifacts/artifacts/{path*}": artifacts.receive,
        "POST mlflow-artifacts/mpu/create/{path*}": uploads.create_upload,
        "POST mlflow-artifacts/mpu/complete/{path*}": uploads.complete_upload,
        "POST mlflow-artifacts/mpu/abort/{path*}": uploads.abort_upload,
        "PUT mlflow-artifacts/mpu/part/{upload}/{part}": uploads.receive_part,
    },
    Action.MANAGE: {
        "POST experiments/delete": experiments.delete_experiment,
        "POST experiments/restore": experiments.restore_experiment,
        "POST runs/delete": runs.delete_run,
        "POST runs/restore": runs.restore_run,
        "POST registered-models/rename": models.rename_model,
        "DELETE registered-models/delete": models.delete_model,
        "POST registered-models/alias": models.set_alias,
        "DELETE registered-models/alias": models.delete_alias,
        "DELETE model-versions/delete": model_versions.delete_version,
        "POST model-versions/transition-stage": model_versions.transition_stage,
        "DELETE logged-models/{model}": logged_models.delete_logged_model,
        "DELETE mlflow-artifacts/artifacts/{path*}": artifacts.delete_artifact,
    },
}


def _all() -> Iterator[tuple[str, str, Route]]:
    """Method, path and route of each verb."""
    for action, verbs in _VERBS.items():
        for words, verb in verbs.items():
            method, _, path = words.partition(" ")
            whole = f"/api/2.0/{'' if path.startswith('mlflow-') else 'mlflow/'}{path}"
            yield method, path, Route(verb, action, get_type_hints(verb).get("asked"), whole)


ROUTES = {(method, path): route for method, path, route in _all() if "{" not in path}
"""By method and path behind `/api/2.0/mlflow/`."""

PATTERNS = [(method, path.split("/"), route) for method, path, route in _all() if "{" in path]
"""Those with parts that stand for something: `{one}` part, or `{all*}` that are left."""
