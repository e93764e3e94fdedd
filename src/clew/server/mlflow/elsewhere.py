"""What MLflow's clients may ask of a server and what clew does not do: traces, prompts' judges, gateways, webhooks."""

from __future__ import annotations

from clew.server.mlflow.answers import Json
from clew.server.mlflow.call import Call
from clew.server.mlflow.refusal import Refusal

__all__ = ["GROUPS", "list_webhooks", "not_here"]

GROUPS = {
    "traces": "traces",
    "datasets": "datasets for evaluating language models",
    "scorers": "scorers",
    "issues": "issues",
    "label-schemas": "label schemas",
    "review-queues": "review queues",
    "prompt-optimization": "prompt optimization",
    "gateway": "the gateway",
    "workspaces": "workspaces over this API (a project is a workspace: X-MLFLOW-WORKSPACE)",
    "webhooks": "webhooks",
    "assessments": "assessments",
    "jobs": "jobs",
    "artifacts": "presigned addresses",
}
"""The first word behind the prefix, and what it stands for."""


def list_webhooks(call: Call) -> Json:  # noqa: ARG001
    """The webhooks that there are, for programs that copy all that a server has."""
    return {"webhooks": []}


def not_here(group: str) -> Refusal:
    """The refusal of a group of the API."""
    return Refusal("NOT_IMPLEMENTED", f"clew has no {GROUPS[group]}: this part of MLflow's API is not served here")
