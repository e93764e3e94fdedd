"""Add rows as a new version of a table dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from clew.core.contracts.objects import ObjectBatch
from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.extras import require
from clew.core.ids import Digest
from clew.core.numbers import counted
from clew.core.types.check_report import CheckReport, shown
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.reference import checked_name
from clew.data.ingest import Loaded, load_table
from clew.data.origin import Addition, Origin, newest
from clew.data.schema import describe, refuse_change, schema_change, types_of
from clew.data.site import Site
from clew.data.snapshot import Tell
from clew.data.table import Manifest, Part, cut, encode_part, read_manifest, scan_table

if TYPE_CHECKING:
    import polars as pl

    TableSource: TypeAlias = "Path | pl.DataFrame | pl.LazyFrame"

__all__ = ["Check", "TableRules", "add_table"]

Check = Callable[["pl.LazyFrame"], CheckReport]
"""Judges the rows before they become a version."""

_EXAMPLES = 3
_NAMED = 10
_LOOSE_BYTES = 1 << 20


class TableRules(msgspec.Struct, frozen=True, kw_only=True):
    """What rows must keep to.

    `key` names the columns that tell rows apart; when it is None, the key of the version before holds. A change of
    key, and columns that are gone or of another type, are refused unless `allow_schema_change`.
    """

    key: Sequence[str] | None = None
    allow_schema_change: bool = False
    check: Check | None = None


def add_table(
    site: Site,
    name: str,
    source: TableSource,
    *,
    rules: TableRules | None = None,
    origin: Origin | None = None,
    tell: Tell | None = None,
) -> Addition:
    """Add the rows of a file or frame as the next version; survives *power*.

    Rows with a key are ordered by it, so that the same rows are the same version in whatever order they come.

    Args:
        site: where to.
        name: of the dataset, which is made when it is new.
        source: a CSV, TSV, Parquet or JSON-lines file, or a polars frame.
        rules: what the rows must keep to.
        origin: where the version comes from.
        tell: hears how many of the rows are stored.

    Raises:
        NotFound: there is no such file, or no such column for the key.
        Invalid: the file is broken or empty, the columns are not those of the version before, the key has nulls or
            is not unique, or the checks refuse the rows. Nothing has changed then.
        Conflict: another writer added a version first.
    """
    checked_name("dataset", name)
    rules, origin = rules or TableRules(), origin or Origin()
    before = newest(site, name)
    if before is not None and before.kind is not DatasetKind.TABLE:
        raise Invalid(f"dataset {name!r} holds {before.kind.value}, not a table", hint="add it under another name")
    old, types = _stored(site, before) if before is not None else (None, {})
    loaded = load_table(source, types)
    changes = _judge_schema(loaded, before, types, rules) if before is not None else []
    key = list(rules.key if rules.key is not None else before.key if before is not None else [])
    frame = _ordered(loaded, key)
    report = _judge_rows(frame, rules.check)
    manifest = _store(site, frame, key, old, tell)
    version = DatasetVersion(
        id=site.ids(),
        dataset=before.dataset if before is not None else site.ids(),
        name=name,
        kind=DatasetKind.TABLE,
        number=before.number + 1 if before is not None else 1,
        digest=manifest.digest,
        manifest=site.objects.put(manifest.encode()),
        rows=manifest.rows,
        size_bytes=sum(part.size_bytes for part in manifest.parts),
        created_us=site.clock.now_us(),
        created_by=site.actor,
        message=origin.message,
        schema=manifest.columns,
        key=key,
        run=origin.run,
    )
    added = site.datasets.commit(version, parents=origin.parents)
    return Addition(version=added, new=added.id == version.id, changes=changes, report=report)


def _stored(site: Site, before: DatasetVersion) -> tuple[Manifest | None, Mapping[str, pl.DataType]]:
    """What the version before is made of, and the types of its columns; a damaged one holds nobody up."""
    require("polars")
    import polars as pl

    try:
        old = read_manifest(site.objects, before.manifest)
        return old, dict(scan_table(site.objects, old, parts=1).collect_schema())
    except (NotFound, Corrupt):
        plain = {name: getattr(pl, dtype, None) for name, dtype in before.schema.items()}
        return None, {name: dtype() for name, dtype in plain.items() if dtype is not None}


def _judge_schema(
    loaded: Loaded, before: DatasetVersion, types: Mapping[str, pl.DataType], rules: TableRules
) -> list[str]:
    """How the columns changed, in sentences."""
    after = types_of(loaded.frame)
    change = schema_change(before.schema, after)
    if change.breaks and not rules.allow_schema_change:
        raise refuse_change(before.reference, change, types, loaded.frame, loaded.line_of)
    if rules.key is not None and list(rules.key) != before.key and not rules.allow_schema_change:
        old = ", ".join(before.key) or "no key"
        raise Invalid(
            f"the key of {before.reference} is {old}, and {', '.join(rules.key) or 'no key'} was asked for",
            hint="leave --key out to keep it, or accept another one with --allow-schema-change",
        )
    return describe(change, before.schema, after)


def _ordered(loaded: Loaded, key: Sequence[str]) -> pl.DataFrame:
    """The rows by key; as they are without one.

    Raises:
        NotFound: the key names a column that is not there.
        Invalid: the key is null somewhere, or the same in two rows.
    """
    import polars as pl

    frame = loaded.frame
    for name in key:
        if name not in frame.columns:
            known = f"there are {', '.join(frame.columns[:_NAMED])}{', …' if frame.width > _NAMED else ''}"
            raise NotFound("column", name, near=get_close_matches(name, frame.columns, n=3), hint=known)
    if not key:
        return frame
    for name in key:
        nulls = frame[name].is_null().arg_true()
        if nulls.len():
            where = ", ".join(loaded.line_of(row) for row in nulls.head(_EXAMPLES))
            raise Invalid(
                f"the key {name!r} is null in {counted(nulls.len(), 'rows')}: {where}", hint="a key tells rows apart"
            )
    ordered = frame.sort(key)
    is_repeat = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in key)
    if ordered.slice(0, 2).height == 2 and ordered.select(is_repeat.slice(1).any()).item():
        raise _not_unique(loaded, key)
    return ordered


def _not_unique(loaded: Loaded, key: Sequence[str]) -> Invalid:
    import polars as pl

    rows = loaded.frame.select(key).with_row_index("\0row")
    twice = rows.group_by(key, maintain_order=True).agg(pl.col("\0row")).filter(pl.col("\0row").list.len() > 1)
    said = []
    for row in twice.head(_EXAMPLES).iter_rows(named=True):
        where = ", ".join(loaded.line_of(at) for at in row["\0row"][:2])
        said.append(f"{', '.join(f'{name}={shown(row[name])}' for name in key)} ({where})")
    return Invalid(
        f"the key {', '.join(key)} is not unique; {counted(twice.height, 'keys')} more than once: {'; '.join(said)}",
        hint="choose more columns as the key, or remove the rows that are there twice",
    )


def _judge_rows(frame: pl.DataFrame, check: Check | None) -> CheckReport | None:
    if check is None:
        return None
    report = check(frame.lazy())
    if report.passed:
        return report
    said = [f"{one.check.text} ({one.found or counted(one.failed, 'rows')})" for one in report.errors[:_EXAMPLES]]
    more = f" and {len(report.errors) - _EXAMPLES} more" if len(report.errors) > _EXAMPLES else ""
    raise Invalid(
        f"the checks refuse these rows: {'; '.join(said)}{more}",
        hint="mend the data, or change the checks in clew.toml",
    )


def _store(site: Site, frame: pl.DataFrame, key: list[str], old: Manifest | None, tell: Tell | None) -> Manifest:
    """Store the parts that are not stored already."""
    schema = list(types_of(frame).items())
    known: dict[object, Part] = {}
    if old is not None:
        lost = site.objects.missing(part.object for part in old.parts)
        known = {_identity(old.schema, part.columns): part for part in old.parts if part.object not in lost}
    parts: list[Part] = []
    done = 0
    with site.objects.batch() as batch:
        for rows, columns in cut(frame):
            part = known.get(_identity(schema, columns)) or _store_part(site, batch, rows, columns)
            parts.append(part)
            done += part.rows
            if tell is not None:
                tell(done, frame.height)
    manifest = Manifest(schema=schema, key=key, parts=parts)
    if old is not None and manifest.digest == old.digest and not _is_sound(site, parts):
        return _store(site, frame, key, None, tell)  # adding data again mends it
    return manifest


def _is_sound(site: Site, parts: Sequence[Part]) -> bool:
    try:
        for part in parts:
            site.objects.find_path(part.object) or site.objects.get(part.object)
    except (NotFound, Corrupt):
        return False
    return True


def _identity(schema: list[tuple[str, str]], columns: list[Digest]) -> tuple[object, ...]:
    """What a part holds: the same object serves for the same."""
    return tuple(schema), tuple(columns)


def _store_part(site: Site, batch: ObjectBatch, rows: pl.DataFrame, columns: list[Digest]) -> Part:
    content = encode_part(rows)
    # a file of its own can be scanned where it lies
    digest = site.objects.put(content) if len(content) >= _LOOSE_BYTES else batch.put(content)
    return Part(object=digest, rows=rows.height, size_bytes=len(content), columns=columns)
