from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.types.check_report import shown
from clew.data import table
from clew.data.add_table import TableRules, add_table
from clew.data.diff import diff
from clew.data.diff_table import CellChange, TableDiff, diff_tables
from clew.data.site import Site
from clew.data.table import Manifest, Part, cut, encode_part
from clew.store.objects import MemoryObjects


def stored(objects: MemoryObjects, frame: pl.DataFrame, key: list[str]) -> Manifest:
    frame = frame.sort(key) if key else frame
    parts = [
        Part(object=objects.put(encode_part(rows)), rows=rows.height, size_bytes=0, columns=columns)
        for rows, columns in cut(frame)
    ]
    schema = [(name, str(dtype)) for name, dtype in frame.schema.items()]
    return Manifest(schema=schema, key=key, parts=parts)


def compared(before: pl.DataFrame, after: pl.DataFrame, key: list[str]) -> TableDiff:
    objects = MemoryObjects()
    return diff_tables(objects, stored(objects, before, key), stored(objects, after, key))


OLD = pl.DataFrame({"id": [1, 2, 3, 4], "x": [1.0, 2.0, None, float("nan")], "y": ["a", "b", "c", "d"]})
NEW = pl.DataFrame({"id": [5, 2, 3, 4], "x": [9.0, 2.5, 0.0, float("nan")], "y": ["z", "B", "c", "d"]})


def test_rows_are_told_apart_by_their_key() -> None:
    found = compared(OLD, NEW, ["id"])
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (1, 1, 2)
    assert found.cells_changed == {"x": 2, "y": 1}
    assert found.added == [{"id": "5"}]
    assert found.removed == [{"id": "1"}]
    assert found.changed == [
        CellChange({"id": "2"}, "x", "2.0", "2.5"),
        CellChange({"id": "2"}, "y", "'b'", "'B'"),
        CellChange({"id": "3"}, "x", "None", "0.0"),
    ]
    assert compared(OLD, OLD, ["id"]).empty


def test_without_a_key_rows_are_counted() -> None:
    old = pl.DataFrame({"x": [1, 1, 1, 2, None], "y": [[1], [1], [1], [2], None]})
    new = pl.DataFrame({"x": [None, 1, 3, 3, None], "y": [None, [1], [3], [3], None]})
    found = compared(old, new, [])
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (3, 3, 0)
    assert {"x": "3", "y": "[3]"} in found.added
    assert found.key == []
    assert compared(old, old.reverse(), []).rows_added == 0


def test_parts_that_are_there_twice_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PART_ROWS", 2)
    three, one = pl.DataFrame({"x": [7, 8] * 3}), pl.DataFrame({"x": [7, 8]})
    assert compared(three, one, []).rows_removed == 4
    assert compared(one, three, []).rows_added == 4


def test_columns_that_come_and_go(site: Site) -> None:
    add_table(site, "t", OLD, rules=TableRules(key=["id"]))
    changed = NEW.rename({"y": "z"}).with_columns(pl.col("x").cast(pl.Float32), w=pl.lit(True))
    add_table(site, "t", changed, rules=TableRules(allow_schema_change=True))
    between = diff(site, site.datasets.resolve("t@1"), site.datasets.resolve("t@2"))
    assert between.table is not None
    assert between.files is None
    assert between.table.columns.added == ["z", "w"]
    assert between.table.columns.removed == ["y"]
    assert between.table.columns.retyped == [("x", "Float64", "Float32")]
    assert (between.table.rows_added, between.table.rows_removed, between.table.rows_changed) == (1, 1, 0)
    assert not between.empty


def test_a_key_that_changed_is_no_key() -> None:
    objects = MemoryObjects()
    found = diff_tables(objects, stored(objects, OLD, ["id"]), stored(objects, NEW, ["y"]))
    assert found.key == []
    assert (found.rows_added, found.rows_removed) == (3, 3)


def test_only_what_differs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PART_ROWS", 100)
    objects = MemoryObjects()
    old = pl.DataFrame({"id": range(1000), "x": [0] * 1000, "y": [0] * 1000})
    new = old.with_columns(x=pl.when(pl.col("id") == 555).then(1).otherwise(pl.col("x")))
    one, two = stored(objects, old, ["id"]), stored(objects, new, ["id"])
    read: list[str] = []
    get = objects.get
    monkeypatch.setattr(objects, "get", lambda digest: (read.append(digest), get(digest))[1])
    found = diff_tables(objects, one, two)
    assert found.changed == [CellChange({"id": "555"}, "x", "0", "1")]
    assert len(set(read)) == 2
    for part in (one.parts[0], two.parts[9]):
        assert part.object not in read


def test_examples_are_few() -> None:
    old = pl.DataFrame({"id": range(100), "x": [0] * 100})
    found = compared(old, old.with_columns(x=pl.lit(1, dtype=pl.Int64)), ["id"])
    assert (found.rows_changed, len(found.changed)) == (100, 5)


rows = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b", "ü", ""]), st.integers(0, 2)),
    st.tuples(st.one_of(st.none(), st.integers(0, 2)), st.one_of(st.none(), st.sampled_from([0.5, float("nan")]))),
    max_size=8,
)


def framed(some: dict[Any, Any]) -> pl.DataFrame:
    schema = {"k": pl.String, "n": pl.Int64, "x": pl.Int64, "y": pl.Float64}
    return pl.DataFrame([(*key, *values) for key, values in some.items()], schema=schema, orient="row")


@settings(max_examples=80)
@given(old=rows.filter(bool), new=rows.filter(bool), part_rows=st.integers(1, 4))
def test_any_two_tables_are_told_right(old: dict[Any, Any], new: dict[Any, Any], part_rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "PART_ROWS", part_rows)
        keyed = compared(framed(old), framed(new), ["k", "n"])
        counted = compared(framed(old), framed(new), [])
    same = {key for key in old.keys() & new.keys() if str(old[key]) == str(new[key])}
    assert keyed.rows_added == len(new.keys() - old.keys())
    assert keyed.rows_removed == len(old.keys() - new.keys())
    assert keyed.rows_changed == len((old.keys() & new.keys()) - same)
    cells = {
        name: sum(str(old[key][at]) != str(new[key][at]) for key in old.keys() & new.keys())
        for at, name in enumerate(["x", "y"])
    }
    assert keyed.cells_changed == {name: count for name, count in cells.items() if count}
    assert {(row["k"], row["n"]) for row in keyed.added} <= {(shown(k), shown(n)) for k, n in new.keys() - old.keys()}
    assert counted.rows_added == len(new) - len(same)
    assert counted.rows_removed == len(old) - len(same)
