"""The run that user code holds: what it keeps, how it ends, and how runs hang together."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import io
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid, Unavailable
from clew.core.types.run import RunKind, RunStatus
from clew.testing.project import open_stores
from clew.testing.runs import ONE, a_run
from clew.tracking.adopt import adopt, journals_folder
from clew.tracking.capture import Command, Environment, Seeds, Source, read_aspect
from clew.tracking.capture.console import Console
from clew.tracking.line import open_line
from clew.tracking.recorder import Recorder
from clew.tracking.run import ActiveRun, current_run
from clew.tracking.runs import LedgerRuns
from clew.tracking.series import join, points_of
from clew.tracking.start import RUN_VARIABLE, start
from clew.tracking.stop import STOP_TAG


@pytest.fixture
def run(stores: Stores) -> Iterator[ActiveRun]:
    run = start(Recorder.of(stores), "baseline", capture=False)
    yield run
    run.finish()


def artifact(stores: Stores, run: ActiveRun, path: str) -> bytes:
    found = {a.path: a.digest for a in LedgerRuns(stores).artifacts(run.id)}
    return stores.objects.get(found[path])


def test_the_whole_of_a_run(stores: Stores) -> None:
    with start(Recorder.of(stores), params={"lr": 0.1}, experiment="late", tags={"team": "risk"}, capture=False) as run:
        assert current_run() is run
        run.log(loss=0.5, step=1)
        run.log({"val/loss": 0.25}, step=1)
        run.log({"val/loss": 0.2}, step=2, loss=0.4)
        run.params(depth=3)
    assert current_run() is None
    runs = LedgerRuns(stores)
    kept = runs.get(run.name)
    assert kept.status is RunStatus.FINISHED
    assert kept.ended_us >= kept.created_us
    assert (kept.params, kept.tags, kept.kind) == ({"lr": 0.1, "depth": 3}, {"team": "risk"}, RunKind.SCRIPT)
    assert [(s.key, s.count, s.last) for s in runs.summaries([run.id])] == [("loss", 2, 0.4), ("val/loss", 2, 0.2)]
    assert runs.list(experiment="late").items == [kept]
    assert not journals_folder(stores.folder, run.id).exists()


def test_an_exception_fails_the_run_with_its_traceback(stores: Stores) -> None:
    with pytest.raises(ZeroDivisionError), start(Recorder.of(stores), capture=False) as run:
        raise ZeroDivisionError("the reason")
    kept = LedgerRuns(stores).get(run.id)
    assert kept.status is RunStatus.FAILED
    assert "in test_an_exception_fails" in kept.reason
    assert kept.reason.rstrip().endswith("ZeroDivisionError: the reason")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), RunStatus.INTERRUPTED),
        (SystemExit(0), RunStatus.FINISHED),
        (SystemExit(), RunStatus.FINISHED),
        (SystemExit(3), RunStatus.FAILED),
        (asyncio.CancelledError(), RunStatus.INTERRUPTED),
        (GeneratorExit(), RunStatus.FINISHED),
    ],
)
def test_other_ends(stores: Stores, error: BaseException, status: RunStatus) -> None:
    with pytest.raises(type(error)), start(Recorder.of(stores), capture=False) as run:
        raise error
    assert LedgerRuns(stores).get(run.id).status is status


@pytest.mark.parametrize("value", [0.5, "loss", [0.5]])
def test_a_value_without_a_name_is_refused(run: ActiveRun, value: object) -> None:
    with pytest.raises(Invalid, match="has no name"):
        run.log(value)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="has no name"):
        run.log(value, loss=0.5)  # type: ignore[arg-type]
    run.log(loss=0.5)


def test_a_run_ends_in_another_context_than_it_began(run: ActiveRun) -> None:
    contextvars.copy_context().run(run.__enter__)
    contextvars.copy_context().run(run.__exit__, None, None, None)
    assert run.info.status is RunStatus.FINISHED


def test_what_is_lost_is_told_where_nothing_can_be_stored(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    run = start(Recorder.of(stores), "big", capture=False, say=said.append)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def gone(_: object) -> None:
        raise Unavailable("no room for the ledger")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        patch.setattr(run._drain, "_send", gone)
        for step in range(20_000):
            run.log(loss=step)
        run.finish()
    adopt(LedgerRuns(stores), stores.objects, stores.folder)
    (series,) = LedgerRuns(stores).summaries([run.id])
    assert f"{20_000 - series.count:,} points of run big lost: there was no room" in said


def test_a_run_ends_whose_folder_is_gone(stores: Stores, run: ActiveRun) -> None:
    shutil.rmtree(run._journal.folder)
    run._journal.folder.write_text("no folder")
    run.finish()
    assert LedgerRuns(stores).get(run.id).status is RunStatus.FINISHED


def test_who_was_stopped_and_ends_no_run_leaves_nothing(stores: Stores) -> None:
    runs = LedgerRuns(stores)
    found = runs.create(a_run(), experiment="e")
    run = ActiveRun(found, line=open_line(Recorder.of(stores), ONE, pytest.fail, main=False), ends=False)
    run._tell = run.on_stop = lambda *_: None
    runs.describe(ONE, tags={STOP_TAG: "ann"})
    run._beat()
    assert run.hears
    run.finish()
    assert not journals_folder(stores.folder, ONE).exists()


def test_ending_twice_is_fine_and_logging_after_the_end_is_not(run: ActiveRun) -> None:
    run.finish()
    run.finish(RunStatus.FAILED)
    assert run.info.status is RunStatus.FINISHED
    with pytest.raises(Invalid, match="has ended"):
        run.log(loss=1)
    with pytest.raises(Conflict, match="has ended"):
        run.tag(late="yes")


def test_a_notebook_shows_a_run_and_runs_nothing_of_it(stores: Stores) -> None:
    with start(Recorder.of(stores), "<b>bold</b>", params={"a<b": "<script>"}, capture=False) as run:
        shown = run._repr_html_()
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert run.id in shown


@pytest.mark.parametrize("closed", [None, "file"])
def test_a_point_that_cannot_be_kept_ends_no_training_that_has_no_stderr(
    run: ActiveRun, monkeypatch: pytest.MonkeyPatch, closed: str | None
) -> None:
    stderr = None if closed is None else io.StringIO()
    if stderr is not None:
        stderr.close()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", stderr)
        run.log(loss=None, more=1)  # type: ignore[arg-type]
        run.finish()
    assert run.info.status is RunStatus.FINISHED


def test_parameters_are_flat_and_plain(run: ActiveRun) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd" * 10_000

    found = run.params(
        {"model": {"depth": 3, "loss": {"kind": "hinge"}}, "when": None},
        rate=np.float32(0.5),
        rows=np.int64(7),
        on=np.bool_(True),
        limit=math.inf,
        large=1 << 70,
        layers=[1, 2],
        odd=Odd(),
    )
    assert len(str(found.pop("odd"))) == 8000
    assert found == {
        "model.depth": 3,
        "model.loss.kind": "hinge",
        "when": None,
        "rate": 0.5,
        "rows": 7,
        "on": True,
        "limit": "inf",
        "large": str(1 << 70),
        "layers": "[1, 2]",
    }
    assert type(found["on"]) is bool
    with pytest.raises(Invalid):
        run.params({"a\n": 1})
    endless: dict[str, Any] = {}
    endless["deeper"] = endless
    with pytest.raises(Invalid, match="nested"):
        run.params(endless)


class Figure:
    def savefig(self, file: Any, *, format: str) -> None:
        file.write(f"a {format}".encode())


@pytest.mark.parametrize(
    ("path", "value", "data", "media_type"),
    [
        ("a.json", {"b": [1, None], "c": np.float64(0.5)}, {"b": [1, None], "c": 0.5}, "application/json"),
        ("deep/a", [1], [1], "application/json"),
        ("a.bin", b"\0\1", b"\0\1", "application/octet-stream"),
        ("note.md", "# Ä", "# Ä".encode(), "text/markdown"),
        ("note", "plain", b"plain", "text/plain"),
        ("a.png", Figure(), b"a png", "image/png"),
        ("a.svg", Figure(), b"a svg", "image/svg+xml"),
        ("t.csv", pl.DataFrame({"a": [1]}), b"a\n1\n", "text/csv"),
    ],
)
def test_values_are_kept_in_the_form_of_their_name(
    stores: Stores, run: ActiveRun, path: str, value: object, data: object, media_type: str
) -> None:
    kept = run.save(path, value)
    assert not isinstance(kept, list)
    assert kept.media_type == media_type
    found = artifact(stores, run, path)
    assert (found if isinstance(data, bytes) else json.loads(found)) == data
    assert kept.size_bytes == len(found)


def test_frames_and_arrays_come_back(stores: Stores, run: ActiveRun, tmp_path: Path) -> None:
    import io

    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    run.save("t.parquet", frame)
    run.save("a.npy", np.arange(6).reshape(2, 3))
    assert pl.read_parquet(io.BytesIO(artifact(stores, run, "t.parquet"))).equals(frame)
    assert np.load(io.BytesIO(artifact(stores, run, "a.npy"))).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_files_and_folders_are_kept(stores: Stores, run: ActiveRun, tmp_path: Path) -> None:
    folder = tmp_path / "plots"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep/b.txt").write_text("b")
    (folder / "link").symlink_to(folder / "a.txt")
    kept = run.save(folder)
    assert isinstance(kept, list)
    assert [a.path for a in kept] == ["plots/a.txt", "plots/deep/b.txt"]
    run.save(folder / "a.txt")
    run.save("renamed.txt", folder / "a.txt")
    assert artifact(stores, run, "a.txt") == artifact(stores, run, "renamed.txt") == b"a"


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../b", "a\\b", ".", "a\nb", "x" * 501])
def test_names_that_lead_elsewhere_are_refused(run: ActiveRun, path: str) -> None:
    with pytest.raises(Invalid):
        run.save(path, "text")


def test_values_without_a_form_are_refused(run: ActiveRun) -> None:
    with pytest.raises(Invalid, match="no form"):
        run.save("a.json", {"a": object()})
    with pytest.raises(Invalid, match="cannot be saved"):
        run.save("a.npy", np.array([object()]))
    with pytest.raises(Invalid, match="neither a file"):
        run.save("missing.txt")


def test_inputs_and_outputs_are_lineage(stores: Stores, run: ActiveRun) -> None:
    run.input("data:abc")
    run.output("model:def")
    with pytest.raises(Invalid, match="no node"):
        run.input("flights")
    with stores.ledger.read() as tx:
        assert [edge.source for edge in tx.edges.up("model:def")] == [f"run:{run.id}", "data:abc"]


def test_runs_nest_by_their_blocks(stores: Stores) -> None:
    with start(Recorder.of(stores), "outer", capture=False) as outer:
        with start(Recorder.of(stores), "inner", capture=False) as inner:
            pass
        with start(Recorder.of(stores), "alone", parent="", capture=False) as alone:
            pass
    with start(Recorder.of(stores), "next", capture=False) as after:
        pass
    assert inner.info.parent == outer.id
    assert alone.info.parent == after.info.parent == ""
    assert inner.info.status is RunStatus.FINISHED


def test_a_start_that_fails_leaves_no_journal(stores: Stores) -> None:
    stores.ledger.close()
    (stores.folder / "ledger.db").unlink()
    (stores.folder / "ledger.db").mkdir()
    with pytest.raises(Unavailable):
        start(Recorder.of(stores), capture=False)
    assert not list(journals_folder(stores.folder).rglob("*.journal"))


def test_a_ledger_that_is_gone_at_the_end_is_said_and_the_end_comes_later(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with start(Recorder.of(stores), capture=False, say=said.append) as run, monkeypatch.context() as patch:
        run.log(loss=1, step=1)

        def gone(*_: object, **__: object) -> None:
            raise Unavailable("the ledger is gone")

        patch.setattr(type(stores.ledger), "write", gone)
        run.finish(RunStatus.FAILED, reason="why")
    assert len(said) == 1
    assert "the ledger is gone" in said[0]
    runs = LedgerRuns(stores)
    assert runs.get(run.id).status is RunStatus.RUNNING
    assert [found.points for found in adopt(runs, stores.objects, stores.folder)] == [1]
    assert (runs.get(run.id).status, runs.get(run.id).reason) == (RunStatus.FAILED, "why")


def test_a_run_ends_where_there_are_no_locks(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_: int, __: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    said: list[str] = []
    with start(Recorder.of(stores), capture=False, say=said.append) as run:
        run.log(loss=1)
    runs = LedgerRuns(stores)
    assert (runs.get(run.id).status, runs.summaries([run.id])[0].count) == (RunStatus.FINISHED, 1)
    assert len(said) == 1
    assert "Function not implemented" in said[0]


def test_a_console_that_is_gone_does_not_keep_a_run_from_ending(stores: Stores, tmp_path: Path) -> None:
    said: list[str] = []
    run = start(Recorder.of(stores), capture=False, say=said.append)
    console = Console(tmp_path / "console.txt")
    run._console = console
    console.path.unlink()
    run.finish()
    assert LedgerRuns(stores).get(run.id).status is RunStatus.FINISHED
    assert [text for text in said if "printed is lost" in text] == said


def test_a_forked_worker_logs_into_the_run(stores: Stores) -> None:
    with start(Recorder.of(stores), capture=False) as run:
        run.log(loss=1, step=1)
        pid = os.fork()
        if pid == 0:
            try:
                run.log(worker=2, step=1)
                run.finish(RunStatus.FAILED)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    runs = LedgerRuns(stores)
    assert [(s.key, s.last) for s in runs.summaries([run.id])] == [("loss", 1.0), ("worker", 2.0)]
    assert runs.get(run.id).status is RunStatus.FINISHED


def commit(root: Path) -> str:
    """Put a file into a new repository there; the commit."""
    root.mkdir()
    (root / "train.py").write_text("a = 1\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-C", str(root)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def test_capture_says_what_ran(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = commit(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    with capsys.disabled(), start(Recorder.of(stores)) as run, start(Recorder.of(stores)) as inner:
        pass
    info = run.info
    assert set(info.capture) == {"source", "environment", "hardware", "threads", "kernels", "seeds", "command"}
    assert inner.info.capture == info.capture
    environment = read_aspect(stores.objects, info, "environment", Environment)
    assert environment.packages["numpy"] == np.__version__
    assert read_aspect(stores.objects, info, "command", Command).words == info.command
    assert read_aspect(stores.objects, info, "seeds", Seeds).numpy is not None
    source = read_aspect(stores.objects, info, "source", Source)
    assert [file.path for file in source.files] == ["train.py"]
    assert source.commit == info.commit == made
    with stores.ledger.read() as tx:
        assert {edge.source.partition(":")[0] for edge in tx.edges.up(f"run:{run.id}")} == {"code", "environment"}


SCRIPT = """
import sys
from pathlib import Path
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.start import start
run = start(Recorder.of(open_stores(Path(sys.argv[1]))), "script")
print("one line")
print("to stderr", file=sys.stderr)
for step in range(3):
    run.log(loss=step, step=step)
    print(f"\\rstep {step}", end="")
