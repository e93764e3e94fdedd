"""A model of three classes whose mistakes differ in cost: decided, evaluated, served, logged and watched by them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from clew.core.clock import parse_us
from clew.core.types.endpoint import Endpoint, Window
from clew.core.types.package import Decision, Package
from clew.loop.fitted import Model
from clew.loop.monitor import DAY_US, Deciders, Monitor
from clew.loop.watch import watch_endpoint
from clew.monitoring.logged import LogReader
from clew.monitoring.report import report_of
from clew.policy.value import decision_costs
from clew.registry.package import evaluation_of
from clew.serving.app import EndpointApp
from clew.serving.compaction import journal_folder
from clew.serving.endpoint import declare, load_slots
from clew.serving.journal import ReplicaJournal
from clew.serving.loading import loader
from clew.tracking.start import start
from clew.workspace import Workspace, init_project

DAY = "2013-03-01T05:00:00Z"
CLASSES = ["late", "ok", "stop"]
COSTS = np.array([[0.0, 40.0, 4.0], [3.0, 0.0, 6.0], [9.0, 90.0, -2.0]])
SETTINGS = """
[project]
name = "trains"

[value.train]
kind = "multiclass"
classes = ["ok", "late", "stop"]
costs = [[0, 3, 6], [40, 0, 4], [90, 9, -2]]
"""


def trains(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    wind, ice = rng.normal(size=rows), rng.normal(size=rows)
    odds = np.stack([1.5 * wind, 1.0 - wind - ice, 1.2 * ice - 0.5], axis=1)
    odds = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    state = [CLASSES[rng.choice(3, p=row)] for row in odds]
    return pl.DataFrame({"wind": wind, "ice": ice, "state": state})


@dataclass
class Lived:
    """A project with one version that answers, and what it thinks of its test rows."""

    workspace: Workspace
    endpoint: Endpoint
    app: EndpointApp
    test: pl.DataFrame
    thought: NDArray[np.float64]

    @property
    def package(self) -> Package:
        return Deciders(self.workspace.stores)(self.app.slots.champion.version.id).package

    @property
    def cheapest(self) -> NDArray[np.intp]:
        return np.asarray((self.thought @ COSTS).argmin(axis=1))

    def ask(self, path: str, **body: Any) -> Any:
        answer = self.app.answer("POST", path, json.dumps(body).encode(), 0.0)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def watch(self) -> Window:
        stores, settings = self.workspace.stores, self.workspace.settings
        logs = LogReader(stores)
        monitor = Monitor.of(stores, settings, self.endpoint, deciders=Deciders(stores), logs=logs)
        now_us = parse_us(DAY) + DAY_US
        watch_endpoint(monitor, now_us=now_us, retrain=None, promote=_never, ask=lambda _: False)
        with stores.ledger.read() as tx:
            [window] = tx.windows.list(self.endpoint.id)
        return window


class Asked(NamedTuple):
    """What was asked about, what was answered, and the window of it."""

    keys: list[str]
    answers: list[dict[str, Any]]
    window: Window


def _never(*_: object, **__: object) -> None:
    """Promotes nothing."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder: Path = tmp_path_factory.mktemp("trains")
    init_project(folder)
    (folder / "clew.toml").write_text(SETTINGS)
    train, test = trains(900, 1), trains(300, 2)
    estimator = LogisticRegression().fit(train.select("wind", "ice"), train["state"].to_numpy())
    with Workspace(folder) as workspace:
        fitted = Model("train", estimator, train=train, test=test, label="state", features=["wind", "ice"])
        with start(workspace.recorder, capture=False, say=lambda _: None) as run:
            version = workspace.register(fitted, run.id)
        workspace.promote(version.reference, "live")
        stores = workspace.stores
        endpoint = declare(stores, "train", model="train", alias="live")
        load = loader(stores.objects, trust=workspace.trust, checks={})
        slots = load_slots(stores, endpoint, shadows=[], load=load)
        journal = ReplicaJournal(journal_folder(stores, endpoint.id) / "replica-1", stores.ids)
        app = EndpointApp("train", slots, journal=journal, clock=stores.clock, ids=stores.ids)
        yield Lived(workspace, endpoint, app, test, estimator.predict_proba(test.select("wind", "ice")))
        journal.close()


