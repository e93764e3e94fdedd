"""Steps in a session: looked up, run, kept, recorded, refused."""

from __future__ import annotations

import os
import pickle
import random
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Failed, Invalid
from clew.core.types.step import StepOutcome, StepRun
from clew.pipelines import LedgerSteps, Session, current, fingerprint, pipeline, session, set_opener, step
from clew.testing import ManualClock

RAN: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    RAN.clear()


@contextmanager
def run(stores: Stores, name: str = "", **options: Any) -> Iterator[list[StepRun]]:
    """A session that tells what its steps did."""
    told: list[StepRun] = []
    with session(stores, name, listener=told.append, **options):
        yield told


def outcomes(told: list[StepRun]) -> list[str]:
    return [done.outcome.value for done in told]


@step(ignores=["RAN"])
def double(x: int) -> int:
    RAN.append(f"double {x}")
    return 2 * x


@step(ignores=["RAN"])
def frame(rows: int) -> pl.DataFrame:
    RAN.append("frame")
    return pl.DataFrame({"a": list(range(rows))})


@step
def total(table: pl.DataFrame) -> int:
    return int(table["a"].sum())


def test_outside_of_a_session_a_step_is_its_function(stores: Stores) -> None:
    assert double(2) == 4
    assert double(2) == 4
    assert RAN == ["double 2", "double 2"]
    assert double.submit(3).result() == 6
    assert double.map([1, 2]) == [2, 4]


def test_inside_of_one_it_runs_once(stores: Stores) -> None:
    with run(stores) as told:
        assert [double(2), double(2), double(x=2), double(3)] == [4, 4, 4, 6]
    assert RAN == ["double 2", "double 3"]
    assert outcomes(told) == ["executed", "cached", "cached", "executed"]


def test_the_record_says_what_a_run_did(stores: Stores) -> None:
    with session(stores, "run1"):
        total(frame(3))
    with session(stores, "run2"):
        total(frame(3))
    steps = LedgerSteps(stores)
    first, second = steps.of_run("run1"), steps.of_run("run2")
    assert [(each.position, each.step, each.outcome) for each in first] == [
        (1, "frame", StepOutcome.EXECUTED),
        (2, "total", StepOutcome.EXECUTED),
    ]
    assert [each.outcome for each in second] == [StepOutcome.CACHED, StepOutcome.CACHED]
    assert [each.key for each in first] == [each.key for each in second]
    assert [each.output for each in first] == [each.output for each in second]
    assert [each.inputs for each in first] == [[], [1]] == [each.inputs for each in second]
    assert second[0].reason == "as in run run1"
    assert first[0].reason == "first time"
    assert first[0].started_us <= first[1].started_us


def test_no_step_takes_less_than_no_time(stores: Stores) -> None:
    class Back(ManualClock):
        def now_us(self) -> int:
            self.advance(-1_000_000)
            return self.us

    with run(replace(stores, clock=Back())) as told:
        assert [double(2), double(2)] == [4, 4]
    assert outcomes(told) == ["executed", "cached"]
    assert min(done.duration_us for done in told) >= 0


def test_positions_go_on_within_a_run(stores: Stores) -> None:
    for x in (1, 2):
        with session(stores, "run1"):
            double(x)
    assert [each.position for each in LedgerSteps(stores).of_run("run1")] == [1, 2]


def test_values_made_of_values_keep_their_arrows(stores: Stores) -> None:
    @step
    def split(n: int) -> tuple[list[int], dict[str, Any]]:
        return [n], {"b": [n + 1]}

    @step
    def both(a: list[int], b: list[int]) -> int:
        return a[0] + b[0]

    with session(stores, "run1"):
        a, rest = split(1)
        double(9)
        assert both(a, rest["b"]) == 3
    done = LedgerSteps(stores).of_run("run1")
    assert done[2].inputs == [1]


def test_large_results_are_objects_and_small_ones_are_not(stores: Stores) -> None:
    with run(stores):
        frame(5000)
        double(1)
    steps = LedgerSteps(stores)
    (large,), (small,) = steps.newest("frame"), steps.newest("double")
    assert large.output.inline is None
    assert not stores.objects.missing([large.output.digest])
    assert small.output.inline == b"2"


