"""Versions of registered models: create, get, search, describe, stage, delete."""

from __future__ import annotations

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.model import Model, ModelVersion
from clew.registry.aliases import take_away
from clew.registry.mlflow_package import package_folder
from clew.registry.revise import add_version, describe_version
from clew.server.mlflow.answers import Json
from clew.server.mlflow.body import KeyValue, by_key, need
from clew.server.mlflow.call import Call
from clew.server.mlflow.filters import Comparison, Grammar, holds, ordered, parse_filter, parse_order, wanted_attribute
from clew.server.mlflow.limits import check_registry_tag
from clew.server.mlflow.origin import origin_of, parts_at, prompt_origin
from clew.server.mlflow.page import cut
from clew.server.mlflow.refusal import Refusal, invalid
from clew.server.mlflow.registered_models import PROMPT_TAG, is_hidden, is_prompt, model_of, without_prompts
from clew.server.mlflow.versions import canonical_stage, storage_of, tell_version, version_of, versions_of
from clew.store.owner import check_mine

__all__ = [
    "create_version",
    "delete_version",
    "delete_version_tag",
    "get_download_uri",
    "get_version",
    "search_versions",
    "set_version_tag",
    "transition_stage",
    "update_version",
]

_MOST = 200_000
_ACTIVE = ("Staging", "Production")
_TEXTS = frozenset({"name", "run_id", "source_path"})
_GRAMMAR = Grammar(
    kinds=frozenset({"attribute", "tag"}),
    texts=_TEXTS,
    numbers=frozenset({"version_number"}),
    lists=frozenset({"name", "run_id"}),
    orders=frozenset({"name", "version_number", "creation_timestamp", "last_updated_timestamp"}),
    nulls=frozenset(),
    bare=frozenset({"version_number"}),
)
_NATURAL = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]


class Create(msgspec.Struct, frozen=True):
    name: str = ""
    source: str = ""
    run_id: str | None = None
    tags: list[KeyValue] = []
    run_link: str = ""
    description: str = ""
    model_id: str | None = None


class Which(msgspec.Struct, frozen=True):
    name: str = ""
    version: str | int = ""
    description: str = ""
    stage: str = ""
    archive_existing_versions: bool = False
    key: str = ""
    value: str = ""


class Search(msgspec.Struct, frozen=True):
    filter: str = ""
    max_results: int = 10_000
    order_by: list[str] = []
    page_token: str = ""


def create_version(call: Call, asked: Create) -> Json:
    """Make files that a run logged the next version of a registered model."""
    need(name=asked.name, source=asked.source)
    for tag in asked.tags:
        check_registry_tag(tag.key, tag.value)
    tags = by_key(asked.tags)
    with call.stores.ledger.read() as tx:
        model = model_of(tx, call, asked.name)
        if is_prompt(tags):
            origin = prompt_origin(asked.source)
        else:
            origin = origin_of(tx, call, asked.source, asked.run_id, asked.model_id)
        check_mine(tx, call.stores.project, [node("run", origin.run)])
        parts = parts_at(tx, origin.place) if origin.place is not None else []
    stores = call.stores
    package, unsafe = (origin.copied.package, origin.copied.unsafe) if origin.copied else (Digest(""), False)
    if parts:
        package, unsafe = package_folder(stores.objects, parts, run=origin.run)
    with stores.ledger.write() as tx:
        model = model_of(tx, call, asked.name)
        newest = tx.models.newest(model.id)
        now_us = stores.clock.now_us()
        version = ModelVersion(
            id=stores.ids(),
            model=model.id,
            name=model.name,
            number=newest.number + 1 if newest else 1,
            package=package,
            run=origin.run,
            created_us=now_us,
            created_by=stores.actor,
            unsafe=unsafe,
            message=asked.description,
            tags=tags,
            source=origin.source,
            storage=origin.storage,
            logged=origin.logged,
            run_link=asked.run_link,
            updated_us=now_us,
        )
        add_version(stores, tx, version)
        tx.models.put(msgspec.structs.replace(model, updated_us=now_us))
    return {"model_version": tell_version(version, [])}


def get_version(call: Call, asked: Which) -> Json:
    """One version."""
    need(name=asked.name, version=asked.version)
    with call.stores.ledger.read() as tx:
        version = version_of(tx, call, asked.name, asked.version)
        return {"model_version": tell_version(version, tx.models.aliases(version.model))}


def get_download_uri(call: Call, asked: Which) -> Json:
    """Where the files of a version can be read."""
    with call.stores.ledger.read() as tx:
        return {"artifact_uri": storage_of(version_of(tx, call, asked.name, asked.version))}


def update_version(call: Call, asked: Which) -> Json:
    """Describe a version."""
    need(name=asked.name, version=asked.version)
    with call.stores.ledger.write() as tx:
        before = version_of(tx, call, asked.name, asked.version)
        after = describe_version(call.stores, tx, before, msgspec.structs.replace(before, message=asked.description))
        return {"model_version": tell_version(after, tx.models.aliases(after.model))}