def test_the_package_decides_by_cost_and_is_evaluated_so(lived: Lived) -> None:
    package, truth = lived.package, np.array([CLASSES.index(state) for state in lived.test["state"]])
    assert package.signature.classes == tuple(CLASSES)
    assert package.decision == Decision(costs=tuple(tuple(row) for row in COSTS.tolist()))
    likeliest = lived.thought.argmax(axis=1)
    assert (lived.cheapest != likeliest).mean() > 0.1, "costs that change nothing test nothing"
    found = evaluation_of(lived.workspace.stores.objects, package)
    assert found is not None
    assert found.metrics["cost"].value == pytest.approx(COSTS[truth, lived.cheapest].mean())
    assert found.metrics["cost"].value < COSTS[truth, likeliest].mean()
    assert np.array(found.confusion).sum(axis=0).tolist() == np.bincount(lived.cheapest, minlength=3).tolist()
    auc = roc_auc_score(truth, lived.thought, multi_class="ovr", average="macro")
    assert found.metrics["auc"].value == pytest.approx(auc)
    assert found.metrics["auc"].low < auc < found.metrics["auc"].high


@pytest.fixture(scope="module")
def asked(lived: Lived) -> Asked:
    """Each train of the test, in one request, and the window of its day."""
    rows = lived.test.select("wind", "ice").to_dicts()
    keys = [f"train {at}" for at in range(len(rows))]
    return Asked(keys, lived.ask("/predict", rows=rows, keys=keys, time=DAY)["predictions"], lived.watch())


def test_what_is_served_is_the_cheapest_and_windows_know_its_worth(lived: Lived, asked: Asked) -> None:
    keys, together, before = asked
    assert [each["decision"] for each in together] == [CLASSES[at] for at in lived.cheapest]
    chosen = lived.thought[np.arange(len(keys)), lived.cheapest]
    assert [each["score"] for each in together] == pytest.approx(chosen.tolist(), abs=1e-5)
    report = report_of(before)
    estimated = (lived.thought @ COSTS).min(axis=1).sum()
    assert report.estimated_cost == pytest.approx(estimated, rel=1e-5)
    assert (report.cost, report.auc) == (None, None)
    labels = [{"key": key, "label": state} for key, state in zip(keys, lived.test["state"], strict=True)]
    lived.ask("/labels", labels=labels, time=DAY)
    after = lived.watch()
    report, truth = report_of(after), np.array([CLASSES.index(state) for state in lived.test["state"]])
    assert (after.labels, after.revision) == (len(keys), before.revision + 1)
    assert report.cost == pytest.approx(COSTS[truth, lived.cheapest].sum())
    assert report.estimated_cost == pytest.approx(estimated, rel=1e-5)
    assert report.auc == pytest.approx(roc_auc_score(truth, lived.thought, multi_class="ovr"), abs=1e-5)
    assert (report.cases, report.alarms) == (None, None)


@pytest.mark.usefixtures("asked")
def test_the_log_holds_the_scores_of_all_classes_and_reads_batches_without(lived: Lived) -> None:
    stores, endpoint = lived.workspace.stores, lived.endpoint
    with stores.ledger.read() as tx:
        [batch] = tx.logs.list(endpoint.predictions)
    content = stores.objects.get(batch.object)
    logged = pl.read_parquet(io.BytesIO(content))
    assert np.array(logged["scores"].to_list()) == pytest.approx(lived.thought, abs=1e-5)
    out = io.BytesIO()
    logged.drop("scores").write_parquet(out)
    reader = LogReader(stores)
    kept = reader._frame(batch, ("id", "scores"))
    assert kept["scores"].null_count() == 0
    object_us = msgspec.structs.replace(batch, object=stores.objects.put(out.getvalue()))
    older = reader._frame(object_us, ("id", "scores"))
    assert older["scores"].null_count() == older.height == 300


def test_equal_mistakes_leave_the_greatest_score(lived: Lived) -> None:
    contract = lived.workspace.settings.value["train"]
    assert decision_costs(contract, CLASSES) == COSTS.tolist()
    plain = msgspec.structs.replace(contract, costs=[[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    assert decision_costs(plain, CLASSES) is None
