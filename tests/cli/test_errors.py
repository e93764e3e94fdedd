"""The door for errors: codes, texts, JSON, and the difference between a user's mistake and a defect."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from clew.cli.errors import DEFECT, EXIT_CODES, INTERRUPTED, exit_code_of, guarded
from clew.core import errors


def raising(error: BaseException) -> Callable[[], int]:
    def call() -> int:
        raise error

    return call


def output_of(step: Callable[[], None]) -> None:
    """Call a step from a file of clew, as far as a traceback can tell."""
    source = Path(errors.__file__).parents[1] / "cli" / "testing_frame.py"
    exec(compile("step()", str(source), "exec"), {"step": step})


def run(error: BaseException, *words: str) -> int:
    return guarded(raising(error), list(words))


def test_every_error_of_the_tree_has_a_row() -> None:
    assert {getattr(errors, name) for name in errors.__all__} == set(EXIT_CODES)


def test_codes_leave_room_for_success_and_signals() -> None:
    assert not {0, DEFECT, INTERRUPTED} & set(EXIT_CODES.values())
    assert all(0 < code < 64 for code in EXIT_CODES.values())


def test_a_class_that_the_table_lacks_counts_as_its_parent() -> None:
    class Narrower(errors.NotFound):
        pass

    assert exit_code_of(Narrower("run", "x")) == EXIT_CODES[errors.NotFound]
    assert exit_code_of(errors.GateRefused("no", verdict=None)) == 1


def test_an_error_is_a_sentence_and_a_hint_without_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(errors.NotFound("dataset", "flihgts", near=["flights"]), "data", "show") == 3
    assert capfd.readouterr() == ("", "clew: no dataset named 'flihgts'\n  → did you mean flights?\n")


def test_json_carries_code_message_and_hint(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(errors.Conflict("head moved", hint="try again"), "data", "--json") == 4
    out, err = capfd.readouterr()
    assert out == ""
    assert json.loads(err) == {"error": {"code": "conflict", "message": "head moved", "hint": "try again"}}


def test_usage_errors_name_the_help(capfd: pytest.CaptureFixture[str]) -> None:
    context = click.Context(click.Command("add"), info_name="clew data add")
    assert run(click.UsageError("no such option", context)) == 2
    assert capfd.readouterr().err == "clew: no such option\n  → clew data add --help\n"


def test_what_the_system_refuses_is_no_defect(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: int((tmp_path / ("x" * 300)).is_file()), []) == EXIT_CODES[errors.Unavailable]
    assert "xxx: File name too long" in (told := capfd.readouterr().err)
    assert "defect" not in told
    assert run(OSError(errno.ENOSPC, "No space left on device")) == EXIT_CODES[errors.Unavailable]
    assert "free some space" in capfd.readouterr().err


def test_words_that_are_no_text_are_no_defect(capfd: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: len(os.fsdecode(b"fl\xff").encode()), []) == EXIT_CODES[errors.Invalid]
    assert "'fl\\udcff' is not UTF-8" in capfd.readouterr().err


def test_a_current_folder_that_is_gone_is_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert guarded(lambda: len(str(Path.cwd())), []) == EXIT_CODES[errors.Unavailable]
    assert "does not exist any more" in capfd.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_says_how_to_go_on(error: BaseException, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(error) == INTERRUPTED
    assert "the same command continues" in capfd.readouterr().err


def test_an_error_of_the_users_code_shows_their_lines_and_none_of_ours(capfd: pytest.CaptureFixture[str]) -> None:
    def step() -> None:
        raise KeyError("carrier")

    def call() -> int:
        try:
            output_of(step)
        except KeyError as error:
            raise errors.Failed("step 'features' raised KeyError: 'carrier'", hint="clew explain features") from error
        return 0

    assert guarded(call, ["run", "train.py"]) == EXIT_CODES[errors.Failed]
    err = capfd.readouterr().err
    assert 'raise KeyError("carrier")' in err
    assert "cli/testing_frame.py" not in err
    assert err.endswith("clew: step 'features' raised KeyError: 'carrier'\n  → clew explain features\n")
    assert guarded(call, ["run", "--json"]) == EXIT_CODES[errors.Failed]
    assert list(json.loads(capfd.readouterr().err)) == ["error"]


def test_json_after_two_dashes_is_not_for_clew(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(errors.Invalid("no"), "run", "train.py", "--", "--json") == 2
    assert capfd.readouterr().err == "clew: no\n"


def test_exit_passes_its_code_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(click.exceptions.Exit(1)) == 1
    assert capfd.readouterr() == ("", "")


def test_a_defect_keeps_its_traceback_in_a_file(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CLEW_DEBUG", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run(ZeroDivisionError("by zero"), "runs", "list") == DEFECT
    err = capfd.readouterr().err
    (report,) = tmp_path.iterdir()
    assert str(report) in err
    assert "defect of clew" in err
    assert "Traceback" not in err
    assert "Traceback" in report.read_text()
    assert "['runs', 'list']" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0


def test_a_defect_shows_its_traceback_when_asked(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEW_DEBUG", "1")
    assert run(ZeroDivisionError("by zero")) == DEFECT
    assert "Traceback" in capfd.readouterr().err


def test_a_defect_is_told_even_where_no_file_can_be_written(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.delenv("CLEW_DEBUG", raising=False)
    monkeypatch.setattr("tempfile.mkstemp", full)
    assert run(ZeroDivisionError("by zero"), "--json") == DEFECT
    assert json.loads(capfd.readouterr().err)["error"]["code"] == "defect"


def shell(code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    program = f"import sys\nfrom clew.cli.errors import guarded\ndef call():\n {code}\nsys.exit(guarded(call, []))"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return subprocess.run(
        [sys.executable, "-c", program], env=inherited | environment, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}],
)
def test_a_bare_locale_stops_no_character(environment: dict[str, str]) -> None:
    done = shell(r"print('fl\xfcge \u2192 1'); return 0", **environment)
    assert (done.returncode, done.stdout.decode()) == (0, "flüge → 1\n"), done.stderr


def test_a_narrow_encoding_replaces_what_it_lacks() -> None:
    done = shell(r"print('\xfc \u2192 1'); return 0", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout.decode("latin-1")) == (0, "ü \\u2192 1\n")


def test_a_closed_pipe_is_quiet() -> None:
    program = (
        "import sys\nfrom clew.cli.errors import guarded\n"
        "def call():\n for _ in range(100_000): print('x' * 80)\n return 0\n"
        "sys.exit(guarded(call, []))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_ctrl_c_ends_a_real_process_with_130() -> None:
    program = (
        "import sys, time\nfrom clew.cli.errors import guarded\n"
        "def call():\n print('on', flush=True)\n time.sleep(60)\n return 0\n"
        "sys.exit(guarded(call, []))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 130


def test_an_interrupt_that_comes_out_as_another_error_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    def call() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:  # as a class that is being made does it, and some extension modules
            raise RuntimeError("Error calling __set_name__") from error
        return 0

    before = signal.getsignal(signal.SIGINT)
    assert guarded(call, []) == INTERRUPTED
    assert "the same command continues" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("closed", "words", "code"),
    [
        (">&-", ["--version"], 0),
        (">&-", ["data", "list"], 3),
        ("2>&-", ["data", "list"], 3),
        ("<&-", ["--version"], 0),
        (">&- 2>&- <&-", ["init"], 0),
        (">/dev/full", ["--version"], EXIT_CODES[errors.Unavailable]),
    ],
)
def test_streams_that_are_closed_are_no_defect(tmp_path: Path, closed: str, words: list[str], code: int) -> None:
    line = f"exec {sys.executable} -m clew {' '.join(words)} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    if words == ["init"]:
        ledger = (tmp_path / ".clew" / "ledger.db").read_bytes()
        assert ledger.startswith(b"SQLite format 3")


def test_a_reader_that_goes_away_is_no_defect() -> None:
    line = f"{sys.executable} -m clew --help | head -c 1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "xx_YY"},
        {"PYTHONIOENCODING": "iso-8859-1:strict"},
        {"PYTHONIOENCODING": "ascii:strict", "HOME": "/nonexistent", "TMPDIR": "/nonexistent"},
        {"TERM": "dumb", "COLUMNS": "20", "NO_COLOR": "1"},
    ],
)
def test_names_and_tables_in_any_locale(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "t.csv").write_text("n\u00e4me,b\n\u00dcber\u2192\u4e2d,2\n", encoding="utf-8")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    spoken = "u" if environ.get("PYTHONUTF8") == "0" else "\u00fc"  # who forbids UTF-8 cannot type it either
    for words in (["init", "--name", spoken], ["data", "add", "t", "t.csv"], ["data", "show", "t@1"]):
        done = subprocess.run(
            [sys.executable, "-m", "clew", *words], capture_output=True, check=False, cwd=tmp_path, env=bare | environ
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done
