"""Registered models: create, get, search, describe, rename, delete; their tags and aliases."""

from __future__ import annotations

import re

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.errors import Conflict, Exists
from clew.core.types.edge import node
from clew.core.types.model import Model, ModelVersion
from clew.policy.gate import DeclaredGate
from clew.registry.aliases import LedgerAliases, take_away
from clew.registry.reference import holder, newest_of
from clew.registry.revise import retitle
from clew.server.mlflow.answers import Json, key_values
from clew.server.mlflow.body import KeyValue, by_key, need
from clew.server.mlflow.call import Call
from clew.server.mlflow.filters import Comparison, Grammar, Order, holds, ordered, parse_filter
from clew.server.mlflow.limits import check_model_name, check_registry_tag
from clew.server.mlflow.page import cut
from clew.server.mlflow.refusal import Refusal, invalid, missing
from clew.server.mlflow.versions import STAGES, canonical_stage, tell_version, version_of, versions_of

__all__ = [
    "create_model",
    "delete_alias",
    "delete_model",
    "delete_model_tag",
    "get_latest_versions",
    "get_model",
    "get_version_by_alias",
    "PROMPT_TAG",
    "is_hidden",
    "is_prompt",
    "model_of",
    "rename_model",
    "search_models",
    "set_alias",
    "set_model_tag",
    "update_model",
    "version_by_alias",
    "without_prompts",
]

PROMPT_TAG = "mlflow.prompt.is_prompt"
_MOST, _MOST_MOVES = 1000, 20
_GRAMMAR = Grammar(kinds=frozenset({"attribute", "tag"}), texts=frozenset({"name"}), lists=frozenset({"name"}))
_RECOMMENDED = {"name", "timestamp"}
_ORDERS = {"name": "name", "timestamp": "time", "last_updated_timestamp": "time"}


class Create(msgspec.Struct, frozen=True):
    name: str = ""
    tags: list[KeyValue] = []
    description: str = ""


class Named(msgspec.Struct, frozen=True):
    name: str = ""
    new_name: str = ""
    description: str = ""
    alias: str = ""
    version: str | int = ""
    key: str = ""
    value: str = ""


class Latest(msgspec.Struct, frozen=True):
    name: str = ""
    stages: list[str] = []


class Search(msgspec.Struct, frozen=True):
    filter: str = ""
    max_results: int = 100
    order_by: list[str] = []
    page_token: str = ""


def model_of(tx: Transaction, call: Call, name: str) -> Model:
    """The registered model of a name.

    Raises:
        Refusal: there is none.
    """
    check_model_name(name)
    found = tx.models.find(call.stores.project, name)
    if found is None:
        raise missing(f"Registered Model with name={name} not found")
    return found


def tell_model(tx: Transaction, model: Model) -> Json:
    """A registered model with its newest version in each stage."""
    aliases = tx.models.aliases(model.id)
    told: Json = {
        "name": model.name,
        "creation_timestamp": model.created_us // 1000,
        "last_updated_timestamp": (model.updated_us or model.created_us) // 1000,
        "description": model.description,
        "tags": key_values(model.tags),
        "aliases": [{"alias": move.alias, "version": str(move.number)} for move in aliases],
    }
    told["latest_versions"] = [tell_version(version, []) for version in _latest(tx, model)]
    return told


def _latest(tx: Transaction, model: Model) -> list[ModelVersion]:
    newest: dict[str, ModelVersion] = {}
    for version in versions_of(tx, model):
        newest.setdefault(version.stage or "None", version)
    return list(newest.values())


def create_model(call: Call, asked: Create) -> Json:
    """Add a registered model."""
    need(name=asked.name)
    check_model_name(asked.name)
    for tag in asked.tags:
        check_registry_tag(tag.key, tag.value)
    stores = call.stores
    now_us = stores.clock.now_us()
    model = Model(
        id=stores.ids(),
        project=stores.project,
        name=asked.name,
        created_us=now_us,
        updated_us=now_us,
        description=asked.description,
        tags=by_key(asked.tags),
    )
    with stores.ledger.write() as tx:
        try:
            tx.models.add(model)
        except Exists:
            raise Refusal("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={asked.name}) already exists.") from None
        stores.tell(tx, "model.added", node("model", model.id), {"name": model.name})
        return {"registered_model": tell_model(tx, model)}


def get_model(call: Call, asked: Named) -> Json:
    """One registered model."""
    need(name=asked.name)
    with call.stores.ledger.read() as tx:
        return {"registered_model": tell_model(tx, model_of(tx, call, asked.name))}


