"""A run of a project on a server never waits for it: what it says is there at once, later, or after `adopt`."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.client.connection import Connection
from clew.client.objects import HttpObjects
from clew.client.runs import HttpRuns
from clew.core.clock import SystemClock
from clew.core.contracts.ledger import Durability
from clew.core.errors import Conflict
from clew.core.ids import Ids
from clew.core.types.edge import Role, node
from clew.core.types.run import RunStatus
from clew.integrations.target import start_below
from clew.server.lost import look_for_lost
from clew.testing.runs import a_block, a_run
from clew.tracking.adopt import adopt, journals_folder
from clew.tracking.launch import launch
from clew.tracking.outbox import outbox_path
from clew.tracking.recorder import Recorder
from clew.tracking.run import ActiveRun
from clew.tracking.series import join, points_of
from clew.tracking.start import start

Serve = Callable[..., Any]


def recorder_of(folder: Path, connection: Connection, *, wait_s: float = 20.0) -> Recorder:
    clock = SystemClock()
    return Recorder(
        runs=HttpRuns(connection),
        objects=HttpObjects(connection),
        clock=clock,
        ids=Ids(clock),
        project="",
        actor="ann",
        folder=folder,
        outbox=True,
        wait_s=wait_s,
    )


@pytest.fixture
def nowhere() -> Iterator[Connection]:
    """A server that is gone: its port refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        connection = Connection(f"http://127.0.0.1:{taken.getsockname()[1]}", "late")
        yield connection
        connection.close()


@pytest.fixture
def said() -> list[str]:
    return []


def values(runs: HttpRuns, run: str, key: str = "loss") -> list[float]:
    found: list[float] = join(points_of(block) for block in runs.blocks(run, key)).values.tolist()
    return found


def use(run: ActiveRun) -> None:
    for step in range(100):
        run.log(loss=step / 3, step=step)
    run.params(depth=3)
    run.tag(team="risk")
    run.save("note.txt", "as text")
    run.save("weights.bin", os.urandom(1 << 10) + bytes(2 << 20))
    run.input(node("data", "0" * 32))


def check(runs: HttpRuns, objects: HttpObjects, run: str) -> None:
    kept = runs.get(run)
    assert kept.status is RunStatus.FINISHED
    assert (kept.params, kept.tags) == ({"lr": 0.1, "depth": 3}, {"team": "risk"})
    assert values(runs, run) == [step / 3 for step in range(100)]
    artifacts = {each.path: each for each in runs.artifacts(run)}
    assert objects.get(artifacts["note.txt"].digest) == b"as text"
    assert artifacts["weights.bin"].size_bytes == objects.size(artifacts["weights.bin"].digest) == (2 << 20) + 1024


def test_the_whole_of_a_run_is_on_the_server_at_its_end(serve: Serve, tmp_path: Path) -> None:
    recorder = recorder_of(tmp_path / "here", serve(open=True).connection())
    with start(recorder, "far", params={"lr": 0.1}, experiment="late", capture=False) as run:
        use(run)
    runs = HttpRuns(serve(open=True).connection())
    check(runs, HttpObjects(serve(open=True).connection()), run.id)
    assert [each.name for each in runs.list(experiment="late").items] == ["far"]
    assert not journals_folder(recorder.folder, run.id).exists()


def test_what_a_run_says_is_there_while_it_lives(serve: Serve, tmp_path: Path) -> None:
    recorder, runs = recorder_of(tmp_path, serve(open=True).connection()), HttpRuns(serve(open=True).connection())
    with start(recorder, capture=False) as run:
        run.tag(phase="warm")
        run.flush()
        assert runs.get(run.id).tags == {"phase": "warm"}
        run.params(depth=1)
        deadline = time.monotonic() + 30
        while not runs.get(run.id).params and time.monotonic() < deadline:
            time.sleep(0.05)
        assert runs.get(run.id).params == {"depth": 1}


def test_a_run_without_a_server_waits_and_comes_home_once(
    serve: Serve, tmp_path: Path, nowhere: Connection, said: list[str]
) -> None:
    with start(recorder_of(tmp_path, nowhere, wait_s=0.2), params={"lr": 0.1}, capture=False, say=said.append) as run:
        use(run)
        with pytest.raises(Conflict, match="depth"):
            run.params(depth=4)
    assert any("clew sync" in text for text in said)
    folder = journals_folder(tmp_path, run.id)
    assert outbox_path(folder, run._journal.id).exists()
    connection = serve(open=True).connection()
    runs, objects = HttpRuns(connection), HttpObjects(connection)
    (found,) = adopt(runs, objects, tmp_path)
    assert (found.points, found.killed, found.problem) == (100, False, "")
    assert found.messages >= 6
    check(runs, objects, run.id)
    assert not folder.exists()
    assert adopt(runs, objects, tmp_path) == []


