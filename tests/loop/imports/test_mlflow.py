"""Imports from what the real MLflow recorded: a server, its database, and a folder come to the same."""

from __future__ import annotations

import math
import shutil
import sqlite3
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from clew.audit.verify import verify
from clew.cli.main import main
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Corrupt, GateRefused, Invalid, NotFound, Unavailable
from clew.core.hashing import hash_bytes
from clew.core.types.logged_model import LoggedModelStatus
from clew.core.types.run import RunStatus
from clew.loop.imports import Outcome, Source, take_in
from clew.loop.imports.files import keep_files
from clew.loop.imports.foreign import ForeignFile
from clew.loop.imports.mlflow import open_mlflow
from clew.loop.imports.mlflow_server import MlflowServer
from clew.policy.gate import DeclaredGate
from clew.registry.aliases import LedgerAliases
from clew.settings.settings import Settings
from clew.tracking.branch import branch_of
from clew.tracking.runs import LedgerRuns
from clew.tracking.series import join, points_of
from clew.workspace import init_project, open_workspace

pytestmark = pytest.mark.timeout(400)  # whichever test is first waits for the server of MLflow
COUNTS = {
    "experiments": 3,
    "runs": 4,
    "params": 2,
    "series": 4,
    "points": 905,
    "inputs": 2,
    "logged models": 1,
    "files": 4,
    "models": 1,
    "versions": 2,
    "aliases": 2,
}


def come(stores: Stores, source: Source) -> Outcome:
    aliases = LedgerAliases(stores, DeclaredGate(Settings()))
    with closing(source):
        return take_in(stores, source, promote=aliases.promote, tell=lambda _: None)


def open_source(mlflow: Any, kind: str = "database") -> Source:
    if kind == "server":
        return open_mlflow(mlflow.url)
    return open_mlflow(f"sqlite:///{mlflow.database}", artifacts=str(mlflow.files))


def check(stores: Stores, found: Outcome, ids: list[str]) -> int:
    """What must be here, wherever it came from; how many events tell of it."""
    parent, child, open_run, logged = ids
    there = {count.what: count.source for count in found.counts if count.what != "tags"}
    assert there == COUNTS
    assert [count for count in found.counts if count.differs and count.what != "aliases"] == []
    assert [type(refusal) for refusal in found.held_back] == [Invalid]
    with stores.ledger.read() as tx:
        run = tx.runs.get(parent)
        assert (run.name, run.status, run.created_by) == ("parent", RunStatus.FINISHED, "ann")
        assert (run.created_us, run.ended_us) == (1_700_000_000_000_000, 1_700_000_010_000_000)
        assert run.params == {"lr": 0.1, "note/long": "ü" * 400}
        assert run.tags["mlflow.note.content"] == "A note.\nOf two lines: with a colon."
        experiment = tx.experiments.get(run.experiment)
        assert (experiment.name, experiment.tags) == ("flights", {"team": "delay"})
        assert tx.experiments.find(stores.project, "old").deleted_us > 0
        assert (tx.runs.get(child).parent, tx.runs.get(child).status) == (parent, RunStatus.FAILED)
        unfinished = tx.runs.get(open_run)
        assert (unfinished.status, tx.experiments.get(unfinished.experiment).name) == (RunStatus.RUNNING, "default")
        shown = {each.name for each in tx.runs.list(stores.project).items}
        assert shown == {"parent", "child", "open"}
        loss = join(points_of(block) for block in tx.series.blocks(parent, "loss"))
        assert loss.values.tolist() == [1 / (step + 1) for step in range(900)]
        assert loss.steps.tolist() == list(range(900))
        assert loss.times_us[:2].tolist() == [1_700_000_000_000_000, 1_700_000_000_001_000]
        odd = join(points_of(block) for block in tx.series.blocks(parent, "odd"))
        assert odd.steps.tolist() == [-3, 0, 1]
        assert odd.values[0] == 1.5
        assert math.isnan(odd.values[1])
        assert odd.values[2] == math.inf
        assert [(a.path, a.size_bytes) for a in tx.artifacts.list(parent)] == [
            ("large.bin", 256 * 8192),
            ("net/MLmodel", 73),
            ("notes/hello.txt", 5),
        ]
        assert stores.objects.get(tx.artifacts.get(parent, "notes/hello.txt").digest) == b"hello"
        used = [(each.name, each.digest, each.model) for each in tx.inputs.list([parent])]
        assert sorted(used) == sorted([("rows", "300830b9", ""), ("", "", logged)])
        net = tx.logged_models.get(logged)
        assert (net.name, net.status, net.params, net.tags["k"]) == (
            "net",
            LoggedModelStatus.READY,
            {"depth": "3"},
            "v",
        )
        assert stores.objects.size(tx.artifacts.get(logged, "large.bin").digest) == 256 * 8192
        model = tx.models.find(stores.project, "delay")
        assert (model.description, model.tags) == ("late or not", {"team": "x"})
        versions = {each.number: each for each in tx.models.versions(model.id).items}
        assert {number for number, each in versions.items() if not each.deleted_us} == {1, 3}
        assert (bool(versions[1].package), bool(versions[3].package), versions[3].unsafe) == (False, True, True)
        assert (versions[3].run, versions[3].message, versions[3].tags) == (parent, "a version", {"ok": "yes"})
        assert {move.alias: move.number for move in tx.models.aliases(model.id)} == {"best": 3}
        return tx.events.count(stores.project)


