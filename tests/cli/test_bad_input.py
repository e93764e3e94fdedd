"""What people get wrong on the command line, through its real door: a sentence, the right code, and nothing changed."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from clew.cli.main import main

DEEP = 100_000


class Told(NamedTuple):
    """What a command line led to."""

    code: int
    out: str
    err: str


Ask = Callable[..., Told]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a table in two versions and a folder of files, to be copied."""
    from clew.workspace import Workspace, init_project

    folder = tmp_path_factory.mktemp("made") / "project"
    init_project(folder)
    (folder / "t.csv").write_text("id,hour\n1,5\n2,6\n", encoding="utf-8")
    (folder / "photos").mkdir()
    (folder / "photos" / "a.txt").write_text("a", encoding="utf-8")
    with Workspace(folder) as workspace:
        workspace.data.add("flights", folder / "t.csv")
        (folder / "t.csv").write_text("id,hour\n1,5\n2,7\n", encoding="utf-8")
        workspace.data.add("flights", folder / "t.csv")
        workspace.data.add("photos", folder / "photos")
    return folder


@pytest.fixture
def ask(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Call a command in a project of one's own."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "project"))
    monkeypatch.setenv("CLEW_DEBUG", "1")

    def call(*words: object) -> Told:
        code = main([os.fspath(word) if isinstance(word, Path) else str(word) for word in words])
        told = Told(code, *capfd.readouterr())
        assert "Traceback" not in told.err
        assert "defect" not in told.err
        return told

    return call


def versions() -> list[int]:
    """What stands in the ledger: how many rows in each table of it."""
    import sqlite3

    with sqlite3.connect(".clew/ledger.db") as ledger:
        tables = [row[0] for row in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [ledger.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables]


FILES: dict[str, tuple[bytes, int, str]] = {
    "empty.csv": (b"", 2, "it is empty"),
    "header.csv": (b"a,b\n", 2, "holds no rows"),
    "short.csv": (b"a,b\n1,2\n3\n", 2, "line 3 has 1 fields and the header has 2"),
    "quote.csv": (b'a,b\n1,2\n"3,4\n', 2, "behind line 2"),
    "twice.csv": (b"a,a\n1,2\n", 2, "several columns named 'a'"),
    "latin.csv": (b"a\nM\xfcller\n", 2, "line 2 is not UTF-8"),
    "wide.csv": ("a\n1\n".encode("utf-16"), 2, "line 1 is not UTF-8"),
    "huge.csv": (b"a\n" + b"9" * 400 + b"\n1\n", 2, "cannot be read"),
    "empty.parquet": (b"", 2, "cannot be read"),
    "odd.parquet": (b"PAR1" + bytes(100) + b"PAR1", 2, "cannot be read"),
    "empty.jsonl": (b"", 2, "cannot be read"),
    "half.jsonl": (b'{"a":1}\n{"a":\n', 2, "line 2 is no JSON"),
    "list.jsonl": (b"[1]\n", 2, "not an object"),
    "deep.jsonl": (b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}\n", 2, "line 1 is nested too deeply"),
    "bytes.jsonl": (b'{"a":"\xff"}\n', 2, "line 1 is no JSON"),
    "nan.jsonl": (b'{"a":NaN}\n', 2, "line 1 is no JSON"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_table(ask: Ask, tmp_path: Path, name: str) -> None:
    content, code, says = FILES[name]
    (tmp_path / name).write_bytes(content)
    before = versions()
    told = ask("data", "add", "fresh", tmp_path / name, "--table")
    assert (told.code, told.out) == (code, "")
    assert says in told.err
    assert name in told.err
    assert len(told.err) < 5000
    assert versions() == before


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("id\n1\n", (), "column 'hour' (Int64) is missing"),
        ("id,hour\n1,x\n", (), "column 'hour' was Int64 and is String; line 2 has hour = 'x'"),
        ("id,hour\n1,5\n1,6\n", ("--key", "id", "--allow-schema-change"), "not unique"),
        ("id,hour\n,5\n", ("--key", "id", "--allow-schema-change"), "null in 1 row: line 2"),
        ("id,hour\n1,5\n", ("--key", "idd", "--allow-schema-change"), "no column named 'idd'"),
    ],
)
def test_rows_that_do_not_fit_the_dataset(
    ask: Ask, tmp_path: Path, content: str, options: tuple[str, ...], says: str
) -> None:
    (tmp_path / "next.csv").write_text(content, encoding="utf-8")
    before = versions()
    told = ask("data", "add", "flights", tmp_path / "next.csv", *options)
    assert told.code in (2, 3)
    assert says in told.err
    assert versions() == before


def test_paths_that_lead_to_no_data(ask: Ask, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "nowhere.csv").symlink_to("gone.csv")
    (tmp_path / "round.csv").symlink_to("round.csv")
    (tmp_path / "flights.csv").write_text("a\n1\n", encoding="utf-8")
    (tmp_path / "bare").mkdir()
    (tmp_path / "mixed").mkdir()
    os.mkfifo(tmp_path / "mixed" / "p")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "sock"))
        for path, code, says in (
            ("", 2, "the path is empty"),
            (tmp_path / "flihgts.csv", 3, f"did you mean {tmp_path / 'flights.csv'}?"),
            (tmp_path / "no" / "such" / "x.csv", 3, "there is no folder"),
            (tmp_path / "flights.csv" / "x", 3, "there is no folder"),
            (tmp_path / "pipe.csv", 2, "neither a file nor a folder"),
            (tmp_path / "sock", 2, "neither a file nor a folder"),
            ("/dev/zero", 2, "neither a file nor a folder"),
            (tmp_path / "mixed", 2, "neither a file, a link nor a folder"),
            (tmp_path / "nowhere.csv", 2, "is a link to gone.csv, which leads nowhere"),
            (tmp_path / "round.csv", 7, "symbolic links"),
            (tmp_path / "bare", 2, "holds no files"),
            (tmp_path / ("y" * 300), 7, "File name too long"),
            (".clew", 2, "lies within the storage of a project"),
        ):
            told = ask("data", "add", "fresh", path)
            assert (told.code, says in told.err) == (code, True), told


