"""Write a table version into one file of the user's: Parquet, CSV or JSON lines, by the ending of its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clew.core.errors import Exists, Invalid, NotFound
from clew.core.extras import require
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.data.site import Site
from clew.data.table import read_manifest, scan_table
from clew.store.objects.disk import Draft, disk_errors

if TYPE_CHECKING:
    import polars as pl

__all__ = ["export"]


def export(site: Site, version: DatasetVersion, target: Path, *, force: bool = False) -> None:
    """Write the rows of a table; the file appears at once, whole.

    Args:
        site: where the version is.
        version: of kind table.
        target: a name that ends with .parquet, .csv, .tsv, .jsonl or .ndjson.
        force: replace a file that is there.

    Raises:
        Invalid: the version is no table, the target is a folder, or its name ends with something else.
        Exists: there is such a file.
        NotFound: there is no such folder.
        Unavailable: the disk is full.
    """
    require("polars")
    if version.kind is not DatasetKind.TABLE:
        raise Invalid(f"{version.reference} is files, not a table", hint=f"clew data checkout {version.reference}")
    if target.is_dir():
        raise Invalid(f"{target} is a folder", hint=f"name a file: {target / version.name}.parquet")
    if target.exists() and not force:
        raise Exists("file", str(target), hint="choose another name, or use --force to replace it")
    if not target.parent.is_dir():
        raise NotFound("folder", str(target.parent))
    rows = scan_table(site.objects, read_manifest(site.objects, version.manifest))
    with disk_errors(f"write {target}"), Draft(target.parent, mode=0o666) as draft:
        _sink(rows, draft.path, target)
        draft.publish(target)


def _sink(rows: pl.LazyFrame, path: str, target: Path) -> None:
    import polars as pl

    suffix = target.suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            rows.sink_parquet(path, compression="zstd")
        elif suffix in (".csv", ".tsv"):
            rows.sink_csv(path, separator="\t" if suffix == ".tsv" else ",")
        elif suffix in (".jsonl", ".ndjson"):
            rows.sink_ndjson(path)
        else:
            raise Invalid(f"{target} ends with no format for rows", hint="use .parquet, .csv, .tsv or .jsonl")
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise Invalid(f"these columns cannot be written to {target}: {reason}", hint="use .parquet") from error
