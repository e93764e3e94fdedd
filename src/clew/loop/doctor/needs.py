"""Which objects the ledger needs, and for what. Cached outputs of steps are not among them: a lost one is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, NotFound
from clew.core.ids import Digest
from clew.core.paging import items_of
from clew.core.types.dataset import Dataset, DatasetKind, DatasetVersion
from clew.data.folder import EntryKind
from clew.data.table import read_manifest
from clew.data.tree import reader, walk
from clew.registry.package import load_package

__all__ = ["needs"]

Need = tuple[Digest, str]


def needs(tx: Transaction, project: str, objects: Objects) -> Iterator[Need]:
    """Every object that something in the ledger names, directly or below, with the name of that something."""
    for dataset in tx.datasets.list(project):
        yield from _of_dataset(tx, dataset, objects)
    yield from _of_models(tx, project, objects)
    yield from _of_runs(tx, project)
    for endpoint in tx.endpoints.list(project):
        for window in tx.windows.list(endpoint.id):
            yield window.profile, f"a window of endpoint {endpoint.name}"


def _of_dataset(tx: Transaction, dataset: Dataset, objects: Objects) -> Iterator[Need]:
    if dataset.kind is DatasetKind.LOG:
        for batch in tx.logs.list(dataset.id):
            yield batch.object, f"{dataset.name}, position {batch.position}"
            yield batch.profile, f"the counts of {dataset.name}, position {batch.position}"
        return
    for version in items_of(partial(tx.datasets.versions, dataset.id)):
        if version.purged_us:
            continue  # a record of what was removed
        yield version.manifest, version.reference
        with suppress(NotFound, Corrupt):  # the manifest itself, or a folder, is told of by its own digest
            yield from _below(version, objects)


def _below(version: DatasetVersion, objects: Objects) -> Iterator[Need]:
    if version.kind is DatasetKind.TABLE:
        for part in read_manifest(objects, version.manifest).parts:
            yield part.object, version.reference
        return
    for path, entry in walk(reader(objects), version.manifest):
        if entry.kind is not EntryKind.LINK:
            yield entry.digest, f"{path} of {version.reference}"


def _of_models(tx: Transaction, project: str, objects: Objects) -> Iterator[Need]:
    for model in tx.models.list(project):
        for version in items_of(partial(tx.models.versions, model.id)):
            if not version.package:
                continue  # its files are elsewhere
            yield version.package, version.reference
            with suppress(NotFound, Corrupt, msgspec.MsgspecError):
                for file in load_package(objects, version.package).files:
                    yield file.digest, f"{file.role} of {version.reference}"
        for move in tx.models.aliases(model.id):
            yield move.report, f"the gate's report on {model.name}@{move.alias}"


def _of_runs(tx: Transaction, project: str) -> Iterator[Need]:
    for run in items_of(partial(tx.runs.list, project, deleted=None)):
        if run.purged_us:
            continue  # a record of what was removed
        for aspect, digest in run.capture.items():
            yield digest, f"the {aspect} of run {run.name}"
        for artifact in tx.artifacts.list(run.id):
            yield artifact.digest, f"{artifact.path} of run {run.name}"
    for model in tx.logged_models.list(project):
        for artifact in tx.artifacts.list(model.id):
            yield artifact.digest, f"{artifact.path} of logged model {model.name}"
