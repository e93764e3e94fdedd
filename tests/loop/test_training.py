"""Pipelines as runs: cached, recorded, with the datasets that they read and the models that they return."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from clew.core.contracts.stores import Stores
from clew.core.errors import Failed, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.model import ModelVersion
from clew.core.types.project import Project
from clew.core.types.run import RunKind, RunStatus
from clew.core.types.step import StepOutcome, StepRun
from clew.data.add_table import add_table
from clew.data.handle import DatasetHandle
from clew.data.site import Site
from clew.loop.fitted import Model
from clew.loop.in_place import InPlace
from clew.loop.training import About, Outcome, load_pipeline, run_pipeline
from clew.pipelines.pipeline import Pipeline
from clew.registry.columns import columns_of
from clew.registry.environment import current_environment
from clew.registry.formats.format import Trust
from clew.registry.overview import overview_of as version_of
from clew.registry.package import Draft, build_package
from clew.registry.signature import infer_signature
from clew.settings import Settings
from clew.testing.project import open_stores
from clew.workspace import init_project, open_workspace

TRAIN = """
import polars as pl
from clew.data.handle import DatasetHandle
from clew.loop.fitted import Model
from clew.pipelines.pipeline import pipeline
from clew.pipelines.step import step

@step
def count(rows: pl.DataFrame) -> int:
    return rows.height

@pipeline
def train(flights: DatasetHandle, depth: int = 6):
    total = count(flights.frame())
    if depth < 0:
        raise ValueError("no depth below 0")
    return {"total": total, "models": [Model(name, depth, train=None) for name in ("delay", "cancel")]}

def plain():
    return 1