def test_a_lost_result_is_made_again(stores: Stores) -> None:
    with run(stores):
        frame(5000)
    stores.objects.delete([LedgerSteps(stores).newest("frame")[0].output.digest])
    with run(stores) as told:
        assert len(frame(5000)) == 5000
        assert len(frame(5000)) == 5000
    assert outcomes(told) == ["executed", "cached"]


def test_a_damaged_result_in_the_ledger_is_made_again(stores: Stores) -> None:
    with run(stores):
        double(4)
    steps = LedgerSteps(stores)
    (entry,) = steps.newest("double")
    broken = msgspec.structs.replace(entry.output, inline=b"9")
    from clew.pipelines.cache import Results

    with pytest.raises(Corrupt):
        Results(steps, stores.objects).bytes_of(broken)


def test_an_argument_that_is_left_out_is_its_default(stores: Stores) -> None:
    @step
    def power(x: int, y: int = 2) -> int:
        return x**y

    with run(stores) as told:
        assert [power(3), power(3, 2), power(y=2, x=3)] == [9, 9, 9]
    assert outcomes(told) == ["executed", "cached", "cached"]


def test_arguments_that_do_not_fit_are_refused(stores: Stores) -> None:
    with run(stores), pytest.raises(Invalid, match="cannot be called"):
        double(1, 2)  # type: ignore[call-arg]


def test_a_failure_names_the_step_and_keeps_the_traceback(stores: Stores) -> None:
    @step
    def fails(x: int, table: pl.DataFrame) -> float:
        return x / 0

    with pytest.raises(Failed) as caught, session(stores, "run1"):
        fails(1, pl.DataFrame({"a": [1, 2]}))
    assert "step fails(x=1, table=<DataFrame 2×1>) raised ZeroDivisionError" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.__cause__.__traceback__ is not None
    (done,) = LedgerSteps(stores).of_run("run1")
    assert done.outcome is StepOutcome.FAILED
    assert "ZeroDivisionError" in done.reason


def test_a_failure_is_not_kept(stores: Stores) -> None:
    flag = {"broken": True}

    @step(ignores=["test_a_failure_is_not_kept.<locals>.sometimes[flag]"])
    def sometimes() -> int:
        if flag["broken"]:
            raise ValueError("broken")
        return 1

    with pytest.raises(Failed), run(stores):
        sometimes()
    flag["broken"] = False
    with run(stores):
        assert sometimes() == 1


def test_an_interrupt_passes_through_and_what_was_done_is_kept(stores: Stores) -> None:
    @step(ignores=["RAN"])
    def stops() -> int:
        raise KeyboardInterrupt

    def work() -> None:
        with session(stores, "run1"):
            double(5)
            double(5)
            stops()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert outcomes(LedgerSteps(stores).of_run("run1")) == ["executed", "cached"]
    with run(stores) as told:
        double(5)
    assert outcomes(told) == ["cached"]


def test_a_step_inside_of_a_step_is_a_plain_call(stores: Stores) -> None:
    @step
    def outer(x: int) -> int:
        assert current() is None
        return double(x) + 1

    with run(stores) as told:
        assert outer(2) == 5
    assert [done.step for done in told] == ["outer"]


def test_a_step_without_cache_runs_each_time_and_is_recorded(stores: Stores) -> None:
    @step(cache=False)
    def now(x: int) -> int:
        RAN.append("now")
        return x

    with session(stores, "run1"):
        assert [now(1), now(1)] == [1, 1]
    assert RAN == ["now", "now"]
    done = LedgerSteps(stores).of_run("run1")
    assert outcomes(done) == ["executed", "executed"]
    assert done[0].output
    assert "cache=False" in done[0].reason


def test_a_step_without_cache_may_return_anything(stores: Stores) -> None:
    @step(cache=False)
    def thing() -> object:
        return threading.Lock()

    with run(stores):
        assert thing() is not None


