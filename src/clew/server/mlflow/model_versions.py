"""Versions of registered models: create, get, search, describe, stage, delete."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.errors import NotFound
from clew.core.ids import Digest
from clew.core.types.logged_model import LoggedModel
from clew.core.types.model import Model, ModelVersion
from clew.registry.aliases import take_away
from clew.registry.mlflow_package import Part, package_folder
from clew.registry.revise import add_version, describe_version
from clew.server.mlflow.answers import Json
from clew.server.mlflow.body import KeyValue, need
from clew.server.mlflow.call import Call, run_of
from clew.server.mlflow.filters import Comparison, Grammar, holds, ordered, parse_filter, parse_order, wanted_attribute
from clew.server.mlflow.limits import check_registry_tag
from clew.server.mlflow.logged_models import logged_model_of, logged_root
from clew.server.mlflow.page import cut
from clew.server.mlflow.place import Place, place_of_uri
from clew.server.mlflow.refusal import Refusal, invalid
from clew.server.mlflow.registered_models import PROMPT_TAG, is_hidden, model_of, without_prompts
from clew.server.mlflow.versions import canonical_stage, storage_of, tell_version, version_of, versions_of

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
)
_NATURAL = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]
_LOGGED = re.compile(r"m-[0-9a-f]{32}")


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


class Origin(msgspec.Struct, frozen=True):
    """Where a version comes from: the address that was given, where its files can be read, and where they are here."""

    source: str
    storage: str
    run: str = ""
    logged: str = ""
    place: Place | None = None
    copied: ModelVersion | None = None


def create_version(call: Call, asked: Create) -> Json:
    """Make files that a run logged the next version of a registered model."""
    need(name=asked.name, source=asked.source)
    for tag in asked.tags:
        check_registry_tag(tag.key, tag.value)
    tags = {tag.key: tag.value for tag in asked.tags}
    with call.stores.ledger.read() as tx:
        model = model_of(tx, call, asked.name)
        prompt = tags.get(PROMPT_TAG, "").lower() == "true"
        origin = Origin(asked.source, asked.source) if prompt else _origin(tx, call, asked)
        parts = _parts(tx, origin.place) if origin.place is not None else []
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


def _origin(tx: Transaction, call: Call, asked: Create) -> Origin:
    """What a source means, if it may be one."""
    source, run, logged = asked.source, asked.run_id or "", asked.model_id or ""
    _check_source(source)
    parts = urlsplit(source)
    if parts.scheme == "models" and parts.netloc:
        raise invalid(
            f"Invalid model version source: '{source}'. Registered model sources must use the active model registry."
        )
    name = parts.path.strip("/")
    if parts.scheme == "models" and not _LOGGED.fullmatch(name):
        return _copied(tx, call, asked, name)
    if parts.scheme == "models":
        if logged != name:
            raise _foreign(source, "model_id")
        return _of_logged(tx, call, source, name, run)
    if logged:
        model = _logged_for(tx, call, source, logged)
        if parts.scheme == "runs":
            raise _foreign(source, "model_id")
        place = place_of_uri(source)
        if place is not None and place.owner != logged:
            raise _foreign(source, "model_id")
        return Origin(source, source, run or model.run, logged, place)
    place = place_of_uri(source)
    if place is None and parts.scheme == "mlflow-artifacts":
        raise _foreign(source, "run_id")
    if place is not None and (not run or place.owner != run):
        raise _foreign(source, "run_id")
    if place is not None:
        try:
            run_of(tx, call, run)
        except Refusal:
            raise _foreign(source, "run_id") from None
    return Origin(source, source, run, "", place)


def _copied(tx: Transaction, call: Call, asked: Create, name: str) -> Origin:
    """What `models:/NAME/VERSION`, `/STAGE` or `@ALIAS` means: the same package again."""
    there = _version_of_uri(tx, call, asked.source, name)
    if (asked.run_id is not None and asked.run_id != there.run) or (
        asked.model_id is not None and asked.model_id != there.logged
    ):
        raise invalid(
            f"Invalid model version source: '{asked.source}'. The run_id and model_id request "
            "parameters must match the referenced model version."
        )
    source = f"models:/{there.name}/{there.number}"
    return Origin(source, storage_of(there), there.run, there.logged, None, there)


def _version_of_uri(tx: Transaction, call: Call, source: str, name: str) -> ModelVersion:
    if "@" in name:
        name, _, alias = name.partition("@")
        model = model_of(tx, call, unquote(name))
        held = next((move for move in tx.models.aliases(model.id) if move.alias == alias), None)
        if held is None:
            raise invalid(f"Registered model alias {alias} not found.")
        return version_of(tx, call, model.name, str(held.number))
    name, slash, version = name.rpartition("/")
    if not slash:
        raise _foreign(source, "model_id")
    if version.isdecimal():
        return version_of(tx, call, unquote(name), version)
    stage = None if version.lower() == "latest" else canonical_stage(version)
    model = model_of(tx, call, unquote(name))
    found = next((each for each in versions_of(tx, model) if stage is None or (each.stage or "None") == stage), None)
    if found is None:
        raise _foreign(source, "model_id")
    return found


def _of_logged(tx: Transaction, call: Call, source: str, id: str, run: str) -> Origin:
    model = _logged_for(tx, call, source, id)
    storage = logged_root(tx.experiments.get(model.experiment), id)
    return Origin(source, storage, run or model.run, id, place_of_uri(storage))


def _logged_for(tx: Transaction, call: Call, source: str, id: str) -> LoggedModel:
    try:
        return logged_model_of(tx, call, id, deleted=False)
    except Refusal:
        raise _foreign(source, "model_id") from None


def _check_source(source: str) -> None:
    """Refuse paths of the server's own disk, and addresses that lead upwards."""
    plain = source
    while (unquoted := unquote(plain)) != plain:
        plain = unquoted
    parts = urlsplit(plain)
    if not parts.scheme or parts.scheme == "file" or len(parts.scheme) == 1:
        raise invalid(
            f"Invalid model version source: '{source}'. To use a local path as a model version "
            "source, the run_id request parameter has to be specified and the local path has to be "
            "contained within the artifact directory of the run specified by the run_id."
        )
    if "\0" in plain or ".." in re.split(r"[/\\]", plain) or parts.query or parts.fragment:
        raise invalid(
            f"Invalid model version source: '{source}'. If supplying a source as an http, https, "
            "local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be "
            "provided without relative path references present. Please provide an absolute path."
        )


