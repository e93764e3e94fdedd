"""`clew runs artifacts` and `objects`: the files of a run, here and from a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.core.types.run import Artifact
from clew.testing.runs import a_run
from clew.testing.serving import serving
from clew.tracking.start import start
from clew.workspace import init_project, open_workspace

Say = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which the run `mlp` kept three files."""
    root = init_project(tmp_path / "flights")
    monkeypatch.chdir(root)
    with open_workspace() as workspace, start(workspace.recorder, "mlp", capture=False) as run:
        run.save("figures/auc.png", b"picture")
        run.save("figures/deep/loss.png", b"another")
        run.save("notes.json", {"depth": 4})
    return root


def paths_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("project")
def test_files_are_listed_with_their_sizes(capsys: pytest.CaptureFixture[str], say: Say) -> None:
    from clew.cli.main import main

    found = say("runs", "artifacts", "mlp")["items"]
    assert [each["path"] for each in found] == ["figures/auc.png", "figures/deep/loss.png", "notes.json"]
    assert [each["path"] for each in say("runs", "artifacts", "mlp", "figures/deep")["items"]] == [found[1]["path"]]
    assert main(["runs", "artifacts", "mlp", "figures/auc.png"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["figures/auc.png", "7", "B", "image/png"]
    assert "did you mean figures/auc.png" in say("runs", "artifacts", "mlp", "figure/auc.png", code=3)


def test_files_come_into_a_folder_and_replace_nothing(project: Path, say: Say) -> None:
    files = project / "files"
    words = ["runs", "artifacts", "mlp", "--output", str(files)]
    say(*words)
    assert paths_in(files) == ["figures/auc.png", "figures/deep/loss.png", "notes.json"]
    (files / "notes.json").write_text("mine")
    assert "--force" in say(*words, code=4)
    assert (files / "notes.json").read_text() == "mine"
    say(*words, "--force")
    assert (files / "figures/auc.png").read_bytes() == b"picture"
    assert "4" in (files / "notes.json").read_text()
    say("runs", "artifacts", "mlp", "notes.json", "--output", str(project / "one"))
    assert paths_in(project / "one") == ["notes.json"]
    assert "--force goes with --output" in say("runs", "artifacts", "mlp", "--force", code=2)


def test_files_come_from_a_server(project: Path, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    with serving(project, open=True) as (address, _):
        monkeypatch.chdir(tmp_path / "elsewhere")
        monkeypatch.setenv("CLEW_SERVER", f"{address}/projects/flights")
        say("runs", "artifacts", "mlp", "figures", "--output", "files")
    assert paths_in(tmp_path / "elsewhere" / "files") == ["figures/auc.png", "figures/deep/loss.png"]
    assert (tmp_path / "elsewhere" / "files" / "figures" / "auc.png").read_bytes() == b"picture"


def test_logged_objects_are_listed_and_written(project: Path, say: Say) -> None:
    with open_workspace() as workspace, start(workspace.recorder, "shows", capture=False) as run:
        for step in range(2):
            run.log_object("note", f"at {step}", step=step)
    listed = say("runs", "objects", "shows", "note", "--output", str(project / "shown"))["items"]
    assert [(one["key"], one["step"], one["form"]) for one in listed] == [("note", 0.0, "text"), ("note", 1.0, "text")]
    last = project / "shown/logged/note/000000000001.txt"
    assert last.read_text() == "at 1"
    last.write_text("mine")
    assert "--force" in say("runs", "objects", "shows", "note", "--output", str(project / "shown"), code=4)
    assert last.read_text() == "mine"


@pytest.mark.parametrize("command", ["artifacts", "objects"])
@pytest.mark.parametrize("path", ["../outside", "/outside"])
def test_files_stay_in_their_folder(project: Path, say: Say, command: str, path: str) -> None:
    with open_workspace() as workspace:
        digest = workspace.objects.put(b"not yours")
        workspace.runs.create(a_run("1" * 32, project=workspace.stores.project, name="odd"), experiment="e")
        odd = Artifact(run="1" * 32, path=path, digest=digest, size_bytes=9, media_type="", created_us=1, key="k")
        workspace.runs.add_artifact(odd)
    said = say("runs", command, "odd", "--output", str(project / "shown"), code=2)
    assert f"'{path}' cannot name an artifact" in said
    assert not (project / "outside").exists()
    assert not (project / "shown").exists()
