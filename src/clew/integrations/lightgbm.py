"""LightGBM: a callback for `lightgbm.train`, `lightgbm.cv` and the scikit-learn estimators.

from clew.integrations.lightgbm import Callback

with clew.run("trees"):
    lightgbm.train(params, train, valid_sets=[valid], callbacks=[Callback()])
"""

from __future__ import annotations

from typing import Any

from clew.integrations.target import new_params, run_of
from clew.tracking.run import ActiveRun

__all__ = ["Callback"]


class Callback:
    """Logs every evaluation as `SET.METRIC`, and the parameters at the first one.

    The step is the iteration, from 0. `lightgbm.cv` gives the mean over the folds, and their standard deviation as
    `SET.METRIC.std`.

    Args:
        run: where to; by default the run whose `with` block it is called in.
        prefix: stands before the names of metrics and parameters, where a run trains several models.
        params: record the parameters too.
    """

    order = 20
    before_iteration = False

    def __init__(self, run: ActiveRun | None = None, *, prefix: str = "", params: bool = True) -> None:
        self._run, self._prefix, self._params = run, prefix, params

    def __call__(self, env: Any) -> None:
        """Called by LightGBM after each iteration."""
        run = run_of(self._run, "the callback of LightGBM")
        if self._params and env.iteration == env.begin_iteration:
            new_params(run, {str(name): value for name, value in env.params.items()}, prefix=self._prefix)
        values: dict[str, float] = {}
        for data, metric, value, _, *spread in env.evaluation_result_list or ():
            name = f"{self._prefix}{data}.{metric}"
            values[name] = value
            if spread:
                values[f"{name}.std"] = spread[0]
        if values:
            run.log(values, step=env.iteration)
