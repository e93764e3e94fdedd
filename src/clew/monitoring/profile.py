"""Profiles of training tables, and counts of live rows in their bins.

Not the judgement on them (`drift`). Layout: docs/design/profile.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec
import zstandard

from clew.core.canonical import canonical
from clew.core.errors import Corrupt, Invalid
from clew.core.extras import require
from clew.core.types.profile import SCORE, ColumnProfile, HourCounts, Profile, ProfileKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

__all__ = [
    "HOUR_US",
    "add_counts",
    "count_rows",
    "counts_by_hour",
    "decode_hours",
    "decode_profile",
    "encode_hours",
    "encode_profile",
    "learn_profile",
    "rows_by_hour",
]

HOUR_US = 3_600_000_000
_MOST_BINS, _MOST_CATEGORIES = 32, 64
_LARGEST_BYTES = 64 << 20

T = TypeVar("T", Profile, HourCounts)


def learn_profile(
    rows: pl.DataFrame,
    scores: npt.NDArray[np.float64] | None,
    *,
    units: Sequence[object] | None,
    unit: str,
) -> Profile:
    """The profile of a table.

    Args:
        rows: the model's input columns, shape (rows, columns).
        scores: what the fitted model gives for them, shape (rows,), or None.
        units: the unit of each row, such as its day; None when rows are independent.
        unit: what a unit is called.

    Raises:
        Invalid: there are no rows, or as many units as rows do not match.
    """
    require("polars")
    import numpy as np
    import polars as pl

    if not rows.height:
        raise Invalid("a profile cannot be learned from no rows")
    if units is not None and len(units) != rows.height:
        raise Invalid(f"{len(units)} units for {rows.height} rows")
    columns = {name: rows[name] for name in rows.columns}
    if scores is not None:
        columns[SCORE] = pl.Series(SCORE, scores, dtype=pl.Float64)
    groups = None if units is None else np.unique(np.asarray(units), return_inverse=True)[1]
    count = rows.height if groups is None else int(groups.max()) + 1
    learned = tuple(_learn_column(name, series, groups) for name, series in columns.items())
    return Profile(rows=rows.height, unit=unit, units=count, columns=learned)


def _learn_column(
    name: str,
    series: pl.Series,
    groups: npt.NDArray[np.intp] | None,
) -> ColumnProfile:
    import numpy as np

    from clew.stats.drift.design import design_effect as learn_design
    from clew.stats.histogram import learn_edges

    if series.dtype.is_numeric():
        edges = tuple(learn_edges(_numbers(series), bins=_MOST_BINS).tolist())
        shape = ColumnProfile(name=name, kind=ProfileKind.NUMBER, counts=(), edges=edges)
    else:
        top = _texts(series).alias("text").drop_nulls().value_counts(name="n")
        common = top.sort(["n", "text"], descending=[True, False])["text"].head(_MOST_CATEGORIES)
        categories = tuple(sorted(common.to_list()))
        shape = ColumnProfile(name=name, kind=ProfileKind.CATEGORY, counts=(), categories=categories)
    counts = _count(series, shape)
    design = None
    if groups is not None and groups.max() > 0:
        width = len(counts)
        by_unit = np.bincount(groups * width + _bins(series, shape), minlength=(int(groups.max()) + 1) * width)
        design = learn_design(by_unit.reshape(-1, width), ordered=shape.kind is ProfileKind.NUMBER)
    return msgspec.structs.replace(shape, counts=tuple(counts.tolist()), design=design)


def count_rows(rows: pl.DataFrame, scores: pl.Series | None, profile: Profile) -> dict[str, list[int]]:
    """Counts of some rows in the bins of a profile, by column.

    Raises:
        Invalid: a column of the profile is missing from the rows.
    """
    counts: dict[str, list[int]] = {}
    for column in profile.columns:
        if column.name == SCORE and scores is not None:
            counts[SCORE] = _count(scores, column).tolist()
        elif column.name in rows.columns:
            counts[column.name] = _count(rows[column.name], column).tolist()
        elif column.name != SCORE:
            raise Invalid(f"column {column.name!r} of the training profile is not among the rows")
    return counts


def counts_by_hour(decider: str, logged: pl.DataFrame, profile: Profile) -> HourCounts:
    """Counts of logged decisions by hour of event time.

    Args:
        decider: id of the model version that made the decisions.
        logged: rows of a prediction log, with `time_us`, `score` and the struct `inputs`.
        profile: of that version.
    """
    import numpy as np

    starts, hour_of = np.unique(logged["time_us"].to_numpy() // HOUR_US * HOUR_US, return_inverse=True)
    inputs = logged["inputs"].struct.unnest()
    hours: dict[int, dict[str, list[int]]] = {start: {} for start in starts.tolist()}
    for column in profile.columns:
        if column.name != SCORE and column.name not in inputs.columns:
            raise Invalid(f"column {column.name!r} of the training profile is not among the rows")
        series = logged["score"] if column.name == SCORE else inputs[column.name]
        width = len(column.counts)
        flat = np.bincount(hour_of * width + _bins(series, column), minlength=len(starts) * width)
        for hour, counts in zip(hours.values(), flat.reshape(-1, width).tolist(), strict=True):
            hour[column.name] = counts
    return HourCounts(decider=decider, hours=hours)


def rows_by_hour(decider: str, logged: pl.DataFrame) -> HourCounts:
    """Counts of logged decisions of a version without a profile: how many there were, in one bin of the score."""
    import numpy as np

    hours, rows = np.unique(logged["time_us"].to_numpy() // HOUR_US * HOUR_US, return_counts=True)
    counts = {hour: {SCORE: [count]} for hour, count in zip(hours.tolist(), rows.tolist(), strict=True)}
    return HourCounts(decider=decider, hours=counts)


def add_counts(many: Sequence[dict[str, list[int]]]) -> dict[str, list[int]]:
    """The sum of counts by column; exact, in any order."""
    total: dict[str, list[int]] = {}
    for counts in many:
        for name, bins in counts.items():
            total[name] = [a + b for a, b in zip(total[name], bins, strict=True)] if name in total else list(bins)
    return total


def encode_profile(profile: Profile) -> bytes:
    """The canonical bytes of a profile: equal profiles, equal bytes."""
    return canonical(profile)


def decode_profile(data: bytes) -> Profile:
    """The profile in some bytes.

    Raises:
        Corrupt: they hold none.
    """
    return _decode(data, Profile)


def encode_hours(hours: HourCounts) -> bytes:
    """Counts by hour as bytes, compressed: most bins are small or empty."""
    ordered = msgspec.structs.replace(hours, hours={hour: hours.hours[hour] for hour in sorted(hours.hours)})
    return zstandard.compress(msgspec.msgpack.encode(ordered), 3)


def decode_hours(data: bytes) -> HourCounts:
    """The counts in some bytes.

    Raises:
        Corrupt: they hold none.
    """
    try:
        plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=_LARGEST_BYTES)
    except zstandard.ZstdError as error:
        raise Corrupt(f"counts cannot be decompressed: {error}") from error
    return _decode(plain, HourCounts)


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise Corrupt(f"{kind.__name__} cannot be read: {error}") from error


def _count(series: pl.Series, column: ColumnProfile) -> npt.NDArray[np.int64]:
    import numpy as np

    from clew.stats.histogram import count_codes, count_numbers

    if column.kind is ProfileKind.NUMBER:
        return count_numbers(_numbers(series), np.asarray(column.edges, dtype=np.float64))
    return count_codes(_codes(series, column.categories), len(column.categories))


def _bins(series: pl.Series, column: ColumnProfile) -> npt.NDArray[np.int64]:
    """The bin of each row: for few rows in many groups, where `_count` would be called once a group."""
    import numpy as np

    if column.kind is ProfileKind.CATEGORY:
        codes = _codes(series, column.categories).astype(np.int64)
        return np.where(codes < 0, len(column.categories) + 1, codes)
    numbers = _numbers(series)
    edges = np.asarray(column.edges, dtype=np.float64)
    return np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="right"))


def _numbers(series: pl.Series) -> npt.NDArray[np.float64]:
    import polars as pl

    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _texts(series: pl.Series) -> pl.Series:
    import polars as pl

    return series.cast(pl.String)


def _codes(series: pl.Series, categories: Sequence[str]) -> npt.NDArray[np.int32]:
    """Positions in `categories`; other texts get the position behind the last one, null gets -1."""
    import polars as pl

    texts = _texts(series)
    known = texts.replace_strict(
        list(categories), list(range(len(categories))), default=len(categories), return_dtype=pl.Int32
    )
    return (
        known.to_frame("code")
        .select(pl.when(texts.is_null()).then(-1).otherwise(pl.col("code")).cast(pl.Int32))
        .to_series()
        .to_numpy()
    )
