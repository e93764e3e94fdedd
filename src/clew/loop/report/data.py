"""What differs between the versions of data that runs used: rows, columns, files."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.contracts.services import DatasetService
from clew.core.errors import ClewError, NotFound
from clew.core.types.dataset import DatasetVersion
from clew.data.diff import Difference, diff
from clew.data.site import Site
from clew.tracking.overview import Overview

__all__ = ["DataChange", "data_changes"]


class DataChange(msgspec.Struct, frozen=True, kw_only=True):
    """How a dataset that a run used differs from the version that the first run used.

    Columns that were added, are gone, or changed their type; cells that changed by column; rows and files that came,
    went or changed. `problem` says why the contents could not be compared.
    """

    run: str
    before: str
    after: str
    rows_before: int = 0
    rows_after: int = 0
    columns_added: list[str] = []
    columns_removed: list[str] = []
    columns_retyped: list[str] = []
    cells_changed: dict[str, int] = {}
    added: int = 0
    removed: int = 0
    changed: int = 0
    problem: str = ""


def data_changes(site: Site, datasets: DatasetService, overviews: Sequence[Overview]) -> list[DataChange]:
    """The changes of each run against the first one, by dataset."""
    base = _used(overviews[0])
    found: list[DataChange] = []
    for overview in overviews[1:]:
        for name, reference in _used(overview).items():
            if name in base and base[name] != reference:
                try:
                    before, after = datasets.resolve(base[name]), datasets.resolve(reference)
                except NotFound as error:  # it lies in the trash
                    gone = DataChange(run=overview.run.id, before=base[name], after=reference, problem=error.what)
                    found.append(gone)
                    continue
                found.append(_change(site, overview.run.id, before, after))
    return found


def _used(overview: Overview) -> dict[str, str]:
    """The datasets among the inputs of a run: name to reference."""
    data = [link.reference for link in overview.inputs if link.node.startswith("data:") and link.reference]
    return {reference.rpartition("@")[0]: reference for reference in data}


def _change(site: Site, run: str, before: DatasetVersion, after: DatasetVersion) -> DataChange:
    old, new = before.schema, after.schema
    change = DataChange(
        run=run,
        before=before.reference,
        after=after.reference,
        rows_before=before.rows,
        rows_after=after.rows,
        columns_added=[name for name in new if name not in old],
        columns_removed=[name for name in old if name not in new],
        columns_retyped=[name for name in new if name in old and old[name] != new[name]],
    )
    try:
        return _with_contents(change, diff(site, before, after, examples=0))
    except ClewError as error:  # its bytes are elsewhere, or gone: the rows of the ledger still tell something
        return msgspec.structs.replace(change, problem=error.what)


def _with_contents(change: DataChange, found: Difference) -> DataChange:
    if found.table is not None:
        table = found.table
        return msgspec.structs.replace(
            change,
            cells_changed=table.cells_changed,
            added=table.rows_added,
            removed=table.rows_removed,
            changed=table.rows_changed,
        )
    if found.files is not None:
        files = found.files
        return msgspec.structs.replace(
            change, added=len(files.added), removed=len(files.removed), changed=len(files.changed)
        )
    return change