print(flush=True)
"""


def script(tmp_path: Path, text: str, **variables: str) -> tuple[Stores, subprocess.CompletedProcess[bytes]]:
    path = tmp_path / "project" / "train.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    words = [sys.executable, str(path), str(tmp_path / ".clew")]
    done = subprocess.run(words, capture_output=True, env={**os.environ, **variables}, check=False)
    return open_stores(tmp_path / ".clew"), done


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", RunStatus.FINISHED),
        ("1 / 0", RunStatus.FAILED),
        ("raise KeyboardInterrupt", RunStatus.INTERRUPTED),
        ("import os; os._exit(0)", RunStatus.KILLED),
    ],
)
def test_the_end_of_the_script_ends_its_run(tmp_path: Path, end: str, status: RunStatus) -> None:
    stores, done = script(tmp_path, SCRIPT + end)
    assert done.stdout == b"one line\n\rstep 0\rstep 1\rstep 2\n"
    runs = LedgerRuns(stores)
    adopt(runs, stores.objects, stores.folder)
    (run,) = runs.list().items
    assert (run.status, run.entry) == (status, "train.py")
    assert run.command[0].endswith("train.py")
    if status is RunStatus.FAILED:
        assert "ZeroDivisionError" in run.reason
        assert b"ZeroDivisionError" in done.stderr
    assert join(points_of(b) for b in runs.blocks(run.id, "loss")).steps.tolist() == [0, 1, 2]
    (console,) = runs.artifacts(run.id)
    text = stores.objects.get(console.digest).decode()
    assert text.startswith("one line\nto stderr\nstep 2\n")
    stores.ledger.close()


def test_threads_that_log_while_their_process_ends_are_quiet(tmp_path: Path) -> None:
    threads = """