def set_version_tag(call: Call, asked: Which) -> Json:
    """Set a tag."""
    need(name=asked.name, version=asked.version, key=asked.key)
    check_registry_tag(asked.key, asked.value)
    with call.stores.ledger.write() as tx:
        before = version_of(tx, call, asked.name, asked.version)
        after = msgspec.structs.replace(before, tags={**before.tags, asked.key: asked.value})
        describe_version(call.stores, tx, before, after, touched=False)
    return {}


def delete_version_tag(call: Call, asked: Which) -> Json:
    """Take a tag away, if it is there."""
    need(name=asked.name, version=asked.version, key=asked.key)
    with call.stores.ledger.write() as tx:
        before = version_of(tx, call, asked.name, asked.version)
        rest = {key: value for key, value in before.tags.items() if key != asked.key}
        describe_version(call.stores, tx, before, msgspec.structs.replace(before, tags=rest), touched=False)
    return {}


def transition_stage(call: Call, asked: Which) -> Json:
    """Move a version to a stage; on wish, those that are there go to the archive."""
    need(name=asked.name, version=asked.version, stage=asked.stage)
    stage = canonical_stage(asked.stage)
    if asked.archive_existing_versions and stage not in _ACTIVE:
        raise Refusal(
            "INTERNAL_ERROR",
            "Model version transition cannot archive existing model versions "
            f"because '{asked.stage}' is not an Active stage. Valid stages are {list(_ACTIVE)}",
        )
    with call.stores.ledger.write() as tx:
        before = version_of(tx, call, asked.name, asked.version)
        model = model_of(tx, call, asked.name)
        if asked.archive_existing_versions:
            for other in versions_of(tx, model):
                if other.number != before.number and other.stage == stage:
                    describe_version(call.stores, tx, other, msgspec.structs.replace(other, stage="Archived"))
        kept = "" if stage == "None" else stage
        after = describe_version(call.stores, tx, before, msgspec.structs.replace(before, stage=kept), always=True)
        tx.models.put(msgspec.structs.replace(model, updated_us=after.updated_us))
        return {"model_version": tell_version(after, tx.models.aliases(after.model))}


def delete_version(call: Call, asked: Which) -> Json:
    """Delete a version: its aliases are nobody's, and its number is not given again."""
    need(name=asked.name, version=asked.version)
    stores = call.stores
    with stores.ledger.write() as tx:
        before = version_of(tx, call, asked.name, asked.version)
        model = model_of(tx, call, asked.name)
        for move in tx.models.aliases(model.id):
            if move.version == before.id:
                take_away(stores, tx, model, move, reason="the version was deleted")
        now_us = stores.clock.now_us()
        gone = msgspec.structs.replace(before, deleted_us=now_us, updated_us=now_us)
        describe_version(stores, tx, before, gone)
        tx.models.put(msgspec.structs.replace(model, updated_us=now_us))
    return {}


def search_versions(call: Call, asked: Search) -> Json:
    """Versions that fulfil a filter, in an order; those that changed last first."""
    if asked.max_results < 1:
        raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {asked.max_results}")
    if asked.max_results > _MOST:
        raise invalid(
            "Invalid value for request parameter max_results. It must be at most "
            f"{_MOST}, but got value {asked.max_results}"
        )
    clauses = parse_filter(asked.filter, _GRAMMAR)
    orders = parse_order(asked.order_by or _NATURAL, _GRAMMAR)
    with call.stores.ledger.read() as tx:
        found = [
            version
            for model in _candidates(tx, call, clauses)
            for version in versions_of(tx, model)
            if not is_hidden({**version.tags, **_prompt(model)}, clauses) and _matches(version, clauses)
        ]
        found.sort(key=lambda version: (version.name, -version.number))
        page, more = cut(ordered(found, orders, _value), asked.max_results, asked.page_token)
        aliases = {model: tx.models.aliases(model) for model in {version.model for version in page}}
    return {"model_versions": [tell_version(version, aliases[version.model]) for version in page], **more}


def _prompt(model: Model) -> dict[str, str]:
    return {PROMPT_TAG: model.tags[PROMPT_TAG]} if PROMPT_TAG in model.tags else {}


def _candidates(tx: Transaction, call: Call, clauses: list[Comparison]) -> list[Model]:
    """The models whose versions are looked at: one, where a clause names it."""
    named = wanted_attribute(clauses, "name")
    if not named:
        return tx.models.list(call.stores.project)
    found = tx.models.find(call.stores.project, named)
    return [found] if found is not None and not found.deleted_us else []


def _matches(version: ModelVersion, clauses: list[Comparison]) -> bool:
    return all(holds(_value(version, clause.kind, clause.key), clause) for clause in without_prompts(clauses))


def _value(version: ModelVersion, kind: str, key: str) -> str | int | None:
    if kind == "tag":
        return version.tags.get(key)
    values: dict[str, str | int] = {
        "name": version.name,
        "version_number": version.number,
        "run_id": version.run,
        "source_path": version.source,
        "creation_timestamp": version.created_us // 1000,
        "last_updated_timestamp": (version.updated_us or version.created_us) // 1000,
    }
    return values[key]
