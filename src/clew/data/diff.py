"""Compare two versions of data, whatever their kind."""

from __future__ import annotations

import msgspec

from clew.core.errors import Invalid
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.data.diff_files import FileDiff, diff_files
from clew.data.diff_table import TableDiff, diff_tables
from clew.data.site import Site
from clew.data.table import read_manifest
from clew.data.tree import reader

__all__ = ["Difference", "diff"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from one version to another: `files` or `table`, by their kind."""

    before: str
    after: str
    files: FileDiff | None = None
    table: TableDiff | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return all(part is None or part.empty for part in (self.files, self.table))


def diff(site: Site, before: DatasetVersion, after: DatasetVersion, *, examples: int = 5) -> Difference:
    """Compare two versions.

    Args:
        site: where they are.
        before: one.
        after: the other, of the same kind; it may be of another dataset.
        examples: of each kind of change in a table, at most so many.

    Raises:
        Invalid: their kinds differ.
    """
    if before.kind is not after.kind:
        raise Invalid(f"{before.reference} holds {before.kind.value} and {after.reference} {after.kind.value}")
    between = Difference(before=before.reference, after=after.reference)
    if before.kind is DatasetKind.FILES:
        files = diff_files(reader(site.objects), before.digest, after.digest)
        return msgspec.structs.replace(between, files=files)
    old, new = (read_manifest(site.objects, version.manifest) for version in (before, after))
    return msgspec.structs.replace(between, table=diff_tables(site.objects, old, new, examples=examples))
