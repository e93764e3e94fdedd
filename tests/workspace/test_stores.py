"""Where a project keeps its rows: in its folder, or in a PostgreSQL database that it shares."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from clew.core.errors import Corrupt, Exists, Invalid, Unavailable
from clew.testing.postgres import PostgresServer
from clew.workspace import Workspace, init_project


def project_of(folder: Path, url: str) -> str:
    with Workspace(folder, environ={"CLEW_LEDGER": url}) as workspace:
        return workspace.stores.project


def test_projects_share_a_ledger_by_name(tmp_path: Path, postgres_url: str) -> None:
    around = {"CLEW_LEDGER": postgres_url}
    for name in ("one", "two"):
        init_project(tmp_path / name, environ=around)
        assert not (tmp_path / name / ".clew" / "ledger.db").exists()
    with Workspace(tmp_path / "one", environ=around) as one, Workspace(tmp_path / "two", environ=around) as two:
        with one.stores.ledger.read() as tx:
            assert [project.name for project in tx.projects.list()] == ["one", "two"]
            assert tx.events.count(one.stores.project) == tx.events.count(two.stores.project) == 1
        assert one.stores.project != two.stores.project


def test_the_setting_in_the_file_is_enough(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "clew.toml").write_text(f'[project]\nname = "p"\n[storage]\nledger = "{postgres_url}"\n')
    init_project(tmp_path, environ={})
    with Workspace(tmp_path, environ={}) as workspace, workspace.stores.ledger.read() as tx:
        assert tx.projects.get("p").id == workspace.stores.project


def test_a_renamed_project_stays_the_same(tmp_path: Path, postgres_url: str) -> None:
    init_project(tmp_path / "p", environ={"CLEW_LEDGER": postgres_url})
    before = project_of(tmp_path / "p", postgres_url)
    (tmp_path / "p" / "clew.toml").write_text('[project]\nname = "renamed"\n')
    assert project_of(tmp_path / "p", postgres_url) == before


def test_a_name_that_another_folder_has_is_refused(tmp_path: Path, postgres_url: str) -> None:
    around = {"CLEW_LEDGER": postgres_url}
    init_project(tmp_path / "a" / "p", environ=around)
    with pytest.raises(Exists, match=r"project 'p' exists already\n.*CLEW_PROJECT"):
        init_project(tmp_path / "b" / "p", environ=around)
    assert not (tmp_path / "b" / "p" / ".clew").exists()
    init_project(tmp_path / "b" / "p", environ=around | {"CLEW_PROJECT": "q"})


def test_a_project_is_not_looked_for_in_another_ledger(
    tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    init_project(tmp_path / "shared", environ={"CLEW_LEDGER": postgres_url})
    with pytest.raises(Invalid, match=r"keeps its ledger in postgresql://postgres@/.*\n.*CLEW_LEDGER"):
        Workspace(tmp_path / "shared", environ={})
    other = postgres.make()
    with pytest.raises(Invalid, match="does not hold the project"):
        Workspace(tmp_path / "shared", environ={"CLEW_LEDGER": other})
    postgres.drop(other)
    init_project(tmp_path / "alone", environ={})
    with pytest.raises(Invalid, match=r"keeps its ledger in .*ledger\.db.*\n.*CLEW_LEDGER=sqlite"):
        Workspace(tmp_path / "alone", environ={"CLEW_LEDGER": postgres_url})


def test_a_project_that_was_claimed_and_not_added_is_added(tmp_path: Path, postgres_url: str) -> None:
    init_project(tmp_path, environ={"CLEW_LEDGER": postgres_url, "CLEW_PROJECT": "first"})
    file = tmp_path / ".clew" / "project.json"
    said = json.loads(file.read_text())
    assert said["added"]
    file.write_text(json.dumps({"project": "0" * 32, "ledger": said["ledger"]}))  # killed between the two
    with Workspace(tmp_path, environ={"CLEW_LEDGER": postgres_url, "CLEW_PROJECT": "second"}) as workspace:
        assert workspace.stores.project == "0" * 32
    assert json.loads(file.read_text())["added"]
    file.write_text("{")
    with pytest.raises(Corrupt, match=r"project\.json is damaged"):
        Workspace(tmp_path, environ={"CLEW_LEDGER": postgres_url})


def test_processes_that_start_at_once_make_one_project(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "p" / ".clew").mkdir(parents=True)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(project_of(tmp_path / "p", postgres_url))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_no_password_is_shown_or_kept(tmp_path: Path) -> None:
    url = "postgresql://ann:s3cret@127.0.0.1:1/clew"
    with pytest.raises(Unavailable, match=r"postgresql://ann@127\.0\.0\.1:1/clew cannot be reached") as caught:
        init_project(tmp_path / "p", environ={"CLEW_LEDGER": url})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    (tmp_path / "clew.toml").write_text(f'[storage]\nledger = "{url}"\n')
    with pytest.raises(Invalid, match="holds a password") as refused:
        init_project(tmp_path, environ={})
    assert "s3cret" not in str(refused.value)
    for odd in ("mysql://ann:s3cret@h/d", "postgresql://ann:s3%ret@h/d"):
        with pytest.raises(Invalid) as refused:
            init_project(tmp_path / "q", environ={"CLEW_LEDGER": odd})
        assert "s3" not in str(refused.value)
