from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import pytest

import clew
from clew.cli.main import main
from clew.core.errors import Conflict, Invalid
from clew.core.ids import Digest
from clew.core.types.run import Run, RunKind, RunStatus
from clew.core.types.step import StepOutcome, StepRun
from clew.loop.reproduce.compare import _metric, compare_steps, difference_of, verdict_of
from clew.loop.reproduce.factors import key_factors
from clew.loop.reproduce.pin import kernel_variables, pinned_variables, source_paths
from clew.loop.reproduce.recorded import Capture, check_repeatable
from clew.loop.reproduce.repeat import command_of
from clew.loop.reproduce.reproduction import FactorKind, MetricComparison, StepComparison
from clew.loop.reproduce.scene import Scene, scene_of
from clew.tracking.capture import Command, Hardware, Kernels, NumericLibrary, Seeds, Source, SourceFile, Threads
from clew.tracking.capture.git import GitState

PIPELINE = """
import random
import clew
from helpers import SCALE

@clew.step
def draw(count: int) -> list[float]:
    return [random.random() for _ in range(count)]

@clew.step
def scaled(values: list[float]) -> list[float]:
    return [value * SCALE for value in values]

@clew.pipeline
def train(rows: clew.Dataset, count: int = 3):
    return scaled(draw(count + rows.rows))
"""

FRAGILE = """
import os
import clew

@clew.pipeline
def train():
    if not os.path.exists({mark!r}):
        raise ValueError("no mark")

if __name__ == "__main__":
    train.__wrapped__()
"""

SCRIPT = """
import random
import sys
import clew

with clew.run("drawn") as run:
    for step in range(5):
        run.log(loss=random.random(), step=step)
    run.log(words=len(sys.argv[1:]))
    run.save("seen.txt", open("notes.py").read())
"""

UNSTEADY = """
import os
import time
import clew

@clew.step
def steady() -> int:
    return 1

@clew.step(cache=False)
def unsteady() -> float:
    return time.time()

@clew.step
def reads() -> str:
    return open("numbers.txt").read()

@clew.pipeline
def train():
    return steady(), unsteady()

@clew.pipeline
def read():
    return reads()
"""


