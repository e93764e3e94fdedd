"""A whole project moves into a server: nothing is lost, nothing that is there is touched, and nothing false gets in."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.audit.seal import seal
from clew.audit.verify import verify
from clew.client.objects import HttpObjects
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError, Conflict, Corrupt, Denied, Exists, Invalid, Unavailable
from clew.core.hashing import Hasher
from clew.core.types.account import ProjectRole
from clew.core.types.project import Project
from clew.core.types.run import RunStatus
from clew.loop.moving import Moved, move, plan_of
from clew.loop.moving.shipment import check_magic, pack, read_bill, read_pages
from clew.loop.moving.take_in import take_in
from clew.store.ledger.sql.rows import TABLES, ProjectRows
from clew.tracking.runs import LedgerRuns
from clew.tracking.start import start
from clew.workspace import Workspace


@pytest.fixture
def root(grown: Path, tmp_path: Path) -> Path:
    """A project with everything in it."""
    return Path(shutil.copytree(grown, tmp_path / "flights"))


@pytest.fixture
def served(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server, and a token for who runs it in the environment."""
    found = serve()
    monkeypatch.setenv("CLEW_TOKEN", found.token("boss", admin=True))
    return found


def moved(root: Path, place: str, name: str = "") -> Moved:
    with Workspace(root, environ={}) as workspace:
        return move(workspace.stores, root, plan_of([place], name=name), cache_gb=1, tell=lambda *_: None)


def content(stores: Stores) -> dict[str, Any]:
    """All that a project holds, but for the event of a move and what a server keeps of people."""
    with stores.ledger.read() as tx:
        rows: dict[str, Any] = tx.rows_of(stores.project).digests()  # type: ignore[attr-defined]
    left = {table: found for table, found in rows.items() if table not in ("events", "chain_tails", "members")}
    return {**left, "objects": sorted(stores.objects.list())}


def here(root: Path) -> dict[str, Any]:
    with Workspace(root, environ={}) as workspace:
        return content(workspace.stores)


def there(served: Any, name: str = "flights") -> Stores:
    project = served.host.project(name)
    stores: Stores = served.host.stores(project, actor="test")
    return stores


def at_server(root: Path, served: Any, name: str = "flights") -> Workspace:
    return Workspace(root, environ={**os.environ, "CLEW_SERVER": f"{served.url}/projects/{name}"})