"""


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    found = open_stores(tmp_path / ".clew")
    with found.ledger.write() as tx:
        tx.projects.add(Project(id="p", name="flights", created_us=1))
    add_table(Site.of(found), "flights", pl.DataFrame({"hour": [1, 2, 3]}))
    yield found
    found.ledger.close()


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Pipeline[..., Any]]:
    (tmp_path / "train_flights.py").write_text(TRAIN)
    before = list(sys.path)
    yield load_pipeline("train_flights.py:train", tmp_path)
    sys.path[:] = before
    del sys.modules["train_flights"]


def packed(stores: Stores) -> Digest:
    """Any package: what is registered here is no model."""
    table = np.array([[0.0], [1.0]])
    fitted = LogisticRegression().fit(table, [False, True])
    rows = columns_of(table, ["hour"])
    draft = Draft(
        model=fitted,
        signature=infer_signature(fitted, rows),
        example=rows.take([0]),
        environment=current_environment(),
    )
    return build_package(stores.objects, draft, Trust())


def run(stores: Stores, pipeline: Pipeline[..., Any], about: About | None = None, **params: Any) -> Outcome:
    package = packed(stores)

    def register(model: Model, run: str) -> ModelVersion:
        return ModelVersion(
            id=f"{model.name}-{model.estimator}",
            model=model.name,
            name=model.name,
            number=1,
            package=package,
            run=run,
            created_us=1,
            created_by="ann",
        )

    steps: list[StepRun] = []
    done = run_pipeline(
        InPlace(stores, Settings()), pipeline, params, register=register, about=about, listener=steps.append
    )
    outcomes[done.run] = [step.outcome for step in steps]
    return done


outcomes: dict[str, list[StepOutcome]] = {}


def test_a_pipeline_is_a_run_with_its_inputs_and_models(stores: Stores, train: Pipeline[..., Any]) -> None:
    done = run(stores, train, flights="flights@latest")
    assert done.result["total"] == 3
    assert [version.name for version in done.versions] == ["delay", "cancel"]
    with stores.ledger.read() as tx:
        kept = tx.runs.get(done.run)
        data = tx.datasets.find("p", "flights")
        assert data is not None
        version = tx.datasets.find_version(data.id, 1)
        assert version is not None
        up = {edge.source for edge in tx.edges.up(node("run", done.run), depth=1)}
        down = {edge.target for edge in tx.edges.down(node("run", done.run), depth=1)}
    assert (kept.kind, kept.status, kept.name) == (RunKind.PIPELINE, RunStatus.FINISHED, "train")
    assert kept.params == {"flights": "flights@latest", "depth": 6}
    assert node("data", version.id) in up
    assert {node("model", "delay-6"), node("model", "cancel-6")} <= down


def test_the_second_run_executes_nothing(stores: Stores, train: Pipeline[..., Any]) -> None:
    first, second = run(stores, train, flights="flights@1"), run(stores, train, flights="flights@latest", depth=8)
    assert outcomes[first.run] == [StepOutcome.EXECUTED]
    assert outcomes[second.run] == [StepOutcome.CACHED]
    add_table(Site.of(stores), "flights", pl.DataFrame({"hour": [1, 2, 3, 4]}))
    third = run(stores, train, flights="flights@latest")
    assert outcomes[third.run] == [StepOutcome.EXECUTED]
    assert third.result["total"] == 4


def test_a_handle_is_as_good_as_a_reference(stores: Stores, train: Pipeline[..., Any]) -> None:
    site = Site.of(stores)
    done = run(stores, train, flights=DatasetHandle(site, site.datasets.resolve("flights@1")))
    with stores.ledger.read() as tx:
        assert tx.runs.get(done.run).params["flights"] == "flights@1"
        assert len(tx.edges.up(node("run", done.run), depth=1)) > 0


def test_what_a_run_is_called_and_where_it_belongs(stores: Stores, train: Pipeline[..., Any]) -> None:
    about = About(kind=RunKind.RETRAIN, name="again", experiment="late", tags={"team": "risk"})
    done = run(stores, train, about, flights="flights@1")
    with stores.ledger.read() as tx:
        kept = tx.runs.get(done.run)
        experiment = tx.experiments.get(kept.experiment).name
    assert (kept.kind, kept.name, experiment, kept.tags) == (RunKind.RETRAIN, "again", "late", {"team": "risk"})


def test_a_pipeline_that_raises_is_the_users_own_failure(stores: Stores, train: Pipeline[..., Any]) -> None:
    with pytest.raises(Failed, match="pipeline train raised ValueError: no depth below 0") as found:
        run(stores, train, flights="flights@1", depth=-1)
    assert isinstance(found.value.__cause__, ValueError)
    with stores.ledger.read() as tx:
        [kept] = tx.runs.list("p").items
    assert kept.status is RunStatus.FAILED


@pytest.mark.parametrize(
    ("params", "kind"), [({"flights": "trains@1"}, NotFound), ({"tree": 1}, Invalid), ({}, Invalid)]
)
def test_parameters_that_cannot_be_meant(
    stores: Stores, train: Pipeline[..., Any], params: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        run(stores, train, **params)


def test_a_pipeline_is_loaded_once(train: Pipeline[..., Any], tmp_path: Path) -> None:
    assert load_pipeline("train_flights.py:train", tmp_path) is train


@pytest.mark.parametrize(
    ("entry", "kind", "words"),
    [
        ("none.py:train", NotFound, r"no file named 'none.py'"),
        ("train_flights.py:trian", NotFound, "did you mean train_flights.py:train"),
        ("train_flights.py:plain", Invalid, "is no pipeline"),
        ("broken_flights.py:train", Failed, "broken_flights.py cannot be imported: SyntaxError"),
        ("needy_flights.py:train", Failed, "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
    ],
)
@pytest.mark.usefixtures("train")
def test_entries_that_name_no_pipeline(tmp_path: Path, entry: str, kind: type[Exception], words: str) -> None:
    (tmp_path / "broken_flights.py").write_text("def train(:\n")
    (tmp_path / "needy_flights.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(kind, match=words):
        load_pipeline(entry, tmp_path)
    assert not {"broken_flights", "needy_flights"} & sys.modules.keys()


WORTH = """
import clew
import polars as pl
from sklearn.linear_model import LogisticRegression

@clew.step
def fit(hours: int) -> clew.Model:
    rows = pl.DataFrame({"hour": [float(i) for i in range(hours)], "late": [i > 10 for i in range(hours)]})
    model = LogisticRegression().fit(rows.select("hour"), rows["late"])
    return clew.Model("delay", model, train=rows, test=rows, label="late", features=["hour"])

@clew.pipeline
def learn(hours: int):
    return fit(hours)
"""


def test_what_a_version_is_worth_is_logged_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init_project(tmp_path)
    (tmp_path / "learning.py").write_text(WORTH)
    monkeypatch.syspath_prepend(tmp_path)
    with open_workspace(tmp_path) as workspace:
        pipeline = load_pipeline("learning.py:learn", tmp_path)
        for _ in range(2):  # the second run finds the same version, and says of it what the first one does
            done = workspace.run_pipeline(pipeline, {"hours": 40})
            logged = {series.key: series.last for series in workspace.runs.summaries([done.run])}
            worth = version_of(workspace.services, done.versions[0].reference).worth
            assert logged == {f"delay.{name}": interval.value for name, interval in worth.items()}
            assert logged.keys() >= {"delay.cost", "delay.accuracy", "delay.auc"}
        with pytest.raises(Invalid, match="takes hours as int, not 'many'"):
            workspace.run_pipeline(pipeline, {"hours": "many"})
        with pytest.raises(Invalid, match="missing a required argument: 'hours'\n  → it takes hours=INT"):
            workspace.run_pipeline(pipeline, {})
    del sys.modules["learning"]
