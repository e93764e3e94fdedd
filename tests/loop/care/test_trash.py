"""The trash hides, gives back, and is emptied of what nothing needs; the record stays honest."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import msgspec
import pytest

from clew.audit.verify import verify
from clew.cli.main import main
from clew.core.errors import Conflict, NotFound
from clew.core.hashing import hash_bytes
from clew.core.types.dataset import DatasetKind
from clew.core.types.edge import Edge, Role, node
from clew.core.types.logged_model import LoggedMetric, LoggedModel, LoggedModelStatus
from clew.core.types.run import Artifact, Run
from clew.data.handle import DatasetHandle as Dataset
from clew.loop.care.collect import Terms, collect
from clew.loop.care.data_trash import delete_version
from clew.loop.care.experiment_trash import delete_experiment, restore_experiment
from clew.loop.care.trash import delete_runs, in_trash, purge_logged, purge_runs, restore_runs
from clew.settings import SQLITE
from clew.testing.life import Life
from clew.tracking.revise import move_to_trash
from clew.tracking.start import start
from clew.workspace import Workspace, init_project

DATABASES = [SQLITE, "postgresql"]
FAR = 10**18
AT_ONCE = Terms(young_us=-(10**15), grace_us=-(10**15))


def a_run(workspace: Workspace, name: str) -> Run:
    with start(workspace.recorder, name, params={"lr": 0.1}, capture=False, parent="") as run:
        for step in range(10):
            run.log(loss=1.0 / (step + 1), step=step)
        run.save("note.txt", f"a file of {name} " * 100)
    return workspace.runs.get(run.id)


def names(workspace: Workspace) -> list[str]:
    return [run.name for run in workspace.runs.list().items]


def test_what_is_deleted_is_hidden_and_comes_back(life: Life) -> None:
    workspace = life.workspace
    run = a_run(workspace, "unwanted")
    delete_runs(workspace.stores, [run])
    assert "unwanted" not in names(workspace)
    assert "unwanted" not in [found.run.name for found in workspace.runs.search().items]
    with pytest.raises(NotFound):
        workspace.runs.get("unwanted")
    assert [each.name for each in in_trash(workspace.stores)] == ["unwanted"]
    (back,) = restore_runs(workspace.stores, ["unwanted"])
    assert back.id == run.id
    assert "unwanted" in names(workspace)
    with pytest.raises(NotFound):
        restore_runs(workspace.stores, ["unwanted"])


def test_what_is_purged_leaves_a_record_and_frees_its_bytes(life: Life) -> None:
    workspace, stores = life.workspace, life.stores
    run, other = a_run(workspace, "unwanted"), a_run(workspace, "wanted")
    (file,) = workspace.runs.artifacts(run.id)
    (kept,) = workspace.runs.artifacts(other.id)
    delete_runs(stores, [run])
    assert purge_runs(stores, until_us=run.created_us) == [], "it has not lain there for long enough"
    assert [each.id for each in purge_runs(stores, until_us=FAR, dry_run=True)] == [run.id]
    collect(stores, AT_ONCE, tell=lambda _: None)
    assert not stores.objects.missing([file.digest]), "what is in the trash can come back whole"
    assert [each.id for each in purge_runs(stores, until_us=FAR)] == [run.id]
    assert purge_runs(stores, until_us=FAR) == []
    for _ in range(2):
        collect(stores, AT_ONCE, tell=lambda _: None)
    assert stores.objects.missing([file.digest, kept.digest]) == {file.digest}
    assert workspace.runs.summaries([run.id]) == []
    assert workspace.runs.summaries([other.id])[0].count == 10
    record = workspace.runs.get(run.id)
    assert (record.name, record.params) == ("unwanted", {"lr": 0.1})
    with pytest.raises(Conflict, match="was purged"):
        restore_runs(stores, [run.id])
    assert not verify(stores).problems


def test_what_is_needed_stays(life: Life) -> None:
    stores, version = life.stores, life.version(1)
    run = life.workspace.runs.get(version.run)
    with pytest.raises(Conflict, match="needed by model:delay@1"):
        delete_runs(stores, [run])
    with stores.ledger.write() as tx:  # another door does not ask
        move_to_trash(stores, tx, run, now_us=stores.clock.now_us())
    assert purge_runs(stores, until_us=FAR) == []
    assert [each.id for each in restore_runs(stores, [run.id])] == [run.id]


def test_a_logged_model_goes_when_no_version_is_loaded_from_it(life: Life) -> None:
    stores, version = life.stores, life.version(1)
    used, unused = (
        LoggedModel(
            id=f"m-{name}",
            project=stores.project,
            experiment="e",
            name=name,
            status=LoggedModelStatus.READY,
            created_us=1,
            deleted_us=7,
        )
        for name in ("used", "unused")
    )
    with stores.ledger.write() as tx:
        for model in (used, unused, msgspec.structs.replace(used, id="m-there", deleted_us=0)):
            digest = stores.objects.put(f"the file of {model.id}".encode())
            tx.logged_models.add(model)
            tx.artifacts.put(Artifact(run=model.id, path="a", digest=digest, size_bytes=1, media_type="", created_us=1))
            tx.logged_models.measure(
                [LoggedMetric(model=model.id, key="acc", value=1.0, step=1, time_us=1, run=version.run)]
            )
        made = Edge(source=node("logged", used.id), target=node("model", version.id), role=Role.OUTPUT, run=version.run)
        tx.edges.add([made])
    assert purge_logged(stores, until_us=7) == [], "they have not lain there for long enough"
    assert purge_logged(stores, until_us=FAR, dry_run=True) == purge_logged(stores, until_us=FAR) == [unused]
    assert purge_logged(stores, until_us=FAR) == []
    for _ in range(2):
        collect(stores, AT_ONCE, tell=lambda _: None)
    files = {name: hash_bytes(f"the file of m-{name}".encode()) for name in ("used", "unused", "there")}
    assert stores.objects.missing(list(files.values())) == {files["unused"]}
    with stores.ledger.read() as tx:
        assert [each.model for each in tx.logged_models.metrics([unused.id, used.id])] == [used.id]
        assert tx.logged_models.get(unused.id).name == "unused"
    assert not verify(stores).problems


@pytest.mark.parametrize("field", ["deleted_us", "purged_us"])
def test_a_logged_model_that_came_back_or_went_meanwhile_is_not_purged(
    life: Life, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = life.stores
    model = LoggedModel(
        id="m-1",
        project=stores.project,
        experiment="e",
        name="m",
        status=LoggedModelStatus.READY,
        created_us=1,
        deleted_us=7,
    )
    now = msgspec.structs.replace(model, **{field: 0 if field == "deleted_us" else 9})
    with stores.ledger.write() as tx:
        tx.logged_models.add(now)
        monkeypatch.setattr(type(tx.logged_models), "list", lambda *_, **__: [model])  # what was read before
    assert purge_logged(stores, until_us=FAR) == []
    with stores.ledger.read() as tx:
        assert tx.logged_models.get("m-1") == now
        assert tx.events.list(stores.project, kind="model.purged").items == []


def test_a_version_of_a_model_that_was_deleted_keeps_no_run(life: Life) -> None:
    stores, version = life.stores, life.version(1)
    with stores.ledger.write() as tx:
        model = tx.models.get(version.model)
        tx.models.put(msgspec.structs.replace(model, name=f"~{model.id}", deleted_us=7))
    delete_runs(stores, [life.workspace.runs.get(version.run)])
    assert [run.id for run in purge_runs(stores, until_us=FAR)] == [version.run]


def test_a_run_that_goes_on_stays(life: Life) -> None:
    workspace = life.workspace
    with (
        start(workspace.recorder, "going on", capture=False, parent="") as run,
        pytest.raises(Conflict, match="goes on"),
    ):
        delete_runs(workspace.stores, [workspace.runs.get(run.id)])


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with Workspace(tmp_path) as workspace:
        a_run(workspace, "one")
        a_run(workspace, "two")
    assert main(["runs", "delete", "one", "two"]) == 0
    assert "2 runs are in the trash" in capsys.readouterr().out
    assert main(["runs", "trash", "--json"]) == 0
    assert [run["name"] for run in json.loads(capsys.readouterr().out)["items"]] == ["two", "one"]
    assert main(["runs", "restore", "two"]) == 0
    assert main(["gc", "--trash-days", "0", "--json", "--dry-run"]) == 0
    capsys.readouterr()
    assert main(["gc", "--trash-days", "0", "--young-hours", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["purged_runs"], found["garbage"]) == (1, 1)
    assert main(["runs", "restore", "one"]) != 0
    assert "was purged" in capsys.readouterr().err


def test_a_version_of_data_goes_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with Workspace(tmp_path) as workspace:
        for number in range(3):
            (tmp_path / "a.txt").write_text(f"version {number} " * 100)
            workspace.data.add("raw", tmp_path / "a.txt", kind=DatasetKind.FILES)
    assert main(["data", "delete", "raw"]) != 0
    assert "is the newest version" in capsys.readouterr().err
    assert main(["data", "delete", "raw@1"]) == 0
    assert main(["data", "delete", "raw@2"]) == 0
    assert main(["data", "delete", "raw@2"]) != 0
    assert "outside of the trash" in capsys.readouterr().err
    assert main(["data", "restore", "raw@2"]) == 0
    assert main(["gc", "--trash-days", "0", "--young-hours", "0"]) == 0
    capsys.readouterr()
    assert main(["gc", "--grace-days", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["freed_bytes"] > 0
    assert main(["data", "restore", "raw@1"]) != 0
    assert "was purged" in capsys.readouterr().err
    with Workspace(tmp_path) as workspace:
        assert [version.number for version in workspace.datasets.versions("raw").items] == [3, 2]
        assert b"version 1 " in Dataset(workspace.site, workspace.datasets.resolve("raw@2")).read("a.txt")
        assert not verify(workspace.stores).problems


def test_data_that_a_model_was_made_of_stays(life: Life, tmp_path: Path) -> None:
    workspace = life.workspace
    for number in range(2):
        (tmp_path / "a.txt").write_text(f"version {number}")
        workspace.data.add("raw", tmp_path / "a.txt", kind=DatasetKind.FILES)
    first, run = workspace.datasets.resolve("raw@1"), life.version(1).run
    with life.stores.ledger.write() as tx:
        tx.edges.add([Edge(source=node("data", first.id), target=node("run", run), role=Role.INPUT)])
    with pytest.raises(Conflict, match="needed by model:delay@1"):
        delete_version(life.stores, "raw@1")


def in_experiment(workspace: Workspace, name: str, experiment: str) -> Run:
    with start(workspace.recorder, name, experiment=experiment, capture=False, parent="", say=lambda _: None) as run:
        run.log(loss=1.0)
    return workspace.runs.get(run.id)


def test_an_experiment_goes_and_comes_with_its_runs(life: Life) -> None:
    workspace, stores = life.workspace, life.stores
    earlier = in_experiment(workspace, "gone-before", "tries")
    delete_runs(stores, [earlier])
    kept = [in_experiment(workspace, name, "tries") for name in ("a", "b")]
    in_experiment(workspace, "elsewhere", "others")
    assert {run.id for run in delete_experiment(stores, "tries")} == {run.id for run in kept}
    assert {"a", "b"}.isdisjoint(names(workspace))
    assert "elsewhere" in names(workspace)
    with pytest.raises(NotFound, match="tries"):
        delete_experiment(stores, "tries")
    assert {run.id for run in restore_experiment(stores, "tries")} == {run.id for run in kept}
    assert {"a", "b"} <= set(names(workspace))
    assert [run.name for run in in_trash(stores)] == ["gone-before"]
    with pytest.raises(NotFound):
        restore_experiment(stores, "tries")
    assert verify(stores).problems == []


def test_an_experiment_comes_whole_though_the_clock_went_back(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, stores = life.workspace, life.stores
    run = in_experiment(workspace, "a", "tries")
    backwards = count(stores.clock.now_us(), -1_000_000)
    with monkeypatch.context() as patched:
        patched.setattr(type(stores.clock), "now_us", lambda _: next(backwards))
        delete_experiment(stores, "tries")
    assert [each.id for each in restore_experiment(stores, "tries")] == [run.id]


def test_an_experiment_that_is_needed_stays_whole(life: Life) -> None:
    workspace, stores = life.workspace, life.stores
    before = names(workspace)
    with pytest.raises(Conflict, match="into the default one"):
        delete_experiment(stores, "default")
    workspace.runs.describe(workspace.runs.list().items[0].id, experiment="made")
    with pytest.raises(Conflict, match="is needed by model:delay@3"):
        delete_experiment(stores, "made")
    in_experiment(workspace, "done", "tries")
    with start(workspace.recorder, "goes-on", experiment="tries", capture=False, parent="", say=lambda _: None) as run:
        with pytest.raises(Conflict, match="goes on"):
            delete_experiment(stores, "tries")
        run.log(loss=1.0)
    assert names(workspace) == ["goes-on", "done", *before]


def test_a_run_that_begins_in_it_brings_an_experiment_back(life: Life) -> None:
    workspace, stores = life.workspace, life.stores
    in_experiment(workspace, "old", "tries")
    delete_experiment(stores, "tries")
    in_experiment(workspace, "new", "tries")
    assert {"old"}.isdisjoint(names(workspace))
    assert "new" in names(workspace)
    assert [each.deleted_us for each in workspace.runs.experiments() if each.name == "tries"] == [0]
    [told] = workspace.services.events.list(kind="experiment.restored").items
    assert told.facts == {"name": "tries"}


def test_experiments_at_the_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with Workspace(tmp_path) as workspace:
        in_experiment(workspace, "r", "tries")

    def say(*words: str) -> str:
        capsys.readouterr()
        assert main([*words, "--json"]) == 0
        return capsys.readouterr().out

    assert len(json.loads(say("experiments", "delete", "tries"))["runs"]) == 1
    assert json.loads(say("experiments", "list"))["items"] == []
    assert [each["name"] for each in json.loads(say("experiments", "list", "--trash"))["items"]] == ["tries"]
    assert len(json.loads(say("experiments", "restore", "tries"))["runs"]) == 1
    assert [each["name"] for each in json.loads(say("experiments", "list"))["items"]] == ["tries"]