def test_a_result_without_a_codec_is_refused(stores: Stores) -> None:
    @step
    def thing() -> object:
        return {"a": [object()]}

    with pytest.raises(Invalid, match=r"step thing: .*object") as refused, run(stores):
        thing()
    assert "codec=" in refused.value.hint


class Upper:
    """A codec for the test: text in capitals."""

    name = "upper"

    def encode(self, value: object, files: object) -> bytes:
        return str(value).encode()

    def decode(self, data: bytes, files: object) -> object:
        return set(data.decode())


def test_a_step_may_bring_its_codec(stores: Stores) -> None:
    @step(codec=Upper())
    def letters() -> object:
        return "aab"

    with run(stores) as told:
        assert letters() == "aab"
        assert letters() == {"a", "b"}
    assert outcomes(told) == ["executed", "cached"]


@pytest.mark.parametrize(
    "made", [np.arange(3), [1, [2]], {"a": 1}, pl.DataFrame({"a": [1]})], ids=lambda made: type(made).__name__
)
def test_a_step_that_changes_its_argument_is_refused(stores: Stores, made: Any) -> None:
    @step
    def changes(x: Any) -> int:
        if isinstance(x, pl.DataFrame):
            x.insert_column(0, pl.Series("b", [1]))
        else:
            x["a" if isinstance(x, dict) else 0] = 9
        return 1

    with pytest.raises(Invalid, match="changes its argument x in place") as refused, run(stores):
        changes(made)
    assert "copy" in refused.value.hint


def test_files_on_the_side_keep_a_result_from_being_kept(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stores.folder.parent)

    @step
    def writes() -> int:
        Path("side.txt").write_text("x")
        return 1

    with run(stores) as told:
        writes()
        writes()
    assert outcomes(told) == ["executed", "executed"]
    assert "it writes side.txt" in told[0].reason


def test_a_returned_file_is_kept_and_comes_back(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stores.folder.parent)

    @step
    def writes(name: str, text: str) -> Path:
        path = Path("out") / name
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as file:
            file.write(text)
        return path

    with run(stores) as told:
        writes("a.txt", "1")
        Path("out/a.txt").unlink()
        assert writes("a.txt", "1").read_text() == "1"
        writes("a.txt", "2")
        assert writes("a.txt", "1").read_text() == "1"
    assert outcomes(told) == ["executed", "cached", "executed", "cached"]


def test_a_path_argument_may_be_where_the_result_goes(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stores.folder.parent)

    @step
    def writes(path: Path) -> Path:
        path.write_text("1")
        return path

    with run(stores) as told:
        for _ in range(3):
            writes(Path("model.txt"))
    assert outcomes(told) == ["executed", "cached", "cached"]


def test_scratch_files_do_not_matter(stores: Stores, tmp_path: Path) -> None:
    @step
    def scratches(folder: str) -> int:
        scratch = Path(folder) / f"scratch{random.SystemRandom().random()}"
        scratch.write_text("x")
        text = scratch.read_text()
        scratch.unlink()
        return len(text)

    with run(stores) as told:
        scratches(str(tmp_path))
        scratches(str(tmp_path))
    assert outcomes(told) == ["executed", "cached"]


@pytest.mark.parametrize("way", ["append", "update", "remove"])
def test_changing_a_file_that_was_there_is_refused(stores: Stores, tmp_path: Path, way: str) -> None:
    @step
    def changes(folder: str, way: str) -> int:
        path = Path(folder) / "log.txt"
        if way == "remove":
            path.unlink()
        else:
            with path.open("a" if way == "append" else "r+") as file:
                file.write("x")
        return 1

    (tmp_path / "log.txt").write_text("before")
    with run(stores) as told:
        changes(str(tmp_path), way)
    assert "not kept: it " in told[0].reason
    assert LedgerSteps(stores).newest("changes") == []


