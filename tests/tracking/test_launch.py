"""A launched script behaves as it would without clew, and its run says how it ended."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.types.run import Run, RunStatus
from clew.tracking.adopt import journals_folder
from clew.tracking.capture import Command, Seeds, Source, read_aspect
from clew.tracking.launch import Launched, launch
from clew.tracking.recorder import Recorder
from clew.tracking.runs import LedgerRuns
from clew.tracking.start import start


class Out(io.BytesIO):
    """A stdout that is no terminal, and stays readable."""


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "project" / "train.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def launched(stores: Stores, *words: str, **options: object) -> tuple[Launched, str]:
    out = Out()
    done = launch(Recorder.of(stores), words, out=out, **options)  # type: ignore[arg-type]
    return done, out.getvalue().decode()


@pytest.mark.parametrize(
    ("text", "code", "status", "reason"),
    [
        ("print('fine')", 0, RunStatus.FINISHED, ""),
        ("import sys; sys.exit(0)", 0, RunStatus.FINISHED, ""),
        ("import sys; sys.exit(7)", 7, RunStatus.FAILED, "exit code 7"),
        ("import sys; sys.exit('because')", 1, RunStatus.FAILED, "because\n"),
        ("import os; os.kill(os.getpid(), 9)", 137, RunStatus.KILLED, "killed by SIGKILL"),
        ("import os; os.kill(os.getpid(), 40)", 168, RunStatus.KILLED, "killed by signal 40"),
        ("raise KeyboardInterrupt", 130, RunStatus.INTERRUPTED, "interrupted by Ctrl-C"),
    ],
)
def test_ends(stores: Stores, tmp_path: Path, text: str, code: int, status: RunStatus, reason: str) -> None:
    done, _ = launched(stores, script(tmp_path, text))
    assert (done.exit_code, done.run.status, done.run.reason) == (code, status, reason)
    assert LedgerRuns(stores).get(done.run.id) == done.run


@pytest.mark.parametrize("text", ["echo fine", "#!/no/such/program"])
def test_what_cannot_be_executed_is_a_mistake(stores: Stores, tmp_path: Path, text: str) -> None:
    path = tmp_path / "job"
    path.write_text(f"{text}\n")
    path.chmod(0o755)
    with pytest.raises(Invalid, match="job cannot be executed"):
        launched(stores, str(path))
    assert [run.status for run in LedgerRuns(stores).list().items] == [RunStatus.FAILED]


def test_a_traceback_is_shown_as_python_would_and_kept(
    stores: Stores, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = script(tmp_path, "def f():\n    return 1 / 0\n\nf()\n")
    done, _ = launched(stores, path)
    shown = capfdbinary.readouterr().err.decode()
    alone = subprocess.run([sys.executable, path], capture_output=True, check=False).stderr.decode()
    assert shown.endswith(alone)
    assert done.run.reason == alone


def test_the_script_sees_what_it_would_see_and_its_run_is_recorded(stores: Stores, tmp_path: Path) -> None:
    text = """
import os, sys
print(sys.argv, __name__, sys.path[0] == os.path.dirname(__file__))
print(os.environ["CLEW_RUN"], os.environ["PYTHONHASHSEED"])
"""
    path = script(tmp_path, text)
    done, out = launched(stores, path, "--depth", "8", "--token", "abc", name="named", experiment="e", tags={"a": "b"})
    run = done.run
    assert out == f"{[path, '--depth', '8', '--token', 'abc']} __main__ True\n{run.id} 0\n"
    assert (run.name, run.tags, run.entry) == ("named", {"a": "b"}, "train.py")
    assert run.command == [path, "--depth", "8", "--token", "***"]
    source = read_aspect(stores.objects, run, "source", Source)
    assert [file.path for file in source.files] == ["train.py"]
    assert read_aspect(stores.objects, run, "seeds", Seeds).hash_seed == "0"
    assert read_aspect(stores.objects, run, "command", Command).variables["PYTHONHASHSEED"] == "0"
    (console,) = LedgerRuns(stores).artifacts(run.id)
    assert stores.objects.get(console.digest).decode() == out


def test_points_of_the_script_are_in_its_run(stores: Stores, tmp_path: Path) -> None:
    text = f"""
import os
from pathlib import Path
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.start import start
run = start(Recorder.of(open_stores(Path({str(stores.folder)!r}))), params={{"lr": 0.1}})
run.log(loss=0.5, step=1)
os._exit(0)
"""
    done, _ = launched(stores, script(tmp_path, text))
    runs = LedgerRuns(stores)
    assert [(s.run, s.key, s.last) for s in runs.summaries([done.run.id])] == [(done.run.id, "loss", 0.5)]
    assert done.run.params == {"lr": 0.1}
    assert done.run.status is RunStatus.FINISHED
    assert read_aspect(stores.objects, done.run, "seeds", Seeds).python is not None
    assert len(runs.list().items) == 1


_WITHIN = """
from pathlib import Path
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.start import start
with start(Recorder.of(open_stores(Path({folder!r}))), **{options!r}) as run:
    run.log(loss=9.0, step=9)
