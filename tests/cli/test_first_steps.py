"""What a newcomer gets wrong around runs is answered with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.cli.main import main
from clew.workspace import init_project


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(init_project(tmp_path / "flights"))
    return Path.cwd()


@pytest.mark.parametrize(
    ("end", "told"),
    [("", True), ("if __name__ == '__main__':\n    train.run()\n", False)],
    ids=["runs none", "runs one"],
)
def test_a_script_of_pipelines_that_runs_none_is_pointed_out(
    project: Path, capfd: pytest.CaptureFixture[str], end: str, told: bool
) -> None:
    (project / "pipes.py").write_text(f"import clew\n\n@clew.pipeline\ndef train():\n    return 1\n\n{end}")
    assert main(["run", "pipes.py"]) == 0
    said = "pipes.py makes pipelines and runs none: clew run pipes.py:train NAME=VALUE"
    assert (said in capfd.readouterr().err) is told


def test_a_script_may_remove_itself(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "once.py").write_text("import os\n\nos.remove(__file__)\n")
    assert main(["run", "once.py"]) == 0
    assert "finished: clew runs show" in capfd.readouterr().err


def test_the_name_of_a_version_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "show", "delay@1"]) == 3
    assert "clew model show delay@1 says which run made a version" in capsys.readouterr().err


def test_outside_of_any_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["runs", "list"], ["doctor"]):
        assert main(words) == 3
        assert f"there is no project in {tmp_path}, nor in a folder above it" in capsys.readouterr().err
