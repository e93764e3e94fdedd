"""XGBoost: a callback for `xgboost.train`, `xgboost.cv` and the scikit-learn estimators.

from clew.integrations.xgboost import Callback

with clew.run("trees"):
    xgboost.train(params, train, evals=[(valid, "valid")], callbacks=[Callback()])
"""

from __future__ import annotations

import json
from typing import Any

import xgboost

from clew.integrations.target import new_params, run_of
from clew.tracking.run import ActiveRun

__all__ = ["Callback"]


class Callback(xgboost.callback.TrainingCallback):
    """Logs every evaluation as `SET.METRIC`, and what the booster was configured with.

    The step is the iteration, from 0. `xgboost.cv` gives the mean over the folds, and their standard deviation as
    `SET.METRIC.std`. At the end `best_iteration` and `best_score` are recorded where early stopping found them.

    Args:
        run: where to; by default the run whose `with` block it is called in.
        prefix: stands before the names of metrics and parameters, where a run trains several models.
        params: record the parameters too.
    """

    def __init__(self, run: ActiveRun | None = None, *, prefix: str = "", params: bool = True) -> None:
        super().__init__()
        self._run, self._prefix, self._params = run, prefix, params

    def before_training(self, model: Any) -> Any:
        """Record what the booster was configured with."""
        run = run_of(self._run, "the callback of XGBoost")
        if self._params and isinstance(model, xgboost.Booster):
            new_params(run, _config(model), prefix=self._prefix)
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Log the newest evaluation; never stops the training."""
        values: dict[str, float] = {}
        for data, metrics in evals_log.items():
            for metric, history in metrics.items():
                name, last = f"{self._prefix}{data}.{metric}", history[-1]
                values[name] = last[0] if isinstance(last, tuple) else last
                if isinstance(last, tuple):
                    values[f"{name}.std"] = last[1]
        if values:
            run_of(self._run, "the callback of XGBoost").log(values, step=epoch)
        return False

    def after_training(self, model: Any) -> Any:
        """Say which iteration was the best, where early stopping knows."""
        attributes = model.attributes() if isinstance(model, xgboost.Booster) else {}
        best = {name: float(attributes[name]) for name in ("best_iteration", "best_score") if name in attributes}
        if best:
            run_of(self._run, "the callback of XGBoost").log({self._prefix + name: best[name] for name in best}, step=0)
        return model


def _config(model: xgboost.Booster) -> dict[str, object]:
    """The parameters of the learner, of the objective and of the trees, as the library writes them."""
    learner = json.loads(model.save_config())["learner"]
    booster = learner["gradient_booster"]
    found: dict[str, object] = {"booster": booster["name"], "objective": learner["objective"]["name"]}
    for name, value in booster.get("tree_train_param", {}).items():
        found[name] = _number(value)
    return found


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