def _foreign(source: str, field: str) -> Refusal:
    return invalid(
        f"Invalid model version source: '{source}'. The {field} request parameter must "
        "identify the resource that contains the source."
    )


def _parts(tx: Transaction, place: Place) -> list[Part]:
    """The files at a place, by their paths from there."""
    before = f"{place.path}/" if place.path else ""
    try:
        artifacts = tx.artifacts.list(place.owner)
    except NotFound:
        return []
    return [
        Part(each.path[len(before) :], each.digest, each.size_bytes)
        for each in artifacts
        if each.path.startswith(before)
    ]


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
        found: list[ModelVersion] = []
        aliases = {}
        for model in _candidates(tx, call, clauses):
            aliases[model.id] = tx.models.aliases(model.id)
            found += [
                version
                for version in versions_of(tx, model)
                if not is_hidden({**version.tags, **_prompt(model)}, clauses) and _matches(version, clauses)
            ]
    found.sort(key=lambda version: (version.name, -version.number))
    page, more = cut(ordered(found, orders, _value), asked.max_results, asked.page_token)
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
    values: dict[str, str | int | None] = {
        "name": version.name,
        "version_number": version.number,
        "run_id": version.run or None,
        "source_path": version.source,
        "creation_timestamp": version.created_us // 1000,
        "last_updated_timestamp": (version.updated_us or version.created_us) // 1000,
    }
    return values[key]
