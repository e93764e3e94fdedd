"""What changed between two tables: columns, rows, cells. Parts and columns of equal digests are not read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.extras import require
from clew.core.ids import Digest
from clew.core.types.check_report import shown
from clew.data.schema import SchemaChange, schema_change
from clew.data.table import Manifest, Part, scan_parts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CellChange", "TableDiff", "diff_tables"]


class CellChange(msgspec.Struct, frozen=True):
    """One changed cell, as text: which row, which column, what it held and holds."""

    key: dict[str, str]
    column: str
    before: str
    after: str


class TableDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed.

    With the same key on both sides, rows are told apart by it and can change; without one, a changed row is one that
    is gone and one that is new, and rows that are there twice count twice. Only columns that both sides have, of the
    same type, are compared. Examples are texts, column to value.
    """

    columns: SchemaChange
    key: list[str]
    rows_added: int
    rows_removed: int
    rows_changed: int
    cells_changed: dict[str, int]
    added: list[dict[str, str]]
    removed: list[dict[str, str]]
    changed: list[CellChange]

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return self.columns.empty and not (self.rows_added or self.rows_removed or self.rows_changed)


def diff_tables(objects: Objects, before: Manifest, after: Manifest, *, examples: int = 5) -> TableDiff:
    """Compare two tables.

    Args:
        objects: where their parts are.
        before: one.
        after: the other.
        examples: of each kind of change, at most so many.

    Raises:
        NotFound, Corrupt: a part is lost or damaged.
    """
    require("polars")
    columns = schema_change(before.columns, after.columns)
    shared = [name for name, dtype in before.schema if after.columns.get(name) == dtype]
    keyed = bool(before.key) and before.key == after.key and set(before.key) <= set(shared)
    olds, news = _unequal(before, after, shared)
    key = list(before.key) if keyed else []
    if not shared or not (olds or news):
        return _no_rows(columns, key)
    if not keyed:
        old, new = (_rows(objects, side, parts, shared) for side, parts in ((before, olds), (after, news)))
        return _by_count(columns, old, new, examples)
    wanted = [*key, *_differing(before, after, olds, news, [name for name in shared if name not in key], key)]
    old, new = (_rows(objects, side, parts, wanted) for side, parts in ((before, olds), (after, news)))
    return _by_key(columns, key, old, new, examples)


def _unequal(before: Manifest, after: Manifest, shared: list[str]) -> tuple[list[Part], list[Part]]:
    """The parts that are not the same on both sides, in their order."""

    def identity(manifest: Manifest, part: Part) -> tuple[Digest, ...]:
        at = dict(zip(manifest.columns, part.columns, strict=True))
        return tuple(at[name] for name in shared)

    olds = Counter(identity(before, part) for part in before.parts)
    news = Counter(identity(after, part) for part in after.parts)

    def left(manifest: Manifest, others: Counter[tuple[Digest, ...]]) -> list[Part]:
        spare = others.copy()
        parts = []
        for part in manifest.parts:
            same = identity(manifest, part)
            if spare[same] > 0:
                spare[same] -= 1
            else:
                parts.append(part)
        return parts

    return left(before, news), left(after, olds)


def _differing(
    before: Manifest, after: Manifest, olds: list[Part], news: list[Part], values: list[str], key: list[str]
) -> list[str]:
    """The value columns to compare: if the parts pair up by key, those whose digests differ in some pair."""
    places = {name: (list(before.columns).index(name), list(after.columns).index(name)) for name in [*values, *key]}

    def same(name: str) -> bool:
        old, new = places[name]
        return all(one.columns[old] == other.columns[new] for one, other in zip(olds, news, strict=True))

    if len(olds) != len(news) or not all(same(name) for name in key):
        return values
    return [name for name in values if not same(name)]


def _rows(objects: Objects, manifest: Manifest, parts: list[Part], columns: list[str]) -> pl.DataFrame:
    if parts:
        return scan_parts(objects, [part.object for part in parts]).select(columns).collect()
    first = manifest.parts[0].object
    return scan_parts(objects, [first]).select(columns).head(0).collect()