def update_model(call: Call, asked: Named) -> Json:
    """Describe a registered model."""
    need(name=asked.name)
    with call.stores.ledger.write() as tx:
        after = _put(tx, call, msgspec.structs.replace(model_of(tx, call, asked.name), description=asked.description))
        call.stores.tell(tx, "model.described", node("model", after.id), {"description": after.description})
        return {"registered_model": tell_model(tx, after)}


def rename_model(call: Call, asked: Named) -> Json:
    """Give a registered model another name; its versions and aliases go with it.

    Raises:
        Refusal: another gate judges under the new name, and an alias that one of them has is guarded under one of the
            two: what holds it was not judged there, or what follows it, as endpoints do, would get what nobody judged.
    """
    need(name=asked.name, new_name=asked.new_name)
    check_model_name(asked.new_name, "new_name")
    gate = DeclaredGate(call.host.settings_of(call.project))
    with call.stores.ledger.write() as tx:
        before = model_of(tx, call, asked.name)
        names = (before.name, asked.new_name)
        held = [move.alias for move in tx.models.aliases(before.id)]
        guarded = [alias for alias in held if any(alias in gate.guarded(name) for name in names)]
        if guarded and not gate.alike(*names):
            raise Refusal(
                "PERMISSION_DENIED",
                f"'{before.name}' and '{asked.new_name}' have different gates, and one of them guards "
                f"{', '.join(guarded)}: take it away, rename, and give it again",
            )
        try:
            after = _put(tx, call, msgspec.structs.replace(before, name=asked.new_name))
        except Exists:
            text = f"Registered Model (name={asked.new_name}) already exists."
            raise Refusal("RESOURCE_ALREADY_EXISTS", text) from None
        call.stores.tell(tx, "model.renamed", node("model", after.id), {"from": before.name, "to": after.name})
        retitle(call.stores, tx, after, before.name)
        return {"registered_model": tell_model(tx, after)}


def delete_model(call: Call, asked: Named) -> Json:
    """Delete a registered model: its name is free again, and nobody has its aliases."""
    need(name=asked.name)
    with call.stores.ledger.write() as tx:
        before = model_of(tx, call, asked.name)
        for move in tx.models.aliases(before.id):
            take_away(call.stores, tx, before, move, reason="the model was deleted")
        now_us = call.stores.clock.now_us()
        after = _put(tx, call, msgspec.structs.replace(before, name=f"~{before.id}", deleted_us=now_us))
        call.stores.tell(tx, "model.deleted", node("model", after.id), {"name": before.name})
    return {}


def set_model_tag(call: Call, asked: Named) -> Json:
    """Set a tag."""
    need(name=asked.name, key=asked.key)
    check_registry_tag(asked.key, asked.value)
    with call.stores.ledger.write() as tx:
        before = model_of(tx, call, asked.name)
        after = msgspec.structs.replace(before, tags={**before.tags, asked.key: asked.value})
        tx.models.put(after)
        call.stores.tell(tx, "model.described", node("model", after.id), {"tags": {asked.key: asked.value}})
    return {}


def delete_model_tag(call: Call, asked: Named) -> Json:
    """Take a tag away, if it is there."""
    need(name=asked.name, key=asked.key)
    with call.stores.ledger.write() as tx:
        before = model_of(tx, call, asked.name)
        if asked.key in before.tags:
            rest = {key: value for key, value in before.tags.items() if key != asked.key}
            tx.models.put(msgspec.structs.replace(before, tags=rest))
            call.stores.tell(tx, "model.described", node("model", before.id), {"tags_removed": [asked.key]})
    return {}


def get_latest_versions(call: Call, asked: Latest) -> Json:
    """The newest version in each stage."""
    need(name=asked.name)
    wanted = {canonical_stage(stage) for stage in asked.stages} or set(STAGES)
    with call.stores.ledger.read() as tx:
        model = model_of(tx, call, asked.name)
        aliases = tx.models.aliases(model.id)
        found = [version for version in _latest(tx, model) if (version.stage or "None") in wanted]
    return {"model_versions": [tell_version(version, aliases) for version in found]}


def set_alias(call: Call, asked: Named) -> Json:
    """Give a name to a version, if the gate lets it."""
    need(name=asked.name, alias=asked.alias, version=asked.version)
    with call.stores.ledger.read() as tx:
        version = version_of(tx, call, asked.name, asked.version)
    _check_alias(asked.alias)
    gate = DeclaredGate(call.host.settings_of(call.project))
    aliases = LedgerAliases(call.stores, gate)
    for left in reversed(range(_MOST_MOVES)):
        try:
            aliases.promote(version.reference, asked.alias)
            break
        except Conflict:  # somebody else moved it meanwhile; over this API the last one wins
            if not left:
                raise
    return {}


