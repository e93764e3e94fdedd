"""From a fitted model to a version: packed once, and compared with the champion on the very same rows."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import polars as pl
import pytest
from msgspec import structs
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from clew.core.errors import Denied, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.evaluation import decode_evaluation
from clew.core.types.gate import Verdict
from clew.core.types.model import ModelVersion
from clew.core.types.package import FileRole
from clew.loop import registering
from clew.loop.fitted import Model
from clew.loop.labelling import add_labels
from clew.loop.packing import _decision
from clew.loop.promotion import champion_artifact
from clew.loop.reproduce.pack import _standing
from clew.monitoring.profile import decode_profile
from clew.registry.aliases import take_away
from clew.registry.columns import columns_of
from clew.registry.revise import add_version
from clew.registry.signature import infer_signature
from clew.serving.endpoint import declare
from clew.settings import settings_of
from clew.testing.life import ENDPOINT, INPUTS, MODEL, Life, flights
from clew.tracking.recorder import Recorder
from clew.tracking.start import start


def fitted(strength: float = 1.0, **changes: Any) -> Model:
    train = flights(200, seed=1)
    estimator = LogisticRegression(C=strength).fit(train.select(INPUTS), train["late"].to_numpy())
    given = {"train": train, "test": flights(300, seed=2), "label": "late", "features": INPUTS, **changes}
    return Model("delay", estimator, **given)


def register(life: Life, model: Model) -> tuple[ModelVersion, str]:
    with start(Recorder.of(life.stores), capture=False, say=lambda _: None) as run:
        return life.workspace.register(model, run.id), run.id


@pytest.fixture
def champion(life: Life) -> str:
    """The id of the version that answers."""
    return life.version(1).id


def test_the_same_model_twice_is_one_version(life: Life) -> None:
    first, _ = register(life, fitted())
    assert first.number == 4
    assert register(life, fitted())[0] == first
    assert register(life, fitted(test=flights(300, seed=9)))[0].number == 5
    assert register(life, fitted(test=flights(300, seed=9), threshold=0.5))[0].number == 6


def test_a_version_whose_files_are_elsewhere_keeps_nothing_out(life: Life) -> None:
    """As an import makes one: neither a new version, nor labels, nor a bundle of the run that made the new one."""
    bare = structs.replace(life.version(3), id=life.stores.ids(), number=4, package=Digest(""))
    with life.stores.ledger.write() as tx:
        add_version(life.stores, tx, bare)
    life.endpoint = declare(life.stores, ENDPOINT, model=MODEL, alias="nobody")
    with life.stores.ledger.write() as tx:
        model = tx.models.get(life.endpoint.model)
        [held] = [move for move in tx.models.aliases(model.id) if move.alias == "champion"]
        take_away(life.stores, tx, model, held)
    rows = pl.DataFrame({"flight": ["a"], "late": [True]})
    assert add_labels(life.stores, life.endpoint, rows, label="late", by_key="flight") == 1
    version, _ = register(life, fitted())
    assert version.number == 5
    assert set(_standing(life.stores, version, version.created_us)).isdisjoint([""])


def test_a_version_carries_what_is_known_of_it(life: Life) -> None:
    version, run = register(life, fitted(slices=["hour"]))
    package = life.workspace.models.package(version)
    assert (package.run, version.run) == (run, run)
    assert package.decision.threshold == pytest.approx(10 / 60)
    profile, evaluation = package.find(FileRole.PROFILE), package.find(FileRole.EVALUATION)
    assert profile is not None
    assert evaluation is not None
    columns = decode_profile(life.stores.objects.get(profile.digest)).columns
    assert [column.name for column in columns] == [*INPUTS, "clew.score"]
    worth = decode_evaluation(life.stores.objects.get(evaluation.digest))
    assert (worth.rows, len(worth.units.names)) == (300, 30)
    assert {part.column for part in worth.slices} == {"hour"}


def test_the_champion_is_judged_on_the_rows_of_the_new_version(life: Life, champion: str) -> None:
    version, run = register(life, fitted(test=flights(400, seed=11)))
    with life.stores.ledger.read() as tx:
        artifact = tx.artifacts.get(run, champion_artifact(champion))
    worth = decode_evaluation(life.stores.objects.get(artifact.digest))
    assert worth.rows == 400
    report = life.workspace.judge(version.reference, "champion")
    [check] = [check for check in report.checks if check.name == "champion"]
    assert check.verdict is Verdict.PASS
    assert check.units == 30


def test_a_version_is_never_there_without_the_champions_evaluation(
    life: Life, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(registering, "_evaluate_champion", dies)
        with pytest.raises(KeyboardInterrupt):
            register(life, fitted())
    with pytest.raises(NotFound):
        life.version(4)
    version, run = register(life, fitted())
    with life.stores.ledger.read() as tx:
        assert tx.artifacts.get(run, champion_artifact(champion)).size_bytes > 0
    assert version.number == 4


def test_a_champion_that_cannot_be_loaded_keeps_nobody_out(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise Denied("the policy has changed")

    monkeypatch.setattr(registering, "load_runtime", refuses)
    with caplog.at_level(logging.CRITICAL, "clew.models"):
        version, _ = register(life, fitted())
    report = life.workspace.judge(version.reference, "champion")
    assert version.number == 4
    assert report.verdict is not Verdict.FAIL


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": flights(50, seed=1).drop("time_us")}, "no column 'time_us'"),
        ({"test": flights(50, seed=1).drop("late")}, "no column 'late'"),
        ({"test": flights(50, seed=1).drop("wind")}, "no column wind"),
        ({"test": flights(50, seed=1).with_columns(late=pl.lit("maybe"))}, "none of the classes"),
        ({"features": ["hour", "rain"]}, "no column rain"),
        ({"train": np.zeros((4, 2))}, "are a ndarray, which names no columns"),
    ],
)
def test_rows_that_do_not_fit(life: Life, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        register(life, fitted(**changes))


def test_an_estimator_that_is_not_fitted(life: Life) -> None:
    with pytest.raises(Invalid):
        register(life, Model("delay", LogisticRegression(), train=flights(50, seed=1), features=INPUTS))


def test_a_model_without_test_rows_is_a_version_that_cannot_pass(life: Life) -> None:
    version, _ = register(life, fitted(test=None, label=""))
    assert life.workspace.judge(version.reference, "champion").verdict is Verdict.CANNOT_TELL


def test_a_distance_from_the_boundary_is_no_probability(life: Life, champion: str) -> None:
    train = flights(200, seed=1)
    columns = columns_of(train.select(INPUTS))
    contract = life.monitor.contract_of(champion)
    for estimator, threshold in ((LinearSVC(), 0.0), (LogisticRegression(), 10 / 60)):
        estimator.fit(train.select(INPUTS), train["late"].to_numpy())
        model = Model("delay", estimator, train=train)
        decision = _decision(model, contract, infer_signature(estimator, columns))
        assert decision.threshold == pytest.approx(threshold)


def test_a_regression_is_registered_too(life: Life) -> None:
    train = flights(200, seed=1).with_columns(delay=pl.col("wind") * 10)
    estimator = LinearRegression().fit(train.select(INPUTS), train["delay"].to_numpy())
    model = Model("minutes", estimator, train=train, test=train, label="delay", features=INPUTS)
    version, _ = register(life, model)
    assert version.reference == "minutes@1"


def test_a_table_that_was_meant_for_the_model_is_warned_of(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of("[gate.dealy]\nmin_rows = 5\n")
    monkeypatch.setattr(life.workspace, "settings", settings)
    register(life, fitted())
    assert "[gate.dealy] is for no model; did you mean delay?" in caplog.text


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (flights(300, seed=2).clear(), "the test rows of model 'delay' are empty"),
        (
            flights(300, seed=2).with_columns(late=pl.when(pl.int_range(pl.len()) != 60).then("late")),
            "1 of 300 test rows of model 'delay' have no label: column 'late', row 60 is the first",
        ),
    ],
)
def test_test_rows_without_truth_are_refused_in_words(life: Life, test: pl.DataFrame, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        register(life, fitted(test=test))


def test_training_rows_that_are_empty_are_refused(life: Life) -> None:
    with pytest.raises(Invalid, match="the training rows of model 'delay' are empty"):
        register(life, fitted(train=flights(200, seed=1).clear()))