import threading
def work():
    while True:
        run.log(more=1)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
import time, threading
time.sleep(0.05)
threading.Thread(target=time.sleep, args=(0.05,)).start()
"""
    stores, done = script(tmp_path, SCRIPT + threads)
    assert (done.returncode, done.stderr.decode()) == (0, "to stderr\n")
    (run,) = LedgerRuns(stores).list().items
    assert run.status is RunStatus.FINISHED
    stores.ledger.close()


def test_the_first_start_joins_the_run_of_the_process_and_later_ones_hang_below_it(tmp_path: Path) -> None:

    stores = open_stores(tmp_path / ".clew")
    outer = LedgerRuns(stores).create(a_run(name="given by clew"), experiment="e")
    text = """
import os, sys
from pathlib import Path
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.start import start
stores = open_stores(Path(sys.argv[1]))
with start(Recorder.of(stores), "mine", params={"a": 1}, experiment="mine", capture=False) as run:
    run.log(loss=1)
with start(Recorder.of(stores), "second", capture=False) as second:
    pass
assert "CLEW_RUN" not in os.environ
"""
    _, done = script(tmp_path, text, **{RUN_VARIABLE: outer.id})
    assert done.stderr == b""
    runs = LedgerRuns(stores)
    joined = runs.get(outer.id)
    assert (joined.name, joined.params, joined.status) == ("mine", {"a": 1}, RunStatus.RUNNING)
    assert [s.count for s in runs.summaries([outer.id])] == [1]
    assert runs.get("second").parent == outer.id
    assert [run.name for run in runs.list(experiment="mine").items] == ["mine"]
    stores.ledger.close()
