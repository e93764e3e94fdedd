"""Add a folder or a file as a new version of a files dataset."""

from __future__ import annotations

from pathlib import Path

from clew.core.errors import Invalid
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.reference import checked_name
from clew.data.folder import EMPTY
from clew.data.origin import Addition, Origin, newest
from clew.data.scan import refuse_storage
from clew.data.site import Site
from clew.data.snapshot import Tell
from clew.data.working import known_state, read_working, remember

__all__ = ["add_files"]


def add_files(site: Site, name: str, root: Path, *, origin: Origin | None = None, tell: Tell | None = None) -> Addition:
    """Add what a folder holds, or a single file, as the next version; survives *power*.

    What looks as it did at the last add from there is not read again. An interrupted add leaves nothing but objects
    that the next one finds stored.

    Args:
        site: where to.
        name: of the dataset, which is made when it is new.
        root: the folder or file. `.clew` and `.git` folders in it are left out.
        origin: where the version comes from.
        tell: hears how many of the files that must be read have been read.

    Raises:
        NotFound: there is no such folder.
        Invalid: it is empty, holds what is no data, or is clew's own.
        Conflict: a file changes meanwhile, or another writer adds a version first.
    """
    checked_name("dataset", name)
    refuse_storage(root)
    origin = origin or Origin()
    cache = known_state(site, root)
    _, taken = read_working(site, root, cache=cache, sink=site.objects, tell=tell)
    if site.objects.missing([taken.digest]):  # what looks as it did is lost: it is read again
        cache = None
        _, taken = read_working(site, root, cache=cache, sink=site.objects, tell=tell)
    if taken.files == 0 and taken.digest == EMPTY:
        raise Invalid(f"{root} holds no files", hint="add a folder that holds the data")
    before = newest(site, name)
    version = DatasetVersion(
        id=site.ids(),
        dataset=before.dataset if before is not None else site.ids(),
        name=name,
        kind=DatasetKind.FILES,
        number=before.number + 1 if before is not None else 1,
        digest=taken.digest,
        manifest=Digest(taken.digest),
        rows=taken.files,
        size_bytes=taken.size_bytes,
        created_us=site.clock.now_us(),
        created_by=site.actor,
        message=origin.message,
        run=origin.run,
    )
    added = site.datasets.commit(version, parents=origin.parents)
    remember(site, root, cache, taken, added.reference)
    return Addition(version=added, new=added.id == version.id)
