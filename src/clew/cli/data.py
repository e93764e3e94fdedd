"""`clew data`: add, look at, compare, check and take out versions of data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clew.cli import output
from clew.cli.command import FilePath, command, group
from clew.cli.output import Column, Columns
from clew.cli.trash import delete_data, restore_data
from clew.core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from clew.core.types.check_report import CheckReport
    from clew.core.types.dataset import Dataset, DatasetVersion
    from clew.data.add_table import Check
    from clew.data.snapshot import Tell
    from clew.workspace import Workspace

__all__ = ["data"]

_DATASET: Columns = [
    "name",
    Column("kind", spare=1),
    Column("newest", show=lambda newest: str(newest or "–").rpartition("@")[2]),
    "rows",
    "size_bytes",
    Column("changed_us", spare=2),
]
_VERSION: Columns = [
    *("reference", "rows", "size_bytes"),
    Column("created_us", spare=1),
    Column("created_by", spare=2),
    Column("message", long=True),
]
_FACTS = ["reference", "kind", "rows", "size_bytes", "digest", "created_us", "created_by"]
_FILES = 20


@group(
    "data",
    examples=[
        ("clew data add flights flights.csv --key id", "a first version"),
        ("clew data diff flights@1 flights@2", "what changed"),
    ],
)
def data() -> None:
    """Version data: add, list, show, diff, check and check out."""


@command(
    "add",
    examples=[
        ("clew data add images photos/", "a folder of files; again, and only what changed is stored"),
        ("clew data add flights flights.csv --key id -m January", "a table, whose rows are told apart by a column"),
        ("clew data add flights new.csv --allow-schema-change", "though columns are gone or of another type"),
        ("clew data add raw flights.csv --files", "the file as it is, not its rows"),
    ],
)
@click.argument("name")
@click.argument("source", type=FilePath())
@click.option("--key", multiple=True, metavar="COLUMN", help="A column that tells rows apart; may be repeated.")
@click.option("--message", "-m", default="", help="What this version is, for people.")
@click.option("--files", "kind", flag_value="files", help="Store files as they are.")
@click.option("--table", "kind", flag_value="table", help="Store the rows of a CSV, Parquet or JSON-lines file.")
@click.option("--allow-schema-change", is_flag=True, help="Accept columns that are gone or of another type.")
def add(
    *,
    name: str,
    source: Path,
    key: tuple[str, ...],
    message: str,
    kind: str | None,
    allow_schema_change: bool,
    as_json: bool,
) -> None:
    """Add a folder or a file as the next version of a dataset."""
    from clew.core.types.dataset import DatasetKind
    from clew.data.add_table import TableRules
    from clew.data.catalog import Catalog
    from clew.data.ingest import TABLE_SUFFIXES
    from clew.data.origin import Origin

    with _open() as workspace, _progress(f"adding {name}", kind) as tell:
        rules = TableRules(
            key=list(key) or None, allow_schema_change=allow_schema_change, check=_check_of(workspace, name)
        )
        added = Catalog(workspace.site).add(
            name,
            source,
            kind=DatasetKind(kind) if kind else None,
            rules=rules,
            origin=Origin(message=message),
            tell=tell,
        )
    if as_json:
        output.record(added, as_json=True)
        return
    version = added.version
    what = f"{output.amount(version.rows, _unit(version))}, {output.amount(version.size_bytes, 'bytes')}"
    if added.new:
        output.text(f"{version.reference}: {what}", as_json=False)
    else:
        output.text(f"{version.reference} holds the same already: {what}", as_json=False)
    if kind is None and source.is_file() and version.kind is DatasetKind.FILES:
        tables = ", ".join(sorted(TABLE_SUFFIXES))
        output.note(f"stored as a file; tables, whose rows are compared and checked, are {tables}")
    for said in added.changes:
        output.note(said)
    for one in added.report.warnings if added.report is not None else []:
        output.note(f"warning: {one.check.text} ({one.found or output.amount(one.failed, 'rows')})")


@command("list", examples=[("clew data list", "every dataset of this project, with its newest version")])
def list_(*, as_json: bool) -> None:
    """List the datasets of this project."""
    with _open() as workspace:
        rows = [_line(workspace, dataset) for dataset in workspace.datasets.list()]
    output.table(rows, _DATASET, as_json=as_json, empty="no data yet: clew data add NAME FILE")


@command(
    "show",
    examples=[
        ("clew data show flights", "its versions, newest first"),
        ("clew data show flights@3", "one version: its columns, or its files"),
        ("clew data show flights@2026-01-31", "the newest version of that day or before"),
    ],
)
@click.argument("reference")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many rows.")
@click.option("--after", default="", help="Go on behind a page of which this was the end.")
def show(*, reference: str, limit: int, after: str, as_json: bool) -> None:
    """Show the versions of a dataset, or what is in one of them."""
    from clew.core.types.dataset import DatasetKind

    with _open() as workspace:
        dataset = None if "@" in reference else workspace.datasets.find(reference)
        if dataset is not None and dataset.kind is DatasetKind.LOG:
            output.record(_log_line(workspace, dataset) | _sums_of(workspace, dataset), as_json=as_json)
        elif "@" in reference:
            _show_version(workspace, workspace.datasets.resolve(reference), as_json=as_json)
        else:
            page = workspace.datasets.versions(reference, limit=limit, after=after)
            output.table(page.items, _VERSION, as_json=as_json, after=page.next)


@command(
    "diff",
    examples=[
        ("clew data diff flights@1 flights@2", "what changed from one version to another"),
        ("clew data diff flights", "what the newest version changed"),
        ("clew data diff raw@2026-01-31 raw@latest --json", "since a day, for machines"),
    ],
)
@click.argument("before")
@click.argument("after", default="")
@click.option("--examples", type=click.IntRange(0, 1000), default=5, show_default=True, help="Of each kind of change.")
def diff(*, before: str, after: str, examples: int, as_json: bool) -> None:
    """Show what changed between two versions."""
    from clew.cli.data_text import difference_text
    from clew.data.diff import diff

    with _open() as workspace:
        resolve = workspace.datasets.resolve
        old, new = (resolve(before), resolve(after)) if after else _newest_two(workspace, before)
        found = diff(workspace.site, old, new, examples=examples)
    output.text(difference_text(found), found, as_json=as_json)


@command(
    "checkout",
    examples=[
        ("clew data checkout images@1", "a folder, into ./images, writing what differs"),
        ("clew data checkout images@1 elsewhere/", "into another folder"),
        ("clew data checkout flights@1 flights.csv", "a table, as one file"),
    ],
)
@click.argument("reference")
@click.argument("target", type=FilePath(), required=False)
@click.option("--force", is_flag=True, help="Write over files that were changed and are in no version.")
def checkout(*, reference: str, target: Path | None, force: bool, as_json: bool) -> None:
    """Take a version out: files into a folder, a table into a file."""
    from clew.core.types.dataset import DatasetKind
    from clew.data.checkout import checkout
    from clew.data.export import export

    with _open() as workspace:
        version = workspace.datasets.resolve(reference)
        if version.kind is DatasetKind.TABLE:
            file = target or Path(f"{version.name}.parquet")
            export(workspace.site, version, file, force=force)
            done: Any = {"reference": version.reference, "path": str(file), "rows": version.rows}
            said = f"{version.reference}: {output.amount(version.rows, 'rows')} in {file}"
        else:
            with _progress(f"taking out {version.reference}", "files") as tell:
                done = checkout(workspace.site, version, target or Path(version.name), force=force, tell=tell)
            said = (
                f"{done.reference} in {done.path}: {output.amount(done.written, 'files')} written, "
                f"{done.removed:,} removed, {done.unchanged:,} unchanged"
                + (f", {done.kept:,} of yours kept" if done.kept else "")
            )
    output.text(said, done, as_json=as_json)


@command(
    "status",
    examples=[
        ("clew data status photos/", "how a folder differs from the version that it was added as or taken from"),
    ],
)
@click.argument("path", type=FilePath(), default=".")
def status(*, path: Path, as_json: bool) -> None:
    """Show what changed in a folder since it was added or taken out."""
    from clew.cli.data_text import files_text
    from clew.data.status import status

    with _open() as workspace, _progress(f"looking at {path}", "files") as tell:
        found = status(workspace.site, path, tell=tell)
    said = f"as {found.reference}" if found.diff.empty else f"against {found.reference}:\n{files_text(found.diff)}"
    output.text(said, found, as_json=as_json)


@command(
    "check",
    examples=[
        ("clew data check flights", "the newest version against [checks.flights]"),
        ("clew data check flights@3 --json", "a version, for machines; the exit code is 1 if it fails"),
        ("clew data check flights --infer", "checks that this version passes, to paste into clew.toml"),
    ],
)
@click.argument("reference")
@click.option("--infer", is_flag=True, help="Print checks learned from this version, and judge nothing.")
def check(*, reference: str, infer: bool, as_json: bool) -> None:
    """Judge a table by its checks in clew.toml."""
    from clew.cli.data_text import report_text
    from clew.data.handle import DatasetHandle

    with _open() as workspace:
        version = workspace.datasets.resolve(reference)
        rows = DatasetHandle(workspace.site, version).lazy()
        if infer:
            _print_inferred(version, rows, as_json=as_json)
            return
        judge = _check_of(workspace, version.name)
        if judge is None:
            raise Invalid(
                f"clew.toml declares no checks for {version.name!r}", hint=f"clew data check {reference} --infer"
            )
        report = judge(rows)
    output.text(report_text(version.reference, report), report, as_json=as_json)
    if not report.passed:
        raise click.exceptions.Exit(1)


for _command in (add, list_, show, diff, checkout, status, check, delete_data, restore_data):
    data.add_command(_command)


def _open() -> Workspace:
    from clew.workspace import open_workspace

    return open_workspace()


@contextmanager
def _progress(label: str, kind: str | None) -> Iterator[Tell]:
    from clew.cli.progress import progress

    with progress(label, unit="" if kind is None else "files" if kind == "files" else "rows") as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.move_to(done)

        yield tell


def _check_of(workspace: Workspace, name: str) -> Check | None:
    """What the project's settings ask of the rows of a dataset."""
    checks = workspace.settings.checks.get(name)
    if checks is None:
        return None

    def check(rows: Any) -> CheckReport:
        from clew.data.checks.batch import check_table

        return check_table(rows, checks, now_us=workspace.clock.now_us())

    return check


