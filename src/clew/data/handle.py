"""A handle on one version of a dataset: what user code reads data through. Nothing needs to be taken out for it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from clew.core.errors import Invalid
from clew.core.extras import require
from clew.core.hashing import hash_file
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.data.checkout import checkout
from clew.data.diff_files import FileSeen
from clew.data.folder import Entry, EntryKind
from clew.data.site import Site
from clew.data.table import Manifest, read_manifest, scan_table
from clew.data.tree import get, reader, walk
from clew.store.objects.disk import Draft, disk_errors, locked

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DatasetHandle"]

_MAX_LINKS = 32


class DatasetHandle:
    """One immutable version, to read.

    Args:
        site: where its objects are, and where files may be put.
        version: which one.
    """

    def __init__(self, site: Site, version: DatasetVersion) -> None:
        self._site = site
        self.version = version

    def __repr__(self) -> str:
        return f"<{self.version.kind.value} {self.reference}, {self.rows:,} {self._unit}, {self.digest[:12]}>"

    def __clew_digest__(self) -> str:
        """What a cache key takes of it: the content, not the name."""
        return self.digest

    if not TYPE_CHECKING:  # a type checker should go on refusing what is not there

        def __getattr__(self, name: str) -> NoReturn:
            said = f"a clew.Dataset has no attribute {name!r}"
            raise AttributeError(f"{said}: its rows are .frame() or .lazy(), its files .path()", name=name, obj=self)

    @property
    def reference(self) -> str:
        """`name@number`."""
        return self.version.reference

    @property
    def digest(self) -> Digest:
        """The digest of the content: equal content, equal digest."""
        return self.version.digest

    @property
    def schema(self) -> dict[str, str]:
        """Column to type; empty for files."""
        return self.version.schema

    @property
    def rows(self) -> int:
        """Rows of a table, or how many files there are."""
        return self.version.rows

    def lazy(self) -> pl.LazyFrame:
        """The rows of a table, to query with polars.

        Raises:
            Invalid: this is no table.
            NotFound, Corrupt: some of it is lost or damaged.
        """
        return scan_table(self._site.objects, self._manifest)

    def frame(self) -> pl.DataFrame:
        """The rows of a table, in memory. Raises what `lazy` does."""
        return self.lazy().collect()

    def path(self, file: str = "") -> Path:
        """A path on this machine, to read from and never to write to.

        The whole version is taken out below the project's folder, once, and put right if somebody changed it: a folder
        for files, one Parquet file for a table.

        Args:
            file: a file or folder of a files version; everything when empty.

        Raises:
            NotFound: the version has no such file.
            Unavailable: there is no room.
        """
        if self.version.kind is DatasetKind.TABLE:
            if file:
                raise Invalid(f"{self.reference} is a table and has no file {file!r}", hint="use path() or lazy()")
            return self._parquet()
        if file:
            self._entry(file)
        top = self._site.folder / "trees" / self.digest
        with disk_errors(f"write {top}"):
            top.parent.mkdir(parents=True, exist_ok=True)
            with locked(f"{top}.lock"):  # the processes of one training ask for it at the same moment
                checkout(self._site, self.version, top, force=True, exact=True)
        return top / file if file else top

    def files(self) -> Iterator[FileSeen]:
        """The files and links of a files version, by path."""
        for path, entry in walk(reader(self._site.objects), self._root):
            if entry.kind is not EntryKind.FOLDER:
                yield FileSeen(path, entry.size_bytes)

    def open(self, file: str) -> BinaryIO:
        """Open a file of a files version to read it; links within the version are followed.

        Raises:
            NotFound: the version has no such file.
            Invalid: it is a folder, or a link that leads out of the version.
        """
        entry = self._entry(file)
        for _ in range(_MAX_LINKS):
            if entry.kind is EntryKind.FOLDER:
                raise Invalid(f"{file!r} of {self.reference} is a folder", hint="files() lists what is in it")
            if entry.kind is not EntryKind.LINK:
                return self._site.objects.open(entry.digest) if entry.size_bytes else BytesIO()
            target = posixpath.normpath(posixpath.join(posixpath.dirname(file), os.fsdecode(entry.content)))
            if target.startswith(("/", "../")) or target == "..":
                break
            file, entry = target, self._entry(target)
        raise Invalid(f"the link {file!r} of {self.reference} leads out of the version, or around in a circle")

    def read(self, file: str) -> bytes:
        """The bytes of a file of a files version. Raises what `open` does."""
        with self.open(file) as opened:
            return opened.read()

    @property
    def _unit(self) -> str:
        return "rows" if self.version.kind is DatasetKind.TABLE else "files"

    @property
    def _root(self) -> Digest:
        if self.version.kind is not DatasetKind.FILES:
            raise Invalid(f"{self.reference} is a {self.version.kind.value}, not files", hint="use lazy() or frame()")
        return self.version.digest

    def _entry(self, file: str) -> Entry:
        return get(reader(self._site.objects), self._root, file)

    @cached_property
    def _manifest(self) -> Manifest:
        if self.version.kind is not DatasetKind.TABLE:
            raise Invalid(f"{self.reference} is files, not a table", hint="use path(), files() or open()")
        return read_manifest(self._site.objects, self.version.manifest)

    def _parquet(self) -> Path:
        """All rows in one Parquet file, whose own digest lies beside it."""
        require("polars")
        folder = self._site.folder / "tables"
        path, check = folder / f"{self.digest}.parquet", folder / f"{self.digest}.b3"
        try:
            if check.read_text() == hash_file(path):
                return path
        except OSError:
            pass
        with disk_errors(f"write {path}"):
            folder.mkdir(parents=True, exist_ok=True)
            with Draft(folder, mode=0o644) as draft, Draft(folder) as sum_draft:  # polars opens it by name
                self.lazy().sink_parquet(draft.path, compression="zstd")
                sum_draft.write(hash_file(Path(draft.path)).encode())
                draft.publish(path)
                sum_draft.publish(check)
        return path
