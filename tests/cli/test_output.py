"""Tables for people, JSON for machines."""

from __future__ import annotations

import enum
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from clew.cli import output
from clew.cli.picture import Branch, listed, spark, tree


class State(enum.StrEnum):
    DONE = "done"


class Row(msgspec.Struct, frozen=True):
    name: str
    size_bytes: int
    state: State = State.DONE
    summary: dict[str, float] = {}


ROWS = [Row("flights", 123_456, summary={"auc": 0.712345678}), Row("weather [x]", 9, summary={"auc": 1.0})]


def test_a_table_shows_units_and_nested_fields(capfd: pytest.CaptureFixture[str]) -> None:
    output.table(ROWS, ["name", "size_bytes", "state", "summary.auc"], as_json=False, after="c1")
    out, err = capfd.readouterr()
    assert out.splitlines() == [
        "name             size  state      auc",
        "flights      123.5 kB  done   0.71235",
        "weather [x]       9 B  done         1",
    ]
    assert err == "there are more: --limit N shows more of them, --after c1 goes on behind these\n"


def test_a_long_cell_is_neither_cut_nor_folded_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    output.table([{"name": "x" * 300}], ["name"], as_json=False)
    assert "x" * 300 in capfd.readouterr().out


def test_json_holds_all_fields_and_the_cursor(capfd: pytest.CaptureFixture[str]) -> None:
    output.table(ROWS, ["name"], as_json=True, after="c1")
    document = json.loads(capfd.readouterr().out)
    assert document["next"] == "c1"
    assert document["items"][0] == {
        "name": "flights",
        "size_bytes": 123_456,
        "state": "done",
        "summary": {"auc": 0.712345678},
    }


def test_an_empty_table_says_so_beside_the_results(capfd: pytest.CaptureFixture[str]) -> None:
    output.table([], ["name"], as_json=False, empty="no dataset yet: clew data add NAME PATH")
    assert capfd.readouterr() == ("", "no dataset yet: clew data add NAME PATH\n")
    output.table([], ["name"], as_json=True)
    assert json.loads(capfd.readouterr().out) == {"items": [], "next": ""}


def test_a_record_shows_its_fields_below_each_other(capfd: pytest.CaptureFixture[str]) -> None:
    output.record(ROWS[0], ["name", output.Column("size_bytes", "bytes", lambda value: f"<{value}>")], as_json=False)
    assert capfd.readouterr().out.splitlines() == ["name   flights", "bytes  <123456>"]
    output.record(ROWS[0], as_json=True)
    assert json.loads(capfd.readouterr().out)["size_bytes"] == 123_456


def test_text_is_text_or_the_value_that_it_tells_about(capfd: pytest.CaptureFixture[str]) -> None:
    output.text("it is so", as_json=False)
    output.text("it is so", {"so": True}, as_json=True)
    output.text("it is so", as_json=True)
    assert capfd.readouterr().out == 'it is so\n{\n  "so": true\n}\n{\n  "text": "it is so"\n}\n'


def test_json_lines_stay_on_one_line_each(capfd: pytest.CaptureFixture[str]) -> None:
    output.json_line({"a": 1})
    output.json_line({"a": "ü\n"})
    assert capfd.readouterr().out == '{"a":1}\n{"a":"ü\\n"}\n'


def test_json_takes_numpy_paths_and_names_that_are_no_utf8(capfd: pytest.CaptureFixture[str]) -> None:
    output.record(
        {"n": np.float32(0.5), "path": Path("a/b"), "name": b"caf\xe9".decode(errors="surrogateescape")}, as_json=True
    )
    assert json.loads(capfd.readouterr().out) == {"n": 0.5, "path": "a/b", "name": "caf\udce9"}


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("x", None, "–"),
        ("x", "", "–"),
        ("x", True, "yes"),
        ("x", [], "–"),
        ("x", ["a", 2], "a, 2"),
        ("x", {"depth": 8, "lr": 0.1}, "depth=8, lr=0.1"),
        ("rows", 1234, "1234"),
        ("rows", 1_234_567, "1,234,567"),
        ("auc", 0.123456789, "0.12346"),
        ("value", 1_234_567.8, "1,234,568"),
        ("auc", float("nan"), "nan"),
        ("size_bytes", 999, "999 B"),
        ("size_bytes", 1_500_000, "1.5 MB"),
        ("size_bytes", 2e15, "2000.0 TB"),
        ("latency_ms", 0.0123, "0.0123 ms"),
        ("latency_ms", 999.4, "999 ms"),
        ("latency_ms", 999.6, "1.0 s"),
        ("latency_ms", 12_345, "12.3 s"),
    ],
)
def test_cells(field: str, value: object, shown: str) -> None:
    assert output.cell(field, value) == shown


def test_times_are_shown_in_the_zone_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert output.cell("created_us", 1_700_000_000_000_000) == "2023-11-15 00:13:20"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_tree_draws_its_branches() -> None:
    top = Branch("run", (Branch("step a", (Branch("flights@3"),)), Branch("step b")))
    assert tree(top, fancy=True).splitlines() == ["run", "├─ step a", "│  └─ flights@3", "└─ step b"]
    assert tree(top, fancy=False).splitlines() == ["run", "|- step a", "|  `- flights@3", "`- step b"]


def test_a_spark_spans_least_to_greatest_and_leaves_gaps() -> None:
    assert spark([0, 3.5, None, float("nan"), 7], fancy=True) == "▁▅  █"
    assert spark([5, 5], fancy=True) == "▅▅"
    assert spark([None, None]) == "  "


def test_many_words_stand_in_lines_below_their_title() -> None:
    assert listed("inputs", ["a=1", "b=2"]) == Branch("inputs a=1, b=2")
    assert listed("inputs", list("abcdefghij")) == Branch("inputs", (Branch("a, b, c, d, e, f, g, h"), Branch("i, j")))


def test_a_parameter_is_shown_as_filters_write_it() -> None:
    assert [output.literal(value) for value in (True, False, None, 3, 0.5, "adam")] == [
        *("true", "false", "null", "3", "0.5", "adam")
    ]
