"""Optuna: a callback that makes every trial of a study a run of its own.

from clew.integrations.optuna import Callback

with clew.run("search"):
    study.optimize(objective, n_trials=50, callbacks=[Callback()])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clew.core.types.run import RunStatus
from clew.integrations.target import run_of, start_below
from clew.tracking.run import ActiveRun

__all__ = ["Callback"]


class Callback:
    """Logs each trial as a run below the run of the study, and the best value so far in the run of the study.

    A trial's run has the trial's parameters, its value (or one for each objective), what the objective reported on the
    way, and the tag `state` (`complete`, `pruned`, `fail`). In the run of the study, `value` and `best` have the number
    of the trial as their step. Where clew is called within the objective, give `runs=False`: the objective's own runs
    stand there already.

    Args:
        run: the run of the study; by default the one whose `with` block this is.
        names: of the objectives; by default those of the study, or `value`.
        runs: whether each trial becomes a run.
    """

    def __init__(self, run: ActiveRun | None = None, *, names: Sequence[str] = (), runs: bool = True) -> None:
        self._run, self._names, self._runs = run, list(names), runs

    def __call__(self, study: Any, trial: Any) -> None:
        """Called by Optuna after each trial."""
        run = run_of(self._run, "the callback of Optuna")
        values = dict(zip(self._named(study), trial.values or (), strict=False))
        run.log(values, step=trial.number)
        if len(study.directions) == 1 and trial.values:
            run.log(best=study.best_value, step=trial.number)
        if self._runs:
            self._add(run, study, trial, values)

    def _named(self, study: Any) -> list[str]:
        names = self._names or study.metric_names
        if names:
            return list(names)
        count = len(study.directions)
        return ["value"] if count == 1 else [f"value.{at}" for at in range(count)]

    def _add(self, run: ActiveRun, study: Any, trial: Any, values: dict[str, float]) -> None:
        state = trial.state.name.lower()
        tags = {"study": study.study_name, "trial": str(trial.number), "state": state}
        each = start_below(run, f"{run.name}-{trial.number}", params=trial.params, tags=tags)
        for step, reported in trial.intermediate_values.items():
            each.log({next(iter(self._named(study))): reported}, step=step)
        if values:
            each.log(values, step=max(trial.intermediate_values, default=-1) + 1)
        each.log(seconds=trial.duration.total_seconds() if trial.duration else 0.0)
        failed = state == "fail"
        each.finish(
            RunStatus.FAILED if failed else RunStatus.FINISHED, reason=trial.system_attrs.get("fail_reason", "")
        )
