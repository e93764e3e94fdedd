"""A whole project, moved up and back down again: nothing is lost, and nothing else is touched."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from clew.audit.verify import verify
from clew.core.clock import SystemClock
from clew.core.errors import ClewError, Conflict, Exists, Invalid, Unavailable
from clew.core.ids import Ids
from clew.core.types.edge import Role
from clew.core.types.run import Run, RunKind, RunStatus
from clew.loop.moving import Moved, move, plan_of
from clew.loop.moving.shipment import _takes
from clew.store.ledger.sql.migrate import migrations
from clew.store.ledger.sql.rows import ACCOUNTS, COLUMNS, DERIVED, TABLES
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.postgres import PostgresServer
from clew.workspace import Workspace, init_project

Around = dict[str, str]


@pytest.fixture
def root(grown: Path, tmp_path: Path) -> Path:
    """A project with everything in it."""
    return Path(shutil.copytree(grown, tmp_path / "flights"))


def a_run(id: str, project: str) -> Run:
    return Run(
        id=id,
        project=project,
        experiment="",
        name="r",
        kind=RunKind.SCRIPT,
        status=RunStatus.RUNNING,
        created_us=1,
        created_by="ann",
    )


def moved(root: Path, around: Around, *places: str) -> Moved:
    with Workspace(root, environ=around) as workspace:
        return move(workspace.stores, root, plan_of(places), cache_gb=1, tell=lambda *_: None)


def content(root: Path, around: Around) -> dict[str, object]:
    """All that the project holds: digests of its rows, and of every object."""
    with Workspace(root, environ=around) as workspace:
        stores = workspace.stores
        with stores.ledger.read() as tx:
            rows = tx.rows_of(stores.project).digests()  # type: ignore[attr-defined]
        objects = sorted(stores.objects.list())
        assert all(stores.objects.get(digest) is not None for digest in objects[:50])
        return {**rows, "objects": objects}


def unmoved(found: dict[str, object]) -> dict[str, object]:
    """Without what a move itself writes, an event."""
    return {what: value for what, value in found.items() if what not in ("events", "chain_tails")}


def check(root: Path, around: Around) -> None:
    """The project works: its chain holds, runs are found, and it can be written."""
    with Workspace(root, environ=around) as workspace:
        stores = workspace.stores
        with stores.ledger.write(within=f"chain:{stores.project}") as tx:
            while tx.events.seal(stores.project):
                pass
            assert tx.events.list(stores.project, kind="project.moved").items
            assert list(tx.disagreements()) == []
            runs = tx.runs.list(stores.project).items
        assert list(verify(stores).problems) == []
        assert runs
        assert workspace.runs.get(runs[0].id[:12]).id == runs[0].id
        with stores.ledger.write() as tx:
            stores.tell(tx, "project.added", f"project:{stores.project}", {"name": "again"})


def test_every_table_has_its_place() -> None:
    """A table that a migration adds must be moved, or made anew."""
    ledger = SqliteLedger(Path(":memory:"))
    with ledger.read() as tx:
        names = {row[0] for row in tx._c.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == TABLES.keys() | ACCOUNTS.keys() | DERIVED
        kinds = {"TEXT": "", "BIGINT": 0, "DOUBLE PRECISION": 0.5, "BLOB": b""}
        for table, columns in COLUMNS.items():
            info = [row for row in tx._c.rows(f"PRAGMA table_info({table})") if row[1] != "arrival"]
            assert {row[1] for row in info} == set(columns), table
            for _, name, kind, filled, _, key in info:  # what a server takes of a shipment
                assert [_takes(table, name, value) for value in kinds.values()] == [
                    of == kind or (of == "BIGINT" and kind == "DOUBLE PRECISION") for of in kinds
                ], (table, name)
                assert _takes(table, name, None) is not bool(filled or key), (table, name)
    ledger.close()
    assert migrations()


def test_rows_go_to_a_database_and_come_back(root: Path, postgres_url: str) -> None:
    before = content(root, {})
    done = moved(root, {}, postgres_url)
    assert [part.what for part in done.parts if part.here != part.there] == []
    above = {"CLEW_LEDGER": postgres_url}
    assert unmoved(content(root, above)) == unmoved(before)
    check(root, above)
    with pytest.raises(Invalid, match="keeps its ledger in postgresql"):
        Workspace(root, environ={})
    moved(root, above, "folder")
    assert unmoved(content(root, {})) == unmoved(before)
    check(root, {})
    assert not (root / ".clew" / "project.json").exists()


def test_bytes_go_to_another_folder_and_come_back(root: Path, tmp_path: Path) -> None:
    before = content(root, {})
    done = moved(root, {}, str(tmp_path / "disk"))
    assert [(part.what, part.here, part.there) for part in done.parts] == [
        ("objects", len(before["objects"]), len(before["objects"]))  # type: ignore[arg-type]
    ]
    shutil.move(root / ".clew" / "objects", tmp_path / "before")
    assert content(root, {}) == before
    moved(root, {}, "folder")
    shutil.rmtree(tmp_path / "disk")
    assert content(root, {}) == before


def test_up_again_replaces_what_was_there_before(root: Path, postgres_url: str) -> None:
    above = {"CLEW_LEDGER": postgres_url}
    moved(root, {}, postgres_url)
    check(root, above)
    moved(root, above, "folder")
    check(root, {})
    before = content(root, {})
    moved(root, {}, postgres_url)
    assert unmoved(content(root, above)) == unmoved(before)
    check(root, above)


def test_projects_of_one_database_do_not_touch_each_other(root: Path, postgres_url: str, tmp_path: Path) -> None:
    above = {"CLEW_LEDGER": postgres_url}
    init_project(tmp_path / "other", environ=above)
    with Workspace(tmp_path / "other", environ=above) as workspace:
        ids = Ids(SystemClock())
        run = a_run(ids(), workspace.stores.project)
        workspace.runs.create(run, experiment="e")
        workspace.runs.link(run.id, "data:x", Role.INPUT)
    other = content(tmp_path / "other", above)
    moved(root, {}, postgres_url)
    assert content(tmp_path / "other", above) == other
    moved(root, above, "folder")
    assert content(tmp_path / "other", above) == other


def test_a_name_that_is_taken_is_refused(root: Path, postgres_url: str, tmp_path: Path) -> None:
    with Workspace(root, environ={}) as workspace, workspace.stores.ledger.read() as tx:
        name = tx.projects.list()[0].name
    init_project(tmp_path / "other", name=name, environ={"CLEW_LEDGER": postgres_url})
    before = content(root, {})
    with pytest.raises(Exists):
        moved(root, {}, postgres_url)
    assert content(root, {}) == before


def test_runs_that_another_project_has_there_are_refused_before_anything_is_sent(
    root: Path, postgres_url: str, tmp_path: Path
) -> None:
    above = {"CLEW_LEDGER": postgres_url}
    with Workspace(root, environ={}) as workspace:
        run = workspace.runs.list().items[0].id
    init_project(tmp_path / "other", environ=above)
    with Workspace(tmp_path / "other", environ=above) as workspace:
        workspace.runs.create(a_run(run, workspace.stores.project), experiment="e")
    before = content(root, {})
    with pytest.raises(Conflict, match="models of this project, 1 are in 'other' at the target"):
        moved(root, {}, postgres_url, str(tmp_path / "disk"))
    assert content(root, {}) == before
    assert not list((tmp_path / "disk").rglob("*.pack"))


def test_projects_that_share_a_file_stay(root: Path, postgres_url: str) -> None:
    with Workspace(root, environ={}) as workspace:
        workspace.accounts.add_project("other")
    with pytest.raises(Conflict, match="other would be left behind"):
        moved(root, {}, postgres_url)
    assert content(root, {})


def test_a_state_that_went_on_there_is_not_overwritten(root: Path, postgres_url: str) -> None:
    """Somebody goes on with the old ledger beside the new one, and moves it up once more."""
    above = {"CLEW_LEDGER": postgres_url}
    copy = Path(shutil.copytree(root, root.parent / "copy"))
    moved(root, {}, postgres_url)
    check(root, above)
    with pytest.raises(Conflict, match="not the ones here"):
        moved(copy, {}, postgres_url)


def test_who_still_has_the_old_ledger_open_is_told(root: Path, postgres_url: str) -> None:
    with Workspace(root, environ={}) as late:
        moved(root, {}, postgres_url)
        with pytest.raises(Unavailable, match="has moved to postgresql"), late.stores.ledger.write() as tx:
            late.stores.tell(tx, "project.added", "project:x", {})
    assert (root / ".clew" / "ledger.moved.db").exists()


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("at", ["begin_switch", "check_known_name", "ProjectRows.copy_to", "before", "finish_switch"])
def test_a_move_that_is_killed_goes_on(root: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    module = import_module("clew.loop.moving.move")

    before = content(root, {})

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if at == "ProjectRows.copy_to":
            real: Callable[..., object] = module.ProjectRows.copy_to

            def dies_late(*args: object, **named: object) -> None:
                real(*args, **named)
                raise Killed

            patched.setattr(module.ProjectRows, "copy_to", dies_late)
        else:
            patched.setattr(module, "copy_objects" if at == "before" else at, dies)
        with pytest.raises(Killed):
            moved(root, {}, postgres_url, str(root.parent / "disk"))
    above = {"CLEW_LEDGER": postgres_url}
    if at != "finish_switch":
        assert content(root, {}) == before
        moved(root, {}, postgres_url, str(root.parent / "disk"))
    assert unmoved(content(root, above)) == unmoved(before)
    check(root, above)


@pytest.mark.parametrize(
    "word",
    [
        "elsewhere",
        "Folder/",
        "s3:bucket",
        "s3:/bucket/clew",
        "localhost:8430",
        "localhost:8430/",
        "db.example.org/clew",
    ],
)
def test_a_word_that_may_be_a_slip_makes_no_folder(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid, match="no folder") as caught:
        plan_of((word,))
    assert "a new folder is ./NAME" in caught.value.hint
    (tmp_path / "mounted").mkdir()
    for meant in ("mounted", "./elsewhere", "mounted/clew", str(tmp_path / "absolute")):
        assert plan_of((meant,)).objects == str(tmp_path / meant)


def test_places_that_are_none_are_refused(root: Path) -> None:
    with pytest.raises(Invalid, match="cannot both"):
        plan_of(("https://host", "s3://bucket"))
    with pytest.raises(Invalid, match="and they stay"):
        plan_of(("s3://bucket",), name="trains")
    with pytest.raises(Invalid, match="cannot both"):
        plan_of(("folder", "s3://bucket"))
    with pytest.raises(Invalid, match="neither folder, nor"):
        plan_of(("ftp://host/clew",))
    with pytest.raises(Invalid, match="there already"):
        moved(root, {}, "folder")
    with pytest.raises(Invalid, match="did you mean folder"):
        plan_of(("Foldr",))
    with pytest.raises(ClewError):
        moved(root, {}, "postgresql://nobody@127.0.0.1:9/nothing")


def test_the_old_ledger_is_left_as_it_was(root: Path, postgres: PostgresServer, postgres_url: str) -> None:
    def rows(file: Path) -> list[tuple[object, ...]]:
        with sqlite3.connect(file) as c:
            found = c.execute("SELECT id, document FROM runs ORDER BY id").fetchall()
        c.close()
        return found

    before = rows(root / ".clew" / "ledger.db")
    moved(root, {}, postgres_url)
    assert rows(root / ".clew" / "ledger.moved.db") == before
    assert list((root / ".clew" / "objects").rglob("*.pack"))
