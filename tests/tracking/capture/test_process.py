"""What is recorded of interpreter, machine and process: enough to run again, and no more than that."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import msgspec
import numpy as np
import pytest

from clew.core.errors import Corrupt, NotFound
from clew.store.objects.memory import MemoryObjects
from clew.testing.runs import a_run
from clew.tracking.capture.command import entry_of_process, take_command
from clew.tracking.capture.environment import installed_packages, take_environment
from clew.tracking.capture.hardware import take_hardware
from clew.tracking.capture.kernels import Kernels, take_kernels
from clew.tracking.capture.seeds import Seeds, restore_seeds, take_seeds
from clew.tracking.capture.snapshot import read_aspect, take_snapshot
from clew.tracking.capture.threads import take_threads


def test_packages_are_those_that_are_installed() -> None:
    found = installed_packages()
    expected = {d.metadata["Name"].lower().replace("_", "-").replace(".", "-"): d.version for d in distributions()}
    for name in ("numpy", "polars", "msgspec", "pytest", "scikit-learn"):
        assert found[name] == expected[name]
    assert len(found) >= 0.9 * len(expected)


def test_the_first_folder_of_the_path_wins_and_changes_are_seen(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, version in ((first, "2.0"), (second, "1.0")):
        (folder / f"My_Tool.x-{version}.dist-info").mkdir(parents=True)
    (second / "old-3.1-py3.11.egg-info").mkdir()
    assert installed_packages([str(first), str(second), "missing"]) == {"my-tool-x": "2.0", "old": "3.1"}
    (second / "new-1.dist-info").mkdir()
    os.utime(second, (1, 1))
    assert installed_packages([str(first), str(second)])["new"] == "1"


def test_environment_hardware_and_threads_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    environment, hardware, threads = take_environment(), take_hardware(), take_threads()
    assert environment.python == ".".join(map(str, sys.version_info[:3]))
    assert hardware.cpus >= hardware.usable_cpus >= 1
    assert hardware.memory_bytes > 1 << 28
    assert hardware.cpu
    assert threads.asked["OMP_NUM_THREADS"] == "3"


def test_states_of_generators_come_back() -> None:
    random.seed(7)
    np.random.seed(7)
    random.gauss(0, 1)

    def draw() -> list[float]:
        return [random.gauss(0, 1), random.random(), float(np.random.rand()), float(np.random.standard_normal())]

    seeds = msgspec.json.decode(msgspec.json.encode(take_seeds()), type=Seeds)
    expected = draw()
    random.seed(8)
    np.random.seed(8)
    restore_seeds(seeds)
    assert draw() == expected
    assert take_seeds().digest != seeds.digest


@pytest.mark.parametrize(("asked", "kept"), [("0", "0"), ("42", "42"), ("random", ""), (None, "")])
def test_the_hash_seed_is_kept_where_it_was_given(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, kept: str
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    if asked is not None:
        monkeypatch.setenv("PYTHONHASHSEED", asked)
    assert take_seeds().hash_seed == kept


def test_the_environment_of_a_process_is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter22")
    monkeypatch.setenv("TZ", "UTC")
    command = take_command(["train.py", "--token", "abc"])
    assert command.words == ["train.py", "--token", "***"]
    assert command.variables["TZ"] == "UTC"
    assert "MY_SECRET" not in command.variables


def test_a_test_runner_is_no_script_of_the_user() -> None:
    assert entry_of_process() is None


def test_a_snapshot_is_read_back_aspect_by_aspect(tmp_path: Path) -> None:
    objects = MemoryObjects()
    (tmp_path / "train.py").write_text("print()")
    snapshot = take_snapshot(objects, entry=tmp_path / "train.py", cache=None, words=["train.py"])
    assert snapshot.entry == "train.py"
    run = a_run(capture=snapshot.capture)
    assert read_aspect(objects, run, "seeds", Seeds) == take_seeds()
    with pytest.raises(NotFound, match="capture"):
        read_aspect(objects, run, "weather", Seeds)
    with pytest.raises(Corrupt):
        read_aspect(objects, a_run(capture={"seeds": objects.put(b"{}")}), "seeds", Seeds)


def test_libraries_say_which_kernels_they_chose() -> None:
    code = (
        "import numpy, msgspec; from clew.tracking.capture.kernels import take_kernels;"
        "print(msgspec.json.encode(take_kernels()).decode())"
    )
    around = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "", "MKL_CBWR": "COMPATIBLE"}
    done = subprocess.run([sys.executable, "-c", code], env=around, capture_output=True, text=True, check=True)
    found = msgspec.json.decode(done.stdout, type=Kernels)
    assert found.asked == {"MKL_CBWR": "COMPATIBLE", "NPY_DISABLE_CPU_FEATURES": ""}
    assert [each.threads > 0 for each in found.libraries if "blas" in each.name] == [True]
    assert take_kernels({"OPENBLAS_CORETYPE": "Zen", "HOME": "/h"}) == Kernels(
        asked={"OPENBLAS_CORETYPE": "Zen"}, libraries=[], numpy=[]
    )


def test_aspects_that_are_switched_off_are_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text("print(1)\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    objects, entry = MemoryObjects(), tmp_path / "train.py"
    whole = take_snapshot(objects, entry=entry, cache=None)
    held = len(list(objects.list()))
    found = take_snapshot(objects, entry=entry, cache=None, left_out={"source", "environment", "hardware"})
    assert set(found.capture) == set(whole.capture) - {"source", "environment", "hardware"}
    assert (found.commit, found.entry) == (whole.commit, "train.py")
    assert len(found.commit) == 40
    other = MemoryObjects()
    take_snapshot(other, entry=entry, cache=None, left_out={"source", "environment", "hardware"})
    assert len(list(other.list())) == len(found.capture) < held
