"""`clew data`, as a person and as a machine would use it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from clew.cli.main import main
from clew.data.log import make_log
from clew.workspace import init_project, open_workspace

Capture = pytest.CaptureFixture[str]

JANUARY = "id,delay,carrier\n1,2.5,AA\n2,,BB\n3,1,UA\n"
FEBRUARY = "id,delay,carrier\n1,2.5,AA\n3,7,UA\n4,8,DL\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    init_project(root)
    monkeypatch.chdir(root)
    (root / "flights.csv").write_text(JANUARY)
    (root / "photos").mkdir()
    (root / "photos" / "one.png").write_bytes(b"one")
    (root / "photos" / "two.png").write_bytes(b"two")
    return root


@pytest.fixture
def two(project: Path) -> Path:
    assert main(["data", "add", "flights", "flights.csv", "--key", "id", "-m", "January"]) == 0
    (project / "flights.csv").write_text(FEBRUARY)
    assert main(["data", "add", "flights", "flights.csv"]) == 0
    assert main(["data", "add", "photos", "photos"]) == 0
    return project


def clew(capsys: Capture, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def clew_json(capsys: Capture, *words: str, code: int = 0) -> dict[str, object]:
    got, out, _ = clew(capsys, *words, "--json")
    assert got == code
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_adding_says_what_was_added(project: Path, capsys: Capture) -> None:
    code, out, _ = clew(capsys, "data", "add", "flights", "flights.csv", "--key", "id")
    assert code == 0
    assert out.startswith("flights@1: 3 rows, ")
    _, out, _ = clew(capsys, "data", "add", "flights", "flights.csv")
    assert out.startswith("flights@1 holds the same already: 3 rows")
    found = clew_json(capsys, "data", "add", "photos", "photos", "-m", "first")
    assert found["new"] is True
    version = found["version"]
    assert isinstance(version, dict)
    assert (version["name"], version["number"], version["kind"], version["message"]) == ("photos", 1, "files", "first")
    _, out, _ = clew(capsys, "data", "add", "raw", "flights.csv", "--files")
    assert out.startswith("raw@1: 1 file, 39 B")
    (project / "book.xlsx").write_bytes(b"PK")
    assert "stored as a file; tables" in clew(capsys, "data", "add", "book", "book.xlsx")[2]


def test_a_schema_change_is_refused_and_can_be_accepted(two: Path, capsys: Capture) -> None:
    (two / "flights.csv").write_text("id,delay\n1,late\n")
    code, out, err = clew(capsys, "data", "add", "flights", "flights.csv")
    assert (code, out) == (2, "")
    assert "line 2 has delay = 'late'" in err
    assert "--allow-schema-change" in err
    code, out, err = clew(capsys, "data", "add", "flights", "flights.csv", "--allow-schema-change")
    assert (code, out[:10]) == (0, "flights@3:")
    assert "column 'carrier' (String) is missing" in err


def test_checks_of_the_settings_judge_what_is_added(project: Path, capsys: Capture) -> None:
    settings = project / "clew.toml"
    settings.write_text(settings.read_text() + '\n[checks.flights.columns]\ndelay = { type = "number", max = 2 }\n')
    code, _, err = clew(capsys, "data", "add", "flights", "flights.csv")
    assert code == 2
    assert "the checks refuse these rows" in err
    assert clew_json(capsys, "data", "list")["items"] == []


def test_list_and_show(two: Path, capsys: Capture) -> None:
    with open_workspace() as workspace:
        make_log(workspace.stores, "decisions")
    items = clew_json(capsys, "data", "list")["items"]
    assert isinstance(items, list)
    assert [(one["name"], one["kind"], one["newest"]) for one in items] == [
        ("decisions", "log", None),
        ("flights", "table", "flights@2"),
        ("photos", "files", "photos@1"),
    ]
    _, out, _ = clew(capsys, "data", "list")
    assert out.splitlines()[0].split() == ["name", "kind", "newest", "rows", "size", "changed"]
    _, out, _ = clew(capsys, "data", "show", "flights")
    assert [line.split()[0] for line in out.splitlines()] == ["reference", "flights@2", "flights@1"]
    assert "January" in out
    page = clew_json(capsys, "data", "show", "flights", "--limit", "1")
    assert page["next"]
    _, out, _ = clew(capsys, "data", "show", "flights@1")
    assert "delay    Float64" in out
    _, out, _ = clew(capsys, "data", "show", "photos@latest")
    assert "one.png" in out
    assert clew_json(capsys, "data", "show", "flights@1")["key"] == ["id"]
    _, out, _ = clew(capsys, "data", "show", "decisions")
    assert "log" in out


def test_a_list_reads_the_last_batch_of_a_log_and_no_other(project: Path, capsys: Capture) -> None:
    with open_workspace() as workspace:
        log = make_log(workspace.stores, "decisions")
        log.append([(pl.DataFrame({"id": [f"{at}"], "time_us": [at]}), f"source-{at}") for at in range(3)])
    shown = clew_json(capsys, "data", "show", "decisions")
    assert (shown["newest"], shown["rows"]) == ("position 3", 3)
    with closing(sqlite3.connect(project / ".clew" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE log_batches SET document = '' WHERE position < 3")
    (listed,) = clew_json(capsys, "data", "list")["items"]  # type: ignore[misc]
    assert (listed["newest"], listed["rows"], listed["changed_us"]) == ("position 3", None, shown["changed_us"])


def test_what_is_not_there_is_told_with_what_is(two: Path, capsys: Capture) -> None:
    code, _, err = clew(capsys, "data", "show", "flihgts")
    assert code == 3
    assert "did you mean flights?" in err
    assert clew(capsys, "data", "show", "flights@9")[0] == 3
    assert clew(capsys, "data", "show", "flights@main")[0] == 2
    assert clew(capsys, "data", "add", "x", "absent.csv")[0] == 3


def test_diff_tells_rows_and_files(two: Path, capsys: Capture) -> None:
    _, out, _ = clew(capsys, "data", "diff", "flights@1", "flights@2")
    assert out.splitlines() == [
        "from flights@1 to flights@2:",
        "  + id=4",
        "  - id=2",
        "  ~ id=3: delay 1.0 → 7.0",
        "rows: 1 added, 1 removed, 1 changed",
        "cells changed: delay 1",
    ]
    assert clew(capsys, "data", "diff", "flights")[1] == out
    table = clew_json(capsys, "data", "diff", "flights")["table"]
    assert isinstance(table, dict)
    assert (table["rows_added"], table["cells_changed"]) == (1, {"delay": 1})
    (two / "photos" / "one.png").rename(two / "photos" / "uno.png")
    (two / "photos" / "two.png").write_bytes(b"TWO!")
    (two / "photos" / "three.png").write_bytes(b"3")
    _, out, _ = clew(capsys, "data", "status", "photos")
    assert out.splitlines() == [
        "against photos@1:",
        "  + three.png  1 B",
        "  ~ two.png  3 B → 4 B",
        "  > one.png → uno.png",
        "files: 1 added, 1 changed, 1 renamed",
    ]
    clew(capsys, "data", "add", "photos", "photos")
    assert clew(capsys, "data", "status", "photos")[1] == "as photos@2\n"
    assert clew(capsys, "data", "diff", "photos")[1].startswith("from photos@1 to photos@2:\n  + three.png")
    assert clew(capsys, "data", "diff", "photos@1", "photos@1")[1] == "photos@1 and photos@1 hold the same\n"
    assert clew(capsys, "data", "diff", "photos@1", "flights@1")[0] == 2


def test_the_newest_version_is_compared_with_what_is_still_there_before_it(two: Path, capsys: Capture) -> None:
    (two / "flights.csv").write_text(JANUARY)
    assert clew(capsys, "data", "add", "flights", "flights.csv")[0] == 0
    assert clew(capsys, "data", "delete", "flights@2")[0] == 0
    assert "flights@1 and flights@3 hold the same" in clew(capsys, "data", "diff", "flights")[1]
    code, _, err = clew(capsys, "data", "diff", "photos")
    assert (code, "photos@1 is the first version" in err) == (2, True)


def test_checkout_writes_files_and_tables(two: Path, capsys: Capture) -> None:
    _, out, _ = clew(capsys, "data", "checkout", "photos@1", "out")
    assert out == "photos@1 in out: 2 files written, 0 removed, 0 unchanged\n"
    (two / "out" / "one.png").write_bytes(b"mine")
    code, _, err = clew(capsys, "data", "checkout", "photos", "out")
    assert code == 4
    assert "one.png" in err
    assert clew_json(capsys, "data", "checkout", "photos", "out", "--force")["written"] == 1
    for name, first in (("t.csv", "id,delay,carrier"), ("t.jsonl", '{"id":1,"delay":2.5,"carrier":"AA"}')):
        assert clew(capsys, "data", "checkout", "flights@1", name)[0] == 0
        assert (two / name).read_text().splitlines()[0] == first
    assert clew(capsys, "data", "checkout", "flights@1", "t.csv")[0] == 4
    assert clew(capsys, "data", "checkout", "flights@2", "t.csv", "--force")[0] == 0
    assert "7.0" in (two / "t.csv").read_text()
    assert clew(capsys, "data", "checkout", "flights@1", "t.xlsx")[0] == 2
    assert clew(capsys, "data", "checkout", "flights@1", "absent/t.csv")[0] == 3
    assert clew_json(capsys, "data", "checkout", "flights@1")["path"] == "flights.parquet"


def test_checks_are_learned_and_judged(two: Path, capsys: Capture) -> None:
    code, _, err = clew(capsys, "data", "check", "flights")
    assert code == 2
    assert "--infer" in err
    _, learned, _ = clew(capsys, "data", "check", "flights@1", "--infer")
    settings = two / "clew.toml"
    settings.write_text(settings.read_text() + "\n" + learned)
    code, out, _ = clew(capsys, "data", "check", "flights@1")
    assert code == 0
    assert "3 rows passed" in out
    settings.write_text(
        settings.read_text().split("[checks")[0] + '[checks.flights.columns]\ndelay = { type = "number", max = 2 }\n'
    )
    code, out, _ = clew(capsys, "data", "check", "flights@1")
    assert code == 1
    assert "3 rows failed 2 of" in out
    assert "error: delay: at most 2 (" in out
    assert clew_json(capsys, "data", "check", "flights@1", code=1)["rows"] == 3


def test_commands_without_rows_load_no_polars(two: Path) -> None:
    code = (
        "import sys; from clew.cli.main import main; "
        "codes = [main(['data', *words.split(',')]) for words in sys.argv[1:]]; "
        "print('LOADED', codes, 'polars' in sys.modules, file=sys.stderr)"
    )
    words = ["list", "status,photos", "show,flights@1", "add,photos,photos", "diff,photos@1,photos@1"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, cwd=two)
    assert "LOADED [0, 0, 0, 0, 0] False" in done.stderr


def test_a_slip_in_the_name_of_a_file_is_said_before_what_a_key_is_for(project: Path, capsys: Capture) -> None:
    assert main(["data", "add", "flights", "flights.cvs", "--key", "id"]) == 3
    assert "did you mean flights.csv?" in capsys.readouterr().err


def test_a_version_is_shown_in_one_table(two: Path, capsys: Capture) -> None:
    assert main(["data", "show", "flights@1"]) == 0
    facts = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert {line.index(line.split(maxsplit=1)[1]) for line in facts if not line.startswith("created by")} == {12}
    assert facts[-1].split() == ["key", "id"]