def _print_inferred(version: DatasetVersion, rows: Any, *, as_json: bool) -> None:
    from clew.data.checks.infer import infer_checks
    from clew.data.checks.render import render_checks

    checks = infer_checks(rows, key=version.key)
    output.text(render_checks(version.name, checks), checks, as_json=as_json)


def _newest_two(workspace: Workspace, name: str) -> tuple[DatasetVersion, DatasetVersion]:
    newest = workspace.datasets.resolve(name)
    for number in range(newest.number - 1, 0, -1):
        with suppress(NotFound):  # it lies in the trash
            return workspace.datasets.resolve(f"{newest.name}@{number}"), newest
    raise Invalid(f"{newest.reference} is the first version: there is nothing to compare it with")


def _unit(version: DatasetVersion) -> str:
    from clew.core.types.dataset import DatasetKind

    return "files" if version.kind is DatasetKind.FILES else "rows"


def _line(workspace: Workspace, dataset: Dataset) -> dict[str, object]:
    """A dataset and its newest state."""
    from clew.core.types.dataset import DatasetKind

    if dataset.kind is DatasetKind.LOG:
        return _log_line(workspace, dataset) | {"rows": None, "size_bytes": None}
    page = workspace.datasets.versions(dataset.name, limit=1)
    newest = page.items[0] if page.items else None
    return {
        "name": dataset.name,
        "kind": dataset.kind,
        "newest": newest.reference if newest else None,
        "rows": newest.rows if newest else 0,
        "size_bytes": newest.size_bytes if newest else 0,
        "changed_us": newest.created_us if newest else dataset.created_us,
        "description": dataset.description,
    }


