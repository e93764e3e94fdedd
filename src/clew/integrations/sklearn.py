"""scikit-learn: record a fitted estimator, or every candidate of a search. Nothing is patched.

from clew.integrations.sklearn import log_estimator, log_search

with clew.run("forest"):
    log_estimator(forest, X_test, y_test)
    log_search(grid)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clew.core.errors import Invalid
from clew.core.extras import require
from clew.integrations.target import new_params, run_of, start_below
from clew.tracking.run import ActiveRun

__all__ = ["log_estimator", "log_search"]

_CURVES = ("loss_curve_", "validation_scores_", "train_score_", "validation_score_", "oob_scores_")
"""What estimators that fit in rounds keep of each round."""


def log_estimator(
    estimator: Any, X: Any = None, y: Any = None, *, run: ActiveRun | None = None, prefix: str = "test."
) -> dict[str, float]:
    """Record the parameters of a fitted estimator, what it kept of its rounds, and how well it does on some rows.

    Args:
        estimator: fitted.
        X: rows that it has not seen; no metrics without them.
        y: their labels.
        run: where to; by default the run whose `with` block this is.
        prefix: stands before the names of the metrics.

    Returns:
        The metrics: accuracy, F1 and log loss of a classifier, with AUC where there are two classes; R², mean absolute
        and root mean squared error of a regressor; the estimator's own score of anything else.

    Raises:
        Invalid: there is no run, or there are rows without labels.
    """
    where = run_of(run, "log_estimator")
    if (X is None) != (y is None):
        raise Invalid("rows and labels go together", hint="log_estimator(estimator, X, y)")
    new_params(where, {"estimator": type(estimator).__name__, **_params(estimator)})
    _log_rounds(where, estimator)
    if X is None:
        return {}
    values = {prefix + name: float(value) for name, value in _metrics(estimator, X, y).items()}
    where.log(values)
    return values


def log_search(search: Any, *, run: ActiveRun | None = None) -> list[str]:
    """Make every candidate of a finished search (`GridSearchCV`, `RandomizedSearchCV`, halving) a run below this one.

    A candidate's run has its parameters, the score of each fold with the fold as step, their mean and standard
    deviation, and the times. The run above gets the best parameters as `best.…`, and `best` as its score.

    Args:
        search: fitted.
        run: where to; by default the run whose `with` block this is.

    Returns:
        The ids of the candidates' runs.

    Raises:
        Invalid: there is no run, or the search is not fitted.
    """
    where = run_of(run, "log_search")
    results = getattr(search, "cv_results_", None)
    if results is None:
        raise Invalid(f"this {type(search).__name__} is not fitted", hint="call fit before log_search")
    found = [_add(where, results, at) for at in range(len(results["params"]))]
    if hasattr(search, "best_params_"):
        new_params(where, {"best": search.best_params_})
    if hasattr(search, "best_score_"):
        where.log(best=float(search.best_score_))
    return found


def _add(parent: ActiveRun, results: Mapping[str, Any], at: int) -> str:
    """One candidate as a run."""
    params = results["params"][at]
    each = start_below(parent, f"{parent.name}-{at}", params=params, tags={"candidate": str(at)})
    for key, column in results.items():
        kind, _, rest = key.partition("_")
        name = rest.removeprefix("test_")
        if kind.startswith("split") and kind != "split" and rest.startswith("test_"):
            each.log({name: float(column[at])}, step=int(kind.removeprefix("split")))
        elif kind in ("mean", "std"):
            each.log({f"{kind}.{name}": float(column[at])})
    each.finish()
    return each.id


def _params(estimator: Any) -> dict[str, object]:
    """Plain parameters by name; an estimator within is its name, and its own parameters stand behind its name."""
    found = estimator.get_params(deep=True)
    return {name: type(value).__name__ if hasattr(value, "get_params") else value for name, value in found.items()}


def _log_rounds(run: ActiveRun, estimator: Any) -> None:
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    for name in _CURVES:
        values = getattr(last, name, None)
        if values is None:
            continue
        for step, value in enumerate(np.asarray(values, dtype=float).ravel()):
            run.log({f"fit.{name.rstrip('_')}": float(value)}, step=step)


def _metrics(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    metrics, base = require("sklearn.metrics"), require("sklearn.base")
    if base.is_classifier(estimator):
        said = estimator.predict(X)
        found = {"accuracy": metrics.accuracy_score(y, said), "f1": metrics.f1_score(y, said, average="macro")}
        if hasattr(estimator, "predict_proba"):
            shares = estimator.predict_proba(X)
            found["log_loss"] = metrics.log_loss(y, shares, labels=estimator.classes_)
            if len(estimator.classes_) == 2:
                found["auc"] = metrics.roc_auc_score(y, shares[:, 1])
        return found
    if base.is_regressor(estimator):
        said = estimator.predict(X)
        squared = metrics.mean_squared_error(y, said)
        return {"r2": metrics.r2_score(y, said), "mae": metrics.mean_absolute_error(y, said), "rmse": squared**0.5}
    return {"score": estimator.score(X, y)}
