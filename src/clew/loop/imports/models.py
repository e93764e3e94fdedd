"""Takes in logged models, registered models, their versions and aliases. Guarded aliases go through the gate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError, Conflict, Corrupt, GateRefused, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.logged_model import LoggedModel
from clew.core.types.model import Model, ModelVersion
from clew.loop.imports.files import keep_files
from clew.loop.imports.foreign import ForeignLogged, ForeignModel
from clew.registry.mlflow_package import Part, package_folder
from clew.registry.revise import add_version
from clew.store.account import row_digest

__all__ = ["Promote", "take_in_logged", "take_in_models"]

_RUNS = re.compile(r"runs:/(?P<owner>[0-9a-f]{32})(?:/(?P<path>.*))?")
_STORED = re.compile(r".*/(?P<owner>[0-9a-f]{32}|m-[0-9a-f]{32})/artifacts(?:/(?P<path>.*))?")

Promote = Callable[[str, str], object]
"""Gives an alias to a version: `NAME@NUMBER`, and the alias."""


def take_in_logged(stores: Stores, found: Iterable[ForeignLogged], read: Counter[str], here: Counter[str]) -> None:
    """Add logged models with their files; those that are there stay."""
    for foreign in found:
        model = foreign.model
        with stores.ledger.read() as tx:
            there = {artifact.path: artifact for artifact in tx.artifacts.list(model.id)}
        files = keep_files(stores, model.id, list(foreign.files()), there, at_us=model.updated_us or model.created_us)
        with stores.ledger.write() as tx:
            _add_logged(stores, tx, foreign)
            for artifact in files:
                if artifact.path not in there:
                    tx.artifacts.put(artifact)
            kept = {artifact.path for artifact in tx.artifacts.list(model.id)}
        read["logged models"] += 1
        here["logged models"] += 1
        read["files"] += len(files)
        here["files"] += sum(artifact.path in kept for artifact in files)


def _add_logged(stores: Stores, tx: Transaction, foreign: ForeignLogged) -> None:
    try:
        before: LoggedModel | None = tx.logged_models.get(foreign.model.id)
    except NotFound:
        before = None
    if before is not None:
        if before.project != stores.project:
            raise Conflict(f"logged model {before.id} is in another project of this ledger already")
        return
    experiment = tx.experiments.find(stores.project, foreign.experiment)
    if experiment is None:
        raise NotFound("experiment", foreign.experiment)
    model = msgspec.structs.replace(foreign.model, project=stores.project, experiment=experiment.id)
    tx.logged_models.add(model)
    tx.logged_models.measure(foreign.metrics)
    stores.tell(tx, "model.logged", node("logged", model.id), {"name": model.name, "run": model.run})


def take_in_models(
    stores: Stores, found: Iterable[ForeignModel], promote: Promote, read: Counter[str], here: Counter[str]
) -> list[ClewError]:
    """Add registered models, then give their aliases; what the gate refused.

    Raises:
        Conflict: there is a model of that name whose versions are others.
    """
    held_back: list[ClewError] = []
    for foreign in found:
        read["models"] += 1
        read["versions"] += len(foreign.versions)
        read["aliases"] += len(foreign.aliases)
        with stores.ledger.read() as tx:
            versions = [_packed(stores, tx, version) for version in foreign.versions]
        with stores.ledger.write() as tx:
            model = _model(stores, tx, foreign.model)
            for version in versions:
                _version(stores, tx, model, version)
        here["models"] += 1
        here["versions"] += len(foreign.versions)
        here["aliases"] += _aliases(stores, model, foreign, promote, held_back)
    return held_back


def _model(stores: Stores, tx: Transaction, wanted: Model) -> Model:
    found = tx.models.find(stores.project, wanted.name)
    if found is None:
        found = msgspec.structs.replace(wanted, id=stores.ids(), project=stores.project)
        tx.models.add(found)
        stores.tell(tx, "model.added", node("model", found.id), {"name": found.name})
    return found


def _version(stores: Stores, tx: Transaction, model: Model, wanted: ModelVersion) -> None:
    """Add a version with its number. Numbers that the source has given and taken back are taken back here too."""
    there = tx.models.find_version(model.id, wanted.number)
    if there is not None:
        if (there.source, there.run, there.created_us) != (wanted.source, wanted.run, wanted.created_us):
            raise Conflict(
                f"{there.reference} is there already, and is another version",
                hint="rename one of the two models, or import into another project",
            )
        return
    newest = tx.models.newest(model.id)
    for number in range(newest.number + 1 if newest else 1, wanted.number):
        gone = ModelVersion(
            id=stores.ids(),
            model=model.id,
            name=model.name,
            number=number,
            package=Digest(""),
            run="",
            created_us=wanted.created_us,
            created_by=wanted.created_by,
            deleted_us=wanted.created_us,
        )
        add_version(stores, tx, gone)
        facts = {"reference": gone.reference, "row": row_digest(gone)}
        stores.tell(tx, "version.deleted", node("model", gone.id), facts)
    add_version(stores, tx, msgspec.structs.replace(wanted, id=stores.ids(), model=model.id, name=model.name))


def _packed(stores: Stores, tx: Transaction, version: ModelVersion) -> ModelVersion:
    """A version with the package that its files make, where they came along and are a model."""
    owner, folder = _place(version)
    if not owner:
        return version
    before = f"{folder}/" if folder else ""
    parts = [
        Part(artifact.path.removeprefix(before), artifact.digest, artifact.size_bytes)
        for artifact in tx.artifacts.list(owner, under=folder)
    ]
    try:
        package, unsafe = package_folder(stores.objects, parts, run=version.run)
    except (Corrupt, Invalid):  # what no MLflow wrote can be neither gated nor served, and is kept all the same
        return version
    return msgspec.structs.replace(version, package=package, unsafe=unsafe)


def _place(version: ModelVersion) -> tuple[str, str]:
    """The run or logged model that has a version's files, and the folder that they are in."""
    for address in (version.source, version.storage):
        found = _RUNS.fullmatch(address) or _STORED.fullmatch(address)
        if found is not None:
            return found["owner"], (found["path"] or "").strip("/")
    return version.logged, ""


def _aliases(stores: Stores, model: Model, foreign: ForeignModel, promote: Promote, held_back: list[ClewError]) -> int:
    """Give each alias; how many the model has then. One that somebody moved here since stays where it is."""
    with stores.ledger.read() as tx:
        held = {move.alias for move in tx.models.aliases(model.id)}
    given = 0
    for alias, number in foreign.aliases.items():
        if alias not in held:
            try:
                promote(f"{model.name}@{number}", alias)
            except GateRefused as refusal:
                held_back.append(refusal)
                continue
            except Invalid as error:
                with stores.ledger.read() as tx:
                    version = tx.models.find_version(model.id, number)
                if version is not None and version.package:
                    raise
                what = f"{model.name}@{number} cannot have the name {alias}, which the gate guards: it has no package"
                held_back.append(Invalid(what, hint=error.hint))
                continue
        given += 1
    return given