def test_a_file_that_changes_while_it_is_read_is_no_input(stores: Stores, tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("1")

    @step
    def reads(name: str) -> str:
        with open(name) as file:  # noqa: PTH123
            found = file.read()
        changer = threading.Thread(target=os.utime, args=(name, (1, 1)))
        changer.start()
        changer.join()
        return found

    with run(stores) as told:
        reads(str(path))
    assert "changed while it ran" in told[0].reason


def test_a_host_or_a_program_keeps_a_result_from_being_kept(stores: Stores) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def asks() -> int:
            with socket.create_connection(("127.0.0.1", port)):
                return 1

        def starts() -> int:
            import subprocess

            return subprocess.run(["true"], check=False).returncode

        shy = [step(asks), step(starts)]
        bold = [step(inputs=["network"])(asks), step(inputs=["programs"])(starts)]
        with run(stores) as told:
            for each in (*shy, *bold, *bold):
                each()
    assert outcomes(told) == ["executed"] * 4 + ["cached"] * 2
    assert "connects to 127.0.0.1" in told[0].reason
    assert "inputs=['network']" in told[0].reason
    assert "starts true" in told[1].reason


COUNT = {"calls": 0}
DRAWS = random.Random(0)


def test_a_step_that_changes_what_it_reaches_is_not_kept(stores: Stores) -> None:
    @step
    def counts() -> int:
        COUNT["calls"] += 1
        return COUNT["calls"]

    @step
    def draws() -> float:
        return DRAWS.random()

    @step(ignores=["COUNT"])
    def counts_freely() -> int:
        COUNT["calls"] += 1
        return 1

    with run(stores) as told:
        for each in (counts, counts, draws, counts_freely, counts_freely):
            each()
    assert outcomes(told) == ["executed"] * 4 + ["cached"]
    assert "it changes global" in told[0].reason
    assert ":COUNT, which a cached run would not" in told[0].reason
    assert ":DRAWS, which a cached run would not" in told[2].reason


def test_a_key_does_not_depend_on_what_is_imported_already(stores: Stores) -> None:
    def work() -> list[str]:
        import colorsys
        import xml.dom.minidom as dom
        from email.mime import text

        return [dom.Node.__name__, text.MIMEText.__name__, str(colorsys.ONE_THIRD)]

    for name in ("colorsys", "xml.dom.minidom", "email.mime.text", "email.mime"):
        sys.modules.pop(name, None)
    before = fingerprint(work)
    work()
    assert fingerprint(work) == before


def test_code_that_is_found_by_a_name_made_at_run_time_keeps_a_result_from_being_kept(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugged.py").write_text("class C:\n    x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    @step
    def unpickles(data: bytes) -> int:
        return int(pickle.loads(data).x)

    @step
    def pickled_library(data: bytes) -> str:
        return str(type(pickle.loads(data)))

    with run(stores) as told:
        unpickles(b"cplugged\nC\n.")
        pickled_library(pickle.dumps(np.arange(3)))
        pickled_library(pickle.dumps(np.arange(3)))
    sys.modules.pop("plugged")
    assert "it leads to plugged" in told[0].reason
    assert outcomes(told) == ["executed", "executed", "cached"]
    (entry,) = LedgerSteps(stores).newest("pickled_library")
    assert entry.ingredients["distribution numpy"] == np.__version__


def test_a_model_that_comes_from_the_cache_is_the_same_argument(stores: Stores) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    @step
    def fit(x: list[float]) -> Any:
        return HistGradientBoostingClassifier(max_iter=2, random_state=0).fit([[each] for each in x], [0, 1] * 30)

    @step
    def score(model: Any, x: list[float]) -> float:
        return float(model.score([[each] for each in x], [0, 1] * 30))

    x = [float(each % 7) for each in range(60)]
    for _ in range(3):
        with run(stores) as told:
            score(fit(x), x)
    assert outcomes(told) == ["cached", "cached"]
    names = LedgerSteps(stores).newest("fit")[0].ingredients.keys()
    assert not [name for name in names if name.startswith(("environment", "presence", "file", "folder"))]


def test_secrets_are_not_written_down(stores: Stores) -> None:
    @step
    def asks(api_token: str, name: str) -> int:
        return 1 // len(name)

    with run(stores):
        asks("sesame", "x")
    assert "sesame" not in str(LedgerSteps(stores).newest("asks"))
    with pytest.raises(Failed) as failed, run(stores):
        asks("sesame", "")
    assert "sesame" not in str(failed.value)


def test_random_numbers_do_not_depend_on_what_ran_before(stores: Stores) -> None:
    @step
    def draws(x: int) -> list[float]:
        return [random.random(), float(np.random.random())]

    random.seed(1)
    state = random.getstate()
    with run(stores):
        first = draws(1)
        other = draws(2)
        assert random.getstate() == state
    assert first != other
    random.seed(2)
    with run(stores):
        uncached = step(cache=False)(draws.__wrapped__)
        assert uncached(1) == first


def test_a_reason_names_what_changed(stores: Stores) -> None:
    def helper(k: int) -> Any:
        def inner() -> int:
            return k

        return inner

    for k, x in ((1, 1), (2, 1), (2, 3)):
        inner = helper(k)

        @step
        def work(x: int, inner: Any = inner) -> int:
            return x + int(inner())

        with session(stores, f"run{k}{x}"):
            work(x)
    steps = LedgerSteps(stores)
    assert steps.of_run("run11")[0].reason == "first time"
    assert "inner[k]: 1 → 2" in steps.of_run("run21")[0].reason
    assert steps.of_run("run23")[0].reason == "argument x: 1 → 3"


def test_generators_coroutines_and_methods_are_no_steps() -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def coroutine() -> int:
        return 1

    class Thing:
        def method(self) -> int:
            return 1

    for function in (generator, coroutine, Thing.method, len, 3):
        with pytest.raises(Invalid) as refused:
            step(function)  # type: ignore[arg-type]
        assert refused.value.hint


def test_a_pipeline_is_a_function_and_a_run(stores: Stores) -> None:
    opened: list[tuple[str, dict[str, Any]]] = []

    @contextmanager
    def opener(made: Any, params: dict[str, Any]) -> Iterator[Session]:
        opened.append((made.name, params))
        with session(stores, "run1", resolve=lambda name: {"flights@1": [1, 2, 3]}[name]) as active:
            yield active

    @pipeline
    def train(flights: Dataset, depth: int = 2) -> int:
        return double(len(flights)) + depth

    assert train([1], 0) == 2
    with pytest.raises(Invalid, match="no project to run in"):
        train.run(flights=[1])
    set_opener(opener)
    try:
        assert train.run(flights="flights@1", depth=3) == 9
        assert train.datasets() == ["flights"]
        with pytest.raises(Invalid, match="missing a required argument"):
            train.run(depth=1)
    finally:
        set_opener(None)
    assert opened == [("train", {"flights": "flights@1", "depth": 3})]
    assert outcomes(LedgerSteps(stores).of_run("run1")) == ["executed"]


class Dataset(list[int]):
    """Stands for the handle of a dataset; only its name matters."""


def test_submitted_steps_run_here_without_workers(stores: Stores) -> None:
    with run(stores) as told:
        first = frame.submit(4)
        assert total.submit(first).result() == 6
        assert double.map([1, 2, 3]) == [2, 4, 6]
    assert outcomes(told) == ["executed"] * 5


def test_a_submitted_failure_is_not_lost(stores: Stores) -> None:
    @step
    def fails() -> int:
        raise ValueError("broken")

    with pytest.raises(Failed, match="broken"), run(stores):
        fails.submit()
    with pytest.raises(Failed, match="broken"), run(stores):
        double.submit(fails.submit()).result()  # type: ignore[arg-type]


def test_two_sessions_of_two_threads_do_not_mix(stores: Stores) -> None:
    def work(name: str) -> None:
        with session(stores, name):
            for x in range(20):
                double(x)

    threads = [threading.Thread(target=work, args=(f"run{at}",)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at in range(3):
        assert [each.position for each in LedgerSteps(stores).of_run(f"run{at}")] == list(range(1, 21))
