"""`clew explain` on a real project: a step of a run, and a pipeline as it is now."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clew.cli.explain import explain
from clew.cli.run import run
from clew.core.errors import NotFound

JOB = """
    import clew

    FACTOR = {factor}

    def scaled(x):
        return x * FACTOR

    @clew.step
    def first(x):
        return x + 1

    @clew.step
    def second(x):
        return scaled(x)

    @clew.pipeline
    def job(x: int = 1):
        return second(first(x))
"""

Call = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".clew").mkdir()
    (tmp_path / "clew.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python tells sources apart by whole seconds and size
    return tmp_path


def write(folder: Path, factor: int) -> None:
    (folder / "job.py").write_text(textwrap.dedent(JOB.format(factor=factor)))
    sys.modules.pop("job", None)  # every command is a process of its own


def call(command: object, *words: str) -> str:
    done = CliRunner().invoke(command, list(words), catch_exceptions=False)  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    return done.stdout


def test_it_names_what_changed(folder: Path) -> None:
    write(folder, 2)
    call(run, "job.py:job")
    assert "first time" in call(explain, "second")
    write(folder, 3)
    call(run, "job.py:job")
    assert "from the cache" in call(explain, "first")
    told = call(explain, "second")
    assert "2  second: ran, compared with run" in told
    assert "global job:FACTOR: 2 → 3" in told
    (found,) = json.loads(call(explain, "second", "--json"))["items"]
    assert found["outcome"] == "executed"
    assert found["changes"] == [{"ingredient": "global job:FACTOR", "before": "2", "after": "3"}]
    assert found["ingredients"]["argument x"] == "2"
    assert "function job:scaled = " in call(explain, "second", "--ingredients")


def test_it_says_what_would_run_now(folder: Path) -> None:
    write(folder, 2)
    call(run, "job.py:job")
    assert "would run" not in call(explain, "job.py:job")
    write(folder, 3)
    told = call(explain, "job.py:job")
    assert "1  first: from the cache" in told
    assert "2  second: would run (global job:FACTOR: 2 → 3)" in told
    told = call(explain, "job.py:job", "x=5")
    assert "1  first: would run (argument x: 1 → 5)" in told
    assert "second" not in told


def test_a_step_that_no_run_had_is_not_found(folder: Path) -> None:
    write(folder, 2)
    call(run, "job.py:job")
    with pytest.raises(NotFound, match="did you mean second"):
        call(explain, "secnd")
