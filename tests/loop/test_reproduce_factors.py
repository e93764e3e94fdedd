"""Which recorded factor changed the result: each one is changed on purpose, and has to be named."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.cli.main import main
from clew.core.types.edge import Role
from clew.store.signing import open_key
from clew.workspace import open_workspace

PIPELINE = """
import clew
import polars
from clew.tracking.run import current_run
from helpers import scaled

@clew.step
def values(rows: clew.Dataset) -> list[float]:
    return [float(value) for value in rows.frame()["b"]]

@clew.step
def scale(numbers: list[float]) -> list[float]:
    return scaled(numbers)

@clew.step
def total(numbers: list[float]) -> float:
    \"\"\"Adds up as many parts as there are threads, as libraries do: how it rounds depends on their number.\"\"\"
    threads = polars.thread_pool_size()
    return sum(sum(numbers[part::threads]) for part in range(threads))

@clew.step
def order(words: list[str]) -> list[str]:
    return list({word for word in words})

@clew.pipeline
def train(rows: clew.Dataset, words: str = "a b c d e f g h"):
    found = total(scale(values(rows)))
    order(words.split())
    current_run().log(total=found, rounded=round(found, 3))
"""
HELPERS = "def scaled(numbers):\n    return [number * 0.1 for number in numbers]\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "rows.csv").write_text("a,b\n" + "".join(f"{at},{at / 7}\n" for at in range(1, 40)))
    (folder / "work.py").write_text(PIPELINE)
    (folder / "helpers.py").write_text(HELPERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["init"]) == 0
        assert main(["data", "add", "rows", "rows.csv"]) == 0
        (folder / "rows.csv").write_text((folder / "rows.csv").read_text().replace("1,0.14285714285714285", "1,0.25"))
        assert main(["data", "add", "rows", "rows.csv"]) == 0
        assert main(["data", "add", "others", "rows.csv"]) == 0
        patch.delenv("PYTHONHASHSEED", raising=False)
        subprocess.run([sys.executable, "-m", "clew", "run", "work.py:train", "rows=rows@1"], check=True)
    return folder


@pytest.fixture
def again(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What `clew reproduce train …` found."""
    monkeypatch.chdir(project)

    def call(*words: str) -> Any:
        main(["reproduce", "train", *words, "--json"])
        out, err = capfd.readouterr()
        return json.loads(out) if out else err

    return call


def causes(found: Any) -> list[str]:
    named = found["divergence"]["factors"] or found["divergence"]["suspects"]
    return [f"{each['kind']} {each['name']}: {each['recorded']} → {each['now']}" for each in named]


def same_steps(found: Any) -> dict[str, bool]:
    return {each["step"]: each["same"] for each in found["steps"]}


def test_nothing_changed_and_the_certificate_of_it(
    again: Callable[..., Any], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "certificate.json"
    found = again("--certificate", str(path))
    assert (found["verdict"], found["divergence"], found["factors"]) == ("bit-identical", None, [])
    assert found["using"] == []

    assert main(["runs", "show", "train", "--json"]) == 0
    [kept] = json.loads(capfd.readouterr().out)["certificates"]
    assert kept["statement"]["verdict"] == "bit-identical"
    assert kept["fingerprint"] == open_key().fingerprint
    assert main(["runs", "show", found["run"]]) == 0
    assert open_key().fingerprint[:12] in capfd.readouterr().out

    assert main(["reproduce", "--verify", str(path)]) == 0
    out = capfd.readouterr().out
    assert "the key of this user" in out
    assert "the same record" in out
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEW_SIGNING_KEY", str(tmp_path / "another.pem"))
    assert main(["reproduce", "--verify", str(path)]) == 0
    out = capfd.readouterr().out
    assert "got in another way" in out
    assert "of this project" not in out
    path.write_bytes(path.read_bytes().replace(b"bit-identical", b"same metrics!"))
    assert main(["reproduce", "--verify", str(path)]) != 0
    assert "does not hold" in capfd.readouterr().err


@pytest.mark.parametrize(("given", "used"), [("2", "rows@2"), ("others@1", "others@1")])
def test_one_cell_of_the_data(again: Callable[..., Any], given: str, used: str) -> None:
    found = again("--using", f"data:rows={given}")
    assert (found["verdict"], found["divergence"]["name"]) == ("different", "values")
    assert re.fullmatch(rf"data rows: rows@1 [0-9a-f]+ → {used} [0-9a-f]+", causes(found)[0])
    assert found["using"] == [f"data:rows={given}"]
    with open_workspace() as workspace:
        (edge,) = [
            each
            for each in workspace.services.lineage.up(f"run:{found['repeated']}", depth=1)
            if each.role is Role.INPUT
        ]
        assert workspace.datasets.version(edge.source[5:]).reference == used
    assert found["certificate"] == ""


def test_one_line_of_a_helper(again: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(HELPERS.replace("0.1", "0.2"))
    (tmp_path / "work.py").write_text(PIPELINE)
    found = again("--using", f"source={tmp_path}")
    assert (found["verdict"], found["divergence"]["name"]) == ("different", "scale")
    [cause] = causes(found)
    assert cause.startswith("code function helpers:scaled")
    assert same_steps(found) == {"values": True, "scale": False, "total": False, "order": True}


def test_a_run_that_fails_now_says_what_is_not_as_it_was(again: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("def scaled(numbers):\n    raise ValueError('no scale')\n")
    (tmp_path / "work.py").write_text(PIPELINE)
    said = again("--using", f"source={tmp_path}")
    assert "run train could not be repeated: step scale(" in said
    assert "raised ValueError: no scale\n" in said
    assert re.search("not as it was: .*code helpers.py: ", said)


def test_another_number_of_threads(again: Callable[..., Any]) -> None:
    found = again("--using", "threads=5")
    assert (found["verdict"], found["divergence"]["name"]) == ("within tolerance", "total")
    assert found["divergence"]["factors"] == []
    assert {each["kind"] for each in found["divergence"]["suspects"]} == {"threads"}
    assert any("OMP_NUM_THREADS" in cause and cause.endswith("→ 5") for cause in causes(found))


def test_another_hash_seed_and_the_same_metrics(again: Callable[..., Any]) -> None:
    found = again("--using", "seed=7")
    assert (found["verdict"], found["divergence"]["name"]) == ("same metrics", "order")
    assert causes(found) == ["seed hash seed: 0 → 7"]


def test_a_parameter_and_the_cause_as_a_picture(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["reproduce", "train", "--using", "parameter:words=x y"]) == 0
    out = capfd.readouterr().out
    assert "with parameter:words=x y" in out
    assert "first difference: step order" in out
    assert "because of argument words: a b c d e f g h → x y" in out


def test_each_of_several_changes_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["reproduce", "train", "--using", "seed=0", "--using", "parameter:words=x", "--one-by-one"]) == 0
    out = capfd.readouterr().out
    assert "seed=0: bit-identical" in out
    assert "parameter:words=x: same metrics, from step order" in out


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("threads=none", "changes nothing that is known"),
        ("threads=0", "changes nothing that is known"),
        ("weather=rain", "package:NAME=VERSION"),
        ("source=/nowhere/at/all", "no folder"),
        ("data:other=1", "no dataset"),
        ("data:rows=9", "no version"),
    ],
)
def test_changes_that_cannot_be_made(again: Callable[..., Any], word: str, said: str) -> None:
    assert said in again("--using", word)
