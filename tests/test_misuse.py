"""The Python API used wrongly: an error of clew says what is wrong, with which value, and what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import clew
from clew import facade
from clew.core.errors import ClewError, Invalid, NotFound
from clew.workspace import init_project

ROWS = pl.DataFrame({"a": [1.0, 2.0], "y": [0, 1]})


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(facade, "_open", {})


def logged(**values: Any) -> None:
    with clew.run("a", capture=False) as run:
        run.log(**values)


def after_its_end() -> None:
    with clew.run("a", capture=False) as run:
        pass
    run.log(x=1)


def model(**changes: Any) -> clew.Model:
    return clew.Model(**{"name": "late", "estimator": object(), "train": ROWS, **changes})


@clew.pipeline
def train(flights: clew.Dataset, depth: int = 1) -> int:
    return depth


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: clew.data("nothing"), NotFound, "'nothing'"),
        (lambda: clew.data("a@b@c"), Invalid, "'a@b@c' names no version"),
        (lambda: clew.data("@latest"), Invalid, "''"),
        (lambda: clew.data(7), Invalid, "7 is no reference"),
        (lambda: clew.data(None), Invalid, "None is no reference"),
        (lambda: clew.run(7), Invalid, "7 cannot be the name of a run"),
        (lambda: clew.run("a", experiment=7), Invalid, "7 cannot be the experiment"),
        (lambda: clew.run("a", params=[("lr", 1)]), Invalid, "params of a run are a list"),
        (lambda: clew.run("a", tags="good"), Invalid, "tags of a run are a str"),
        (lambda: clew.run("a", id="x"), Invalid, "belong together"),
        (after_its_end, Invalid, "has ended"),
        (lambda: model(name=7), Invalid, "7 cannot be the name of a model"),
        (lambda: model(name=""), Invalid, "'' cannot be the name of a model"),
        (lambda: model(test=ROWS), Invalid, "no label"),
        (lambda: model(threshold="0.5"), Invalid, "'0.5'"),
        (lambda: model(threshold=float("nan")), Invalid, "nan"),
        (lambda: model(threshold=True), Invalid, "True"),
        (lambda: model().inputs, Invalid, "are not known"),
        (lambda: model(features=["b"]).inputs, Invalid, "no column b"),
        (lambda: model(train={"a": [1]}, features=["a"]).inputs, Invalid, "a dict, which names no columns"),
        (lambda: clew.step(7), Invalid, "7 cannot be a step"),
        (lambda: clew.step(train), Invalid, "cannot be a step"),
        (lambda: clew.pipeline(7), Invalid, "7 cannot be a pipeline"),
        (lambda: clew.pipeline(train), Invalid, "cannot be a pipeline"),
        (lambda: train.run(), Invalid, "flights"),
        (lambda: train.run(flights="nothing@1"), NotFound, "nothing"),
        (lambda: train.run(flights="nothing@1", dept=2), Invalid, "dept"),
    ],
)
def test_a_mistake_is_named_with_its_value(act: Callable[[], object], error: type[ClewError], words: str) -> None:
    with pytest.raises(error) as caught:
        act()
    assert words in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"x": "text"}, "'x' has the value 'text'"),
        ({"x": None}, "'x' has the value None"),
        ({"x": [1, 2]}, "'x' has a value of type list"),
        ({"x": 1, "step": "a"}, "step 'a' is no number"),
    ],
)
def test_a_point_that_cannot_be_kept_does_not_end_a_training(
    values: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with clew.run("a", capture=False) as run:
        for _ in range(3):
            run.log(**values)
        run.log(y=1)
    told, end = capsys.readouterr().err.splitlines()
    assert words in told
    assert "3 points of run a could not be logged" in end
    (found,) = clew.runs()
    assert (found.info.status, list(found.metrics)) == ("finished", ["y"])


def test_names_of_the_package_are_functions_whatever_was_imported_before(tmp_path: Path) -> None:
    """`clew.data` and `clew.workspace` are submodules too, which Python binds to the same names when they load."""
    script = (
        "import clew.data.handle, clew.workspace, clew.cli.main, clew\n"
        "clew.run\n"
        "assert clew.workspace().root.name, clew.workspace\n"
        "for _ in range(2):\n"
        "    try: clew.data('nothing')\n"
        "    except clew.ClewError as error: print(error.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("not_found\nnot_found\n", 0), done.stderr
    for first in ("from clew import data", "import clew; clew.run; data = clew.data"):
        done = subprocess.run([sys.executable, "-c", f"{first}; assert callable(data)"], cwd=tmp_path, check=False)
        assert done.returncode == 0
