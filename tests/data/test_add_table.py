from __future__ import annotations

import os
import random
import subprocess
import sys
from datetime import date
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.check_report import Check, CheckKind, CheckReport, CheckResult, Scope
from clew.core.types.checks import CheckSeverity
from clew.core.types.dataset import DatasetKind
from clew.data import add_table as add_table_module
from clew.data import table
from clew.data.add_files import add_files
from clew.data.add_table import TableRules, add_table
from clew.data.handle import DatasetHandle
from clew.data.ingest import load_table
from clew.data.origin import Addition, Origin
from clew.data.site import Site
from clew.data.table import read_manifest

ROWS = pl.DataFrame({"id": [3, 1, 2], "name": ["c", "a", None], "delay": [1.5, None, -2.0]})
KEYED = TableRules(key=["id"])


def frame_of(site: Site, added: Addition) -> pl.DataFrame:
    return DatasetHandle(site, added.version).frame()


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def state(stores: Stores) -> object:
    with stores.ledger.read() as tx:
        datasets = tx.datasets.list("test")
        return datasets, [tx.datasets.versions(one.id).items for one in datasets], tx.events.list("test").items


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "jsonl", "frame", "lazy"])
def test_rows_come_back_from_every_form(site: Site, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"rows.{form}"
    if form == "csv":
        ROWS.write_csv(path)
    elif form == "tsv":
        ROWS.write_csv(path, separator="\t")
    elif form == "parquet":
        ROWS.write_parquet(path)
    elif form == "jsonl":
        ROWS.write_ndjson(path)
    source = ROWS if form == "frame" else ROWS.lazy() if form == "lazy" else path
    added = add_table(site, "flights", source, origin=Origin(message="first"))
    assert_frame_equal(frame_of(site, added), ROWS)
    version = added.version
    assert (version.reference, version.kind, version.rows, version.key) == ("flights@1", DatasetKind.TABLE, 3, [])
    assert version.schema == {"id": "Int64", "name": "String", "delay": "Float64"}
    assert version.message == "first"
    keyed = add_table(site, "keyed", source, rules=KEYED)
    assert_frame_equal(frame_of(site, keyed), ROWS.sort("id"))
    assert keyed.version.digest != version.digest


def test_the_same_rows_are_no_new_version(site: Site, tmp_path: Path) -> None:
    first = add_table(site, "flights", ROWS, rules=KEYED)
    stored = set(site.objects.list())
    again = add_table(site, "flights", ROWS.reverse())
    assert (again.new, again.version) == (False, first.version)
    chunked = pl.concat([ROWS.head(1), ROWS.tail(2)], rechunk=False)
    ROWS.write_csv(tmp_path / "rows.csv")
    assert not add_table(site, "flights", chunked).new
    assert not add_table(site, "flights", tmp_path / "rows.csv").new
    assert set(site.objects.list()) == stored
    assert add_table(site, "flights", ROWS.head(2)).version.number == 2


def test_order_is_content_without_a_key(site: Site) -> None:
    add_table(site, "plain", ROWS)
    assert add_table(site, "plain", ROWS.reverse()).new


def test_parts_are_shared_between_versions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PART_ROWS", 10)
    frame = pl.DataFrame({"id": range(35), "x": [0] * 35})
    one = add_table(site, "t", frame, rules=KEYED)
    two = add_table(site, "t", frame.with_columns(x=pl.col("id") // 34))
    parts = [read_manifest(site.objects, added.version.manifest).parts for added in (one, two)]
    assert [part.rows for part in parts[0]] == [10, 10, 10, 5]
    assert parts[0][:3] == parts[1][:3]
    assert parts[0][3] != parts[1][3]
    assert_frame_equal(frame_of(site, two), frame.with_columns(x=pl.col("id") // 34))


def test_small_parts_share_a_pack(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PART_ROWS", 10)
    add_table(site, "t", pl.DataFrame({"id": range(95)}))
    assert len(list((tmp_path / ".clew" / "objects" / "packs").iterdir())) == 1


def test_large_parts_are_scanned_where_they_lie(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("clew.data.add_table"), "_LOOSE_BYTES", 20_000)
    monkeypatch.setattr(table, "PART_ROWS", 10_000)
    draw = random.Random(1)
    frame = pl.DataFrame({"x": [draw.random() for _ in range(21_000)]})
    added = add_table(site, "t", frame)
    parts = read_manifest(site.objects, added.version.manifest).parts
    assert [site.objects.find_path(part.object) is None for part in parts] == [False, False, True]
    assert_frame_equal(frame_of(site, added), frame)
    assert DatasetHandle(site, added.version).lazy().select(pl.len()).collect().item() == 21_000


def test_a_run_and_its_inputs_become_lineage(site: Site, stores: Stores) -> None:
    added = add_table(site, "t", ROWS, origin=Origin(run="r1", parents=["data:raw"]))
    with stores.ledger.read() as tx:
        assert {edge.source for edge in tx.edges.up(f"data:{added.version.id}")} == {"run:r1", "data:raw"}


BROKEN = {
    "too few fields": ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "line 3 has 2 fields and the header has 3"),
    "cut off": ("a,b\n1,2\n3,4\n5", "line 4 has 1 fields and the header has 2"),
    "too few with quotes": ('a,b\n"x,y",1\n"z"\n', "line 3 has 1 fields"),
    "too few behind a long field": ('a,b\n"x\ny",1\n2\n', "line 4 has 1 fields"),
    "too many fields": ("a,b\n1,2\n3,4,5\n", "line 3 has 3 fields and the header has 2"),
    "an open quote": ('a,b\n1,2\n3,"x\n4,5\n', "unexpected end of data"),
    "not UTF-8": (b"a,b\n1,2\n3,\xff\n", "line 3 is not UTF-8"),
    "not UTF-8 in the header": (b"a,\xff\n1,2\n", "line 1 is not UTF-8"),
    "a name twice": ("a,b,a\n1,2,3\n", "several columns named 'a'"),
    "empty": ("", "empty"),
    "a header alone": ("a,b\n", "holds no rows"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_csv_is_refused_with_its_line(site: Site, stores: Stores, tmp_path: Path, case: str) -> None:
    text, said = BROKEN[case]
    before = state(stores)
    with pytest.raises(Invalid, match=said):
        add_table(site, "t", written(tmp_path / "t.csv", text))
    assert state(stores) == before
    assert list(site.objects.list()) == []


BLANK = {
    "between and behind": ("a,b\n1,2\n\n3,\n\n", [(1, 2), (3, None)], "line 4"),
    "with carriage returns": ("a,b\r\n1,2\r\n\r\n3,\r\n", [(1, 2), (3, None)], "line 4"),
    "before the header": ("\n\na,b\n1,\n\n3,4\n", [(1, None), (3, 4)], "line 6"),
    "within quotes": ('a,b\n"x\n\ny",2\n\nz,\n', [("x\n\ny", 2), ("z", None)], "line 6"),
    "beside rows of nulls": ("a,b\n,\n\n3,4\n", [(None, None), (3, 4)], "line 4"),
    "where numbers are names": ("a,b\n007,1\n\n8,\n", [("007", 1), ("8", None)], "line 4"),
    "of a single column": ("a\n1\n\n3\n", [(1,), (None,), (3,)], "line 3"),
}


@pytest.mark.parametrize("case", BLANK)
def test_a_blank_line_is_no_row(tmp_path: Path, case: str) -> None:
    text, rows, second = BLANK[case]
    loaded = load_table(written(tmp_path / "t.csv", text), {})
    assert loaded.frame.rows() == rows
    assert loaded.line_of(1) == second


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.jsonl", '{"a":1}\n{"a":\n{"a":3}\n', "line 2 is no JSON"),
        ("t.jsonl", '{"a":1}\n\n3\n', "line 3 holds 3, not an object"),
        ("t.jsonl", "", "cannot be read"),
        ("t.parquet", "PAR1 and no more", "cannot be read"),
        ("t.xlsx", "x", "no table"),
    ],
)
def test_other_broken_files_are_refused(site: Site, tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        add_table(site, "t", written(tmp_path / name, content))
    with pytest.raises(NotFound):
        add_table(site, "t", tmp_path / "absent.csv")
    with pytest.raises(Invalid, match="no rows"):
        add_table(site, "t", ROWS.head(0))
    assert site.datasets.list() == []


def test_csv_types_are_those_that_the_text_has(site: Site, tmp_path: Path) -> None:
    text = (
        "i,f,b,s,zip,day,utc,naive,notday,null\n"
        "1,1.5,true,x,00123,2026-01-31,2026-01-31T05:00:00Z,2026-01-31 05:00:00.25,2026-01-31,\n"
        '2,2,false,"y, z",90210,2026-02-01,2026-01-31T06:00:00.5Z,2026-01-31T06:00:00,2026-02-30,\n'
    )
    frame = frame_of(site, add_table(site, "t", written(tmp_path / "t.csv", text)))
    assert frame.schema == {
        "i": pl.Int64,
        "f": pl.Float64,
        "b": pl.Boolean,
        "s": pl.String,
        "zip": pl.String,
        "day": pl.Date,
        "utc": pl.Datetime("us", "UTC"),
        "naive": pl.Datetime("us"),
        "notday": pl.String,
        "null": pl.String,
    }
    assert frame["zip"].to_list() == ["00123", "90210"]
    assert frame["day"][0] == date(2026, 1, 31)
    assert str(frame["naive"][0]) == "2026-01-31 05:00:00.250000"


def test_types_follow_all_rows_and_not_the_first(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("clew.data.ingest"), "_SAMPLE_ROWS", 2)
    text = "a,b,c\n1,1,\n2,2,\n3.5,x,7\n"
    frame = frame_of(site, add_table(site, "t", written(tmp_path / "t.csv", text)))
    assert frame.schema == {"a": pl.Float64, "b": pl.String, "c": pl.Int64}


def test_types_stay_those_of_the_version_before(site: Site, tmp_path: Path) -> None:
    first = "id,code,delay,day,flag\n1,x9,1.5,2026-01-01,true\n"
    add_table(site, "t", written(tmp_path / "t.csv", first))
    later = "id,code,delay,day,flag\n2,77,2,,\n3,078,4,,\n"
    added = add_table(site, "t", written(tmp_path / "t.csv", later))
    assert added.changes == []
    assert frame_of(site, added).rows() == [(2, "77", 2.0, None, None), (3, "078", 4.0, None, None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,delay\n1,1.5\n", r"column 'carrier' \(String\) is missing"),
        ("id,airline,delay\n1,AA,1.5\n", "was it renamed to 'airline'"),
        ("id,carrier,delay\n1,AA,1.5\n2,BB,NA\n", "'delay' was Float64 and is String; line 3 has delay = 'NA'"),
        ("id,carrier,delay\n1.5,AA,1\n", "'id' was Int64 and is Float64"),
    ],
)
def test_a_schema_that_does_not_match_is_refused(
    site: Site, stores: Stores, tmp_path: Path, text: str, said: str
) -> None:
    add_table(site, "t", written(tmp_path / "t.csv", "id,carrier,delay\n1,AA,0.5\n"))
    before, path = state(stores), written(tmp_path / "t.csv", text)
    with pytest.raises(Invalid, match=said) as caught:
        add_table(site, "t", path)
    assert "--allow-schema-change" in caught.value.hint
    assert state(stores) == before
    added = add_table(site, "t", path, rules=TableRules(allow_schema_change=True))
    assert added.version.number == 2
    assert added.changes


def test_a_column_more_breaks_nothing(site: Site) -> None:
    add_table(site, "t", ROWS, rules=KEYED)
    added = add_table(site, "t", ROWS.with_columns(more=pl.lit(1)))
    assert added.changes == ["column 'more' (Int32) is new"]


def test_declared_types_are_not_bent(site: Site) -> None:
    add_table(site, "t", ROWS)
    with pytest.raises(Invalid, match="'id' was Int64 and is Int32"):
        add_table(site, "t", ROWS.cast({"id": pl.Int32}))


def test_a_key_must_tell_rows_apart(site: Site, stores: Stores, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "id,n\n1,a\n2,b\n1,c\n,d\n2,e\n")
    with pytest.raises(Invalid, match=r"'id' is null in 1 row: line 5"):
        add_table(site, "t", path, rules=KEYED)
    path = written(tmp_path / "t.csv", 'id,n\n1,"a\nb"\n2,b\n1,c\n2,e\n')
    with pytest.raises(Invalid, match=r"2 keys more than once: id=1 \(line 3, line 5\); id=2 \(line 4, line 6\)"):
        add_table(site, "t", path, rules=KEYED)
    with pytest.raises(NotFound, match="did you mean id"):
        add_table(site, "t", path, rules=TableRules(key=["idd"]))
    with pytest.raises(Invalid, match="row 0, row 1"):
        add_table(site, "t", pl.DataFrame({"id": [7, 7]}), rules=KEYED)
    assert site.datasets.list() == []
    assert add_table(site, "t", path, rules=TableRules(key=["id", "n"])).version.key == ["id", "n"]
    assert add_table(site, "one", pl.DataFrame({"id": [7]}), rules=KEYED).new


def test_a_key_stays_unless_it_may_change(site: Site) -> None:
    add_table(site, "t", ROWS, rules=KEYED)
    with pytest.raises(Invalid, match="the key of t@1 is id, and name was asked for"):
        add_table(site, "t", ROWS.drop_nulls(), rules=TableRules(key=["name"]))
    with pytest.raises(Invalid, match="no key was asked for"):
        add_table(site, "t", ROWS, rules=TableRules(key=[]))
    changed = add_table(site, "t", ROWS.drop_nulls(), rules=TableRules(key=["name"], allow_schema_change=True))
    assert changed.version.key == ["name"]


def report(*failed: str) -> CheckReport:
    checks = [
        Check(
            name=name, kind=CheckKind.RANGE, severity=CheckSeverity.ERROR, scope=Scope.ROW, says=f"{name} is in range"
        )
        for name in failed
    ]
    results = [CheckResult(check=check, failed=2, found="") for check in checks]
    return CheckReport(checks=Digest("0" * 64), rows=3, judged_us=0, results=results)


def test_checks_judge_before_anything_is_stored(site: Site) -> None:
    seen: list[int] = []

    def check(rows: pl.LazyFrame) -> CheckReport:
        seen.append(rows.collect().height)
        return report("delay") if len(seen) == 1 else report()

    with pytest.raises(Invalid, match=r"the checks refuse these rows: delay is in range \(2 rows\)"):
        add_table(site, "t", ROWS, rules=TableRules(check=check))
    assert list(site.objects.list()) == []
    added = add_table(site, "t", ROWS, rules=TableRules(check=check))
    assert added.report is not None
    assert added.report.passed
    assert seen == [3, 3]


def test_kinds_do_not_mix(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    ROWS.write_csv(path)
    add_files(site, "raw", path)
    with pytest.raises(Invalid, match="holds files, not a table"):
        add_table(site, "raw", path)
    add_table(site, "t", path)
    with pytest.raises(Invalid, match="holds table, and this is files"):
        add_files(site, "t", path)


def test_progress_is_told_in_rows(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PART_ROWS", 2)
    told: list[tuple[int, int]] = []
    add_table(site, "t", ROWS, tell=lambda done, total: told.append((done, total)))
    assert told == [(2, 3), (3, 3)]


def test_importing_the_verbs_loads_no_polars() -> None:
    code = "import clew.data.catalog, clew.data.log, sys; print({'polars', 'numpy', 'sqlite3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_format_does_not_change(site: Site) -> None:
    added = add_table(site, "t", pl.DataFrame({"id": [2, 1], "x": ["b", None]}), rules=KEYED)
    assert added.version.digest[:12] == "f66a8f1b5d1b"


def test_parquet_types_survive(site: Site) -> None:
    frame = pl.DataFrame(
        {
            "category": pl.Series(["a", None], dtype=pl.Categorical),
            "enum": pl.Series(["x", "y"], dtype=pl.Enum(["y", "x"])),
            "small": pl.Series([1, None], dtype=pl.Int8),
            "list": [[1], []],
            "struct": [{"a": 1, "b": "x"}, {"a": None, "b": None}],
            "null": [None, None],
        }
    )
    added = add_table(site, "t", frame)
    assert_frame_equal(frame_of(site, added), frame)
    assert not add_table(site, "t", frame_of(site, added)).new


def test_a_damaged_manifest_is_corrupt(site: Site) -> None:
    for content in (b"no manifest", b'{"schema":[],"key":[],"parts":[],"format":"clew.table/9"}'):
        with pytest.raises(Corrupt):
            read_manifest(site.objects, site.objects.put(content))


@pytest.mark.parametrize("harm", ["lost", "flipped"])
@pytest.mark.parametrize("which", ["manifest", "first part", "second part"])
def test_adding_again_mends_what_was_damaged(
    site: Site, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str, harm: str
) -> None:
    monkeypatch.setattr(table, "PART_ROWS", 2)
    monkeypatch.setattr(add_table_module, "_LOOSE_BYTES", 0)
    path = written(tmp_path / "t.csv", "id,code\n1,a\n2,b\n3,c\n4,d\n")
    version = add_table(site, "t", path).version
    parts = read_manifest(site.objects, version.manifest).parts
    digest = {"manifest": version.manifest, "first part": parts[0].object, "second part": parts[1].object}[which]
    (file,) = (stores.folder / "objects" / "loose").rglob(f"{digest}*")
    if harm == "lost":
        file.unlink()
    else:
        file.chmod(0o600)
        file.write_bytes(bytes([file.read_bytes()[0] ^ 1, *file.read_bytes()[1:]]))
    with pytest.raises((Corrupt, NotFound), match="add the same data again"):
        DatasetHandle(site, version).frame()
    again = add_table(site, "t", path)
    assert (again.new, again.version.reference) == (False, "t@1")
    assert DatasetHandle(site, again.version).frame().height == 4
    path.write_text("id,code\n1,a\n2,007\n")
    assert add_table(site, "t", path).version.schema == {"id": "Int64", "code": "String"}


def test_a_file_whose_name_is_no_text_is_refused(site: Site, tmp_path: Path) -> None:
    path = written(tmp_path / os.fsdecode(b"\xff.csv"), "a\n1\n")
    with pytest.raises(Invalid, match="rename the file"):
        add_table(site, "t", path)


def test_csv_with_other_separators(site: Site, tmp_path: Path) -> None:
    frame = frame_of(site, add_table(site, "t", written(tmp_path / "t.csv", "a;b\n1;2,5\n3;4,5\n")))
    assert frame.columns == ["a", "b"]
    with_mark = written(tmp_path / "m.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert frame_of(site, add_table(site, "m", with_mark)).rows() == [(1, 2)]