def _check_alias(alias: str) -> None:
    """Refuse names that mean something else already, or that nobody could write."""
    if re.fullmatch(r"[vV]\d+", alias):
        raise invalid(f"Version alias name '{alias}' is reserved.")
    if alias.lower() == "latest":
        raise invalid("'latest' alias name (case insensitive) is reserved.")
    if not re.fullmatch(r"[\w\-]*", alias):
        raise invalid(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )


def delete_alias(call: Call, asked: Named) -> Json:
    """Take a name away from the version that has it, if one has."""
    need(name=asked.name, alias=asked.alias)
    with call.stores.ledger.write() as tx:
        model = model_of(tx, call, asked.name)
        held = holder(tx, model, asked.alias)
        if held is not None:
            take_away(call.stores, tx, model, held)
    return {}


def get_version_by_alias(call: Call, asked: Named) -> Json:
    """The version that has a name."""
    need(name=asked.name, alias=asked.alias)
    with call.stores.ledger.read() as tx:
        version = version_by_alias(tx, call, asked.name, asked.alias)
        return {"model_version": tell_version(version, tx.models.aliases(version.model))}


def version_by_alias(tx: Transaction, call: Call, name: str, alias: str) -> ModelVersion:
    """The version that has a name; `latest` is the newest one.

    Raises:
        Refusal: there is no such model, or nobody has the name.
    """
    model = model_of(tx, call, name)
    if alias.lower() == "latest":
        newest = newest_of(tx, model.id)
        if newest is None:
            raise missing(f"Latest version not found for model {name}.")
        return newest
    held = holder(tx, model, alias)
    if held is None:
        raise invalid(f"Registered model alias {alias} not found.")
    return version_of(tx, call, name, str(held.number))


def search_models(call: Call, asked: Search) -> Json:
    """Registered models that fulfil a filter, by name or in another order."""
    if not 1 <= asked.max_results <= _MOST:
        raise invalid(
            "Invalid value for request parameter max_results. It must be at most "
            f"{_MOST}, but got value {asked.max_results}"
        )
    clauses = parse_filter(asked.filter, _GRAMMAR)
    orders = [_order(text, asked.order_by) for text in asked.order_by]
    with call.stores.ledger.read() as tx:
        found = [
            model
            for model in tx.models.list(call.stores.project)
            if not is_hidden(model.tags, clauses) and _matches(model, clauses)
        ]
        page, more = cut(ordered(found, orders, _value), asked.max_results, asked.page_token)
        return {"registered_models": [tell_model(tx, model) for model in page], **more}


def is_prompt(tags: dict[str, str]) -> bool:
    """Whether these tags say that what has them is a prompt and no model."""
    return tags.get(PROMPT_TAG, "").lower() == "true"


def is_hidden(tags: dict[str, str], clauses: list[Comparison]) -> bool:
    """Whether this is a prompt, which only those see who ask for prompts."""
    asked = next((clause for clause in clauses if (clause.kind, clause.key) == ("tag", PROMPT_TAG)), None)
    wanted = asked is not None and (asked.op, str(asked.value).lower()) in (("=", "true"), ("!=", "false"))
    return is_prompt(tags) and not wanted


def without_prompts(clauses: list[Comparison]) -> list[Comparison]:
    """The clauses that are left when `is_hidden` has looked at prompts."""
    return [
        clause
        for clause in clauses
        if (clause.kind, clause.key) != ("tag", PROMPT_TAG)
        or (clause.op, str(clause.value).lower()) in (("=", "true"), ("!=", "false"))
    ]


def _matches(model: Model, clauses: list[Comparison]) -> bool:
    values = {"attribute": {"name": model.name}, "tag": model.tags}
    return all(holds(values[clause.kind].get(clause.key), clause) for clause in without_prompts(clauses))


def _order(text: str, all_orders: list[str]) -> Order:
    name, _, way = text.strip().replace("`", "").partition(" ")
    if name not in _ORDERS:
        raise invalid(f"Invalid order by key '{name}' specified. Valid keys are '{_RECOMMENDED}'")
    if way.strip().lower() not in ("", "asc", "desc"):
        raise invalid(f"Invalid ordering key in order_by clause '{text}'.")
    if sum(_ORDERS.get(each.split()[0] if each.split() else "") == _ORDERS[name] for each in all_orders) > 1:
        raise Refusal("INTERNAL_ERROR", f"`order_by` contains duplicate fields: {all_orders}")
    return Order("attribute", _ORDERS[name], way.strip().lower() != "desc")


def _value(model: Model, kind: str, key: str) -> str | int:  # noqa: ARG001
    return model.name if key == "name" else (model.updated_us or model.created_us) // 1000


def _put(tx: Transaction, call: Call, model: Model) -> Model:
    after = msgspec.structs.replace(model, updated_us=call.stores.clock.now_us())
    tx.models.put(after)
    return after