@pytest.mark.parametrize("kind", ["server", "database"])
def test_everything_comes_in_and_again_changes_nothing(stores: Stores, mlflow: Any, kind: str) -> None:
    ids = [mlflow.parent, mlflow.child, mlflow.open_run, mlflow.logged]
    before = check(stores, come(stores, open_source(mlflow, kind)), ids)
    assert check(stores, come(stores, open_source(mlflow, kind)), ids) == before
    with stores.ledger.write(within=f"chain:{stores.project}") as tx:
        tx.events.seal(stores.project)
    assert list(verify(stores).problems) == []


def test_a_folder_comes_in(stores: Stores, mlruns: tuple[Path, list[str]]) -> None:
    root, ids = mlruns
    before = check(stores, come(stores, open_mlflow(str(root))), ids)
    assert check(stores, come(stores, open_mlflow(f"file://{root}")), ids) == before


def test_a_folder_that_was_moved_still_has_its_files(
    stores: Stores, mlruns: tuple[Path, list[str]], tmp_path: Path
) -> None:
    root, ids = mlruns
    moved = shutil.copytree(root, tmp_path / "elsewhere")
    check(stores, come(stores, open_mlflow(str(moved))), ids)


def test_what_is_new_is_added(stores: Stores, mlflow: Any, tmp_path: Path) -> None:
    """A run that went on and ended, and points that came late to one that had ended."""
    copy = shutil.copy(mlflow.database, tmp_path / "copy.db")
    come(stores, open_mlflow(str(copy), artifacts=str(mlflow.files)))
    with sqlite3.connect(copy) as c:
        for run, key, step in ((mlflow.open_run, "m", 4), (mlflow.open_run, "new", 0), (mlflow.parent, "loss", 900)):
            c.execute("INSERT INTO metrics VALUES (?, 9.0, 1700000900000, ?, ?, 0)", (key, run, step))
        c.execute(
            "UPDATE runs SET status = 'FINISHED', end_time = 1700000999000 WHERE run_uuid = ?", (mlflow.open_run,)
        )
    c.close()
    found = come(stores, open_mlflow(str(copy), artifacts=str(mlflow.files)))
    assert {count.what: count.here for count in found.counts}["points"] == 908
    with stores.ledger.read() as tx:
        assert tx.runs.get(mlflow.open_run).status is RunStatus.FINISHED
        assert [each.last for each in tx.series.summaries([mlflow.open_run])] == [9.0, 9.0]
        assert tx.series.summaries([mlflow.parent], keys=["loss"])[0].count == 901
    with stores.ledger.write(within=f"chain:{stores.project}") as tx:
        tx.events.seal(stores.project)
    assert list(verify(stores).problems) == []


def test_what_was_changed_here_stays(stores: Stores, mlflow: Any) -> None:
    come(stores, open_source(mlflow))
    LedgerRuns(stores).describe(mlflow.open_run, tags={"mine": "yes"})
    found = come(stores, open_source(mlflow))
    assert LedgerRuns(stores).get(mlflow.open_run).tags["mine"] == "yes"
    assert not any(count.differs for count in found.counts if count.what != "aliases")


