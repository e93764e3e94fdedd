"""The callbacks of LightGBM and XGBoost, with the libraries."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
import xgboost

import clew
from clew.core.errors import Invalid
from clew.integrations.lightgbm import Callback as LightGbmCallback
from clew.integrations.xgboost import Callback as XgboostCallback
from clew.tracking.overview import overview_of
from clew.workspace import Workspace

rng = np.random.default_rng(1)
X = rng.normal(size=(300, 4))
Y = (X[:, 0] + 0.3 * rng.normal(size=300) > 0).astype(int)
QUIET = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbosity": -1, "num_threads": 1, "seed": 3}


def test_lightgbm_logs_what_it_records_itself(workspace: Workspace) -> None:
    train, valid, recorded = lightgbm.Dataset(X[:200], Y[:200]), lightgbm.Dataset(X[200:], Y[200:]), {}
    with clew.run("trees", capture=False) as run:
        run.params(seed="mine")
        lightgbm.train(
            QUIET,
            train,
            num_boost_round=8,
            valid_sets=[valid],
            callbacks=[LightGbmCallback(), lightgbm.record_evaluation(recorded)],
        )
    found = {s.key: s for s in overview_of(workspace.services, workspace.runs.get(run.id)).metrics}
    assert set(found) == {"valid_0.auc", "valid_0.binary_logloss"}
    assert found["valid_0.auc"].count == 8
    assert found["valid_0.auc"].last_step == 7
    assert found["valid_0.auc"].last == recorded["valid_0"]["auc"][-1]
    params = workspace.runs.get(run.id).params
    assert params["objective"] == "binary"
    assert params["seed"] == "mine", "what the user has said stands"


def test_lightgbm_cv_has_a_spread(workspace: Workspace) -> None:
    with clew.run("cv", capture=False) as run:
        lightgbm.cv(
            QUIET, lightgbm.Dataset(X, Y), num_boost_round=3, nfold=3, callbacks=[LightGbmCallback(prefix="a.")]
        )
    keys = {s.key for s in workspace.runs.summaries([run.id])}
    assert {"a.valid.auc", "a.valid.auc.std"} <= keys


def test_lightgbm_estimators_take_it_too(workspace: Workspace) -> None:
    with clew.run("estimator", capture=False) as run:
        model = lightgbm.LGBMClassifier(n_estimators=4, verbosity=-1, n_jobs=1)
        model.fit(X, Y, eval_X=X, eval_y=Y, callbacks=[LightGbmCallback()])
    (series,) = workspace.runs.summaries([run.id])
    assert series.count == 4


def test_xgboost_logs_what_it_records_itself(workspace: Workspace) -> None:
    train, valid, recorded = xgboost.DMatrix(X[:200], Y[:200]), xgboost.DMatrix(X[200:], Y[200:]), {}
    with clew.run("boosted", capture=False) as run:
        xgboost.train(
            {"objective": "binary:logistic", "eval_metric": "auc", "nthread": 1, "max_depth": 3},
            train,
            num_boost_round=40,
            evals=[(valid, "valid")],
            early_stopping_rounds=3,
            evals_result=recorded,
            callbacks=[XgboostCallback()],
            verbose_eval=False,
        )
    found = {s.key: s for s in workspace.runs.summaries([run.id])}
    assert found["valid.auc"].count == len(recorded["valid"]["auc"])
    assert found["valid.auc"].last == recorded["valid"]["auc"][-1]
    assert found["best_score"].last == max(recorded["valid"]["auc"])
    params = workspace.runs.get(run.id).params
    assert (params["objective"], params["max_depth"], params["booster"]) == ("binary:logistic", 3, "gbtree")


def test_xgboost_cv_has_a_spread(workspace: Workspace) -> None:
    params = {"objective": "binary:logistic", "eval_metric": "auc", "nthread": 1}
    with clew.run("cv", capture=False) as run:
        xgboost.cv(params, xgboost.DMatrix(X, Y), num_boost_round=3, nfold=3, callbacks=[XgboostCallback()])
    keys = {s.key for s in workspace.runs.summaries([run.id])}
    assert {"test.auc", "test.auc.std"} <= keys


def test_a_callback_without_a_run_says_so(workspace: Workspace) -> None:
    with pytest.raises(Invalid, match="has no run to log to"):
        lightgbm.train(QUIET, lightgbm.Dataset(X, Y), num_boost_round=1, callbacks=[LightGbmCallback()])
