"""Optuna's callback and the helpers for scikit-learn, with the libraries."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import clew
from clew.core.errors import Invalid
from clew.core.types.run import Run, RunStatus
from clew.integrations.optuna import Callback
from clew.integrations.sklearn import log_estimator, log_search
from clew.tracking.overview import overview_of
from clew.workspace import Workspace

rng = np.random.default_rng(1)
X = rng.normal(size=(120, 3))
Y = (X[:, 0] + 0.5 * rng.normal(size=120) > 0).astype(int)


def below(workspace: Workspace, run: str) -> list[Run]:
    return sorted(overview_of(workspace.services, workspace.runs.get(run)).children, key=lambda each: each.id)


def last(workspace: Workspace, run: str) -> dict[str, float]:
    return {series.key: series.last for series in workspace.runs.summaries([run])}


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -2, 2)
    for step in range(3):
        trial.report(x**2 + step, step)
    if trial.number == 1:
        raise optuna.TrialPruned
    if trial.number == 2:
        raise RuntimeError("broken")
    return x**2


def test_every_trial_is_a_run(workspace: Workspace) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1), study_name="s")
    with clew.run("search", experiment="tuning", capture=False) as run:
        study.optimize(objective, n_trials=5, callbacks=[Callback()], catch=(RuntimeError,))
    runs = below(workspace, run.id)
    assert [each.tags["state"] for each in runs] == ["complete", "pruned", "fail", "complete", "complete"]
    assert [each.status for each in runs].count(RunStatus.FAILED) == 1
    assert {each.experiment for each in runs} == {workspace.runs.get(run.id).experiment}
    assert runs[0].params["x"] == study.trials[0].params["x"]
    (value,) = [series for series in workspace.runs.summaries([runs[0].id]) if series.key == "value"]
    assert (value.count, value.last) == (4, study.trials[0].value)
    assert last(workspace, run.id)["best"] == study.best_value


def test_objectives_have_their_names(workspace: Workspace) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    with clew.run("two", capture=False) as run:
        study.optimize(
            lambda trial: (trial.suggest_float("x", 0, 1), 2.0), n_trials=2, callbacks=[Callback(runs=False)]
        )
    assert set(last(workspace, run.id)) == {"value.0", "value.1"}
    assert below(workspace, run.id) == []


def test_every_candidate_of_a_search_is_a_run(workspace: Workspace) -> None:
    grid = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3, scoring=["accuracy", "roc_auc"], refit="roc_auc")
    grid.fit(X, Y)
    with clew.run("grid", capture=False) as run:
        found = log_search(grid)
    runs = below(workspace, run.id)
    assert [each.id for each in runs] == found
    assert [each.params["C"] for each in runs] == [0.1, 1.0]
    metrics = {series.key: series for series in workspace.runs.summaries([found[1]])}
    assert metrics["roc_auc"].count == 3
    assert metrics["mean.roc_auc"].last == grid.cv_results_["mean_test_roc_auc"][1]
    assert metrics["mean.fit_time"].last == grid.cv_results_["mean_fit_time"][1]
    assert workspace.runs.get(run.id).params["best.C"] == grid.best_params_["C"]


def test_an_estimator_is_recorded_with_its_metrics(workspace: Workspace) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(X, Y)
    with clew.run("model", capture=False) as run:
        found = log_estimator(model, X, Y)
    assert found["test.accuracy"] == model.score(X, Y)
    assert set(found) == {"test.accuracy", "test.f1", "test.log_loss", "test.auc"}
    params = workspace.runs.get(run.id).params
    assert (params["estimator"], params["logisticregression__C"]) == ("Pipeline", 0.5)
    assert params["logisticregression"] == "LogisticRegression"


def test_rounds_of_an_estimator_become_a_series(workspace: Workspace) -> None:
    model = GradientBoostingRegressor(n_estimators=7).fit(X, X[:, 0])
    with clew.run("rounds", capture=False) as run:
        found = log_estimator(model, X, X[:, 0], prefix="")
    assert set(found) == {"r2", "mae", "rmse"}
    series = {each.key: each for each in workspace.runs.summaries([run.id])}
    assert series["fit.train_score"].count == 7
    assert series["fit.train_score"].last == model.train_score_[-1]


def test_what_cannot_be_logged_is_said(workspace: Workspace) -> None:
    with pytest.raises(Invalid, match="has no run"):
        log_estimator(LogisticRegression())
    with clew.run("no", capture=False), pytest.raises(Invalid, match="not fitted"):
        log_search(GridSearchCV(LogisticRegression(), {"C": [1]}))
    with clew.run("no", capture=False), pytest.raises(Invalid, match="go together"):
        log_estimator(LogisticRegression(), X)
