"""The data of a project, as Python code sees it: one object with the verbs of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clew.core.errors import Invalid
from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetKind, DatasetVersion
from clew.data.absent import no_file
from clew.data.add_files import add_files
from clew.data.add_table import TableRules, add_table
from clew.data.checkout import Checkout, checkout
from clew.data.diff import Difference, diff
from clew.data.handle import DatasetHandle
from clew.data.ingest import TABLE_SUFFIXES
from clew.data.origin import Addition, Origin
from clew.data.site import Site
from clew.data.snapshot import Tell
from clew.data.status import Status, status

if TYPE_CHECKING:
    from clew.data.add_table import TableSource

__all__ = ["Catalog"]


class Catalog:
    """The datasets of a project.

    Args:
        site: what the verbs act on.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def get(self, reference: str) -> DatasetHandle:
        """A handle on the version that `name@selector` means.

        Raises:
            NotFound: there is no such dataset or version.
            Invalid: the text is no reference.
        """
        return DatasetHandle(self._site, self._site.datasets.resolve(reference))

    def add(
        self,
        name: str,
        source: TableSource,
        *,
        kind: DatasetKind | None = None,
        rules: TableRules | None = None,
        origin: Origin | None = None,
        tell: Tell | None = None,
    ) -> Addition:
        """Add a folder, a file or a frame as the next version of a dataset.

        Args:
            name: of the dataset, which is made when it is new.
            source: a path or a polars frame.
            kind: files or table; by default what the dataset is, and for a new one a table when `source` is a frame or
                a file that ends as tables do.
            rules: what the rows of a table must keep to.
            origin: where the version comes from.
            tell: hears of progress, in files or rows.

        Raises:
            NotFound, Invalid, Conflict: as `add_files` and `add_table` do.
        """
        kind = kind or self._kind(name, source)
        if kind is DatasetKind.TABLE:
            return add_table(self._site, name, source, rules=rules, origin=origin, tell=tell)
        if not isinstance(source, Path):
            raise Invalid(f"dataset {name!r} holds files, and this is a frame", hint="add it under another name")
        if rules is not None and (rules.key or rules.check or rules.allow_schema_change):
            if not source.exists():  # its name may be a slip, and so it says nothing of what was meant
                raise no_file(source, kind="file or folder")
            raise Invalid("a key, checks and schemas are for tables", hint="leave them out, or add it as a table")
        return add_files(self._site, name, source, origin=origin, tell=tell)

    def list(self) -> list[Dataset]:
        """All datasets, by name."""
        return self._site.datasets.list()

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]:
        """The versions of a dataset, newest first."""
        return self._site.datasets.versions(name, limit=limit, after=after)

    def diff(self, before: str, after: str, *, examples: int = 5) -> Difference:
        """What changed between two versions."""
        datasets = self._site.datasets
        return diff(self._site, datasets.resolve(before), datasets.resolve(after), examples=examples)

    def checkout(self, reference: str, target: Path, *, force: bool = False, tell: Tell | None = None) -> Checkout:
        """Take a files version out into a folder."""
        return checkout(self._site, self._site.datasets.resolve(reference), target, force=force, tell=tell)

    def status(self, root: Path, *, tell: Tell | None = None) -> Status:
        """How a folder differs from the version that it was added as or taken from."""
        return status(self._site, root, tell=tell)

    def _kind(self, name: str, source: TableSource) -> DatasetKind:
        found = self._site.datasets.find(name)
        if found is not None:
            return found.kind
        is_table = not isinstance(source, Path) or (source.is_file() and source.suffix.lower() in TABLE_SUFFIXES)
        return DatasetKind.TABLE if is_table else DatasetKind.FILES