class Project:
    """A project that is worked on by its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def clew(self, *words: str) -> str:
        """Run a command in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "clew", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """In a folder that git ignores, below a repository."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / ".gitignore").write_text("work/\n")
    folder = root / "work"
    folder.mkdir()
    made = Project(folder)
    made.clew("init")
    made.write("rows.csv", "a,b\n1,2\n3,4\n")
    made.clew("data", "add", "rows", "rows.csv")
    return made


@pytest.fixture
def reproduce(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Any]]:
    """Exit code and result of `clew reproduce … --json`."""
    monkeypatch.chdir(project.folder)

    def call(*words: str) -> tuple[int, Any]:
        code = main(["reproduce", *words, "--json"])
        out, err = capfd.readouterr()
        return code, json.loads(out) if out else err

    return call


def test_a_pipeline_is_repeated_whatever_became_of_its_folder_since(
    project: Project, reproduce: Callable[..., Any], tmp_path: Path
) -> None:
    project.write("helpers.py", "SCALE = 2.0\n")
    project.write("work.py", PIPELINE)
    run = json.loads(project.clew("run", "--json", "work.py:train", "rows=rows@latest", "count=2"))["run"]
    project.write("helpers.py", "SCALE = 3.0\n")
    project.write("rows.csv", "a,b\n1,2\n")
    project.clew("data", "add", "rows", "rows.csv")
    code, found = reproduce(run, "--keep", str(tmp_path / "again"))
    assert (code, found["verdict"]) == (0, "bit-identical")
    assert [(step["step"], step["outcome"], step["same"]) for step in found["steps"]] == [
        ("draw", "executed", True),
        ("scaled", "executed", True),
    ]
    assert found["factors"] == []
    assert (tmp_path / "again" / "helpers.py").read_text() == "SCALE = 2.0\n"
    [repeated] = [each for each in runs_of(project) if each["id"] == found["repeated"]]
    assert (repeated["kind"], repeated["tags"]["reproduces"]) == ("reproduction", run)
    assert (project.folder / "helpers.py").read_text() == "SCALE = 3.0\n"
    code, said = reproduce(found["repeated"])
    assert code == 2
    assert "reproduction itself" in said


def runs_of(project: Project) -> Any:
    return json.loads(project.clew("runs", "list", "--json"))["items"]


def test_a_script_goes_on_from_the_same_random_numbers(project: Project, reproduce: Callable[..., Any]) -> None:
    project.write("notes.py", "# kept\n")
    project.write("draw.py", SCRIPT)
    run = json.loads(project.clew("run", "--json", "draw.py", "one", "two"))
    assert run["name"] == "drawn"
    code, found = reproduce("drawn")
    assert (code, found["verdict"]) == (0, "bit-identical")
    assert [(each["metric"], each["points"], each["same"]) for each in found["metrics"]] == [
        ("loss", 5, True),
        ("words", 1, True),
    ]
    assert [(each["kind"], each["name"]) for each in found["outputs"]] == [("artifact", "seen.txt")]
    assert found["metrics"][1]["value"] == 2.0


def test_a_step_that_is_not_the_same_twice(
    project: Project, reproduce: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    project.write("unsteady.py", UNSTEADY)
    run = json.loads(project.clew("run", "--json", "unsteady.py:train"))["run"]
    code, found = reproduce(run)
    assert (code, found["verdict"]) == (1, "different")
    assert [(step["step"], step["same"]) for step in found["steps"]] == [("steady", True), ("unsteady", False)]
    assert (found["divergence"]["name"], found["divergence"]["factors"]) == ("unsteady", [])
    assert main(["reproduce", run]) == 1
    out = capfd.readouterr().out
    assert "1 of 2 steps the same" in out
    assert "first difference: step unsteady" in out


def test_a_file_in_no_dataset_is_taken_from_where_it_lay_if_it_is_what_it_was(
    project: Project, reproduce: Callable[..., Any]
) -> None:
    project.write("unsteady.py", UNSTEADY)
    project.write("numbers.txt", "1 2 3\n")
    (project.folder / ".gitignore").write_text("numbers.txt\n")
    run = json.loads(project.clew("run", "--json", "unsteady.py:read"))["run"]
    assert reproduce(run)[1]["verdict"] == "bit-identical"
    project.write("numbers.txt", "1 2 4\n")
    code, said = reproduce(run)
    assert code == 9
    assert "numbers.txt" in said


@pytest.mark.parametrize("entry", ["fragile.py", "fragile.py:train"])
def test_a_command_that_fails_now_shows_the_traceback_of_the_user_and_one_sentence(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], entry: str
) -> None:
    mark = tmp_path / "mark"
    mark.write_text("here")
    project.write("fragile.py", FRAGILE.format(mark=str(mark)))
    found = json.loads(project.clew("run", "--json", entry))
    mark.unlink()
    monkeypatch.chdir(project.folder)
    assert main(["reproduce", found.get("run") or found["id"]]) == 9
    said = capfd.readouterr().err
    assert 'fragile.py", line ' in said
    assert f"could not be repeated: {'the pipeline train raised ' if ':' in entry else ''}ValueError: no mark\n" in said
    assert '{"error"' not in said
    assert str(Path(clew.__file__).parent) not in said
    assert "clew runs show" not in said


def test_unknown_runs(project: Project, reproduce: Callable[..., Any]) -> None:
    assert reproduce("nothing")[0] == 3


def a_run(**changes: Any) -> Run:
    given: dict[str, Any] = {
        "id": "1" * 32,
        "project": "p",
        "experiment": "e",
        "name": "first",
        "kind": RunKind.SCRIPT,
        "status": RunStatus.FINISHED,
        "created_us": 1,
        "created_by": "ann",
        **changes,
    }
    return Run(**given)


def a_source(*paths: str, entry: str = "", git: bool = False) -> Source:
    state = GitState(commit="c", branch="main", remote="", changed=[], untracked=[]) if git else None
    return Source(entry=entry, git=state, files=[SourceFile(path, Digest("d"), 1) for path in paths], left_out=[])


def a_command(*words: str, folder: str = "/home/ann/work", **variables: str) -> Command:
    return Command(words=list(words), folder=folder, interpreter="python", options=[], variables=variables)


NOTHING = Capture(source=None, command=None, environment=None, hardware=None, threads=None, kernels=None, seeds=None)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (a_run(kind=RunKind.NOTEBOOK), "notebook"),
        (a_run(kind=RunKind.REPRODUCTION), "reproduction itself"),
        (a_run(tags={"clew.rank.1": "j"}), "several processes"),
        (a_run(), "recorded no source"),
    ],
)
def test_runs_that_cannot_be_repeated(run: Run, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        check_repeatable(run, NOTHING)


def test_runs_that_have_not_finished_or_hide_a_word() -> None:
    with pytest.raises(Conflict, match="it is failed"):
        check_repeatable(a_run(status=RunStatus.FAILED), NOTHING)
    hidden = Capture(
        source=a_source("train.py"),
        command=a_command("train.py", "--token", "***"),
        environment=None,
        hardware=None,
        threads=None,
        kernels=None,
        seeds=None,
    )
    with pytest.raises(Invalid, match="secret"):
        check_repeatable(a_run(), hidden)


@pytest.mark.parametrize(
    ("words", "folder", "entry", "root", "inside", "started"),
    [
        (("train.py", "-v"), "/home/ann/work", "train.py", "/home/ann/work", ".", ("train.py", "-v")),
        (("../train.py",), "/home/ann/work/sub", "train.py", "/home/ann/work", "sub", ("../train.py",)),
        (("ml/train.py",), "/home/ann/work", "work/ml/train.py", "/home/ann", "work", ("ml/train.py",)),
        (("/opt/x/train.py",), "/home/ann", "x/train.py", "/opt", ".", ("x/train.py",)),
    ],
)
def test_where_a_script_ran(
    words: tuple[str, ...], folder: str, entry: str, root: str, inside: str, started: tuple[str, ...]
) -> None:
    scene = scene_of(a_run(), a_source(entry, entry=entry), a_command(*words, folder=folder))
    assert scene == Scene(root=PurePosixPath(root), folder=inside, words=started, wrapped=True)


@pytest.mark.parametrize(
    ("entry", "paths", "git", "root", "inside", "pipeline"),
    [
        ("train.py:train", ["train.py"], False, "/home/ann/work", ".", "train.py:train"),
        ("train.py:train", ["work/train.py", "work/other.py"], True, "/home/ann", "work", "work/train.py:train"),
        ("/home/ann/work/ml/train.py:fit", ["ml/train.py"], True, "/home/ann/work", ".", "ml/train.py:fit"),
    ],
)
def test_where_a_pipeline_ran(entry: str, paths: list[str], git: bool, root: str, inside: str, pipeline: str) -> None:
    run = a_run(kind=RunKind.PIPELINE, entry=entry)
    scene = scene_of(run, a_source(*paths, git=git), a_command("clew", "worker"))
    assert scene == Scene(root=PurePosixPath(root), folder=inside, pipeline=pipeline)


def test_a_run_of_nothing_that_is_known() -> None:
    with pytest.raises(Invalid, match="neither from a script nor as a pipeline"):
        scene_of(a_run(kind=RunKind.PIPELINE, entry="train"), a_source("train.py"), a_command("python"))
    with pytest.raises(Invalid, match="not in the snapshot"):
        scene_of(a_run(kind=RunKind.PIPELINE, entry="gone.py:train"), a_source("train.py"), a_command("python"))


def test_parameters_go_back_to_what_they_were() -> None:
    params = {"depth": 3, "rate": 0.1, "name": "a b", "grid.low": 1, "grid.high": None, "sizes": "[1, 2]", "odd": "[x"}
    run = a_run(kind=RunKind.PIPELINE, params=params)
    words = command_of(run, Scene(root=PurePosixPath("/r"), folder="sub", pipeline="ml/train.py:train"))
    assert words[3:] == [
        "run",
        "../ml/train.py:train",
        "depth=3",
        "rate=0.1",
        'name="a b"',
        'grid={"low":1,"high":null}',
        "sizes=[1,2]",
        'odd="[x"',
    ]


def test_variables_are_pinned_to_what_was_recorded() -> None:
    capture = Capture(
        source=None,
        command=a_command("train.py", OMP_NUM_THREADS="3", TZ="UTC"),
        environment=None,
        hardware=Hardware(host="h", cpu="c", features=[], cpus=8, usable_cpus=8, memory_bytes=1, accelerators=[]),
        threads=Threads(asked={"OMP_NUM_THREADS": "3"}, effective={"polars": 5}),
        kernels=None,
        seeds=Seeds(hash_seed="17", python=None, numpy=None, torch_seed=None),
    )
    around = {"HOME": "/h", "MKL_NUM_THREADS": "1", "CLEW_RUN": "x", "LANG": "C", "PYTHONHASHSEED": "1"}
    found = pinned_variables(around, capture, seeds=Digest("s"), cpus=2, paths=["/clean/src"])
    assert found == {
        "HOME": "/h",
        "OMP_NUM_THREADS": "3",
        "OPENBLAS_NUM_THREADS": "8",
        "MKL_NUM_THREADS": "8",
        "RAYON_NUM_THREADS": "8",
        "POLARS_MAX_THREADS": "5",
        "TZ": "UTC",
        "PYTHONHASHSEED": "17",
        "PYTHONPATH": "/clean/src",
        "CLEW_OBJECTS": "",
        "CLEW_LEDGER": "sqlite",
        "CLEW_SEEDS": "s",
    }
    same = pinned_variables({}, capture, seeds=None, cpus=8, paths=[])
    assert "MKL_NUM_THREADS" not in same


def a_machine(*features: str, cpu: str = "old") -> Hardware:
    return Hardware(
        host="h", cpu=cpu, features=sorted(features), cpus=2, usable_cpus=2, memory_bytes=1, accelerators=[]
    )


def on_a_machine(machine: Hardware | None, kernels: Kernels | None) -> Capture:
    return Capture(
        source=None,
        command=None,
        environment=None,
        hardware=machine,
        threads=None,
        kernels=kernels,
        seeds=None,
    )


OPENBLAS = NumericLibrary(name="libscipy_openblas", version="0.3", architecture="Haswell", threads=2)


def test_on_a_newer_processor_libraries_are_told_to_choose_what_they_chose() -> None:
    kernels = Kernels(asked={}, libraries=[OPENBLAS], numpy=["X86_V3"])
    was, newer = on_a_machine(a_machine("avx", "avx2"), kernels), a_machine("avx", "avx2", "avx512f", cpu="new")
    assert kernel_variables(was, newer, numpy_now=lambda: ["X86_V3", "X86_V4"]) == (
        {
            "OPENBLAS_CORETYPE": "Haswell",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "ATEN_CPU_CAPABILITY": "avx2",
            "NPY_DISABLE_CPU_FEATURES": "X86_V4",
        },
        "",
    )
    asked = msgspec.structs.replace(kernels, asked={"OPENBLAS_CORETYPE": "Zen"}, numpy=[])
    pinned, _ = kernel_variables(on_a_machine(was.hardware, asked), newer, numpy_now=lambda: ["X86_V4"])
    assert "OPENBLAS_CORETYPE" not in pinned  # it is among the recorded variables
    assert "NPY_DISABLE_CPU_FEATURES" not in pinned


def test_kernels_are_left_alone_on_the_same_processor_and_cannot_be_pinned_on_an_older_one() -> None:
    kernels = Kernels(asked={}, libraries=[OPENBLAS], numpy=[])
    new = a_machine("avx", "avx2", "avx512f", cpu="new")

    def asked() -> list[str]:
        raise AssertionError

    assert kernel_variables(on_a_machine(new, kernels), new, numpy_now=asked) == ({}, "")
    assert kernel_variables(on_a_machine(None, kernels), new, numpy_now=asked) == ({}, "")
    assert kernel_variables(on_a_machine(a_machine("avx"), None), new, numpy_now=asked) == ({}, "")
    pinned, why = kernel_variables(on_a_machine(new, kernels), a_machine("avx"), numpy_now=asked)
    assert (pinned, why.partition(":")[0]) == ({}, "this processor has no avx2, avx512f")


def test_code_that_is_installed_in_place_is_imported_from_the_clean_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/home/ann/work/src", "/usr/lib/python3"])
    capture = Capture(
        source=None,
        command=a_command("train.py", PYTHONPATH="/home/ann/work/lib:/opt/shared"),
        environment=None,
        hardware=None,
        threads=None,
        kernels=None,
        seeds=None,
    )
    scene = Scene(root=PurePosixPath("/home/ann/work"), folder=".")
    assert source_paths(capture, scene, Path("/clean")) == ["/clean/lib", "/opt/shared", "/clean/src"]


def a_step(name: str, position: int, output: str = "o", key: str = "k") -> StepRun:
    return StepRun(
        run="r",
        position=position,
        step=name,
        key=Digest(key),
        outcome=StepOutcome.EXECUTED,
        output=Digest(output),
        started_us=1,
        duration_us=1,
    )


def test_steps_are_compared_by_name_and_order() -> None:
    was = [a_step("load", 1), a_step("fit", 2, "a"), a_step("fit", 3, "b"), a_step("kept", 4, "")]
    now = [a_step("fit", 1, "a"), a_step("load", 2), a_step("fit", 3, "c"), a_step("kept", 4, ""), a_step("new", 5)]
    found = [(each.step, each.position, each.same) for each in compare_steps(was, now)]
    assert found == [("load", 1, True), ("fit", 2, True), ("fit", 3, False), ("kept", 4, None), ("new", 5, False)]
    assert [(each.step, each.same) for each in compare_steps(was[:1], [])] == [("load", False)]


def a_metric(difference: float | None) -> MetricComparison:
    return MetricComparison(metric="m", recorded=1.0, value=1.0, points=1, same=difference == 0, difference=difference)


@pytest.mark.parametrize(
    ("steps", "metrics", "verdict"),
    [
        ([True, None], [], "bit-identical"),
        ([True], [0.0], "bit-identical"),
        ([False], [0.0], "same metrics"),
        ([False], [], "different"),
        ([False], [1e-9], "within tolerance"),
        ([True], [1e-9], "within tolerance"),
        ([True], [1e-3], "different"),
        ([True], [None], "different"),
        ([None], [], "nothing to compare"),
    ],
)
def test_verdicts(steps: list[bool | None], metrics: list[float | None], verdict: str) -> None:
    compared = [
        StepComparison(
            step="s",
            position=1,
            outcome=None,
            recorded_key=Digest(""),
            key=Digest(""),
            recorded=Digest(""),
            output=Digest(""),
            same=same,
        )
        for same in steps
    ]
    assert verdict_of(compared, [], [a_metric(each) for each in metrics], tolerance=1e-6) == verdict


def test_the_last_value_is_the_one_that_came_last_at_the_greatest_step() -> None:
    found = _metric("loss", [(1.0, 5.0), (2.0, 4.0), (2.0, 3.0), (1.0, 9.0)], [])
    assert (found.recorded, found.value) == (3.0, None)


def test_differences_of_numbers() -> None:
    nan, infinite = float("nan"), float("inf")
    assert difference_of(2.0, 1.0) == 0.5
    assert difference_of(0.0, -0.0) == 0.0
    assert difference_of(nan, nan) == 0.0
    assert difference_of(nan, 1.0) == difference_of(infinite, 1.0) == infinite


def test_what_changed_of_a_key() -> None:
    was = {"distribution polars": "2.0", "function work:fit": "a" * 64, "file x.csv": "b" * 64, "python": "cpython 3"}
    now = {"distribution polars": "2.1", "function work:fit": "c" * 64, "python": "cpython 3"}
    assert [(each.kind, each.name, each.recorded, each.now) for each in key_factors(was, now)] == [
        (FactorKind.PACKAGE, "distribution polars", "2.0", "2.1"),
        (FactorKind.FILE, "file x.csv", "b" * 12, ""),
        (FactorKind.CODE, "function work:fit", "a" * 12, "c" * 12),
    ]


def test_the_same_path_in_another_place_is_no_change() -> None:
    was = {"presence /home/ann/work": "folder", "file /home/ann/work/x.csv": "1", "file /opt/y": "2"}
    now = {"presence /clean": "folder", "file /clean/x.csv": "1", "file /opt/y": "3"}
    assert [each.name for each in key_factors(was, now, ("/home/ann/work", "/clean"))] == ["file /opt/y"]