def test_a_run_whose_server_is_gone_says_that_it_waits_and_not_for_long(
    tmp_path: Path, nowhere: Connection, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tracking.drain._GONE_S", 2.0)
    monkeypatch.setattr("clew.tracking.drain._SILENT_S", 60.0)  # the inner ones give up before, on any machine
    recorder, began = recorder_of(tmp_path, nowhere, wait_s=600.0), time.monotonic()
    with start(recorder, "outer", capture=False, say=said.append) as run:
        run.log(loss=0.5)
        for number in range(3):
            with start(recorder, f"inner-{number}", capture=False, say=said.append) as within:
                within.log(loss=0.5)
        monkeypatch.setattr("clew.tracking.drain._SILENT_S", 0.1)
    assert time.monotonic() - began < 60  # and not the ten minutes that a server gets which answers
    assert run.is_left
    assert not any("\n" in text for text in said)
    left = [text.split()[4] for text in said if "clew sync" in text]
    assert left == ["inner-0", "inner-1", "inner-2", "outer"]
    assert [at for at, text in enumerate(said) if "waiting for the server" in text] == [len(said) - 2]  # the outer one


def test_a_script_names_the_run_that_was_started_for_it(
    serve: Serve,
    tmp_path: Path,
    nowhere: Connection,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "log.py").write_text("import clew\nclew.run('remote').finish()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / ".clew").mkdir()
    for connection, stored in ((serve(open=True).connection(), True), (nowhere, False)):
        (tmp_path / "clew.toml").write_text(f'[server]\nurl = "{connection.url}/projects/late"\n')
        recorder = recorder_of(tmp_path / ".clew", connection, wait_s=1.0)
        done = launch(recorder, ["log.py"], out=io.BytesIO(), say=said.append)
        assert (done.run.name, done.exit_code, done.stored) == ("remote", 0, stored)
        assert len([text for text in said if "clew sync" in text]) == 1 - stored
        assert capfd.readouterr().err == ""  # the script leaves it to who waits for it to say what is not stored


def test_a_message_handed_over_twice_changes_nothing(serve: Serve, tmp_path: Path, nowhere: Connection) -> None:
    with start(
        recorder_of(tmp_path, nowhere, wait_s=0.2), params={"lr": 0.1}, capture=False, say=lambda _: None
    ) as run:
        use(run)
    connection = serve(open=True).connection()
    runs, objects = HttpRuns(connection), HttpObjects(connection)
    folder = journals_folder(tmp_path, run.id)
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    adopt(runs, objects, tmp_path)
    before = runs.get(run.id)
    for path, data in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    adopt(runs, objects, tmp_path)
    assert runs.get(run.id) == before
    check(runs, objects, run.id)


def test_a_torn_last_message_is_left_out(serve: Serve, tmp_path: Path, nowhere: Connection) -> None:
    with start(
        recorder_of(tmp_path, nowhere, wait_s=0.2), params={"lr": 0.1}, capture=False, say=lambda _: None
    ) as run:
        run.tag(kept="yes")
    path = outbox_path(journals_folder(tmp_path, run.id), run._journal.id)
    path.write_bytes(path.read_bytes()[:-3])
    connection = serve(open=True).connection()
    (found,) = adopt(HttpRuns(connection), HttpObjects(connection), tmp_path)
    assert found.killed
    kept = HttpRuns(connection).get(run.id)
    assert (kept.tags, kept.status) == ({"kept": "yes"}, RunStatus.KILLED)


def test_what_the_server_refuses_for_good_is_set_aside(serve: Serve, tmp_path: Path, said: list[str]) -> None:
    served = serve(open=True)
    runs = HttpRuns(served.connection())
    with start(recorder_of(tmp_path, served.connection()), capture=False, say=said.append) as run:
        run.flush()
        runs.describe(run.id, params={"depth": 9})  # another rank was faster
        run.params(depth=3)
        run.log(loss=1.0, step=0)
    assert any("depth" in text and "refused" in text for text in said)
    assert values(runs, run.id) == [1.0]
    assert runs.get(run.id).status is RunStatus.FINISHED


def test_a_run_below_another_one_is_in_its_experiment_wherever_they_are(
    serve: Serve, tmp_path: Path, nowhere: Connection
) -> None:
    far = recorder_of(tmp_path, nowhere, wait_s=0.2)
    with start(far, experiment="tuning", capture=False, say=lambda _: None) as run:
        below = start_below(run, "candidate", params={"depth": 3}, tags={})
        below.finish()
    connection = serve(open=True).connection()
    runs = HttpRuns(connection)
    adopt(runs, HttpObjects(connection), tmp_path)
    assert {each.id for each in runs.list(experiment="tuning").items} == {run.id, below.id}
    assert runs.get(below.id).parent == run.id


class Nonsense(threading.Thread):
    """Answers everything with a page, as a proxy or a portal would."""

    def __init__(self, status: str) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.answer = f"HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<p/>".encode()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 20)
                connection.sendall(self.answer)


@pytest.mark.parametrize(
    "status", ["200 OK", "302 Found", "404 Not Found", "507 Insufficient Storage", "403 Forbidden"]
)
def test_a_server_that_answers_nonsense_takes_nothing(
    serve: Serve, tmp_path: Path, said: list[str], status: str
) -> None:
    nonsense = Nonsense(status)
    nonsense.start()
    wrong = Connection(nonsense.url, "late")
    recorder = recorder_of(tmp_path, wrong, wait_s=0.2)
    with start(recorder, params={"lr": 0.1}, capture=False, say=said.append) as run:
        use(run)
    nonsense.listener.close()
    wrong.close()
    connection = serve(open=True).connection()
    adopt(HttpRuns(connection), HttpObjects(connection), tmp_path)
    check(HttpRuns(connection), HttpObjects(connection), run.id)


_KILLED = """
    import os, sys, signal
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from test_remote_runs import recorder_of
    from clew.client.connection import Connection
    from clew.tracking.start import start
    run = start(recorder_of(Path(sys.argv[2]), Connection(sys.argv[3], "late")), "doomed", capture=False)
    run.tag(said="yes")
    for step in range(1000):
        run.log(loss=float(step), step=step)
        if step == 500:
            run.flush() if sys.argv[4] == "flushed" else None
    if os.fork() == 0:
        run.log(loss=-1.0, step=1000)
        run.save("child.txt", "from the child")
        os._exit(0)
    os.wait()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["flushed", "never"])
def test_a_killed_process_and_its_child_come_home(serve: Serve, tmp_path: Path, how: str) -> None:
    served = serve(open=True)
    words = [sys.executable, "-c", textwrap.dedent(_KILLED), str(Path(__file__).parent), str(tmp_path), served.url, how]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    connection = served.connection()
    runs = HttpRuns(connection)
    adopt(runs, HttpObjects(connection), tmp_path)
    (run,) = runs.list().items
    assert (run.status, run.tags) == (RunStatus.KILLED, {"said": "yes"})
    assert sorted(values(runs, run.id)) == [float(at) for at in range(-1, 1000)]
    assert [each.path for each in runs.artifacts(run.id)] == ["child.txt"]
    assert list(journals_folder(tmp_path).iterdir()) == []


def test_a_run_on_a_server_goes_on_and_is_forked(serve: Serve, tmp_path: Path) -> None:
    served = serve(open=True)
    recorder, runs = recorder_of(tmp_path, served.connection()), HttpRuns(served.connection())
    with start(recorder, "trunk", params={"lr": 0.1}, capture=False) as first:
        for at in range(10):
            first.log(loss=at)
    with start(recorder, resume="trunk", capture=False) as again:
        again.log(loss=10)
    with start(recorder, fork="trunk@4", capture=False) as branch:
        branch.log(loss=0, step=5)
    assert values(runs, first.id) == [float(at) for at in range(11)]
    assert values(runs, branch.id) == [0, 1, 2, 3, 4, 0]
    assert runs.get(branch.id).params == {"lr": 0.1}
    assert {runs.get(run).status for run in (first.id, branch.id)} == {RunStatus.FINISHED}


def test_a_run_on_a_server_gives_signs_of_life(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.drain.BEAT_S", 0.05)
    served = serve(open=True)
    with start(recorder_of(tmp_path, served.connection()), capture=False) as run:
        run.flush()
        deadline, found = time.monotonic() + 30, 0
        while found < 3 and time.monotonic() < deadline:
            with served.stores.ledger.read() as tx:
                found = sum(beat.count for beat in tx.beats.list("p") if beat.run == run.id)
            time.sleep(0.02)
        assert found >= 3
        assert look_for_lost(served.host, {}) == []
    with served.stores.ledger.read() as tx:
        assert tx.beats.list("p") == []


def test_messages_have_one_form() -> None:
    from clew.tracking.messages import Describe, Message

    said = Describe(run="r", tags={"a": "b"})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=Message) == said


def test_what_a_server_has_acknowledged_survives_its_machine(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client forgets it, and may be on another machine."""
    served, seen = serve(open=True), []
    real = served.host.ledger.write

    def write(durability: Durability = Durability.POWER, **more: Any) -> Any:
        seen.append(durability)
        return real(durability, **more)

    monkeypatch.setattr(served.host.ledger, "write", write)
    runs = HttpRuns(served.connection())
    run = runs.create(a_run(), experiment="e")
    runs.append([a_block("j:0-0")])
    runs.describe(run.id, params={"depth": 3})
    runs.link(run.id, node("data", "0" * 32), Role.INPUT)
    assert seen == [Durability.POWER] * 4
