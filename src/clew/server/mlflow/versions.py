"""What versions of registered models are in MLflow's words, and how they are found."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from clew.core.contracts.ledger import Transaction
from clew.core.paging import items_of
from clew.core.types.model import Alias, Model, ModelVersion
from clew.server.mlflow.answers import Json, key_values
from clew.server.mlflow.call import Call
from clew.server.mlflow.limits import check_model_name, version_number
from clew.server.mlflow.refusal import invalid, missing

__all__ = ["STAGES", "canonical_stage", "source_of", "storage_of", "tell_version", "version_of", "versions_of"]

STAGES = ("None", "Staging", "Production", "Archived")


def canonical_stage(stage: str) -> str:
    """A stage in its own spelling."""
    found = next((each for each in STAGES if each.lower() == stage.lower()), None)
    if found is None:
        raise invalid(f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES)}.")
    return found


def version_of(tx: Transaction, call: Call, name: str, version: str | int) -> ModelVersion:
    """The version of a number.

    Raises:
        Refusal: there is none, or it was deleted.
    """
    check_model_name(name)
    number = version_number(str(version))
    model = tx.models.find(call.stores.project, name)
    found = tx.models.find_version(model.id, number) if model is not None else None
    if found is None or found.deleted_us:
        raise missing(f"Model Version (name={name}, version={version}) not found")
    return found


def versions_of(tx: Transaction, model: Model) -> list[ModelVersion]:
    """All versions of a model but the deleted ones, newest first."""
    versions = items_of(partial(tx.models.versions, model.id, limit=1000))
    return [version for version in versions if not version.deleted_us]


def source_of(version: ModelVersion) -> str:
    """Where a version came from; of one that clew made itself, an address that means its package."""
    return version.source or f"clew:/{version.name}/{version.number}"


def storage_of(version: ModelVersion) -> str:
    """Where the files of a version can be read."""
    return version.storage or source_of(version)


def tell_version(version: ModelVersion, aliases: Sequence[Alias]) -> Json:
    """A version, with those of the aliases that it has."""
    told: Json = {
        "name": version.name,
        "version": str(version.number),
        "creation_timestamp": version.created_us // 1000,
        "last_updated_timestamp": (version.updated_us or version.created_us) // 1000,
        "current_stage": version.stage or "None",
        "description": version.message,
        "source": source_of(version),
        "run_id": version.run,
        "run_link": version.run_link,
        "status": "READY",
        "tags": key_values(version.tags),
        "aliases": [move.alias for move in aliases if move.number == version.number],
    }
    if version.logged:
        told["model_id"] = version.logged
    return told