def test_names_of_files_that_are_hard_to_type(ask: Ask, tmp_path: Path) -> None:
    names = ["a\nb", "\u00e9", "e\u0301", "\"'", " ", "-rf", "a b.csv", "x" * 255, "$HOME", "\U0001f600"]
    (folder := tmp_path / "hard").mkdir()
    for name in names:
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "again").symlink_to(".")
    assert ask("data", "add", "hard", folder).code == 0
    assert ask("data", "show", "hard@1").code == 0
    assert ask("data", "checkout", "hard", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*names, "again"])
    assert all((tmp_path / "out" / name).read_text(encoding="utf-8") == name for name in names)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("data", "show", "fligths"), 3, "did you mean flights?"),
        (("data", "show", "flights@9"), 3, "did you mean flights@2?"),
        (("data", "show", "flights@" + "9" * 400), 3, "no version named"),
        (("data", "show", "flights@\u0661"), 2, "names no version"),
        (("data", "show", "flights@"), 2, "names no version"),
        (("data", "show", "flights@2026-13-45"), 2, "names no version"),
        (("data", "show", "a/b@1"), 2, "cannot be the name"),
        (("data", "show", "\udcff"), 2, "is not UTF-8"),
        (("data", "show", "x" * 200_000), 3, "[…]"),
        (("data", "show", "flights", "--after", "x"), 2, "no page token"),
        (("data", "diff", "flights@1", "photos@1"), 2, "photos@1"),
        (("data", "check", "flights"), 2, "declares no checks"),
        (("model", "show", "delay@-1"), 2, "'delay@-1' names no version"),
        (("model", "show", "delay@"), 2, "'delay@' names no version"),
        (("model", "promote", "delay@1", "champion"), 3, "no model named 'delay'"),
        (("runs", "show", "0"), 3, "clew runs list"),
        (("runs", "list", "--after", "x"), 2, "no page token"),
        (("runs", "list", "--after", "0" * 32 + "+999999999999"), 2, "no page token"),
        (("runs", "list", "--where", "(" * 5000), 2, "nested too deeply"),
        (("runs", "list", "--where", "metric.auc > " + "9" * 100_000), 2, "this number is too long"),
        (("runs", "list", "--where", "created > '9999-12-31T23:59-23:59'"), 2, "a time is expected"),
        (("events", "--after", "x"), 2, "no page token"),
        (("events", "--limit", "9" * 30), 2, "is not in the range"),
        (("watch", "late", "--until", "9999-12-31T23:59-23:59"), 2, "is no time"),
        (("labels", "add", "late", "x.csv", "--label", "y", "--time", "0001-01-01T00:00+23:59"), 2, "is no time"),
        (("run", "train.py:train", "x=" + "[" * DEEP + "]" * DEEP), 2, "nested too deeply"),
        (("run", "train.py:train", "1x=2"), 2, "no parameter"),
        (("serve", "delay@champion", "--port", "99999"), 2, "is not in the range"),
        (("audit", "export", "--after", "9" * 30), 2, "is not in the range"),
        (("run", "--workers", "9" * 14, "train.py:train"), 2, "is not in the range"),
        (("gc", "--grace-days", "nan"), 2, "'nan' is no number"),
        (("gc", "--young-hours", "1e300"), 2, "is not in the range"),
        (("token", "add", "laptop", "--days", "inf"), 2, "is not in the range"),
        (("worker", "--once", "--every", "nan"), 2, "'nan' is no number"),
    ],
    ids=range(34),
)
def test_words_that_name_nothing(ask: Ask, words: tuple[str, ...], code: int, says: str) -> None:
    before = versions()
    told = ask(*words)
    assert (told.code, told.out) == (code, "")
    assert says in told.err
    assert len(told.err) < 12_000
    assert versions() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"a=" + b"[" * DEEP + b"]" * DEEP, "nested too deeply"),
        (b"a={" + b"b={" * 5000, "nested too deeply"),
        (b"[endpoints.x]\nport=" + b"9" * 5000, "no TOML"),
        (b"[project", "no TOML"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[projct]\n", "did you mean project?"),
        (b"[gate.delay]\nmin_row=3\n", "did you mean min_rows?"),
        (b"[gate.delay]\nmin_rows='3'\n", "expected a whole number, got a text"),
        (b"[gate.delay]\nmargin=inf\n", "margin = inf is no number from 0 to 1e+12"),
        (b"project=1\n", "is no table"),
    ],
)
def test_a_settings_file_that_cannot_be_used(ask: Ask, text: bytes, says: str) -> None:
    Path("clew.toml").write_bytes(text)
    told = ask("data", "list")
    assert told.code == 2
    assert says in told.err
    assert "clew.toml" in told.err