def _log_line(workspace: Workspace, dataset: Dataset) -> dict[str, object]:
    """A log and its last batch; batches of logs are known where the ledger is."""
    found: dict[str, object] = {"name": dataset.name, "kind": dataset.kind, "changed_us": dataset.created_us}
    if workspace.remote:
        return found
    with workspace.stores.ledger.read() as tx:
        position = tx.logs.position(dataset.id)
        last = tx.logs.list(dataset.id, after=position - 1)
    newest = {"newest": f"position {position}", "changed_us": last[0].created_us} if last else {"newest": None}
    return found | newest | {"description": dataset.description}


def _sums_of(workspace: Workspace, dataset: Dataset) -> dict[str, object]:
    """What a log holds, which every batch has to be asked for; a list of logs does not."""
    if workspace.remote:
        return {}
    with workspace.stores.ledger.read() as tx:
        batches = tx.logs.list(dataset.id)
    return {"rows": sum(batch.rows for batch in batches), "size_bytes": sum(batch.size_bytes for batch in batches)}


def _show_version(workspace: Workspace, version: DatasetVersion, *, as_json: bool) -> None:
    from clew.core.types.dataset import DatasetKind
    from clew.data.tree import reader

    if as_json:
        output.record(version, as_json=True)
        return
    extra = [name for name in ("message", "key", "run") if getattr(version, name)]
    output.record(version, [*_FACTS, *extra], as_json=False)
    output.text("", as_json=False)
    if version.kind is DatasetKind.TABLE:
        columns = [{"column": name, "type": dtype} for name, dtype in version.schema.items()]
        output.table(columns, ["column", "type"], as_json=False)
        return
    entries = reader(workspace.site.objects)(version.digest)
    lines = [
        {"name": entry.text, "kind": entry.kind.name.lower(), "files": entry.files, "size_bytes": entry.size_bytes}
        for entry in entries[:_FILES]
    ]
    output.table(lines, ["name", "kind", "files", "size_bytes"], as_json=False)
    if len(entries) > _FILES:
        output.note(f"and {len(entries) - _FILES:,} more")
