"""How a working folder differs from the version that it was last added as or taken from."""

from __future__ import annotations

from pathlib import Path

import msgspec

from clew.core.errors import NotFound
from clew.data.absent import no_file
from clew.data.diff_files import FileDiff, diff_files
from clew.data.site import Site
from clew.data.snapshot import Tell
from clew.data.stat_cache import load
from clew.data.tree import reader
from clew.data.working import HashOnly, known_state, read_working, remember, with_new

__all__ = ["Status", "status"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A working folder against its version."""

    reference: str
    path: str
    diff: FileDiff


def status(site: Site, root: Path, *, tell: Tell | None = None) -> Status:
    """Compare a working folder with its version; what looks as it did is not read.

    Args:
        site: where the version is.
        root: the folder or file.
        tell: hears how many of the files that must be read have been read.

    Raises:
        NotFound: the folder is not there, or was neither added nor taken out.
    """
    if not root.exists():
        raise no_file(root, kind="file or folder")
    raw = load(site.folder, root)
    if raw is None or not raw.references:
        raise NotFound("version of files from", str(root), hint=f"clew data add NAME {root}, or name what was added")
    version = site.datasets.resolve(raw.references[-1])
    cache = known_state(site, root)
    _, taken = read_working(site, root, cache=cache, sink=HashOnly(), tell=tell)
    if taken.digest == version.digest:
        remember(site, root, cache, taken, version.reference)
    diff = diff_files(with_new(reader(site.objects), taken), version.digest, taken.digest)
    return Status(reference=version.reference, path=str(root), diff=diff)