def test_settings_that_begin_with_a_mark_of_their_encoding_are_read(ask: Ask) -> None:
    Path("clew.toml").write_bytes(b'\xef\xbb\xbf[project]\nname = "x"\n')
    assert ask("data", "list").code == 0


def test_settings_that_are_no_file_are_not_waited_for(ask: Ask) -> None:
    settings = Path("clew.toml")
    settings.unlink()
    os.mkfifo(settings)
    assert ask("data", "list").code == 7
    settings.unlink()
    settings.symlink_to(settings)
    assert ask("data", "list").code == 7
    settings.unlink()
    settings.mkdir()
    assert "is no file" in ask("data", "list").err


def test_a_project_of_a_newer_clew(ask: Ask) -> None:
    import sqlite3

    with sqlite3.connect(".clew/ledger.db") as ledger:
        ledger.execute("PRAGMA user_version = 9999")
    told = ask("data", "list")
    assert (told.code, "install a newer clew" in told.err) == (2, True)


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000])
def test_a_ledger_that_is_none(ask: Ask, content: bytes) -> None:
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        Path(".clew", name).unlink(missing_ok=True)
    Path(".clew/ledger.db").write_bytes(content)
    told = ask("data", "show", "flights")
    assert (told.code, "flights" in told.err or "damaged" in told.err) == (6 if content else 3, True)


def test_a_project_that_was_moved_or_copied(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(Path.cwd(), tmp_path / "a place with 'quotes' and \n lines"))
    moved = Path.cwd().rename(tmp_path / "m\u00f6ved")
    for place in (copy, moved):
        monkeypatch.chdir(place)
        assert ask("data", "add", "flights", "t.csv").code == 0
        assert ask("data", "status", "photos").code in (0, 3)
        assert ask("data", "checkout", "photos", "out").code == 0


def test_ends_of_time_are_shown(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    from clew.cli.output import cell

    assert ask("data", "list").code == 0
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    for us in (-(2**63), -62135596800_000_000, 253402300799_999_999, 2**63):
        assert cell("created_us", us)