"""


def test_a_script_forks_into_the_run_that_was_started_for_it(stores: Stores, tmp_path: Path) -> None:
    with start(Recorder.of(stores), "trunk", params={"lr": 0.1}, capture=False) as trunk:
        for step in range(5):
            trunk.log(loss=step, step=step)
    text = _WITHIN.format(folder=str(stores.folder), options={"fork": "trunk@3"})
    done, _ = launched(stores, script(tmp_path, text))
    runs = LedgerRuns(stores)
    assert done.run.status is RunStatus.FINISHED
    assert runs.get(done.run.id).tags == {"clew.fork": f"{trunk.id}@3"}
    assert [(each.key, each.count) for each in runs.summaries([done.run.id]) if each.key == "loss"] == [("loss", 5)]


def test_a_script_cannot_let_another_run_go_on(
    stores: Stores, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with start(Recorder.of(stores), "long", capture=False) as long:
        long.log(loss=1.0)
    path = script(tmp_path, _WITHIN.format(folder=str(stores.folder), options={"resume": "long"}))
    assert launched(stores, path)[0].exit_code == 1
    assert "clew run --resume long SCRIPT" in capfd.readouterr().err
    done, _ = launched(stores, path, resume="long")
    assert (done.exit_code, done.run.id, done.run.status) == (0, long.id, RunStatus.FINISHED)


def test_a_script_that_is_asked_to_stop_is_interrupted_once(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tracking.drain.BEAT_S", 0.05)
    heard = tmp_path / "heard"
    text = f"""
import time
from pathlib import Path
import clew.tracking.drain
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.stop import STOP_TAG
from clew.tracking.start import start
clew.tracking.drain.BEAT_S = 0.05
heard = Path({str(heard)!r})
with start(Recorder.of(open_stores(Path({str(stores.folder)!r})))) as run:
    try:
        run.tag({{STOP_TAG: "ann"}})
        for _ in range(6000):
            time.sleep(0.01)
    except KeyboardInterrupt:
        print("interrupted")
    while not heard.exists():  # until the launcher has been asked too
        time.sleep(0.01)
    time.sleep(0.5)
"""
    done, out = launched(stores, script(tmp_path, text), say=lambda _: heard.touch())
    assert (done.exit_code, out) == (0, "interrupted\n")


class Late(LedgerRuns):
    """Runs that are asked to stop once the script has left its run: so late the launcher looks."""

    def __init__(self, stores: Stores, left: Path) -> None:
        super().__init__(stores)
        self.left = left

    def get(self, id: str) -> Run:
        found = super().get(id)
        return found if self.left.exists() else msgspec.structs.replace(found, tags={})


def test_a_script_that_was_stopped_tidies_up_behind_its_run_in_peace(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tracking.drain.BEAT_S", 0.05)
    heard, left = tmp_path / "heard", tmp_path / "left"
    text = f"""
import time
from pathlib import Path
import clew.tracking.drain
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.stop import STOP_TAG
from clew.tracking.start import start
clew.tracking.drain.BEAT_S = 0.05
try:
    with start(Recorder.of(open_stores(Path({str(stores.folder)!r})))) as run:
        run.tag({{STOP_TAG: "ann"}})
        for _ in range(6000):
            time.sleep(0.01)
except KeyboardInterrupt:
    Path({str(left)!r}).touch()
while not Path({str(heard)!r}).exists():
    time.sleep(0.01)
time.sleep(0.3)
print("tidy")
"""
    recorder = replace(Recorder.of(stores), runs=Late(stores, left))
    out = Out()
    done = launch(recorder, [script(tmp_path, text)], out=out, say=lambda _: heard.touch())
    assert (done.exit_code, out.getvalue()) == (0, b"tidy\n")
    assert list(journals_folder(stores.folder).iterdir()) == []


@pytest.mark.parametrize(
    ("handler", "code", "status"),
    [(signal.default_int_handler, 130, RunStatus.INTERRUPTED), (signal.SIG_IGN, 143, RunStatus.KILLED)],
    ids=["heard", "ignored"],
)
def test_a_script_that_takes_no_part_is_stopped_too(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: Any, code: int, status: RunStatus
) -> None:
    """Also where the shell that started it in the background lets it ignore Ctrl-C."""
    monkeypatch.setattr("clew.tracking.drain.BEAT_S", 0.05)
    text = f"""