def test_a_project_goes_on_where_it_has_moved(root: Path, served: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with Workspace(root, environ={}) as workspace:
        runs = workspace.runs.list().items
        before = content(workspace.stores)
    done = moved(root, served.url)
    assert done.ledger == f"{served.url}/projects/flights"
    assert {part.what: part.there for part in done.parts}["runs"] == len(runs) == 3
    assert content(there(served)) == before
    seal(there(served))
    assert verify(there(served)).holds
    with at_server(root, served) as workspace:
        assert workspace.runs.list().items == runs
        assert [version.number for version in workspace.models.versions("delay").items] == [3, 2, 1]
        assert [event.kind for event in workspace.services.events.list(limit=1).items] == ["project.moved"]
        with start(workspace.recorder, "after", capture=False, say=lambda _: None) as run:
            run.log(loss=1.0)
        assert workspace.runs.get("after").status is RunStatus.FINISHED
    with pytest.raises(Invalid, match="is on a server") as refused:
        Workspace(root, environ={})
    assert f"CLEW_SERVER={served.url}/projects/flights" in refused.value.hint
    assert (root / ".clew" / "ledger.moved.db").exists()


def test_what_it_declares_goes_along(root: Path, served: Any) -> None:
    kept: list[tuple[Project, str]] = []
    served.host.__dict__["keep_settings"] = lambda project, text: kept.append((project, text))
    moved(root, served.url)
    [(project, text)] = kept
    assert project.name == "flights"
    assert text == (root / "clew.toml").read_text()


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("at", ["copy_objects", "pack", "_ship", "begin_switch", "finish_switch"])
def test_a_move_that_is_killed_goes_on(root: Path, served: Any, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    module = import_module("clew.loop.moving.to_server")
    before, real = here(root), getattr(module, at)

    def dies(*given: Any, **named: Any) -> None:
        if at == "pack":  # half of it is written
            named["file"].write(b"half")
        elif at != "begin_switch":
            real(*given, **named)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, at, dies)
        with pytest.raises(Killed):
            moved(root, served.url)
    if at != "finish_switch":
        assert here(root) == before
        if at == "begin_switch":  # it is there, and its move is in the chain already
            seal(there(served))
        moved(root, served.url)
    arrived, lost = content(there(served)), before.pop("objects")
    assert set(lost) <= set(arrived.pop("objects"))  # and the rows of an attempt that did not come to its end
    assert arrived == before
    with at_server(root, served) as workspace:
        assert len(workspace.runs.list().items) == 3
    with pytest.raises(Invalid, match="is on a server"):
        Workspace(root, environ={})
    seal(there(served))
    assert verify(there(served)).holds
    assert not list((root / ".clew").glob("move*"))


def killed_at_its_end(root: Path, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A move that is killed when everything is at the server, and the folder does not know it yet."""

    def dies(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(import_module("clew.loop.moving.to_server"), "begin_switch", dies)
        with pytest.raises(Killed):
            moved(root, served.url)


def test_a_run_that_the_server_gave_up_meanwhile_does_not_hold_up_the_move(
    root: Path, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project is at both places after a kill, and the server looks for runs without a sign of life."""
    with Workspace(root, environ={}) as workspace:
        start(workspace.recorder, "elsewhere", capture=False, say=lambda _: None).finish()
        runs, run = LedgerRuns(workspace.stores), workspace.runs.get("elsewhere").id
        runs.resume(run)
        runs.beat(run)
    killed_at_its_end(root, served, monkeypatch)
    with there(served).ledger.read() as tx:
        (beat,) = tx.beats.list(there(served).project)
    assert LedgerRuns(there(served)).lose(beat, reason="no sign of life")
    seal(there(served))
    moved(root, served.url)
    with at_server(root, served) as workspace:
        assert workspace.runs.get("elsewhere").status is RunStatus.RUNNING


def test_what_went_on_there_is_not_replaced(root: Path, served: Any) -> None:
    copy = Path(shutil.copytree(root, root.parent / "copy"))
    moved(root, served.url)
    with at_server(root, served) as workspace, start(workspace.recorder, "after", capture=False, say=lambda _: None):
        pass
    before = content(there(served))
    for _ in range(2):  # once before those events are in the chain, once behind
        with pytest.raises(Conflict, match="not the ones here"):
            moved(copy, served.url)
        assert content(there(served)) == before
        seal(there(served))
    assert here(copy)


def test_a_name_that_is_taken_is_refused_and_another_one_taken(root: Path, served: Any) -> None:
    with served.host.ledger.write() as tx:
        tx.projects.add(Project(id="0" * 32, name="flights", created_us=1))
    before = here(root)
    with pytest.raises(Exists):
        moved(root, served.url)
    assert here(root) == before
    assert moved(root, served.url, name="trains").ledger == f"{served.url}/projects/trains"
    with at_server(root, served, "trains") as workspace:
        assert len(workspace.runs.list().items) == 3
    assert there(served, "flights").project == "0" * 32


def test_a_project_that_is_there_keeps_its_name(root: Path, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_at_its_end(root, served, monkeypatch)
    assert served.host.find_project("flights")  # what serves it knows it by this name from now on
    with pytest.raises(Conflict, match="there already, as 'flights'"):
        moved(root, served.url, name="trains")
    assert moved(root, served.url).ledger == f"{served.url}/projects/flights"


def test_runs_that_another_project_has_there_are_refused_before_anything_is_sent(root: Path, served: Any) -> None:
    """As after a second import of the same runs, which keep their ids."""
    with Workspace(root, environ={}) as workspace:
        runs = workspace.runs.list().items
    with served.host.ledger.write() as tx:
        for run in runs[:2]:
            tx.runs.add(msgspec.structs.replace(run, project="p"))
    before = here(root)
    with pytest.raises(Conflict, match="models of this project, 2 are in 'late' at the target") as refused:
        moved(root, served.url)
    assert "keep their ids" in refused.value.hint
    assert here(root) == before
    with Workspace(root, environ={}) as workspace:
        coming = served.host.stores(Project(id=workspace.stores.project, name="", created_us=0), actor="boss")
    assert list(coming.objects.list()) == []


def test_what_it_declares_is_read_before_it_is_there(root: Path, served: Any) -> None:
    with Workspace(root, environ={}) as workspace:
        project = workspace.stores.project
        rows = rows_of(workspace.stores)
    arriving = served.connection(served.token("admin", admin=True)).to_arriving(project)
    told = {"rows": HttpObjects(arriving).put(rows), "settings": "[gate"}
    with pytest.raises(Invalid):
        arriving.send("POST", "", told)
    assert served.host.find_project("flights") is None


def test_whom_the_server_does_not_know_is_refused(
    root: Path, served: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = here(root)
    monkeypatch.setenv("CLEW_TOKEN", "wrong")
    with pytest.raises(Denied, match="does not know this token"):
        moved(root, served.url)
    monkeypatch.setenv("CLEW_TOKEN", served.token("ann", ProjectRole.ADMIN))
    with pytest.raises(Denied, match="ann does not run this server"):
        moved(root, served.url)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="cannot be reached"):
            moved(root, f"http://127.0.0.1:{nobody.getsockname()[1]}")
    with pytest.raises(ClewError):
        moved(root, "http://")
    assert here(root) == before


def test_decisions_that_wait_keep_it_here(root: Path, served: Any) -> None:
    waiting = root / ".clew" / "decisions" / "e" / "replica-1" / "0.seg"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(b"")
    with pytest.raises(Conflict, match="decisions of an endpoint wait"):
        moved(root, served.url)


def rows_of(stores: Stores) -> bytes:
    with stores.ledger.read() as tx:
        file = BytesIO()
        pack(tx.rows_of(stores.project), project=stores.project, name="flights", file=file)  # type: ignore[attr-defined]
    return file.getvalue()


def with_run(row: tuple[object, ...], stores: Stores) -> bytes:
    """A shipment with a run that is none."""

    class Rows:
        def digests(self) -> dict[str, Any]:
            return {}

        def pages(self, table: str) -> Any:
            found = tuple(stores.project if value == "mine" else value for value in row)
            return iter([[found]] if table == "runs" else [])

    file = BytesIO()
    pack(Rows(), project=stores.project, name="flights", file=file)  # type: ignore[arg-type]
    return file.getvalue()


def nothing(stores: Stores) -> bytes:
    """A shipment of a project without its own row."""

    class Rows:
        def digests(self) -> dict[str, Any]:
            return {table: (0, Hasher().hexdigest()) for table in TABLES if table != "series_sources"}

        def pages(self, table: str) -> Any:
            return iter([])

    file = BytesIO()
    pack(Rows(), project=stores.project, name="flights", file=file)  # type: ignore[arg-type]
    return file.getvalue()


def test_an_object_that_is_no_shipment_stays(root: Path, served: Any) -> None:
    moved(root, served.url)
    stores = there(served)
    digest = next(iter(stores.objects.list()))
    arriving = served.connection(served.token("admin", admin=True)).to_arriving(stores.project)
    with pytest.raises(Corrupt, match="no rows of a project"):
        arriving.send("POST", "", {"rows": digest})
    assert not stores.objects.missing([digest])


def test_rows_that_are_not_what_they_say_do_not_get_in(
    root: Path, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = served.connection(served.token("admin", admin=True))

    def arrives(change: Callable[[Stores], bytes]) -> None:
        with Workspace(root, environ={}) as workspace:
            project = workspace.stores.project
            stores = served.host.stores(Project(id=project, name="", created_us=0), actor="boss")
            take_in(stores, stores.objects.put(change(workspace.stores)))

    def of_another(stores: Stores) -> bytes:
        """A run of the project p among them."""
        real = ProjectRows.pages

        def pages(self: ProjectRows, table: str) -> Any:
            for page in real(self, table):
                yield [(*row[:1], "p", *row[2:]) for row in page] if table == "runs" else page

        with monkeypatch.context() as patched:
            patched.setattr(ProjectRows, "pages", pages)
            return rows_of(stores)

    def edited(stores: Stores) -> bytes:
        """A version that does not agree with its event."""
        with stores.ledger.write() as tx:
            assert tx._c.change("UPDATE model_versions SET document = REPLACE(document, 'delay', 'delax')")  # type: ignore[attr-defined]
        return rows_of(stores)

    with pytest.raises(Corrupt, match="runs did not arrive"):
        arrives(of_another)
    with pytest.raises(Corrupt, match="cut short"):
        arrives(lambda stores: rows_of(stores)[:-10])
    with pytest.raises(Corrupt, match="no rows of a project"):
        arrives(lambda _: b"something else")
    with pytest.raises(Corrupt, match="do not hold"):
        arrives(edited)
    for row, says in (
        (("a", "b"), "do not belong here"),
        (({"a": 1},) * 8, "do not belong here"),
        (("a", "mine", "e", None, "finished", "", 0, "{}"), "do not belong here"),
        (("a", "mine", "e", "n", "finished", "", 1 << 63, "{}"), "do not belong here"),
        (("a", "mine", "e", "n", "finished", "", "0", "{}"), "do not belong here"),
        (("a", "mine", "e", "n", "finished", "", 0, "no JSON"), "cannot be read"),
    ):
        with pytest.raises(Corrupt, match=says):
            arrives(partial(with_run, row))
    with pytest.raises(Corrupt, match="no row of a project"):
        arrives(nothing)
    with Workspace(root, environ={}) as workspace:
        digest = HttpObjects(admin.to_arriving("1" * 32)).put(rows_of(workspace.stores))
    with pytest.raises(Invalid, match="not of 1111"):
        admin.to_arriving("1" * 32).send("POST", "", {"rows": digest})
    with pytest.raises(Invalid, match="no id of a project"):
        admin.to_arriving("..").send("POST", "", {"rows": digest})
    with served.host.ledger.read() as tx:
        assert {project.name for project in tx.projects.list()} == {"late", "other"}
        assert not tx.runs.list("p").items


def test_rows_of_another_version_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workspace(root, environ={}) as workspace:
        data = rows_of(workspace.stores)
    check_magic(file := BytesIO(data))
    bill = read_bill(file)
    assert sum(len(page) for table, page in read_pages(file) if table == "runs") == bill.tables["runs"][0] == 3
    module = import_module("clew.loop.moving.shipment")
    monkeypatch.setattr(module, "migrations", lambda: {99: ""})
    check_magic(file := BytesIO(data))
    with pytest.raises(Invalid, match="version"):
        read_bill(file)
