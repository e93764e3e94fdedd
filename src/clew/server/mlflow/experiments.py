"""Experiments: create, find, search, change, delete and restore."""

from __future__ import annotations

import msgspec

from clew.core.address import address_parts
from clew.core.contracts.ledger import Transaction
from clew.core.errors import Exists
from clew.core.types.edge import node
from clew.core.types.run import DEFAULT_EXPERIMENT, Experiment
from clew.loop.care.experiment_trash import bring_back, put_away, runs_in
from clew.server.mlflow.answers import Json, tell_experiment
from clew.server.mlflow.body import KeyValue, by_key, need
from clew.server.mlflow.call import Call, active, experiment_name, experiment_of, ours
from clew.server.mlflow.filters import Grammar, holds, ordered, parse_filter, parse_order
from clew.server.mlflow.limits import check_experiment_name, check_experiment_tag, check_host, experiment_number
from clew.server.mlflow.page import cut
from clew.server.mlflow.refusal import Refusal, invalid, missing

__all__ = [
    "create_experiment",
    "delete_experiment",
    "delete_experiment_tag",
    "ensure_default",
    "get_experiment",
    "get_experiment_by_name",
    "restore_experiment",
    "search_experiments",
    "set_experiment_tag",
    "update_experiment",
]

_MOST = 50_000
_GRAMMAR = Grammar(
    kinds=frozenset({"attribute", "tag"}),
    texts=frozenset({"name", "experiment_id"}),
    numbers=frozenset({"creation_time", "last_update_time"}),
    lists=frozenset({"experiment_id"}),
    orders=frozenset({"name", "experiment_id", "creation_time", "last_update_time"}),
    nominal=frozenset({"experiment_id"}),
    nulls=frozenset({"tag"}),
)
_VIEWS = {"ACTIVE_ONLY": False, "DELETED_ONLY": True, "ALL": None, "1": False, "2": True, "3": None, "": False}


class Create(msgspec.Struct, frozen=True):
    name: str = ""
    artifact_location: str = ""
    tags: list[KeyValue] = []


class Which(msgspec.Struct, frozen=True):
    experiment_id: str = ""
    new_name: str = ""


class Named(msgspec.Struct, frozen=True):
    experiment_name: str = ""


class Tag(msgspec.Struct, frozen=True):
    experiment_id: str = ""
    key: str = ""
    value: str = ""


class Search(msgspec.Struct, frozen=True):
    view_type: str | int = ""
    max_results: int | None = None
    order_by: list[str] = []
    filter: str = ""
    page_token: str = ""


def ensure_default(call: Call) -> None:
    """Make the experiment of number 0 where there is none yet."""
    stores = call.stores
    with stores.ledger.read() as tx:
        if tx.experiments.find_number(stores.project, 0) is not None:
            return
    with stores.ledger.write() as tx:
        if tx.experiments.find_number(stores.project, 0) is None:
            now_us = stores.clock.now_us()
            fresh = Experiment(id=stores.ids(), project=stores.project, name=DEFAULT_EXPERIMENT, created_us=now_us)
            tx.experiments.add(fresh)


def create_experiment(call: Call, asked: Create) -> Json:
    """Add an experiment."""
    need(name=asked.name)
    check_experiment_name(asked.name)
    for tag in asked.tags:
        check_experiment_tag(tag.key, tag.value)
    stores = call.stores
    now_us = stores.clock.now_us()
    fresh = Experiment(
        id=stores.ids(),
        project=stores.project,
        name=ours(asked.name),
        created_us=now_us,
        updated_us=now_us,
        tags=by_key(asked.tags),
        location=_checked_location(asked.artifact_location),
    )
    with stores.ledger.write() as tx:
        try:
            added = tx.experiments.add(fresh)
        except Exists:
            raise Refusal("RESOURCE_ALREADY_EXISTS", f"Experiment(name={asked.name}) already exists.") from None
        stores.tell(tx, "experiment.added", node("experiment", added.id), {"name": added.name, "number": added.number})
    return {"experiment_id": str(added.number)}


def _checked_location(location: str) -> str:
    """A place that clients reach by themselves, or through this server; none on the server's own disk."""
    parts = address_parts(location)
    if parts is None:
        raise invalid(f"Invalid artifact location '{location[:200]}'")
    if location and parts.scheme in ("", "file"):
        raise invalid(
            f"Invalid artifact location '{location}': files of this server's disk cannot be reached through it. "
            "Leave it out to keep them in the project."
        )
    check_host(parts, "artifact_location")
    if parts.fragment:
        raise invalid("'artifact_location' URL can't include fragments or params.")
    if len(location) > 2048 or ".." in location.split("/"):
        raise invalid(f"Invalid artifact location '{location[:200]}'")
    return location


def get_experiment(call: Call, asked: Which) -> Json:
    """One experiment, also of the trash."""
    need(experiment_id=asked.experiment_id)
    with call.stores.ledger.read() as tx:
        return {"experiment": tell_experiment(experiment_of(tx, call, asked.experiment_id))}


