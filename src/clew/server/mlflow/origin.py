"""Where a version of a registered model comes from: what the source means that a client names, if it may be one."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote

import msgspec

from clew.core.address import address_parts
from clew.core.contracts.ledger import Transaction
from clew.core.types.logged_model import LoggedModel
from clew.core.types.model import ModelVersion
from clew.registry.mlflow_package import Part
from clew.server.mlflow.call import Call, run_of
from clew.server.mlflow.limits import check_host, check_length
from clew.server.mlflow.logged_models import logged_model_of, logged_root
from clew.server.mlflow.place import Place, place_of_uri
from clew.server.mlflow.refusal import Refusal, invalid
from clew.server.mlflow.registered_models import model_of, version_by_alias
from clew.server.mlflow.versions import canonical_stage, storage_of, version_of, versions_of

__all__ = ["Origin", "origin_of", "parts_at", "prompt_origin"]

_LOGGED = re.compile(r"m-[0-9a-f]{32}")
_WORD = re.compile(r"[\w-]+")
_LONGEST = 4096


class Origin(msgspec.Struct, frozen=True):
    """Where a version comes from: the address that was given, where its files can be read, and where they are here."""

    source: str
    storage: str
    run: str = ""
    logged: str = ""
    place: Place | None = None
    copied: ModelVersion | None = None


def origin_of(tx: Transaction, call: Call, source: str, run_id: str | None, model_id: str | None) -> Origin:
    """What a source means.

    Args:
        tx: the transaction.
        call: the request.
        source: the address.
        run_id: the run that has the files, if one was named.
        model_id: the logged model that has them, if one was named.

    Raises:
        Refusal: it is none, or the files are somebody else's.
    """
    run, logged = run_id or "", model_id or ""
    parts = _checked(source)
    if parts.scheme == "models" and parts.netloc:
        raise invalid(
            f"Invalid model version source: '{source}'. Registered model sources must use the active model registry."
        )
    name = parts.path.strip("/")
    if parts.scheme == "models" and not _LOGGED.fullmatch(name):
        return _copied(_version_of_uri(tx, call, source, name), source, run_id, model_id)
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


def prompt_origin(source: str) -> Origin:
    """Where a version of a prompt comes from: nowhere. Its text is a tag, and clients send a word as its source.

    Raises:
        Refusal: it is an address or a path, from which clients could be made to read files.
    """
    check_length("source", _LONGEST, source)
    if not _WORD.fullmatch(source):
        raise invalid(f"Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder.")
    return Origin(source, source)


def _copied(there: ModelVersion, source: str, run_id: str | None, model_id: str | None) -> Origin:
    """What `models:/NAME/VERSION`, `/STAGE` or `@ALIAS` means: the same package again."""
    if run_id not in (None, there.run) or model_id not in (None, there.logged):
        raise invalid(
            f"Invalid model version source: '{source}'. The run_id and model_id request "
            "parameters must match the referenced model version."
        )
    same = f"models:/{there.name}/{there.number}"
    return Origin(same, storage_of(there), there.run, there.logged, None, there)


def _version_of_uri(tx: Transaction, call: Call, source: str, name: str) -> ModelVersion:
    if "@" in name:
        name, _, alias = name.partition("@")
        return version_by_alias(tx, call, unquote(name), alias)
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


def _checked(source: str) -> SplitResult:
    """The parts of an address; refused are paths of the server's own disk, and addresses that lead upwards."""
    check_length("source", _LONGEST, source)
    plain = source
    while (unquoted := unquote(plain)) != plain:
        plain = unquoted
    parts, as_given = address_parts(plain), address_parts(source)
    if parts is None or as_given is None:
        raise invalid(f"Invalid model version source: '{source}'. It is no address.")
    if not parts.scheme or parts.scheme == "file" or len(parts.scheme) == 1:
        raise invalid(
            f"Invalid model version source: '{source}'. To use a local path as a model version "
            "source, the run_id request parameter has to be specified and the local path has to be "
            "contained within the artifact directory of the run specified by the run_id."
        )
    for each in (parts, as_given):  # clients take it apart as it was given
        check_host(each, "source")
    if "\0" in plain or ".." in re.split(r"[/\\]", plain) or parts.query or parts.fragment:
        raise invalid(
            f"Invalid model version source: '{source}'. If supplying a source as an http, https, "
            "local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be "
            "provided without relative path references present. Please provide an absolute path."
        )
    return as_given


def _foreign(source: str, field: str) -> Refusal:
    return invalid(
        f"Invalid model version source: '{source}'. The {field} request parameter must "
        "identify the resource that contains the source."
    )


def parts_at(tx: Transaction, place: Place) -> list[Part]:
    """The files at a place, by their paths from there."""
    before = f"{place.path}/" if place.path else ""
    artifacts = tx.artifacts.list(place.owner, under=place.path)
    return [Part(each.path.removeprefix(before), each.digest, each.size_bytes) for each in artifacts]