def test_a_broken_off_import_goes_on(stores: Stores, mlflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("clew.loop.imports.take_in")
    monkeypatch.setattr(module, "_AT_ONCE_RUNS", 1)
    real, calls = module._write_run, []

    def fails(*args: object) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(module, "_write_run", fails)
    with pytest.raises(KeyboardInterrupt):
        come(stores, open_source(mlflow))
    ids = [mlflow.parent, mlflow.child, mlflow.open_run, mlflow.logged]
    check(stores, come(stores, open_source(mlflow)), ids)


def test_another_model_of_the_same_name_is_not_mixed_up(stores: Stores, mlflow: Any, tmp_path: Path) -> None:
    come(stores, open_source(mlflow))
    copy = shutil.copy(mlflow.database, tmp_path / "copy.db")
    with sqlite3.connect(copy) as c:
        c.execute("UPDATE model_versions SET creation_time = 5 WHERE version = 3")
    c.close()
    with pytest.raises(Conflict, match="delay@3 is there already"):
        come(stores, open_mlflow(str(copy), artifacts=str(mlflow.files)))


def test_a_guarded_name_goes_through_the_gate(stores: Stores, mlflow: Any) -> None:
    asked: list[tuple[str, str]] = []

    def refuses(reference: str, alias: str) -> None:
        asked.append((reference, alias))
        raise GateRefused(f"{reference} may not be {alias}", verdict=None)

    with closing(open_source(mlflow)) as source:
        found = take_in(stores, source, promote=refuses, tell=lambda _: None)
    assert sorted(asked) == [("delay@1", "champion"), ("delay@3", "best")]
    assert {count.what: (count.source, count.here) for count in found.counts}["aliases"] == (2, 0)
    assert len(found.held_back) == 2


def test_who_imports_hears_how_a_guarded_name_is_given(
    mlflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = init_project(tmp_path / "late")
    monkeypatch.chdir(root)
    words = ["import", "mlflow", f"sqlite:///{mlflow.database}", "--artifacts", str(mlflow.files)]
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "held back: delay@1 cannot have the name champion, which the gate guards: it has no package" in told
    assert "aliases = [] under [gate.MODEL] in clew.toml, then import again" in told
    with (root / "clew.toml").open("a") as file:
        file.write("\n[gate.delay]\naliases = []\n")
    assert main(words) == 0, capsys.readouterr().err
    assert "held back" not in capsys.readouterr().err
    with open_workspace() as workspace:
        assert workspace.models.resolve("delay@champion").number == 1


def old_database(file: Path) -> str:
    """As MLflow 0.9 made them: no steps, no NaN, no names of runs, no registry."""
    with sqlite3.connect(file) as c:
        c.executescript(f"""
            CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT, lifecycle_stage TEXT);
            CREATE TABLE runs (run_uuid TEXT, name TEXT, source_type TEXT, source_name TEXT, entry_point_name TEXT,
              user_id TEXT, status TEXT, start_time BIGINT, end_time BIGINT, source_version TEXT, lifecycle_stage TEXT,
              artifact_uri TEXT, experiment_id INTEGER);
            CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
            CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
            CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT);
            INSERT INTO experiments VALUES (0, 'Default', 'mlruns/0', 'active');
            INSERT INTO runs VALUES ('{"ab" * 16}', '', 'LOCAL', 'train.py', '', 'bob', 'FINISHED', 1000, 2000, '',
              'active', 'mlruns/0/{"ab" * 16}/artifacts', 0);
            INSERT INTO tags VALUES ('mlflow.runName', 'first', '{"ab" * 16}'),
              ('mlflow.source.git.branch', 'main', '{"ab" * 16}');
            INSERT INTO params VALUES ('num_leaves', '31', '{"ab" * 16}'), ('lr', '1e-3', '{"ab" * 16}');
            INSERT INTO metrics VALUES ('loss', 0.5, 1500, '{"ab" * 16}');
        """)
    c.close()
    return str(file)


def test_an_old_database_is_read_by_the_columns_that_it_has(stores: Stores, tmp_path: Path) -> None:
    found = come(stores, open_mlflow(old_database(tmp_path / "old.db")))
    assert not any(count.differs for count in found.counts)
    with stores.ledger.read() as tx:
        run = tx.runs.get("ab" * 16)
        assert (run.name, run.created_by, run.created_us, run.ended_us) == ("first", "bob", 1_000_000, 2_000_000)
        assert branch_of(stores.objects, run).name == "main"


def test_a_filter_finds_imported_runs_as_it_finds_live_ones(stores: Stores, tmp_path: Path) -> None:
    come(stores, open_mlflow(old_database(tmp_path / "old.db")))
    runs = LedgerRuns(stores)
    assert [each.run.id for each in runs.search(where="param.num_leaves > 8").items] == ["ab" * 16]
    assert runs.get("ab" * 16).params == {"num_leaves": 31, "lr": "1e-3"}


def test_texts_of_an_earlier_import_are_read_again(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has ended: its row is claimed by its last event, and claimed anew."""
    database = old_database(tmp_path / "old.db")
    with monkeypatch.context() as before:
        before.setattr("clew.loop.imports.mlflow_words.scalar_of_text", str)
        come(stores, open_mlflow(database))
    assert LedgerRuns(stores).get("ab" * 16).params == {"num_leaves": "31", "lr": "1e-3"}
    counts = []
    for _ in range(2):
        found = come(stores, open_mlflow(database))
        assert not any(count.differs for count in found.counts)
        with stores.ledger.write(within=f"chain:{stores.project}") as tx:
            counts.append(tx.events.count(stores.project))
            tx.events.seal(stores.project)
        assert list(verify(stores).problems) == []
    assert LedgerRuns(stores).get("ab" * 16).params == {"num_leaves": 31, "lr": "1e-3"}
    assert counts[0] == counts[1]


def test_what_is_no_mlflow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_mlflow("sqlite:////no/such/file.db")
    with pytest.raises(NotFound):
        open_mlflow(str(tmp_path / "nothing"))
    (tmp_path / "text.db").write_text("no database" * 100)
    for url in ("http://[::1", "http://h:x"):
        with pytest.raises(Invalid, match=r"no address|names no server"):
            open_mlflow(url)
    with pytest.raises(Invalid, match="no SQLite database"):
        open_mlflow(str(tmp_path / "text.db"))
    sqlite3.connect(tmp_path / "empty.db").close()
    (tmp_path / "empty.db").touch()
    with pytest.raises(Invalid, match="no database of MLflow"):
        open_mlflow(str(tmp_path / "empty.db"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(Invalid, match="no experiments"):
        open_mlflow(str(tmp_path / "folder"))
    with pytest.raises(Invalid, match="start a server"):
        open_mlflow("postgresql://host/db")


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import clew.loop.imports.mlflow_server as module

    monkeypatch.setattr(module, "_TRIES", 1)
    with closing(open_mlflow("http://127.0.0.1:9")) as source, pytest.raises(Unavailable, match="did not answer"):
        source.experiments()


class Answers(NamedTuple):
    """A server that says what it is told to, and how long that is."""

    url: str
    said: list[tuple[bytes, int]]


@pytest.fixture
def answers() -> Iterator[Answers]:
    said: list[tuple[bytes, int]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            body, length = said.pop(0) if len(said) > 1 else said[0]
            self.send_response(200)
            self.send_header("content-length", str(length))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Answers(f"http://127.0.0.1:{server.server_port}", said)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("page", [b"<html>a page</html>", b"[1]"])
def test_another_server_than_one_of_mlflow_is_told(answers: Answers, page: bytes) -> None:
    answers.said.append((page, len(page)))
    with closing(open_mlflow(answers.url)) as source, pytest.raises(Invalid, match="does not answer as MLflow"):
        source.experiments()


def test_a_large_file_from_a_server_is_never_whole_in_memory(
    stores: Stores, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that breaks off is asked for again, from its beginning."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    large = bytes(range(256)) * (16 << 12)
    answers.said.extend([(b"torn", len(large)), (large, len(large))])
    with closing(MlflowServer(answers.url)) as source:
        file = ForeignFile("model.bin", partial(source._fetch, "/get-artifact"), -1)
        tracemalloc.start()
        try:
            (kept,) = keep_files(stores, "r", [file], {}, at_us=1)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert kept.size_bytes == stores.objects.size(kept.digest) == len(large)
    assert hash_bytes(large) == kept.digest
    assert peak < len(large) // 2


def test_a_file_that_cannot_be_read_is_told(stores: Stores, mlruns: tuple[Path, list[str]], tmp_path: Path) -> None:
    root = shutil.copytree(mlruns[0], tmp_path / "mlruns")
    next(root.rglob("params/lr")).write_bytes(b"\xff\xfe")
    with pytest.raises(Corrupt, match="lr cannot be read"):
        come(stores, open_mlflow(str(root)))
    file = ForeignFile("gone.txt", tmp_path / "gone.txt", 4)
    with pytest.raises(Unavailable, match=r"could not read gone\.txt"):
        keep_files(stores, "r", [file], {}, at_us=1)


def test_files_behind_a_server_are_asked_for(stores: Stores, mlflow: Any) -> None:
    with pytest.raises(Invalid, match="--artifacts"):
        come(stores, open_mlflow(str(mlflow.database)))


def test_a_damaged_file_of_a_folder_is_named(stores: Stores, mlruns: tuple[Path, list[str]], tmp_path: Path) -> None:
    root = shutil.copytree(mlruns[0], tmp_path / "mlruns")
    metric = next(root.rglob("metrics/loss"))
    metric.write_text("1 0.5 0\nnonsense\n")
    with pytest.raises(Corrupt, match="loss:2 is no point"):
        come(stores, open_mlflow(str(root)))
