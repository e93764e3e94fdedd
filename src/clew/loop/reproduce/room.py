"""A clean room: a project of its own for the repeated run, with what the real one held when the run started.

Datasets, models and names are as they were then, so that `flights@latest` means what it meant; the step cache is
empty, so that everything is computed; and what the run registers stays in the room. Bytes are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.paging import Page, items_of
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.model import ModelVersion

__all__ = ["OpenRoom", "furnish", "place_of_room"]

T = TypeVar("T", DatasetVersion, ModelVersion)

OpenRoom = Callable[[Path], AbstractContextManager[Stores]]
"""Makes a project in a folder, with the objects of the real one, and opens it: the workspace's part."""


def place_of_room(folder: Path, root: Path, project: Path) -> Path:
    """Where in the clean folder the project lies: where it lay below the root of the source, or at the top."""
    return folder / project.relative_to(root) if project.is_relative_to(root) else folder


def furnish(room: Stores, real: Stores, *, until_us: int, instead: Mapping[str, DatasetVersion] | None = None) -> None:
    """Bring datasets, models and names into the room, as they were at a time.

    Args:
        room: the new project.
        real: the project that the run belongs to.
        until_us: nothing younger is brought.
        instead: by id of a version, one whose content takes its place.
    """
    with real.ledger.read() as there, room.ledger.write() as here:
        _bring_datasets(there, here, real.project, room.project, until_us, instead or {})
        _bring_models(there, here, real.project, room.project, until_us)


def _bring_datasets(
    there: Transaction,
    here: Transaction,
    real: str,
    room: str,
    until_us: int,
    instead: Mapping[str, DatasetVersion],
) -> None:
    for dataset in there.datasets.list(real):
        if dataset.created_us > until_us or dataset.kind is DatasetKind.LOG:
            continue
        here.datasets.add(msgspec.structs.replace(dataset, project=room))
        for version in _until(partial(there.datasets.versions, dataset.id), until_us):
            here.datasets.add_version(_swapped(version, instead.get(version.id)))


def _swapped(version: DatasetVersion, other: DatasetVersion | None) -> DatasetVersion:
    """A version with the content of another one, under its own number."""
    if other is None:
        return version
    return msgspec.structs.replace(
        version,
        digest=other.digest,
        manifest=other.manifest,
        rows=other.rows,
        size_bytes=other.size_bytes,
        schema=other.schema,
        key=other.key,
    )


def _bring_models(there: Transaction, here: Transaction, real: str, room: str, until_us: int) -> None:
    for model in there.models.list(real):
        if model.created_us > until_us:
            continue
        here.models.add(msgspec.structs.replace(model, project=room))
        for version in _until(partial(there.models.versions, model.id), until_us):
            here.models.add_version(version)
        for alias in there.models.aliases(model.id):
            for move in there.models.moves(model.id, alias.alias):
                if move.moved_us <= until_us:
                    here.models.move_alias(move)


def _until(page: Callable[..., Page[T]], until_us: int) -> list[T]:
    """All versions up to a time, oldest first."""
    return [version for version in reversed(list(items_of(page))) if version.created_us <= until_us]