def _by_key(columns: SchemaChange, key: list[str], old: pl.DataFrame, new: pl.DataFrame, examples: int) -> TableDiff:
    import polars as pl

    values = [name for name in old.columns if name not in key]
    keys = [f"k{at}" for at in range(len(key))]
    names = {name: keys[at] for at, name in enumerate(key)}
    one = old.rename(names | {name: f"a{at}" for at, name in enumerate(values)}).with_columns(pl.lit(1).alias("a"))
    other = new.rename(names | {name: f"b{at}" for at, name in enumerate(values)}).with_columns(pl.lit(1).alias("b"))
    both = one.join(other, on=keys, how="full", coalesce=True, maintain_order="left_right")
    is_changed = [pl.col(f"a{at}").ne_missing(pl.col(f"b{at}")).alias(f"c{at}") for at in range(len(values))]
    gone, come = both.filter(pl.col("b").is_null()), both.filter(pl.col("a").is_null())
    pairs = both.filter(pl.col("a").is_not_null() & pl.col("b").is_not_null()).with_columns(is_changed)
    flags = [f"c{at}" for at in range(len(values))]
    changed = pairs.filter(pl.any_horizontal(flags)) if flags else pairs.head(0)
    counts = {name: int(changed[f"c{at}"].sum()) for at, name in enumerate(values)}
    back = {short: name for name, short in names.items()}
    return TableDiff(
        columns=columns,
        key=key,
        rows_added=come.height,
        rows_removed=gone.height,
        rows_changed=changed.height,
        cells_changed={name: count for name, count in counts.items() if count},
        added=_texts(come.select(keys).rename(back), examples),
        removed=_texts(gone.select(keys).rename(back), examples),
        changed=_cells(changed, back, values, examples),
    )


def _cells(changed: pl.DataFrame, back: dict[str, str], values: list[str], examples: int) -> list[CellChange]:
    found: list[CellChange] = []
    for row in changed.head(examples).iter_rows(named=True):
        key = {name: shown(row[short]) for short, name in back.items()}
        found += [
            CellChange(key, name, shown(row[f"a{at}"]), shown(row[f"b{at}"]))
            for at, name in enumerate(values)
            if row[f"c{at}"]
        ]
    return found[:examples]


def _by_count(columns: SchemaChange, old: pl.DataFrame, new: pl.DataFrame, examples: int) -> TableDiff:
    """Without a key: how often each row is there on each side."""
    import polars as pl

    names = {name: f"v{at}" for at, name in enumerate(old.columns)}
    back = {short: name for name, short in names.items()}
    counts = [side.rename(names).group_by(list(back), maintain_order=True).len() for side in (old, new)]
    both = counts[0].join(
        counts[1],
        on=list(back),
        how="full",
        coalesce=True,
        nulls_equal=True,
        suffix="_new",
        maintain_order="left_right",
    )
    more = pl.col("len_new").fill_null(0).cast(pl.Int64) - pl.col("len").fill_null(0).cast(pl.Int64)
    both = both.with_columns(more.alias("more"))
    come, gone = both.filter(pl.col("more") > 0), both.filter(pl.col("more") < 0)
    return TableDiff(
        columns=columns,
        key=[],
        rows_added=int(come["more"].sum()),
        rows_removed=-int(gone["more"].sum()),
        rows_changed=0,
        cells_changed={},
        added=_texts(come.select(list(back)).rename(back), examples),
        removed=_texts(gone.select(list(back)).rename(back), examples),
        changed=[],
    )


def _texts(rows: pl.DataFrame, examples: int) -> list[dict[str, str]]:
    return [{name: shown(value) for name, value in row.items()} for row in rows.head(examples).iter_rows(named=True)]


def _no_rows(columns: SchemaChange, key: list[str]) -> TableDiff:
    return TableDiff(
        columns=columns,
        key=key,
        rows_added=0,
        rows_removed=0,
        rows_changed=0,
        cells_changed={},
        added=[],
        removed=[],
        changed=[],
    )
