"""A model in a process of its own, which may end. With MLflow itself: tests/server/mlflow/test_models.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clew.core.errors import Denied, Invalid, Unavailable
from clew.core.types.package import Package
from clew.registry.formats.format import Trust
from clew.registry.mlflow_package import Part, package_folder
from clew.registry.package import load_package
from clew.serving.mlflow_process import MlflowRuntime
from clew.store.objects.memory import MemoryObjects
from clew.workspace import Workspace, init_project

DESCRIPTION = b"""flavors: {python_function: {}}
signature: {inputs: '[{"name": "a", "type": "double"}]'}
"""
ANSWERS = """#!{python}
import json, struct, sys
def tell(**message):
    body = json.dumps(message).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(body)) + body)
    sys.stdout.flush()
tell(version="3")
for answer in {answers!r}:
    sys.stdin.buffer.read(struct.unpack(">I", sys.stdin.buffer.read(4))[0])
    tell(**answer)
"""


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture
def package(objects: MemoryObjects) -> Package:
    digest, _ = package_folder(objects, [Part("MLmodel", objects.put(DESCRIPTION), len(DESCRIPTION))], run="")
    return load_package(objects, digest)


def a_python(folder: Path, *answers: dict[str, object]) -> Path:
    """A program that stands for a Python with MLflow, gives these answers, and ends."""
    path = folder / "python"
    path.write_text(ANSWERS.format(python=sys.executable, answers=answers))
    path.chmod(0o700)
    return path


def test_a_process_that_has_ended_is_no_fault_of_the_rows(
    tmp_path: Path, objects: MemoryObjects, package: Package
) -> None:
    python = a_python(tmp_path, {"scores": [1.5]}, {"error": "too warm"})
    runtime = MlflowRuntime(package, objects, Trust(allow_pickle=True, mlflow_python=str(python)))
    assert (runtime.id, runtime.decide({"a": [1.0]})) == ("mlflow-3", ([1.5], [1.5]))
    with pytest.raises(Invalid, match="refuses these rows: too warm"):
        runtime.decide({"a": [2.0]})
    for _ in range(2):
        with pytest.raises(Unavailable, match="has ended"):
            runtime.decide({"a": [1.0]})
    runtime.close()


def test_the_path_of_a_python_starts_beside_clew_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: MemoryObjects, package: Package
) -> None:
    root = init_project(tmp_path / "project")
    a_python(root)
    (root / "clew.toml").write_text('[policy]\nallow_pickle = true\nmlflow_python = "./python"\n')
    monkeypatch.chdir(tmp_path)
    with Workspace(root) as workspace:
        MlflowRuntime(package, objects, workspace.trust).close()


def test_who_may_not_load_it_hears_which_clew_toml_forbids_it(
    tmp_path: Path, objects: MemoryObjects, package: Package
) -> None:
    root = init_project(tmp_path / "project")
    with Workspace(root) as workspace, pytest.raises(Denied) as refused:
        MlflowRuntime(package, objects, workspace.trust)
    assert refused.value.hint == f"set allow_pickle = true under [policy] in {root / 'clew.toml'}"