import os, time
from pathlib import Path
from clew.testing.project import open_stores
from clew.tracking.stop import STOP_TAG
from clew.tracking.runs import LedgerRuns
LedgerRuns(open_stores(Path({str(stores.folder)!r}))).describe(os.environ["CLEW_RUN"], tags={{STOP_TAG: "ann"}})
time.sleep(100)
"""
    before = signal.signal(signal.SIGINT, handler)
    try:
        done, _ = launched(stores, script(tmp_path, text))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.exit_code, done.run.status) == (code, status)


def test_modules_and_other_programs_run_too(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mod.py").write_text("import sys; print(sys.argv[1:])")
    assert launched(stores, "-m", "mod", "x")[1] == "['x']\n"
    program = tmp_path / "go.sh"
    program.write_text("#!/bin/sh\necho $1\n")
    program.chmod(0o755)
    assert launched(stores, str(program), "hello")[1] == "hello\n"
    with pytest.raises(NotFound, match="script"):
        launched(stores, "missing.py")
    assert len(LedgerRuns(stores).list().items) == 2


def test_bytes_that_are_no_text_pass_through(stores: Stores, tmp_path: Path) -> None:
    out = Out()
    launch(Recorder.of(stores), [script(tmp_path, r"import sys; sys.stdout.buffer.write(b'\xff\x00\xc3')")], out=out)
    assert out.getvalue() == b"\xff\x00\xc3"


def test_on_a_terminal_the_script_has_one_and_line_ends_stay(stores: Stores, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "wb", buffering=0) as out:
        shown: list[bytes] = []

        def read() -> None:
            while not shown or not shown[-1].endswith(b"\n"):
                shown.append(os.read(ours, 1000))

        reader = threading.Thread(target=read)
        reader.start()
        launch(Recorder.of(stores), [script(tmp_path, "import sys; print(sys.stdout.isatty())")], out=out)
        reader.join()
    os.close(ours)
    assert b"".join(shown) == b"True\r\n"
    (run,) = LedgerRuns(stores).list().items
    (console,) = LedgerRuns(stores).artifacts(run.id)
    assert stores.objects.get(console.digest) == b"True\n"


def test_a_reader_that_goes_away_does_not_stop_the_script(stores: Stores, tmp_path: Path) -> None:
    class Gone(Out):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    done = launch(Recorder.of(stores), [script(tmp_path, "print('x' * 100_000)")], out=Gone())
    assert done.run.status is RunStatus.FINISHED


UNTIL_SHOWN = """
import time
from pathlib import Path
while not Path({!r}).exists():
    time.sleep(0.01)
"""


class Reader(Out):
    """Says with a file that something was printed, for scripts that end only then (`UNTIL_SHOWN`)."""

    def __init__(self, shown: Path, slow_s: float = 0.0) -> None:
        super().__init__()
        self._shown, self._slow_s = shown, slow_s

    def write(self, data: object) -> int:
        if self._slow_s:
            self._shown.touch()
            time.sleep(self._slow_s)
        count = super().write(data)  # type: ignore[arg-type]
        self._shown.touch()
        return count


def test_a_reader_that_is_slow_gets_everything(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.launch._LINGER_S", 0.1)
    shown = tmp_path / "shown"
    out = Reader(shown, slow_s=0.7)
    text = "print('x' * 1000)" + UNTIL_SHOWN.format(str(shown))
    launch(Recorder.of(stores), [script(tmp_path, text)], out=out)
    assert out.getvalue() == b"x" * 1000 + b"\n"


def test_what_the_script_leaves_running_does_not_hold_the_run(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tracking.launch._LINGER_S", 0.01)
    shown = tmp_path / "shown"
    text = "import subprocess, sys\nprint(subprocess.Popen(['sleep', '60']).pid)" + UNTIL_SHOWN.format(str(shown))
    out = Reader(shown)
    done = launch(Recorder.of(stores), [script(tmp_path, text)], out=out)
    os.kill(int(out.getvalue()), signal.SIGKILL)
    assert done.run.status is RunStatus.FINISHED


@pytest.mark.parametrize("starts", ["slowly", "quickly"])
def test_a_request_to_end_is_handed_on(tmp_path: Path, starts: str) -> None:
    """Also one that comes before the launcher knows the process that it has started."""
    asked = tmp_path / "asked"
    text = "import os, pathlib, signal, time\nos.kill(os.getppid(), signal.SIGTERM)\n"
    path = script(tmp_path, f"{text}pathlib.Path({str(asked)!r}).touch()\ntime.sleep(60)")
    code = f"""
import subprocess, sys, time
from pathlib import Path
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.launch import launch
class Slow(subprocess.Popen):
    def __init__(self, words, **options):
        super().__init__(words, **options)
        while {path!r} in words and not Path({str(asked)!r}).exists():
            time.sleep(0.01)
if {starts == "slowly"}:
    subprocess.Popen = Slow
done = launch(Recorder.of(open_stores(Path({str(tmp_path / ".clew")!r}))), [{path!r}])
print(done.exit_code, done.run.status, done.run.reason)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "143 killed killed by SIGTERM\n"