def get_experiment_by_name(call: Call, asked: Named) -> Json:
    """The experiment of a name, also of the trash."""
    need(experiment_name=asked.experiment_name)
    with call.stores.ledger.read() as tx:
        found = tx.experiments.find(call.stores.project, ours(asked.experiment_name))
    if found is None:
        raise missing(f"Could not find experiment with name '{asked.experiment_name}'")
    return {"experiment": tell_experiment(found)}


def update_experiment(call: Call, asked: Which) -> Json:
    """Rename an experiment."""
    need(experiment_id=asked.experiment_id, new_name=asked.new_name)
    check_experiment_name(asked.new_name)
    with call.stores.ledger.write() as tx:
        before = experiment_of(tx, call, asked.experiment_id)
        if before.deleted_us:
            raise Refusal("INVALID_STATE", "Cannot rename a non-active experiment.")
        _put(tx, call, before, msgspec.structs.replace(before, name=ours(asked.new_name)))
    return {}


def set_experiment_tag(call: Call, asked: Tag) -> Json:
    """Set a tag."""
    need(experiment_id=asked.experiment_id, key=asked.key)
    check_experiment_tag(asked.key, asked.value)
    with call.stores.ledger.write() as tx:
        before = active(experiment_of(tx, call, asked.experiment_id))
        _put(tx, call, before, msgspec.structs.replace(before, tags={**before.tags, asked.key: asked.value}))
    return {}


def delete_experiment_tag(call: Call, asked: Tag) -> Json:
    """Take a tag away."""
    need(experiment_id=asked.experiment_id, key=asked.key)
    with call.stores.ledger.write() as tx:
        before = active(experiment_of(tx, call, asked.experiment_id))
        if asked.key not in before.tags:
            raise missing(f"No tag with name: {asked.key} in experiment with id {asked.experiment_id}")
        rest = {key: value for key, value in before.tags.items() if key != asked.key}
        _put(tx, call, before, msgspec.structs.replace(before, tags=rest))
    return {}


def delete_experiment(call: Call, asked: Which) -> Json:
    """Move an experiment and its runs into the trash."""
    need(experiment_id=asked.experiment_id)
    with call.stores.ledger.write() as tx:
        before = experiment_of(tx, call, asked.experiment_id, state="active")
        put_away(call.stores, tx, before, runs_in(tx, before, deleted=False))
    return {}


def restore_experiment(call: Call, asked: Which) -> Json:
    """Bring an experiment and its runs back, but for those that were purged."""
    need(experiment_id=asked.experiment_id)
    with call.stores.ledger.write() as tx:
        before = experiment_of(tx, call, asked.experiment_id, state="deleted")
        runs = [run for run in runs_in(tx, before, deleted=True) if not run.purged_us]
        bring_back(call.stores, tx, before, runs)
    return {}


def search_experiments(call: Call, asked: Search) -> Json:
    """Experiments that fulfil a filter, in an order; the newest first."""
    clauses, orders = parse_filter(asked.filter, _GRAMMAR), parse_order(asked.order_by, _GRAMMAR)
    for clause in clauses:
        if clause.key == "experiment_id" and clause.kind == "attribute":
            for value in clause.value if isinstance(clause.value, tuple) else (str(clause.value),):
                experiment_number(value)
    most = _checked_most(1000 if asked.max_results is None else asked.max_results)
    deleted = _VIEWS.get(str(asked.view_type).upper(), False)
    with call.stores.ledger.read() as tx:
        found = tx.experiments.list(call.stores.project)
    found = [
        each
        for each in found
        if (deleted is None or bool(each.deleted_us) is deleted)
        and all(holds(_value(each, clause.kind, clause.key), clause) for clause in clauses)
    ]
    found.sort(key=lambda each: (each.created_us // 1000, each.number), reverse=True)
    page, more = cut(ordered(found, orders, _value), most, asked.page_token)
    return {"experiments": [tell_experiment(each) for each in page], **more}


def _checked_most(most: int) -> int:
    if most < 1 or most > _MOST:
        bound = "a positive integer" if most < 1 else f"at most {_MOST}"
        raise invalid(f"Invalid value {most} for parameter 'max_results' supplied. It must be {bound}")
    return most


def _value(experiment: Experiment, kind: str, key: str) -> str | int | None:
    if kind == "tag":
        return experiment.tags.get(key)
    if key == "name":
        return experiment_name(experiment)
    if key == "experiment_id":
        return str(experiment.number)
    return (experiment.created_us if key == "creation_time" else experiment.updated_us or experiment.created_us) // 1000


def _put(tx: Transaction, call: Call, before: Experiment, after: Experiment) -> None:
    """Store a changed experiment, and tell what changed."""
    try:
        tx.experiments.put(msgspec.structs.replace(after, updated_us=call.stores.clock.now_us()))
    except Exists:
        raise Refusal("RESOURCE_ALREADY_EXISTS", f"Experiment(name={after.name}) already exists.") from None
    facts: dict[str, object] = {"name": after.name} if after.name != before.name else {}
    facts |= {"tags": after.tags} if after.tags != before.tags else {}
    call.stores.tell(tx, "experiment.described", node("experiment", after.id), facts)
